// The hashes of a batch's items as sketches take them: an input's are worked out when the first sketch
// asks for them, once a batch, however many aggregates of however many windows read it.
// Memory: need(inputs): 16 KiB an input. Cost: of() O(rows) the first time in a batch, then O(1).
// Threads: one owner. Errors: none. Source: sketches/murmur3.h.
#pragma once

#include <cstdint>
#include <span>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "sketches/murmur3.h"

namespace weir {

class ItemHashes {
public:
    static Bytes need(std::size_t inputs);
    ItemHashes(Arena& arena, std::size_t inputs);

    // Another batch, of so many rows.
    void begin(std::size_t rows);
    // Of every row that is not null. The column is ints, floats or strings, the same for an index in one batch.
    std::span<const Hash128> of(std::size_t index, const Column& column);
    std::uint64_t columns_hashed() const { return columns_hashed_; }

private:
    struct Hashes {
        std::span<Hash128> rows;
        bool ready = false;
    };
    void hash_texts(const Column& column, std::span<Hash128> to) const;

    std::span<Hashes> inputs_;
    std::size_t rows_ = 0;
    std::uint64_t columns_hashed_ = 0;
};

}  // namespace weir
