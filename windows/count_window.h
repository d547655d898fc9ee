// Count windows: every `count` rows of a key are a window, in the order of the journal, whatever their times; with
// max_wait one that is not full closes when the watermark of its key, in steps of session_step_us, has come so far past
// the later of its first row's time and the watermark of that moment. So no row is late.
// A window starts at the least time of its rows. It ends at the whole millisecond after the greatest, and at least one after
// the end of the key's window before: key, start and end are never the same twice, in JSON either. (A key that fills more than
// a thousand windows a second therefore runs ahead.) What a row fills comes out at that row. What is not full when
// all closes is partial, unless max_wait closes it.
// max_groups keys at once have a place, and keep it after their window closed until another key needs it. When all places
// are taken by windows under way, further keys share "(other)", a window like the others; until it closes no new key gets a
// place, so that its keys stay its keys.
// After a power cut rows before what was emitted of their key do not count again, nor do rows that waited in a window
// when it was. The frontier is kept for groups of keys, by their hash (plan.frontiers_max), and the furthest of a group
// counts for all: never twice, at the cost of rows of keys that share it.
// Memory: need(window): max_groups x (64 + key + states), a table of 8 to 16 bytes a place, and the pools of sketches.
// Cost: add() O(rows x states); collect() and release() O(1) while nothing is due, else O(windows of what closes).
// Threads: one owner. Errors: none; every row that does not count has a counter.
// Source: Flink's countWindow: a global window with a purging CountTrigger.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/arena.h"
#include "windows/compiled_plan.h"
#include "windows/hash_index.h"
#include "windows/results.h"
#include "windows/window.h"

namespace weir {

class CountWindow final : public Window {
public:
    static Bytes need(const CompiledWindow& plan, std::size_t partitions_max);
    // name and plan must outlive it.
    CountWindow(Arena& arena, const CompiledWindow& plan, std::string_view name, std::uint32_t number,
                std::size_t partitions_max, std::uint64_t seed);

    void add(const Run& run, Emission& emission) override;
    bool may_evict(std::int64_t, std::int64_t) const override { return false; }
    bool may_close() const override { return true; }
    void collect(const Watermarks& watermarks, std::span<Due> due, std::size_t& count) override;
    void release(const Watermarks& watermarks) override;
    void emit(const Due& due, std::uint16_t flags, Emission& emission) override;
    bool before(const Due& a, const Due& b) const override;
    bool has_late_additions() const override { return false; }

    Frontier& frontier() override { return frontier_; }
    std::uint64_t definition() const override { return plan_.definition; }
    const WindowCounters& counters() const override { return counters_; }
    std::size_t intervals_used() const override { return open_; }
    std::size_t cells_used() const override { return open_; }

    static Bytes save_size_max(const CompiledWindow& plan);
    void save(ByteWriter& out) const override;
    bool load(ByteReader& in, std::size_t partitions) override;
    void reset() override;

private:
    static constexpr std::uint32_t none = 0xffffffff;
    // Of a key, or of "(other)", which is the last. Without rows it waits for the next of its key.
    struct Cell {
        std::int64_t first = 0;                // the least time of its rows
        std::int64_t last = 0;                 // the greatest
        std::int64_t closes_at = forever_us;   // the watermark that does
        std::int64_t ended = never_us;         // the window before this one
        std::uint64_t hash = 0;                // of the key
        std::uint32_t rows = 0;
        std::uint32_t list = 0;                // of what closes it
        std::uint32_t next = none;             // in that list, of those that wait, or of the free ones
        std::uint32_t previous = none;
        bool untrusted = false;
    };
    struct List {
        std::uint32_t head = none;
        std::uint32_t tail = none;
        std::int64_t least = forever_us;       // before this watermark nothing closes
    };
    std::int64_t end(std::uint32_t cell) const;
    bool admit(const Run& run, std::size_t row, Emission& emission, std::size_t& pending);
    std::uint32_t find(const Run& run, std::size_t row) const;
    bool is_covered(const Run& run, std::size_t row, std::uint32_t known) const;
    std::uint32_t place(const Run& run, std::size_t row);
    void begin(std::uint32_t cell, const Run& run, std::size_t row);
    void aggregate(const Run& run, std::size_t& pending);
    void fill(std::uint32_t cell, const Run& run, Emission& emission, std::size_t& pending);
    void say(std::uint32_t cell, std::uint16_t flags, Emission& emission);
    void finish(std::uint32_t cell);
    void forget(std::uint32_t cell);
    bool is_due(std::uint32_t cell, std::int64_t watermark) const {
        return cells_[cell].rows > 0 && cells_[cell].closes_at <= watermark;
    }
    void append(List& list, std::uint32_t cell);
    void remove(List& list, std::uint32_t cell);
    std::uint32_t other() const { return static_cast<std::uint32_t>(plan_.cells_max); }
    std::size_t group(std::uint64_t hash) const { return static_cast<std::size_t>(hash % (plan_.frontiers_max - 1)); }
    std::uint64_t frontier_key(std::uint32_t cell) const;
    std::byte* key(std::uint32_t cell) { return keys_.data() + cell * plan_.key.width(); }
    const std::byte* key(std::uint32_t cell) const { return keys_.data() + cell * plan_.key.width(); }
    void save_cell(std::uint32_t cell, ByteWriter& out) const;
    bool load_cell(std::uint32_t cell, ByteReader& in, std::size_t partitions);

    const CompiledWindow& plan_;
    std::uint32_t number_;
    std::uint64_t seed_;
    std::span<Cell> cells_;         // cells_max, and "(other)"
    std::span<std::byte> keys_;
    HashIndex index_;               // of cells
    std::span<List> lists_;         // one a partition, or one: of the windows under way
    std::span<std::int64_t> ends_;  // of the keys that gave up their place, for each group
    Results* results_;
    AggregateStates* folded_;       // an HLL of the keys in "(other)"
    Frontier frontier_;
    WindowCounters counters_;
    List waiting_;                  // without rows; the first has waited longest
    std::uint32_t free_ = none;
    std::size_t open_ = 0;          // with rows
};

}  // namespace weir
