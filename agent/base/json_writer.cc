#include "agent/base/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

namespace weir {
namespace {

// The length of the UTF-8 sequence at the front of s, 0 if it is not one (RFC 3629, table in section 4).
std::size_t utf8_length(std::string_view s) {
    const auto byte = [&](std::size_t i) { return i < s.size() ? static_cast<unsigned char>(s[i]) : 0u; };
    const auto tail = [&](std::size_t i, unsigned low = 0x80, unsigned high = 0xBF) {
        return byte(i) >= low && byte(i) <= high;
    };
    const unsigned lead = byte(0);
    if (lead < 0x80) return 1;
    if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
    if (lead >= 0xE0 && lead <= 0xEF) {
        const unsigned low = lead == 0xE0 ? 0xA0 : 0x80;
        const unsigned high = lead == 0xED ? 0x9F : 0xBF;
        return tail(1, low, high) && tail(2) ? 3 : 0;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        const unsigned low = lead == 0xF0 ? 0x90 : 0x80;
        const unsigned high = lead == 0xF4 ? 0x8F : 0xBF;
        return tail(1, low, high) && tail(2) && tail(3) ? 4 : 0;
    }
    return 0;
}

void write_sketch(JsonWriter& out, const SketchView& sketch) {
    if (sketch.kind == SketchKind::none) return;
    out.key("sketch");
    out.base64(sketch.bytes);
    out.key("kind");
    out.text(name(sketch.kind));
    out.key("type");
    out.text(name(sketch.item));
}

void write_top_item(JsonWriter& out, const TopItem& item) {
    out.begin_object();
    out.key("item");
    switch (item.type) {
        case ItemType::integer: out.integer(item.integer); break;
        case ItemType::real:
        case ItemType::real32: out.real(item.real); break;
        case ItemType::none:
        case ItemType::text: out.text(item.text); break;
    }
    out.key("estimate");
    out.real(item.estimate);
    out.key("lower");
    out.real(item.lower);
    out.key("upper");
    out.real(item.upper);
    out.end_object();
}

void write_histogram(JsonWriter& out, const Value& value) {
    out.begin_object();
    out.key("bounds");
    out.begin_array();
    for (const double bound : value.bounds) out.real(bound);
    out.end_array();
    out.key("counts");
    out.begin_array();
    for (const std::uint64_t count : value.counts) out.natural(count);
    out.end_array();
    out.end_object();
}

void write_fields(JsonWriter& out, std::span<const Field> fields, bool sketches) {
    out.begin_object();
    for (const Field& field : fields) {
        out.key(field.name);
        write_value(out, field.value, sketches);
    }
    out.end_object();
}

// What may stand in a string as it is.
constexpr std::array<bool, 256> plain = [] {
    std::array<bool, 256> table{};
    for (std::size_t c = 0x20; c < 0x80; ++c) table[c] = c != '"' && c != '\\';
    return table;
}();

constexpr std::uint32_t short_scale = 10000;
constexpr double short_least = 0.001;  // below it an exponent may be shorter
constexpr double short_end = 100000;   // from here on, too

// A decimal of at most four digits behind the point, whose shortest form that is: what most measured values are. The end of
// what was written; nullptr for any other number. Two decimals of up to 15 digits are never the same double.
// to has 12 places.
char* put_short_real(char* to, double value) {
    const bool negative = value < 0;
    const double magnitude = negative ? -value : value;
    if (!(magnitude >= short_least && magnitude < short_end)) return nullptr;
    auto scaled = static_cast<std::uint32_t>(magnitude * short_scale + 0.5);
    if (static_cast<double>(scaled) / short_scale != magnitude) return nullptr;
    if (negative) *to++ = '-';
    to = std::to_chars(to, to + 6, scaled / short_scale).ptr;
    scaled %= short_scale;
    if (scaled == 0) return to;
    *to++ = '.';
    for (std::uint32_t place = short_scale / 10; scaled > 0; scaled %= place, place /= 10) *to++ = static_cast<char>('0' + scaled / place);
    return to;
}

}  // namespace

void JsonWriter::put(char c) {
    if (!ok_ || used_ == buffer_.size()) {
        ok_ = false;
        return;
    }
    buffer_[used_++] = c;
}

void JsonWriter::put(std::string_view s) {
    if (!ok_ || s.size() > buffer_.size() - used_) {
        ok_ = false;
        return;
    }
    std::memcpy(buffer_.data() + used_, s.data(), s.size());
    used_ += s.size();
}

void JsonWriter::separate() {
    if (comma_) put(',');
    comma_ = true;
}

void JsonWriter::open(char bracket) {
    separate();
    put(bracket);
    comma_ = false;
}

void JsonWriter::close(char bracket) {
    put(bracket);
    comma_ = true;
}

void JsonWriter::key(std::string_view name) {
    separate();
    put_string(name);
    put(':');
    comma_ = false;
}

void JsonWriter::null() { raw("null"); }
void JsonWriter::boolean(bool value) { raw(value ? "true" : "false"); }

void JsonWriter::integer(std::int64_t value) {
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.begin(), digits.end(), value).ptr;
    raw({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

void JsonWriter::natural(std::uint64_t value) {
    std::array<char, 24> digits;
    const auto end = std::to_chars(digits.begin(), digits.end(), value).ptr;
    raw({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

void JsonWriter::real(double value) {
    if (!std::isfinite(value)) return null();
    if (value == 0) value = 0;  // -0 reads as a surprise
    std::array<char, 32> digits;
    const char* end = put_short_real(digits.data(), value);
    if (end == nullptr) end = std::to_chars(digits.begin(), digits.end(), value).ptr;
    raw({digits.data(), static_cast<std::size_t>(end - digits.data())});
}

void JsonWriter::raw(std::string_view json) {
    separate();
    put(json);
}

void JsonWriter::text(std::string_view value) {
    separate();
    put_string(value);
}

void JsonWriter::put_string(std::string_view value) {
    static constexpr char hex[] = "0123456789abcdef";
    if (ok_ && value.size() + 2 <= buffer_.size() - used_) {  // as it nearly always is: nothing to escape, and room for it
        char* to = buffer_.data() + used_;
        *to++ = '"';
        const char* from = value.data();
        const char* const end = from + value.size();
        while (from != end && plain[static_cast<unsigned char>(*from)]) *to++ = *from++;
        if (from == end) {
            *to = '"';
            used_ += value.size() + 2;
            return;
        }
    }
    put('"');
    while (!value.empty()) {
        const std::size_t length = utf8_length(value);
        const char c = value.front();
        if (length == 0) {
            put("\xEF\xBF\xBD");
            value.remove_prefix(1);
            continue;
        }
        if (length > 1) {
            put(value.substr(0, length));
        } else if (c == '"' || c == '\\') {
            put('\\');
            put(c);
        } else if (c == '\n') {
            put("\\n");
        } else if (c == '\t') {
            put("\\t");
        } else if (c == '\r') {
            put("\\r");
        } else if (static_cast<unsigned char>(c) < 0x20) {
            put("\\u00");
            put(hex[c >> 4]);
            put(hex[c & 15]);
        } else {
            put(c);
        }
        value.remove_prefix(length);
    }
    put('"');
}

void JsonWriter::base64(ByteSpan value) {
    static constexpr char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    separate();
    put('"');
    for (Bytes at = 0; at < value.size(); at += 3) {
        const Bytes count = value.size() - at < 3 ? value.size() - at : 3;
        std::uint32_t bits = 0;
        for (Bytes i = 0; i < 3; ++i) bits = bits << 8 | (i < count ? static_cast<std::uint32_t>(value[at + i]) : 0);
        char quad[4];
        for (Bytes i = 0; i < 4; ++i) quad[i] = i <= count ? alphabet[bits >> (18 - 6 * i) & 63] : '=';
        put(std::string_view(quad, 4));
    }
    put('"');
}

void write_value(JsonWriter& out, const Value& value, bool sketches) {
    switch (value.kind) {
        case ValueKind::null: out.null(); break;
        case ValueKind::integer: out.integer(value.integer); break;
        case ValueKind::real: out.real(value.real); break;
        case ValueKind::boolean: out.boolean(value.boolean); break;
        case ValueKind::text: out.text(value.text); break;
        case ValueKind::estimate:
            out.begin_object();
            out.key("estimate");
            out.real(value.real);
            out.key("lower");
            out.real(value.lower);
            out.key("upper");
            out.real(value.upper);
            if (sketches) write_sketch(out, value.sketch);
            out.end_object();
            break;
        case ValueKind::top:
            out.begin_object();
            out.key("items");
            out.begin_array();
            for (const TopItem& item : value.top) write_top_item(out, item);
            out.end_array();
            if (sketches) write_sketch(out, value.sketch);
            out.end_object();
            break;
        case ValueKind::histogram: write_histogram(out, value); break;
    }
}

void write_record(JsonWriter& out, const Record& record, const RecordJsonOptions& options) {
    out.begin_object();
    if (options.identity) {
        out.key("agent");
        out.text(options.agent);
    }
    out.key(record.kind == RecordKind::alert ? "alert" : "window");
    out.text(record.window);
    if (options.identity) {
        char digits[17];
        for (int i = 0; i < 16; ++i) digits[i] = "0123456789abcdef"[record.definition >> (60 - 4 * i) & 15];
        out.key("definition");
        out.text({digits, 16});
    }
    if (record.kind == RecordKind::retraction || record.kind == RecordKind::late) {
        out.key(record.kind == RecordKind::late ? "late" : "retracted");
        out.boolean(true);
    }
    out.key("start");
    out.integer(record.start.ms());
    out.key("end");
    out.integer(record.end.ms());
    if (record.windows != 1) {
        out.key("windows");
        out.natural(record.windows);
    }
    out.key("revision");
    out.natural(record.revision);
    out.key("key");
    write_fields(out, record.key, false);
    out.key("values");
    write_fields(out, record.values, options.sketches);
    constexpr std::pair<RecordFlag, std::string_view> flags[] = {{record_partial, "partial"},
                                                                 {record_other, "other"},
                                                                 {record_provisional, "provisional"},
                                                                 {record_clock_untrusted, "clock_untrusted"}};
    for (const auto& [flag, flag_name] : flags)
        if (record.flags & flag) {
            out.key(flag_name);
            out.boolean(true);
        }
    if (record.flags & record_sampled) {
        out.key("sampled");
        out.real(sampled_share(record.flags));
    }
    if (record.flags & record_provisional) {
        out.key("early");
        out.natural(record.early);
    }
    out.end_object();
}

}  // namespace weir
