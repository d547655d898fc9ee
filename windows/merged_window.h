// What the lanes' engines left of one window, put together: groups of intervals as in a tumbling window, fed not by rows
// but by partial states. An interval closes when the merged watermark has passed its end, and is kept late_allow more:
// what comes for it then makes a revision. max_groups keys an interval have cells, first come; the others, and what the
// lanes themselves had folded, share "(other)".
// Memory: need(): cells x (64 + key + states), a table of 8 to 16 bytes a cell, and the pools of sketches.
// Cost: absorb() O(states); collect() and release() O(cells of the window). Threads: one owner.
// Errors: absorb() refuses what Results::save() cannot have written; a group without a place has a counter.
// Source: as tumbling_window.h; partial aggregates after Gray et al., Data Cube, 1997.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/arena.h"
#include "windows/compiled_plan.h"
#include "windows/counters.h"
#include "windows/hash_index.h"
#include "windows/partial.h"
#include "windows/results.h"
#include "windows/window.h"

namespace weir {

class MergedWindow {
public:
    // REQUIRES: plan.merged.
    static Bytes need(const CompiledWindow& plan);
    MergedWindow(Arena& arena, const CompiledWindow& plan, std::string_view name, std::uint64_t seed);

    // What follows head in a partial. watermark: of all lanes.
    bool absorb(const PartialHead& head, ByteReader& in, std::int64_t watermark, Emission& emission);
    // Appends to due, as `window`, what has to be emitted.
    void collect(std::int64_t watermark, std::uint32_t window, std::span<Due> due, std::size_t& count);
    void emit(std::uint32_t cell, std::uint16_t flags, Emission& emission);
    void release(std::int64_t watermark);
    bool before(std::uint32_t a, std::uint32_t b) const;
    std::int64_t end(std::uint32_t cell) const { return intervals_[cells_[cell].interval].end; }

    std::uint64_t definition() const { return plan_.definition; }
    Frontier& frontier() { return frontier_; }
    const WindowCounters& counters() const { return counters_; }
    std::size_t intervals_used() const { return intervals_used_; }
    std::size_t cells_used() const { return cells_used_; }

    static Bytes save_size_max(const CompiledWindow& plan);
    void save(ByteWriter& out) const;
    bool load(ByteReader& in);
    void reset();

private:
    static constexpr std::uint32_t none = HashIndex::none;
    enum CellState : std::uint8_t { used = 1, closed = 2, dirty = 4 };
    struct Cell {
        std::uint64_t hash = 0;        // of key and start
        std::uint32_t interval = 0;
        std::uint32_t next = none;     // of the free ones
        std::uint32_t revision = 0;    // of its next record
        std::uint16_t flags = 0;       // of its records
        std::uint8_t state = 0;
    };
    struct Interval {
        std::int64_t start = 0;
        std::int64_t end = 0;
        std::uint32_t admitted = 0;
        bool used = false;
    };
    std::uint32_t place(const PartialHead& head, ByteSpan bytes, std::uint32_t interval);
    std::uint32_t interval_of(const PartialHead& head, Emission& emission);
    std::uint32_t other_of(std::uint32_t interval);
    bool absorb_folded(std::uint32_t cell, ByteReader& in);
    void evict(std::uint32_t interval, Emission& emission);
    void free_interval(std::uint32_t interval);
    void free_cell(std::uint32_t cell);
    bool load_cell(ByteReader& in);
    std::uint32_t other(std::uint32_t interval) const { return static_cast<std::uint32_t>(limits_.cells_max) + interval; }
    bool is_other(std::uint32_t cell) const { return cell >= limits_.cells_max; }
    std::byte* key(std::uint32_t cell) { return keys_.data() + cell * plan_.key.width(); }
    const std::byte* key(std::uint32_t cell) const { return keys_.data() + cell * plan_.key.width(); }

    const CompiledWindow& plan_;
    const MergedLimits& limits_;
    const std::uint64_t seed_;
    std::span<Cell> cells_;  // cells_max, then one of "(other)" an interval
    std::span<std::byte> keys_;
    HashIndex index_;
    std::span<Interval> intervals_;
    Results* results_;
    AggregateStates* folded_;                // an HLL an interval, of the keys in "(other)"
    std::span<AggregateStates*> staged_;     // one cell each, of what is being absorbed
    AggregateStates* staged_folded_;
    Frontier frontier_;
    WindowCounters counters_;
    std::uint32_t free_ = none;
    std::size_t cells_used_ = 0;
    std::size_t intervals_used_ = 0;
    std::int64_t evicted_until_ = never_us;
};

}  // namespace weir
