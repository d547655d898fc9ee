#include "agent/alert_shape.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace weir {
namespace {

// A kind, and 8 bytes of a number or 1 of length and the text. A number's place has room for "(other)", which stands for every type of key.
constexpr Bytes number_width = 9;
constexpr Bytes text_max = 64;
constexpr Bytes text_width = 2 + text_max;

void keep_value(const Value& value, std::byte* to, Bytes width) {
    ValueKind kind = value.kind == ValueKind::estimate ? ValueKind::real : value.kind;
    if (is_list(kind)) kind = ValueKind::null;
    to[0] = std::byte{static_cast<std::uint8_t>(kind)};
    switch (kind) {
        case ValueKind::integer: store_le(to + 1, static_cast<std::uint64_t>(value.integer)); break;
        case ValueKind::real: store_le(to + 1, std::bit_cast<std::uint64_t>(value.real)); break;
        case ValueKind::boolean: to[1] = std::byte{value.boolean}; break;
        case ValueKind::text: {
            const Bytes size = std::min<Bytes>(value.text.size(), width - 2);
            to[1] = std::byte{static_cast<std::uint8_t>(size)};
            std::memcpy(to + 2, value.text.data(), size);
            break;
        }
        default: break;
    }
}

Value read_value(const std::byte* from) {
    switch (static_cast<ValueKind>(from[0])) {
        case ValueKind::integer: return Value::of_integer(static_cast<std::int64_t>(load_le<std::uint64_t>(from + 1)));
        case ValueKind::real: return Value::of_real(std::bit_cast<double>(load_le<std::uint64_t>(from + 1)));
        case ValueKind::boolean: return Value::of_boolean(from[1] != std::byte{0});
        case ValueKind::text: return Value::of_text({reinterpret_cast<const char*>(from + 2), std::to_integer<std::size_t>(from[1])});
        default: return {};
    }
}

}  // namespace

AlertShape::AlertShape(std::span<const FieldType> fields, std::size_t keys) : keys_(keys) {
    for (std::size_t i = 0; i < fields.size(); ++i) {
        if (i >= keys && is_list(fields[i].kind)) continue;
        const Bytes width = fields[i].kind == ValueKind::text ? text_width : number_width;
        parts_.push_back({fields[i].name, width_, width});
        width_ += width;
    }
}

void AlertShape::keep(const Record& record, std::byte* to) const {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        const Part& part = parts_[i];
        const std::span<const Field> fields = i < keys_ ? record.key : record.values;
        const auto found = std::find_if(fields.begin(), fields.end(), [&](const Field& field) { return field.name == part.name; });
        keep_value(found == fields.end() ? Value() : found->value, to + part.offset, part.width);
    }
}

void AlertShape::read(const std::byte* from, std::span<Field> key, std::span<Field> values) const {
    for (std::size_t i = 0; i < parts_.size(); ++i) {
        Field& field = i < keys_ ? key[i] : values[i - keys_];
        field.name = parts_[i].name;
        field.value = read_value(from + parts_[i].offset);
    }
}

bool AlertShape::valid(const std::byte* from) const {
    return std::all_of(parts_.begin(), parts_.end(), [&](const Part& part) {
        switch (static_cast<ValueKind>(from[part.offset])) {
            case ValueKind::null:
            case ValueKind::integer:
            case ValueKind::real:
            case ValueKind::boolean: return true;
            case ValueKind::text: return std::to_integer<Bytes>(from[part.offset + 1]) <= part.width - 2;
            default: return false;
        }
    });
}

}  // namespace weir
