// Blocks of memory for sketches that grow, out of one span. A block belongs to a slot, a number its
// owner chose; blocks move when the span is compacted, which sketches, having no pointers, stand.
// Memory: need(params): `spare` bytes and a first block for every slot, a fifteenth of that for
// holes, 8 a block and 4 a slot; taken once.
// Cost: at() O(1); open() and grow() O(block) amortised, since a compaction moves at most 15 bytes for
// each byte that was taken since the one before; at worst O(span).
// Threads: one owner, no locks. Errors: none; grow() says no when there is no room. Whether it does
// follows from the sizes of the blocks there are, never from where they lie or what was before: with
// blocks of the same sizes opened and restored, a pool goes on as another that had grown them.
#pragma once

#include <cstdint>
#include <span>

#include "agent/base/arena.h"
#include "agent/base/assert.h"
#include "agent/base/bytes.h"

namespace weir {

class SketchPool {
public:
    struct Params {
        std::size_t slots = 0;
        Bytes first = 0;  // of every slot's first block: for these there is always room
        Bytes spare = 0;  // for larger ones, cost() each
    };
    // What a block of so many bytes takes of the pool.
    static constexpr Bytes cost(Bytes bytes) { return header_bytes + align_up(bytes, 8); }
    // All that blocks can take together.
    static Bytes limit(const Params& params) { return params.slots * cost(params.first) + params.spare; }
    static Bytes need(const Params& params);
    SketchPool(Arena& arena, const Params& params);
    SketchPool(const SketchPool&) = delete;
    SketchPool& operator=(const SketchPool&) = delete;

    bool is_open(std::size_t slot) const { return places_[slot] != 0; }
    // The block of a slot, aligned to 8; until the next open(), grow() or restore() of any slot.
    // REQUIRES: is_open(slot), as grow() and close() do.
    std::byte* at(std::size_t slot) { return memory_.data() + Bytes{places_[slot]} * 8; }
    const std::byte* at(std::size_t slot) const { return memory_.data() + Bytes{places_[slot]} * 8; }
    // at() for loops, which then need not look up where the pool itself is.
    struct Blocks {
        std::byte* memory;
        const std::uint32_t* places;
        std::byte* at(std::size_t slot) const { return memory + Bytes{places[slot]} * 8; }
    };
    Blocks blocks() { return {memory_.data(), places_.data()}; }
    Bytes size(std::size_t slot) const { return header(places_[slot]).bytes; }

    // The slot's first block, zeroed. REQUIRES: !is_open(slot).
    MutableByteSpan open(std::size_t slot);
    void close(std::size_t slot);
    // A block of so many bytes in place of the slot's own: move(from, to) fills it with the content.
    // Both stand for that moment and both count: no when they do not fit, and nothing changed.
    template <typename Move>
    bool grow(std::size_t slot, Bytes bytes, Move move) {
        if (taken() + cost(bytes) > limit_) return false;
        const std::uint32_t place = append(slot, bytes, false);
        move(at(slot), MutableByteSpan(memory_.data() + Bytes{place} * 8, bytes));
        used_ -= cost(size(slot));
        places_[slot] = place;
        return true;
    }
    // A block as large as one that was saved or copied, to be filled; empty when such blocks cannot have been.
    // REQUIRES: !is_open(slot).
    MutableByteSpan restore(std::size_t slot, Bytes bytes);
    void reset();

    // What blocks take, first ones that are not there yet included.
    Bytes taken() const { return used_ + (places_.size() - open_) * cost(first_); }
    Bytes limit() const { return limit_; }
    std::uint64_t bytes_moved() const { return bytes_moved_; }  // by compactions

private:
    struct Header {
        std::uint32_t slot = 0;
        std::uint32_t bytes = 0;
    };
    static constexpr Bytes header_bytes = 8;
    static_assert(sizeof(Header) == header_bytes);
    static Bytes span_bytes(const Params& params);

    // A place is where a block's bytes begin, in units of 8; its header stands before. A block that
    // its slot does not point to is a hole.
    const Header& header(std::uint32_t place) const {
        return *reinterpret_cast<const Header*>(memory_.data() + Bytes{place} * 8 - header_bytes);
    }
    std::uint32_t append(std::size_t slot, Bytes bytes, bool zeroed);
    void compact();

    std::span<std::uint32_t> places_;  // 0: not open
    MutableByteSpan memory_;
    Bytes first_;
    Bytes limit_;
    Bytes used_ = 0;       // cost of the blocks there are
    Bytes top_ = 0;        // blocks and holes end here
    std::size_t open_ = 0;
    std::uint64_t bytes_moved_ = 0;
};

}  // namespace weir
