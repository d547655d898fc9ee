#include "windows/key.h"

#include <cstring>

#include "agent/base/hash.h"
#include "windows/row_bits.h"

// A part is a byte that says present or null, then the value: i64, u8, or u8 length and 64 bytes.
// What is unused is zero, so that equal keys are equal bytes.

namespace weir {
namespace {

constexpr std::uint64_t null_hash = 0x9e3779b97f4a7c15ULL;
constexpr std::size_t cut_keeps = key_text_max - 17;  // "~" and 16 digits

// A bijection with good avalanche (the finaliser of MurmurHash3).
constexpr std::uint64_t mix(std::uint64_t x) {
    x ^= x >> 33;
    x *= 0xff51afd7ed558ccdULL;
    x ^= x >> 33;
    x *= 0xc4ceb9fe1a85ec53ULL;
    return x ^ (x >> 33);
}

Bytes part_width(ColumnType type) {
    switch (type) {
        case ColumnType::integer: return 1 + sizeof(std::int64_t);
        case ColumnType::boolean: return 2;
        case ColumnType::text: return 2 + key_text_max;
        case ColumnType::real: break;
    }
    WEIR_ASSERT(false);  // the plan refuses it
    return 0;
}

std::string_view stored_text(const std::byte* part) {
    return {reinterpret_cast<const char*>(part + 2), std::to_integer<std::size_t>(part[1])};
}

// What is unused is zero, so the first eight bytes tell what the texts' order is, where they differ.
int compare_texts(const std::byte* a, const std::byte* b) {
    const std::uint64_t x = __builtin_bswap64(load_le<std::uint64_t>(a + 2));
    const std::uint64_t y = __builtin_bswap64(load_le<std::uint64_t>(b + 2));
    if (x != y) return x < y ? -1 : 1;
    return stored_text(a).compare(stored_text(b));
}

}  // namespace

std::uint64_t hash_with(std::uint64_t hash, std::uint64_t cell) { return mix(hash * 31 + cell); }

void hash_with(std::span<std::uint64_t> hashes, std::span<const std::uint64_t> cells) {
    WEIR_ASSERT(hashes.size() == cells.size());
    for (std::size_t i = 0; i < hashes.size(); ++i) hashes[i] = mix(hashes[i] * 31 + cells[i]);
}

namespace {

std::uint64_t never_reserved(std::uint64_t hash) { return hash < 2 ? hash + 2 : hash; }

std::uint64_t hash_integer(std::int64_t value) { return mix(static_cast<std::uint64_t>(value) ^ 0x5765697257656972ULL); }
std::uint64_t hash_boolean(std::uint8_t value) { return mix(value + 0x1234567ULL); }

std::uint64_t hash_value(const Column& column, std::size_t row) {
    switch (column.type) {
        case ColumnType::integer: return hash_integer(column.integers[row]);
        case ColumnType::boolean: return hash_boolean(column.booleans[row]);
        case ColumnType::text: return hash_short(column.texts[row]);
        case ColumnType::real: return mix(std::bit_cast<std::uint64_t>(column.reals[row]));
    }
    return 0;
}

}  // namespace

std::uint64_t hash_cell(const Column& column, std::size_t row) {
    return column.present.test(row) ? never_reserved(hash_value(column, row)) : null_hash;
}

void hash_cells(const Column& column, std::span<std::uint64_t> out) {
    if (column.type != ColumnType::text) {
        for (std::size_t row = 0; row < out.size(); ++row) out[row] = hash_cell(column, row);
        return;
    }
    const std::string_view* const texts = column.texts;
    if (!out.empty() && is_full(column.present, 0, out.size() - 1)) {
        for (std::size_t row = 0; row < out.size(); ++row) out[row] = never_reserved(hash_short(texts[row]));
        return;
    }
    for (std::size_t row = 0; row < out.size(); ++row)
        out[row] = column.present.test(row) ? never_reserved(hash_short(texts[row])) : null_hash;
}

KeyLayout::KeyLayout(const Schema& schema, std::vector<std::size_t> columns) {
    for (std::size_t column : columns) {
        parts_.push_back({column, schema[column].type, width_});
        width_ += part_width(schema[column].type);
    }
    if (parts_.size() == 1 && parts_[0].type == ColumnType::text) only_text_ = parts_[0].column;
}

bool KeyLayout::encode_text(std::string_view text, std::byte* to) const {
    std::size_t length = text.size();
    const bool cut = length > key_text_max;
    if (cut) {
        length = cut_keeps;
        while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
    }
    if (length > 0) std::memcpy(to + 2, text.data(), length);
    if (cut) {
        const std::uint64_t hash = hash64(as_byte_span(text));
        to[2 + length++] = std::byte{'~'};
        for (int shift = 60; shift >= 0; shift -= 4)
            to[2 + length++] = static_cast<std::byte>("0123456789abcdef"[hash >> shift & 15]);
    }
    to[1] = static_cast<std::byte>(length);
    return cut;
}

bool KeyLayout::encode(const Batch& batch, std::size_t row, std::byte* to) const {
    bool cut = false;
    std::memset(to, 0, width_);
    for (const Part& part : parts_) {
        const Column& column = batch.column(part.column);
        if (!column.present.test(row)) continue;
        std::byte* const at = to + part.offset;
        at[0] = std::byte{1};
        switch (part.type) {
            case ColumnType::integer: store_le(at + 1, column.integers[row]); break;
            case ColumnType::boolean: at[1] = static_cast<std::byte>(column.booleans[row]); break;
            case ColumnType::text: cut |= encode_text(column.texts[row], at); break;
            case ColumnType::real: break;
        }
    }
    return cut;
}

bool KeyLayout::equals_all(const Batch& batch, std::size_t row, const std::byte* key) const {
    for (const Part& part : parts_) {
        const Column& column = batch.column(part.column);
        const std::byte* const at = key + part.offset;
        const bool present = column.present.test(row);
        if (present != (at[0] == std::byte{1})) return false;
        if (!present) continue;
        if (part.type == ColumnType::integer && load_le<std::int64_t>(at + 1) != column.integers[row]) return false;
        if (part.type == ColumnType::boolean && std::to_integer<std::uint8_t>(at[1]) != column.booleans[row]) return false;
        if (part.type != ColumnType::text) continue;
        const std::string_view text = column.texts[row];
        if (text.size() <= key_text_max) {
            if (!same_key_text(text, stored_text(at))) return false;
            continue;
        }
        std::byte whole[2 + key_text_max] = {};
        encode_text(text, whole);
        if (stored_text(whole) != stored_text(at)) return false;
    }
    return true;
}

std::size_t KeyLayout::same(const Batch& batch, std::span<const std::uint16_t> rows, std::span<const std::uint32_t> cells,
                            const std::byte* keys) const {
    std::size_t count = rows.size();
    for (const Part& part : parts_) {
        const Column& column = batch.column(part.column);
        const std::byte* const first = keys + part.offset;
        const auto while_equal = [&](auto equal) {
            std::size_t i = 0;
            while (i < count) {
                const std::byte* const at = first + cells[i] * width_;
                const bool present = column.present.test(rows[i]);
                if (at[0] != static_cast<std::byte>(present) || (present && !equal(rows[i], at))) break;
                ++i;
            }
            count = i;
        };
        switch (part.type) {
            case ColumnType::integer:
                while_equal([values = column.integers](std::size_t row, const std::byte* at) { return load_le<std::int64_t>(at + 1) == values[row]; });
                break;
            case ColumnType::boolean:
                while_equal([values = column.booleans](std::size_t row, const std::byte* at) { return std::to_integer<std::uint8_t>(at[1]) == values[row]; });
                break;
            case ColumnType::text:
                while_equal([values = column.texts](std::size_t row, const std::byte* at) { return same_key_text(values[row], stored_text(at)); });
                break;
            case ColumnType::real: break;
        }
    }
    return count;
}

Value KeyLayout::value(const std::byte* key, std::size_t part) const {
    const std::byte* const at = key + parts_[part].offset;
    if (at[0] != std::byte{1}) return {};
    switch (parts_[part].type) {
        case ColumnType::integer: return Value::of_integer(load_le<std::int64_t>(at + 1));
        case ColumnType::boolean: return Value::of_boolean(at[1] != std::byte{0});
        case ColumnType::text: return Value::of_text(stored_text(at));
        case ColumnType::real: break;
    }
    return {};
}

std::uint64_t KeyLayout::hash(const std::byte* key) const {
    std::uint64_t all = 0;
    for (const Part& part : parts_) {
        const std::byte* const at = key + part.offset;
        std::uint64_t cell = null_hash;
        if (at[0] == std::byte{1}) {
            if (part.type == ColumnType::integer) cell = hash_integer(load_le<std::int64_t>(at + 1));
            if (part.type == ColumnType::boolean) cell = hash_boolean(std::to_integer<std::uint8_t>(at[1]));
            if (part.type == ColumnType::text) cell = hash_short(stored_text(at));
            cell = never_reserved(cell);
        }
        all = hash_with(all, cell);
    }
    return all;
}

int KeyLayout::compare(const std::byte* a, const std::byte* b) const {
    for (const Part& part : parts_) {
        const std::byte* const x = a + part.offset;
        const std::byte* const y = b + part.offset;
        if (x[0] != y[0]) return x[0] < y[0] ? -1 : 1;
        if (part.type == ColumnType::integer) {
            const auto i = load_le<std::int64_t>(x + 1);
            const auto j = load_le<std::int64_t>(y + 1);
            if (i != j) return i < j ? -1 : 1;
        } else if (part.type == ColumnType::boolean) {
            if (x[1] != y[1]) return x[1] < y[1] ? -1 : 1;
        } else if (const int order = compare_texts(x, y); order != 0) {
            return order < 0 ? -1 : 1;
        }
    }
    return 0;
}

}  // namespace weir
