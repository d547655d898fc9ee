// Hopping windows: of one size, beginning every `every`, so that a row counts in size / every of them.
// A key has panes of `every` length where it has rows, and a window's result is the merge of its panes, by two stacks in
// place: the older panes ("turned") each hold the merge of themselves and all turned ones behind them; the younger ones
// are as rows made them, and one state beside them, the back, holds their merge. A window is the first turned pane and the back. When
// the turned panes have gone the others are turned; when that happens differs from key to key, so that a close never turns all.
// A late row goes into its pane and every merge that holds it; results of windows that may still be revised are kept.
// max_groups keys have a place, first come, as long as they have panes or results; the rest share "(other)". A key that gets a place while
// keys of open windows are folded says partial in the windows that may hold rows of it there.
// Memory: need(window): (max_groups x panes + intervals) x (48 + states), (max_groups + 1) x (112 + key + states), and with
// late rows to be revised late_allow / every states a key more; the pools of sketches.
// Cost: add() O(rows x states), a row behind the watermark panes x states; a close three merges and a copy a key and state on
// average, however many panes a window has; collect() and release() O(keys). Silence costs nothing.
// Threads: one owner. Errors: none; every row that does not count has a counter.
// Source: Akidau et al., The Dataflow Model, VLDB 2015 (half-open and aligned to the epoch, as in Beam and Flink);
// two stacks: Tangwongsan, Hirzel, Schneider, Low-Latency Sliding-Window Aggregation in Worst-Case Constant Time, DEBS 2017.
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

class HoppingWindow final : public Window {
public:
    static Bytes need(const CompiledWindow& plan, std::size_t partitions_max);
    // name and plan must outlive it.
    HoppingWindow(Arena& arena, const CompiledWindow& plan, std::string_view name, std::uint32_t number,
                  std::size_t partitions_max, std::uint64_t seed);

    void add(const Run& run, Emission& emission) override;
    bool may_evict(std::int64_t earliest, std::int64_t latest) const override;
    void collect(const Watermarks& watermarks, std::span<Due> due, std::size_t& count) override;
    void release(const Watermarks& watermarks) override;
    void emit(const Due& due, std::uint16_t flags, Emission& emission) override;
    bool is_due_again(Due& due) const override;
    bool before(const Due& a, const Due& b) const override { return before(a.cell, b.cell); }
    bool has_late_additions() const override { return dirty_count_ > 0; }

    Frontier& frontier() override { return frontier_; }
    std::uint64_t definition() const override { return plan_.definition; }
    const WindowCounters& counters() const override { return counters_; }
    std::size_t intervals_used() const override { return intervals_used_; }
    std::size_t cells_used() const override { return cells_used_; }

    static Bytes save_size_max(const CompiledWindow& plan);
    void save(ByteWriter& out) const override;
    bool load(ByteReader& in, std::size_t partitions) override;
    void reset() override;

private:
    static constexpr std::uint32_t none = 0xffffffff;
    // turned: the merge of it and the turned panes behind it. merged: the back holds it. dirty: a result to be said again.
    enum CellFlag : std::uint8_t { used = 1, turned = 2, merged = 4, dirty = 8, untrusted = 16 };
    // Cells are numbered: panes; panes of "(other)", one an interval; backs, one a slot; results.
    struct Cell {
        std::int64_t start = 0;        // of a result: of its window
        std::uint32_t slot = 0;
        std::uint32_t interval = 0;    // of a pane
        std::uint32_t next = none;     // pane of the slot, by time; or of the free ones
        std::uint32_t previous = none;
        std::uint32_t revision = 0;    // of its next record
        std::uint8_t flags = 0;
    };
    enum SlotFlag : std::uint8_t { taken = 1, listed_dirty = 2 };
    // A key, or "(other)", which is the last slot.
    struct Slot {
        std::uint64_t hash = 0;
        std::int64_t recent_start = forever_us;  // of the pane that the last row went to
        std::uint32_t recent = none;
        std::uint32_t list = 0;                  // the partition: what closes it
        std::uint32_t next = none;               // in that list, or of the free ones
        std::uint32_t previous = none;
        std::uint64_t partition_hash = 0;
        std::int64_t next_end = forever_us;      // of the next window that holds a pane of it
        std::int64_t again = forever_us;         // while records are made: the end it is due for once more
        std::int64_t watermark = never_us;       // when they were collected
        std::int64_t own_from = never_us;        // windows that begin before it may lack rows of the key
        std::uint32_t first = none;              // panes, by time
        std::uint32_t last = none;
        std::uint32_t turned_last = none;
        std::uint32_t merged_last = none;
        std::uint32_t results = 0;
        std::uint32_t dirty_results = 0;
        std::uint8_t flags = 0;
        bool disorder = false;                   // a pane came in before one that is merged
    };
    struct Interval {
        std::int64_t start = 0;
        std::uint32_t live = 0;  // panes
        bool used = false;
    };
    // Where a row belongs, and up to which end windows are closed for it.
    struct Place {
        std::uint32_t slot = none;
        std::uint32_t interval = none;  // none: no window of the row is open
        std::int64_t start = 0;         // of the pane
        std::int64_t watermark = 0;
    };

    // hopping_window.cc: rows into panes
    bool is_plain(const Run& run);
    void turn_to(std::int64_t at);
    void add_plain(const Run& run, const Column* where, Emission& emission, std::size_t& pending);
    void add_one(const Run& run, std::size_t row, Emission& emission, std::size_t& pending);
    void add_stretches(const Run& run, const Column* where, Emission& emission, std::size_t& pending);
    std::size_t find_by_hash(const Run& run, std::span<const std::uint16_t> rows, std::span<std::uint32_t> to) const;
    void aggregate(const Run& run, std::size_t& pending);
    bool admit(const Run& run, std::size_t row, Emission& emission, std::size_t& pending);
    bool is_late(std::uint64_t partition, std::int64_t watermark);
    bool put(const Run& run, std::size_t row, std::int64_t watermark, Emission& emission, std::size_t& pending);
    bool put_at(const Run& run, std::size_t row, const Place& place, std::size_t& pending);
    void put_late(const Run& run, std::size_t row, const Place& place, std::uint32_t pane, std::size_t& pending);
    void put_in(const Run& run, std::size_t row, std::uint32_t cell, std::size_t& pending);
    bool fold(const Run& run, std::size_t row, Place place, std::size_t& pending);
    std::uint32_t find_slot(const Run& run, std::size_t row) const;
    std::uint32_t take_slot(const Run& run, std::size_t row, std::int64_t start);
    std::uint32_t open_interval(const Run& run, std::int64_t start, Emission& emission, std::size_t& pending);
    std::uint32_t oldest_interval() const;
    void free_interval(std::uint32_t interval);
    // Windows that end here or before have closed; for good, when they are not revised either.
    std::int64_t closed_until(std::int64_t watermark) const { return watermark > evicted_until_ ? watermark : evicted_until_; }
    std::int64_t closed_until_for_good(std::int64_t watermark) const { return closed_until(watermark - plan_.allow); }

    // hopping_panes.cc: the two stacks of a slot
    std::uint32_t find_pane(std::uint32_t slot, std::int64_t start, std::uint32_t& before) const;
    std::uint32_t make_pane(std::uint32_t slot, std::int64_t start, std::uint32_t interval, std::uint32_t before);
    bool is_among_turned(std::uint32_t slot, std::int64_t start) const;
    void free_pane(std::uint32_t cell);
    void drop_before(std::uint32_t slot, std::int64_t start);
    void merge_until(std::uint32_t slot, std::int64_t end);
    void turn(std::uint32_t slot);
    void release_back(std::uint32_t slot);
    std::uint32_t window_cell(std::uint32_t slot, std::int64_t end, bool keep);
    std::uint32_t result_number(std::uint32_t slot, std::int64_t end) const;
    std::uint32_t result_at(std::uint32_t slot, std::int64_t end) const;
    std::uint32_t make_result(std::uint32_t slot, std::int64_t end);
    void free_result(std::uint32_t cell);
    std::uint64_t states_seed(std::uint32_t cell, std::int64_t start) const;
    void create_states(std::uint32_t cell, std::int64_t start);
    void merge_states(std::uint32_t to, std::uint32_t from);
    void copy_states(std::uint32_t to, std::uint32_t from);
    void release_states(std::uint32_t cell);

    // hopping_close.cc: what is due, and what it says
    std::int64_t closing_watermark(const Watermarks& watermarks, std::uint32_t slot) const;
    std::int64_t due_end(std::uint32_t slot, std::int64_t after, std::int64_t until) const;
    void speak(std::uint32_t slot, std::int64_t end, std::uint16_t flags, Emission& emission);
    void close(std::uint32_t slot, std::int64_t end, std::uint16_t flags, Emission& emission);
    void say(std::uint32_t slot, std::uint32_t cell, std::int64_t end, std::uint16_t flags, Emission& emission);
    void mark_late(std::uint32_t result);
    void evict_oldest(const Run& run, Emission& emission, std::size_t& pending);
    void release_slot(std::uint32_t slot, std::int64_t watermark);
    void drop_clean_from_dirty();
    bool before(std::uint32_t a, std::uint32_t b) const;

    // hopping_state.cc: memory and saving
    void free_slot(std::uint32_t slot);
    void link(std::uint32_t slot);
    void unlink(std::uint32_t slot);
    void save_slot(std::uint32_t slot, ByteWriter& out) const;
    bool load_slot(std::uint32_t slot, ByteReader& in, std::size_t partitions);
    bool is_sound(const Slot& slot) const;
    bool load_pane(std::uint32_t slot, ByteReader& in);
    bool load_result(std::uint32_t slot, ByteReader& in);
    bool load_states(std::uint32_t cell, ByteReader& in);
    void save_states(std::uint32_t cell, ByteWriter& out) const;

    std::uint32_t other() const { return static_cast<std::uint32_t>(plan_.groups_max); }
    bool is_other(std::uint32_t slot) const { return slot == other(); }
    bool is_empty(const Slot& slot) const { return slot.first == none && slot.results == 0; }
    std::uint32_t other_pane(std::uint32_t interval) const { return static_cast<std::uint32_t>(plan_.cells_max) + interval; }
    std::uint32_t back(std::uint32_t slot) const { return backs_at_ + slot; }
    bool has_back(std::uint32_t slot) const { return (cells_[back(slot)].flags & used) != 0; }
    std::uint32_t folded_at(std::uint32_t cell) const;
    std::byte* key(std::uint32_t slot) { return keys_.data() + slot * plan_.key.width(); }
    const std::byte* key(std::uint32_t slot) const { return keys_.data() + slot * plan_.key.width(); }

    const CompiledWindow& plan_;
    std::uint32_t number_;
    std::uint64_t seed_;
    std::uint32_t backs_at_;
    std::uint32_t results_at_;
    std::span<Cell> cells_;
    std::span<Slot> slots_;
    std::span<std::byte> keys_;          // of slots
    HashIndex index_;                    // of slots, by key
    std::span<std::uint32_t> heads_;     // of the lists
    std::span<Interval> intervals_;
    Results* results_;
    AggregateStates* folded_;            // HLLs of the keys in "(other)", one a cell of it
    std::span<std::uint32_t> dirty_;     // slots
    std::span<std::uint32_t> order_;     // slots, while intervals are evicted
    Frontier frontier_;
    WindowCounters counters_;
    std::uint32_t free_ = none;
    std::uint32_t free_slot_ = none;
    std::size_t cells_used_ = 0;
    std::size_t intervals_used_ = 0;
    std::size_t dirty_count_ = 0;
    std::int64_t evicted_until_ = never_us;
    std::int64_t folded_until_ = never_us;     // the last pane in which a key was folded
    std::int64_t recent_start_ = forever_us;   // the pane of the last row: most rows follow in the same
    std::uint32_t recent_interval_ = none;
};

}  // namespace weir
