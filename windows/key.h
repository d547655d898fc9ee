// The key of a group: the values of the `by` columns of a row, in a form of fixed width.
// Memory: width(types) bytes a key: 9 an int, 2 a bool, 66 a string. Cost: O(width) a key. Threads: pure functions on the caller's memory.
// Errors: none. A string longer than key_text_max is cut and ends in "~" and the hash of the whole, so
// that different keys stay different; cut() tells.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "agent/base/batch.h"
#include "agent/base/record.h"

namespace weir {

inline constexpr std::size_t key_text_max = 64;

// Keys are short and mostly equal: worth no call of memcmp.
inline bool same_key_text(std::string_view a, std::string_view b) {
    if (a.size() != b.size()) return false;
    const auto* const x = reinterpret_cast<const std::byte*>(a.data());
    const auto* const y = reinterpret_cast<const std::byte*>(b.data());
    const std::size_t size = a.size();
    if (size >= 8) {
        for (std::size_t at = 0; at + 8 < size; at += 8)
            if (load_le<std::uint64_t>(x + at) != load_le<std::uint64_t>(y + at)) return false;
        return load_le<std::uint64_t>(x + size - 8) == load_le<std::uint64_t>(y + size - 8);
    }
    if (size >= 4)
        return load_le<std::uint32_t>(x) == load_le<std::uint32_t>(y) && load_le<std::uint32_t>(x + size - 4) == load_le<std::uint32_t>(y + size - 4);
    for (std::size_t at = 0; at < size; ++at)
        if (x[at] != y[at]) return false;
    return true;
}

class KeyLayout {
public:
    KeyLayout() = default;
    // columns of schema; types integer, boolean or text.
    KeyLayout(const Schema& schema, std::vector<std::size_t> columns);

    Bytes width() const { return width_; }
    std::size_t size() const { return parts_.size(); }

    // to has width() bytes. Returns whether a string was cut.
    bool encode(const Batch& batch, std::size_t row, std::byte* to) const;
    bool equals(const Batch& batch, std::size_t row, const std::byte* key) const {
        if (only_text_ == no_column) return equals_all(batch, row, key);
        const Column& column = batch.column(only_text_);
        if (!column.present.test(row) || column.texts[row].size() > key_text_max) return equals_all(batch, row, key);
        const std::string_view stored{reinterpret_cast<const char*>(key + 2), std::to_integer<std::size_t>(key[1])};
        return key[0] == std::byte{1} && same_key_text(column.texts[row], stored);
    }
    // How many rows, from the first, have the keys of the cells beside them: cell i's stands at keys + i * width(). A row
    // whose string was cut counts as one that has not.
    std::size_t same(const Batch& batch, std::span<const std::uint16_t> rows, std::span<const std::uint32_t> cells, const std::byte* keys) const;
    // As the fields of a record; texts point into key.
    Value value(const std::byte* key, std::size_t part) const;
    // As hash_with() makes it of the row's cells; of a text that was cut another, always the same.
    std::uint64_t hash(const std::byte* key) const;
    // Null first, then by value.
    int compare(const std::byte* a, const std::byte* b) const;

private:
    struct Part {
        std::size_t column = 0;
        ColumnType type = ColumnType::text;
        Bytes offset = 0;
    };
    static constexpr std::size_t no_column = ~std::size_t{0};
    bool equals_all(const Batch& batch, std::size_t row, const std::byte* key) const;
    bool encode_text(std::string_view text, std::byte* to) const;

    std::vector<Part> parts_;
    Bytes width_ = 0;
    std::size_t only_text_ = no_column;  // the column, when the key is one string
};

// The hash of one cell of a column; null has one too. Never 0 or 1, which records use for themselves.
std::uint64_t hash_cell(const Column& column, std::size_t row);
// The same of the first out.size() rows.
void hash_cells(const Column& column, std::span<std::uint64_t> out);
// The hash of a key from those of its cells: start with 0.
std::uint64_t hash_with(std::uint64_t hash, std::uint64_t cell);
// The same for rows: hashes[i] from itself and cells[i].
void hash_with(std::span<std::uint64_t> hashes, std::span<const std::uint64_t> cells);

}  // namespace weir
