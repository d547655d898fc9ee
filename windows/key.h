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

class KeyLayout {
public:
    KeyLayout() = default;
    // columns of schema; types integer, boolean or text.
    KeyLayout(const Schema& schema, std::vector<std::size_t> columns);

    Bytes width() const { return width_; }
    std::size_t size() const { return parts_.size(); }

    // to has width() bytes. Returns whether a string was cut.
    bool encode(const Batch& batch, std::size_t row, std::byte* to) const;
    bool equals(const Batch& batch, std::size_t row, const std::byte* key) const;
    // As the fields of a record; texts point into key.
    Value value(const std::byte* key, std::size_t part) const;
    // Null first, then by value.
    int compare(const std::byte* a, const std::byte* b) const;

private:
    struct Part {
        std::size_t column = 0;
        ColumnType type = ColumnType::text;
        Bytes offset = 0;
    };
    bool encode_text(std::string_view text, std::byte* to) const;

    std::vector<Part> parts_;
    Bytes width_ = 0;
};

// The hash of one cell of a column; null has one too. Never 0 or 1, which records use for themselves.
std::uint64_t hash_cell(const Column& column, std::size_t row);
// The same of the first out.size() rows.
void hash_cells(const Column& column, std::span<std::uint64_t> out);
// The hash of a key from those of its cells: start with 0.
std::uint64_t hash_with(std::uint64_t hash, std::uint64_t cell);

}  // namespace weir
