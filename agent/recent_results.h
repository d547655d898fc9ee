// The last results of each window and pattern, and the last transitions of alerts, as JSON in rings of fixed size: for the page,
// which reads while the engine's thread writes. The writer never waits; a reader that was overtaken keeps what is whole.
// Memory: need(assembly), from the arena: a ring a window, pattern, and one for all alerts. Cost: add() renders one JSON
// object without sketches. Threads: add() the engine's; the rest any one other.
// Errors: a result longer than entry_bytes_max is left out and counted.
// Source: a sequence lock (Boehm, Can seqlocks get along with programming language memory models?, MSPC 2012): the words are
// atomics, the writer moves `tail` before it writes over what lies there, and the reader looks at it again afterwards.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/assembly.h"
#include "agent/base/arena.h"
#include "agent/base/record.h"

namespace weir {

class RecentResults {
public:
    static constexpr Bytes entry_bytes_max = 2048;

    static Bytes need(const Assembly& assembly);
    static Bytes ring_bytes(const Assembly& assembly);
    RecentResults(Arena& arena, const Assembly& assembly);

    void add(const Record& record);

    // Windows and patterns in the engine's order, then alerts.
    std::size_t streams() const { return rings_.size(); }
    std::size_t alerts() const { return rings_.size() - 1; }
    std::string_view name(std::size_t stream) const { return rings_[stream].name; }
    std::uint64_t newest(std::size_t stream) const { return rings_[stream].head.load(std::memory_order_acquire); }
    std::uint64_t left_out() const { return left_out_.load(std::memory_order_relaxed); }
    // What came behind `place` as far as it is still there, oldest first; moves place. Views are into scratch, which holds
    // ring_bytes(). REQUIRES: one reader at a time.
    void read(std::size_t stream, std::uint64_t& place, std::span<char> scratch, std::vector<std::string_view>& out) const;

private:
    using Word = std::atomic<std::uint32_t>;
    struct Ring {
        std::string name;
        std::span<Word> words;
        std::atomic<std::uint64_t> head{0};  // in words, from the beginning of time
        std::atomic<std::uint64_t> tail{0};

        Ring(std::string of, std::span<Word> room) : name(std::move(of)), words(room) {}
        Ring(Ring&& other) noexcept : name(std::move(other.name)), words(other.words) {}
    };
    static void push(Ring& ring, std::string_view text);

    std::vector<Ring> rings_;
    std::span<char> text_;
    std::atomic<std::uint64_t> left_out_{0};
};

}  // namespace weir
