// The memory of a part: one block, taken once at start, handed out front to back, never returned.
// The plan and the run use the same code: each part has need(params) and takes exactly that.
// Memory: what its owner gave it. Cost: O(1) a take. Threads: one owner, at start-up.
// Errors: take() beyond the end is an assertion: need() was wrong, which a test must find.
#pragma once

#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include "agent/base/assert.h"
#include "agent/base/bytes.h"

namespace weir {

class Arena {
public:
    static constexpr Bytes alignment = 64;  // a cache line, so that parts do not share one

    explicit Arena(MutableByteSpan memory) : memory_(memory) {
        WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory.data()) % alignment == 0);
    }
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    // What take() consumes for count objects of T; parts sum these in need().
    template <typename T>
    static constexpr Bytes need(Bytes count = 1) {
        static_assert(alignof(T) <= alignment);
        return align_up(count * sizeof(T), alignment);
    }

    // Zeroed storage for trivial types, value-initialised objects for others.
    template <typename T>
    std::span<T> take(Bytes count) {
        MutableByteSpan raw = take_bytes(need<T>(count));
        return {new (raw.data()) T[count](), count};
    }
    template <typename T, typename... Args>
    T* make(Args&&... args) {
        return new (take_bytes(need<T>()).data()) T(static_cast<Args&&>(args)...);
    }
    MutableByteSpan take_bytes(Bytes count) {
        count = align_up(count, alignment);
        WEIR_ASSERT(count <= memory_.size() - used_);
        used_ += count;
        return memory_.subspan(used_ - count, count);
    }

    Bytes used() const { return used_; }
    Bytes size() const { return memory_.size(); }

private:
    MutableByteSpan memory_;
    Bytes used_ = 0;
};

// Owns the block behind an Arena; for main() and for tests.
class ArenaBlock {
public:
    explicit ArenaBlock(Bytes size)
        : size_(align_up(size, Arena::alignment)),
          memory_(static_cast<std::byte*>(::operator new(size_ ? size_ : 1, std::align_val_t{Arena::alignment}))) {}
    ArenaBlock(const ArenaBlock&) = delete;
    ArenaBlock& operator=(const ArenaBlock&) = delete;
    ~ArenaBlock() { ::operator delete(memory_, std::align_val_t{Arena::alignment}); }

    MutableByteSpan memory() { return {memory_, size_}; }

private:
    Bytes size_;
    std::byte* memory_;
};

}  // namespace weir
