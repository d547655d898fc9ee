#include "agent/base/record.h"

#include <limits>

// Version 1, all little-endian: u8 version, u8 kind, u16 flags, text window, u64 definition,
// i64 start us, i64 end us, u32 revision, u64 sequence, u64 partition, u16 key fields, u16 value fields, fields.
// text: u32 length, bytes. field: text name, u8 value kind, then by kind
//   integer i64 | real f64 | boolean u8 | text | estimate f64 x 3, sketch | top u16 n, n items, sketch
//   histogram u16 n, n f64 bounds, n + 1 u64 counts
// sketch: u8 kind, u8 item type, u32 length, bytes.
// Version 2, of a record with a state or of several windows: behind the fields u32 windows, u32 length of the state, its bytes.
// top item: u8 type, then text | i64 | f64, then f64 estimate, lower, upper.

namespace weir {
namespace {

constexpr std::uint8_t record_version = 1;
constexpr std::uint8_t record_version_merges = 2;

std::uint8_t version_of(const Record& record) {
    return record.windows == 1 && record.state.empty() ? record_version : record_version_merges;
}

// Counts what encode() would write, by the same code.
class SizeCounter {
public:
    template <typename T>
    void write(T) {
        size_ += sizeof(T);
    }
    void bytes(ByteSpan from) { size_ += from.size(); }
    void text(std::string_view value) { size_ += sizeof(std::uint32_t) + value.size(); }
    Bytes size() const { return size_; }

private:
    Bytes size_ = 0;
};

template <typename Out>
void put_sketch(const SketchView& sketch, Out& out) {
    out.write(static_cast<std::uint8_t>(sketch.kind));
    out.write(static_cast<std::uint8_t>(sketch.item));
    out.write(static_cast<std::uint32_t>(sketch.bytes.size()));
    out.bytes(sketch.bytes);
}

template <typename Out>
void put_top_item(const TopItem& item, Out& out) {
    out.write(static_cast<std::uint8_t>(item.type));
    switch (item.type) {
        case ItemType::integer: out.write(item.integer); break;
        case ItemType::real:
        case ItemType::real32: out.write(item.real); break;
        case ItemType::none:
        case ItemType::text: out.text(item.text); break;
    }
    out.write(item.estimate);
    out.write(item.lower);
    out.write(item.upper);
}

template <typename Out>
void put_field(const Field& field, Out& out) {
    out.text(field.name);
    const Value& value = field.value;
    out.write(static_cast<std::uint8_t>(value.kind));
    switch (value.kind) {
        case ValueKind::null: break;
        case ValueKind::integer: out.write(value.integer); break;
        case ValueKind::real: out.write(value.real); break;
        case ValueKind::boolean: out.write(static_cast<std::uint8_t>(value.boolean)); break;
        case ValueKind::text: out.text(value.text); break;
        case ValueKind::estimate:
            out.write(value.real);
            out.write(value.lower);
            out.write(value.upper);
            put_sketch(value.sketch, out);
            break;
        case ValueKind::top:
            out.write(static_cast<std::uint16_t>(value.top.size()));
            for (const TopItem& item : value.top) put_top_item(item, out);
            put_sketch(value.sketch, out);
            break;
        case ValueKind::histogram:
            out.write(static_cast<std::uint16_t>(value.bounds.size()));
            for (const double bound : value.bounds) out.write(bound);
            for (const std::uint64_t count : value.counts) out.write(count);
            break;
    }
}

template <typename Out>
void put_record(const Record& record, Out& out) {
    out.write(version_of(record));
    out.write(static_cast<std::uint8_t>(record.kind));
    out.write(record.flags);
    out.text(record.window);
    out.write(record.definition);
    out.write(record.start.us());
    out.write(record.end.us());
    out.write(record.revision);
    out.write(record.sequence);
    out.write(record.partition);
    out.write(static_cast<std::uint16_t>(record.key.size()));
    out.write(static_cast<std::uint16_t>(record.values.size()));
    for (const Field& field : record.key) put_field(field, out);
    for (const Field& field : record.values) put_field(field, out);
    if (version_of(record) == record_version) return;
    out.write(record.windows);
    out.write(static_cast<std::uint32_t>(record.state.size()));
    out.bytes(record.state);
}

class Decoder {
public:
    Decoder(ByteSpan bytes, RecordStorage& storage) : in_(bytes), storage_(storage) {}

    Result<Record> run() {
        const auto version = in_.read<std::uint8_t>();
        if (version != record_version && version != record_version_merges) return in_.ok() ? Error::unsupported : Error::truncated;
        Record record;
        const auto kind = in_.read<std::uint8_t>();
        if (kind < 1 || kind > static_cast<std::uint8_t>(record_kind_last)) return failure(Error::invalid);
        record.kind = static_cast<RecordKind>(kind);
        record.flags = in_.read<std::uint16_t>();
        record.window = in_.text();
        record.definition = in_.read<std::uint64_t>();
        record.start = Timestamp::micros(in_.read<std::int64_t>());
        record.end = Timestamp::micros(in_.read<std::int64_t>());
        record.revision = in_.read<std::uint32_t>();
        record.sequence = in_.read<std::uint64_t>();
        record.partition = in_.read<std::uint64_t>();
        const std::size_t keys = in_.read<std::uint16_t>();
        const std::size_t values = in_.read<std::uint16_t>();
        if (keys + values > storage_.fields.size()) return failure(Error::invalid);
        for (std::size_t i = 0; i < keys + values; ++i)
            if (!field(storage_.fields[i])) return failure(Error::invalid);
        if (version == record_version_merges) {
            record.windows = in_.read<std::uint32_t>();
            record.state = in_.bytes(in_.read<std::uint32_t>());
            if (record.windows == 0) return failure(Error::invalid);
        }
        if (!in_.ok()) return Error::truncated;
        if (in_.remaining() != 0) return Error::invalid;
        record.key = std::span(storage_.fields).first(keys);
        record.values = std::span(storage_.fields).subspan(keys, values);
        return record;
    }

private:
    Error failure(Error error) const { return in_.ok() ? error : Error::truncated; }

    bool sketch(SketchView& view) {
        const auto kind = in_.read<std::uint8_t>();
        const auto item = in_.read<std::uint8_t>();
        if (kind > static_cast<std::uint8_t>(SketchKind::tdigest)) return false;
        if (item > static_cast<std::uint8_t>(ItemType::real32)) return false;
        view.kind = static_cast<SketchKind>(kind);
        view.item = static_cast<ItemType>(item);
        view.bytes = in_.bytes(in_.read<std::uint32_t>());
        return true;
    }

    bool top_item(TopItem& item) {
        item = TopItem{};
        const auto type = in_.read<std::uint8_t>();
        if (type > static_cast<std::uint8_t>(ItemType::real32)) return false;
        item.type = static_cast<ItemType>(type);
        switch (item.type) {
            case ItemType::integer: item.integer = in_.read<std::int64_t>(); break;
            case ItemType::real:
            case ItemType::real32: item.real = in_.read<double>(); break;
            case ItemType::none:
            case ItemType::text: item.text = in_.text(); break;
        }
        item.estimate = in_.read<double>();
        item.lower = in_.read<double>();
        item.upper = in_.read<double>();
        return in_.ok();
    }

    bool field(Field& field) {
        field = Field{};
        field.name = in_.text();
        const auto kind = in_.read<std::uint8_t>();
        if (kind > static_cast<std::uint8_t>(ValueKind::histogram)) return false;
        Value& value = field.value;
        value.kind = static_cast<ValueKind>(kind);
        switch (value.kind) {
            case ValueKind::null: break;
            case ValueKind::integer: value.integer = in_.read<std::int64_t>(); break;
            case ValueKind::real: value.real = in_.read<double>(); break;
            case ValueKind::boolean: value.boolean = in_.read<std::uint8_t>() != 0; break;
            case ValueKind::text: value.text = in_.text(); break;
            case ValueKind::estimate:
                value.real = in_.read<double>();
                value.lower = in_.read<double>();
                value.upper = in_.read<double>();
                if (!sketch(value.sketch)) return false;
                break;
            case ValueKind::top: {
                const std::size_t count = in_.read<std::uint16_t>();
                if (count > storage_.top_items.size() - top_used_) return false;
                const std::size_t first = top_used_;
                for (; top_used_ < first + count; ++top_used_)
                    if (!top_item(storage_.top_items[top_used_])) return false;
                value.top = std::span(storage_.top_items).subspan(first, count);
                if (!sketch(value.sketch)) return false;
                break;
            }
            case ValueKind::histogram: return histogram(value);
        }
        return in_.ok();
    }

    bool histogram(Value& value) {
        const std::size_t bounds = in_.read<std::uint16_t>();
        if (bounds >= storage_.counts.size() - buckets_used_) return false;
        const auto to_bounds = std::span(storage_.bounds).subspan(buckets_used_, bounds);
        const auto to_counts = std::span(storage_.counts).subspan(buckets_used_, bounds + 1);
        for (double& bound : to_bounds) bound = in_.read<double>();
        for (std::uint64_t& count : to_counts) count = in_.read<std::uint64_t>();
        buckets_used_ += to_counts.size();
        value.bounds = to_bounds;
        value.counts = to_counts;
        return in_.ok();
    }

    ByteReader in_;
    RecordStorage& storage_;
    std::size_t top_used_ = 0;
    std::size_t buckets_used_ = 0;
};

}  // namespace

std::string_view name(SketchKind kind) {
    switch (kind) {
        case SketchKind::none: return "none";
        case SketchKind::hll: return "hll";
        case SketchKind::kll: return "kll";
        case SketchKind::frequent: return "frequent";
        case SketchKind::theta: return "theta";
        case SketchKind::count_min: return "countmin";
        case SketchKind::tdigest: return "tdigest";
    }
    return "?";
}

std::string_view name(ItemType type) {
    switch (type) {
        case ItemType::none: return "none";
        case ItemType::integer: return "long";
        case ItemType::real: return "double";
        case ItemType::text: return "string";
        case ItemType::real32: return "float";
    }
    return "?";
}

Bytes encoded_size(const Record& record) {
    SizeCounter counter;
    put_record(record, counter);
    return counter.size();
}

Status encode(const Record& record, ByteWriter& out) {
    if (record.flags & record_provisional) return Error::refused;
    if (record.key.size() + record.values.size() > record_fields_max) return Error::out_of_range;
    for (const Field& field : record.values) {
        const Value& value = field.value;
        if (value.top.size() > std::numeric_limits<std::uint16_t>::max()) return Error::out_of_range;
        if (value.kind == ValueKind::histogram && (value.counts.size() > record_buckets_max || value.counts.size() != value.bounds.size() + 1))
            return Error::out_of_range;
    }
    put_record(record, out);
    return out.ok() ? Status::success() : Status(Error::full);
}

Result<Record> decode_record(ByteSpan bytes, RecordStorage& storage) { return Decoder(bytes, storage).run(); }

}  // namespace weir
