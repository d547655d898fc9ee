// From hashes to the numbers of what has them: an open-addressing table over things that its owner keeps, by number,
// with their hashes. Linear probing; what is taken out leaves no tombstone, so searches stay short for ever.
// Memory: need(most): 8 to 16 bytes a thing. Cost: find(), insert() and erase() O(1) on average: the table is
// at most half full. Threads: one owner. Errors: none.
// Source: Knuth, TAOCP 3, 6.4, algorithms L and R.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

#include "agent/base/arena.h"

namespace weir {

class HashIndex {
public:
    static constexpr std::uint32_t none = 0xffffffff;

    static Bytes need(std::size_t most) { return Arena::need<std::uint32_t>(size_for(most)); }
    HashIndex(Arena& arena, std::size_t most) : table_(arena.take<std::uint32_t>(size_for(most))) {}

    // The first number at this hash for which is_it(number); none when there is none. is_it also sees
    // numbers of other hashes.
    template <typename IsIt>
    std::uint32_t find(std::uint64_t hash, IsIt is_it) const {
        const std::uint32_t* const table = table_.data();
        const std::size_t last = mask();
        for (std::size_t at = static_cast<std::size_t>(hash) & last; table[at] != 0; at = (at + 1) & last)
            if (is_it(table[at] - 1)) return table[at] - 1;
        return none;
    }
    // The same step by step, for loops that look for many: from first() by next() until is_free().
    struct Places {
        const std::uint32_t* table;
        std::size_t last;
        std::size_t first(std::uint64_t hash) const { return static_cast<std::size_t>(hash) & last; }
        std::size_t next(std::size_t at) const { return (at + 1) & last; }
        bool is_free(std::size_t at) const { return table[at] == 0; }
        std::uint32_t number(std::size_t at) const { return table[at] - 1; }
    };
    Places places() const { return {table_.data(), mask()}; }
    // REQUIRES: it is not there, and there are fewer than `most`.
    void insert(std::uint64_t hash, std::uint32_t number) {
        std::size_t at = static_cast<std::size_t>(hash) & mask();
        while (table_[at] != 0) at = (at + 1) & mask();
        table_[at] = number + 1;
    }
    // hash_of(number) is what it was inserted with. REQUIRES: it is there.
    // Closes the hole by moving up what stands behind it.
    template <typename HashOf>
    void erase(std::uint32_t number, HashOf hash_of) {
        const auto home = [&](std::uint32_t of) { return static_cast<std::size_t>(hash_of(of)) & mask(); };
        std::size_t hole = home(number);
        while (table_[hole] != number + 1) hole = (hole + 1) & mask();
        for (std::size_t at = (hole + 1) & mask(); table_[at] != 0; at = (at + 1) & mask()) {
            if (((at - home(table_[at] - 1)) & mask()) < ((at - hole) & mask())) continue;
            table_[hole] = table_[at];
            hole = at;
        }
        table_[hole] = 0;
    }
    void reset() { std::fill(table_.begin(), table_.end(), 0U); }

private:
    static std::size_t size_for(std::size_t most) { return std::bit_ceil(most * 2); }
    std::size_t mask() const { return table_.size() - 1; }

    std::span<std::uint32_t> table_;  // number + 1; 0 is free
};

}  // namespace weir
