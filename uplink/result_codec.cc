#include "uplink/result_codec.h"

#include "uplink/proto_stream.h"
#include "uplink/wire.pb.h"

namespace weir {
namespace {

void put_sketch(std::uint32_t tag, const SketchView& sketch, ProtoWriter& out) {
    if (sketch.kind == SketchKind::none && sketch.bytes.empty()) return;
    const ProtoWriter::Mark mark = out.begin(tag);
    out.number(weir_v1_Sketch_kind_tag, static_cast<std::uint64_t>(sketch.kind));
    out.number(weir_v1_Sketch_item_tag, static_cast<std::uint64_t>(sketch.item));
    out.bytes(weir_v1_Sketch_bytes_tag, sketch.bytes);
    out.end(mark);
}

void put_item(const TopItem& item, ProtoWriter& out) {
    const ProtoWriter::Mark mark = out.begin(weir_v1_Top_items_tag);
    switch (item.type) {
        case ItemType::integer: out.always_signed(weir_v1_TopItem_integer_tag, item.integer); break;
        case ItemType::real: out.always_real(weir_v1_TopItem_real_tag, item.real); break;
        case ItemType::real32: out.always_real32(weir_v1_TopItem_real32_tag, static_cast<float>(item.real)); break;
        case ItemType::text: out.always_text(weir_v1_TopItem_text_tag, item.text); break;
        case ItemType::none: break;
    }
    out.real(weir_v1_TopItem_estimate_tag, item.estimate);
    out.real(weir_v1_TopItem_lower_tag, item.lower);
    out.real(weir_v1_TopItem_upper_tag, item.upper);
    out.end(mark);
}

void put_value(const Value& value, ProtoWriter& out) {
    switch (value.kind) {
        case ValueKind::null: break;
        case ValueKind::integer: out.always_signed(weir_v1_Value_integer_tag, value.integer); break;
        case ValueKind::real: out.always_real(weir_v1_Value_real_tag, value.real); break;
        case ValueKind::boolean: out.always_number(weir_v1_Value_boolean_tag, value.boolean ? 1 : 0); break;
        case ValueKind::text: out.always_text(weir_v1_Value_text_tag, value.text); break;
        case ValueKind::estimate: {
            const ProtoWriter::Mark mark = out.begin(weir_v1_Value_estimate_tag);
            out.real(weir_v1_Estimate_estimate_tag, value.real);
            out.real(weir_v1_Estimate_lower_tag, value.lower);
            out.real(weir_v1_Estimate_upper_tag, value.upper);
            put_sketch(weir_v1_Estimate_sketch_tag, value.sketch, out);
            out.end(mark);
            break;
        }
        case ValueKind::top: {
            const ProtoWriter::Mark mark = out.begin(weir_v1_Value_top_tag);
            for (const TopItem& item : value.top) put_item(item, out);
            put_sketch(weir_v1_Top_sketch_tag, value.sketch, out);
            out.end(mark);
            break;
        }
        case ValueKind::histogram: {
            const ProtoWriter::Mark mark = out.begin(weir_v1_Value_histogram_tag);
            out.reals(weir_v1_Histogram_bounds_tag, value.bounds);
            out.numbers(weir_v1_Histogram_counts_tag, value.counts);
            out.end(mark);
            break;
        }
    }
}

void put_field(std::uint32_t tag, const Field& field, ProtoWriter& out) {
    const ProtoWriter::Mark mark = out.begin(tag);
    out.text(weir_v1_Field_name_tag, field.name);
    const ProtoWriter::Mark value = out.begin(weir_v1_Field_value_tag);
    put_value(field.value, out);
    out.end(value);
    out.end(mark);
}

void put_result(const ShippedRecord& shipped, ProtoWriter& out) {
    const Record& record = shipped.record;
    out.number(weir_v1_Result_ship_tag, shipped.ship);
    out.number(weir_v1_Result_epoch_tag, shipped.epoch);
    out.number(weir_v1_Result_sequence_tag, record.sequence);
    out.number(weir_v1_Result_kind_tag, static_cast<std::uint64_t>(record.kind));
    out.text(weir_v1_Result_window_tag, record.window);
    out.fixed64(weir_v1_Result_definition_tag, record.definition);
    out.signed_number(weir_v1_Result_start_us_tag, record.start.us());
    out.signed_number(weir_v1_Result_end_us_tag, record.end.us());
    out.number(weir_v1_Result_revision_tag, record.revision);
    out.number(weir_v1_Result_flags_tag, record.flags);
    for (const Field& field : record.key) put_field(weir_v1_Result_key_tag, field, out);
    for (const Field& field : record.values) put_field(weir_v1_Result_values_tag, field, out);
    out.number(weir_v1_Result_windows_tag, record.windows == 1 ? 0 : record.windows);
}

template <typename Enum>
Enum get_enum(ProtoReader& in, Enum greatest) {
    const std::uint64_t number = in.number();
    if (number > static_cast<std::uint64_t>(greatest)) in.fail();
    return in.ok() ? static_cast<Enum>(number) : Enum{};
}

SketchView get_sketch(ProtoReader& outer) {
    SketchView sketch;
    ProtoReader in(outer.bytes());
    while (in.next()) {
        switch (in.tag()) {
            case weir_v1_Sketch_kind_tag: sketch.kind = get_enum(in, SketchKind::tdigest); break;
            case weir_v1_Sketch_item_tag: sketch.item = get_enum(in, ItemType::real32); break;
            case weir_v1_Sketch_bytes_tag: sketch.bytes = in.bytes(); break;
            default: in.skip();
        }
    }
    if (!in.ok()) outer.fail();
    return sketch;
}

TopItem get_item(ProtoReader& outer) {
    TopItem item;
    item.type = ItemType::none;
    ProtoReader in(outer.bytes());
    while (in.next()) {
        switch (in.tag()) {
            case weir_v1_TopItem_integer_tag:
                item.type = ItemType::integer;
                item.integer = in.signed_number();
                break;
            case weir_v1_TopItem_real_tag:
                item.type = ItemType::real;
                item.real = in.real();
                break;
            case weir_v1_TopItem_real32_tag:
                item.type = ItemType::real32;
                item.real = static_cast<double>(in.real32());
                break;
            case weir_v1_TopItem_text_tag:
                item.type = ItemType::text;
                item.text = in.text();
                break;
            case weir_v1_TopItem_estimate_tag: item.estimate = in.real(); break;
            case weir_v1_TopItem_lower_tag: item.lower = in.real(); break;
            case weir_v1_TopItem_upper_tag: item.upper = in.real(); break;
            default: in.skip();
        }
    }
    if (!in.ok()) outer.fail();
    return item;
}

// Fills storage as a Result's fields come; keys have been counted before, since they lie in front.
struct Filler {
    RecordStorage& storage;
    std::size_t fields = 0;
    std::size_t top_items = 0;
    std::size_t buckets = 0;

    Value get_estimate(ProtoReader& outer) {
        Value value;
        value.kind = ValueKind::estimate;
        ProtoReader in(outer.bytes());
        while (in.next()) {
            switch (in.tag()) {
                case weir_v1_Estimate_estimate_tag: value.real = in.real(); break;
                case weir_v1_Estimate_lower_tag: value.lower = in.real(); break;
                case weir_v1_Estimate_upper_tag: value.upper = in.real(); break;
                case weir_v1_Estimate_sketch_tag: value.sketch = get_sketch(in); break;
                default: in.skip();
            }
        }
        if (!in.ok()) outer.fail();
        return value;
    }

    Value get_top(ProtoReader& outer) {
        Value value;
        value.kind = ValueKind::top;
        const std::size_t first = top_items;
        ProtoReader in(outer.bytes());
        while (in.next()) {
            switch (in.tag()) {
                case weir_v1_Top_items_tag: {
                    const TopItem item = get_item(in);
                    if (top_items == storage.top_items.size())
                        in.fail();
                    else
                        storage.top_items[top_items++] = item;
                    break;
                }
                case weir_v1_Top_sketch_tag: value.sketch = get_sketch(in); break;
                default: in.skip();
            }
        }
        if (!in.ok()) outer.fail();
        value.top = std::span<const TopItem>(storage.top_items).subspan(first, top_items - first);
        return value;
    }

    Value get_histogram(ProtoReader& outer) {
        Value value;
        value.kind = ValueKind::histogram;
        const auto bounds = std::span(storage.bounds).subspan(buckets);
        const auto counts = std::span(storage.counts).subspan(buckets);
        std::size_t bounds_used = 0, counts_used = 0;
        ProtoReader in(outer.bytes());
        const auto keep = [&in](auto& places, std::size_t& used, auto value_of) {
            if (used == places.size()) return in.fail();
            places[used++] = value_of;
        };
        while (in.next()) {
            switch (in.tag()) {
                case weir_v1_Histogram_bounds_tag: in.reals([&](double bound) { keep(bounds, bounds_used, bound); }); break;
                case weir_v1_Histogram_counts_tag: in.numbers([&](std::uint64_t count) { keep(counts, counts_used, count); }); break;
                default: in.skip();
            }
        }
        if (!in.ok() || counts_used != bounds_used + 1) {
            outer.fail();
            return value;
        }
        buckets += counts_used;
        value.bounds = bounds.first(bounds_used);
        value.counts = counts.first(counts_used);
        return value;
    }

    Value get_value(ProtoReader& outer) {
        Value value;
        ProtoReader in(outer.bytes());
        while (in.next()) {
            switch (in.tag()) {
                case weir_v1_Value_integer_tag: value = Value::of_integer(in.signed_number()); break;
                case weir_v1_Value_real_tag: value = Value::of_real(in.real()); break;
                case weir_v1_Value_boolean_tag: value = Value::of_boolean(in.number() != 0); break;
                case weir_v1_Value_text_tag: value = Value::of_text(in.text()); break;
                case weir_v1_Value_estimate_tag: value = get_estimate(in); break;
                case weir_v1_Value_top_tag: value = get_top(in); break;
                case weir_v1_Value_histogram_tag: value = get_histogram(in); break;
                default: in.skip();
            }
        }
        if (!in.ok()) outer.fail();
        return value;
    }

    void get_field(ProtoReader& outer, Field& field) {
        field = Field{};
        ProtoReader in(outer.bytes());
        while (in.next()) {
            switch (in.tag()) {
                case weir_v1_Field_name_tag: field.name = in.text(); break;
                case weir_v1_Field_value_tag: field.value = get_value(in); break;
                default: in.skip();
            }
        }
        if (!in.ok()) outer.fail();
    }
};

struct FieldCounts {
    std::size_t keys = 0;
    std::size_t values = 0;
};

Result<FieldCounts> count_fields(ByteSpan bytes) {
    FieldCounts counts;
    ProtoReader in(bytes);
    while (in.next()) {
        counts.keys += in.tag() == weir_v1_Result_key_tag;
        counts.values += in.tag() == weir_v1_Result_values_tag;
        in.skip();
    }
    if (!in.ok()) return Error::invalid;
    if (counts.keys + counts.values > record_fields_max) return Error::out_of_range;
    return counts;
}

}  // namespace

Status encode_result(const ShippedRecord& shipped, ByteWriter& out) {
    ProtoWriter proto(out);
    put_result(shipped, proto);
    return out.ok() ? Status{} : Status(Error::full);
}

Status append_result(const ShippedRecord& shipped, ByteWriter& block) {
    ProtoWriter proto(block);
    const ProtoWriter::Mark mark = proto.open();
    put_result(shipped, proto);
    proto.end(mark);
    return block.ok() ? Status{} : Status(Error::full);
}

Result<ShippedRecord> decode_result(ByteSpan bytes, RecordStorage& storage) {
    const Result<FieldCounts> counts = count_fields(bytes);
    if (!counts) return counts.error();
    ShippedRecord shipped;
    Record& record = shipped.record;
    Filler filler{storage};
    std::uint64_t kind = 0;
    std::uint32_t flags = 0;
    std::size_t keys = 0;
    std::size_t values = counts->keys;
    ProtoReader in(bytes);
    while (in.next()) {
        switch (in.tag()) {
            case weir_v1_Result_ship_tag: shipped.ship = in.number(); break;
            case weir_v1_Result_epoch_tag: shipped.epoch = in.number(); break;
            case weir_v1_Result_sequence_tag: record.sequence = in.number(); break;
            case weir_v1_Result_kind_tag: kind = in.number(); break;
            case weir_v1_Result_window_tag: record.window = in.text(); break;
            case weir_v1_Result_definition_tag: record.definition = in.fixed64(); break;
            case weir_v1_Result_start_us_tag: record.start = Timestamp::micros(in.signed_number()); break;
            case weir_v1_Result_end_us_tag: record.end = Timestamp::micros(in.signed_number()); break;
            case weir_v1_Result_revision_tag: record.revision = in.number32(); break;
            case weir_v1_Result_flags_tag: flags = in.number32(); break;
            case weir_v1_Result_key_tag: filler.get_field(in, storage.fields[keys++]); break;
            case weir_v1_Result_values_tag: filler.get_field(in, storage.fields[values++]); break;
            case weir_v1_Result_windows_tag: record.windows = in.number32(); break;
            default: in.skip();
        }
    }
    const bool sound = in.ok() && kind >= static_cast<std::uint64_t>(RecordKind::result) &&
                       kind <= static_cast<std::uint64_t>(record_kind_last) && flags <= UINT16_MAX &&
                       record.start <= record.end && record.windows > 0;
    if (!sound) return Error::invalid;
    record.kind = static_cast<RecordKind>(kind);
    record.flags = static_cast<std::uint16_t>(flags);
    record.key = std::span<const Field>(storage.fields).first(counts->keys);
    record.values = std::span<const Field>(storage.fields).subspan(counts->keys, counts->values);
    return shipped;
}

bool ResultReader::next(ByteSpan& result) {
    if (!ok_ || rest_.empty()) return false;
    pb_istream_t stream =
        pb_istream_from_buffer(reinterpret_cast<const pb_byte_t*>(rest_.data()), rest_.size());
    std::uint64_t size = 0;
    if (!pb_decode_varint(&stream, &size) || size == 0 || size > stream.bytes_left) {
        ok_ = false;
        return false;
    }
    const Bytes header = rest_.size() - stream.bytes_left;
    result = rest_.subspan(header, static_cast<Bytes>(size));
    rest_ = rest_.subspan(header + static_cast<Bytes>(size));
    return true;
}

}  // namespace weir
