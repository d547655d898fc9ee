// One tumbling window: the cells (groups of open intervals) of one [[window]], and their results.
// An interval is open until the watermark that closes it has passed its end, and late_allow more. A key
// that contains the partition column closes by its partition's watermark, all others, and "(other)", by
// the source's. Intervals are of one size, or days or hours of a time zone. max_groups keys an interval have cells
// of their own, first come; the rest share one.
// Early results and late records: window.h. While a cell is kept for late rows that are told apart it holds them alone, its
// result having been emitted; what it held is gone.
// Memory: need(window): cells x (56 + key + states; 4 more with early results), a table of 8 to 16 bytes a cell, and the pools of sketches.
// Cost: add() O(rows x states); collect() O(cells of what closes); release() the same.
// Threads: one owner. Errors: none; every row that does not count has a counter.
// Source: Akidau et al., The Dataflow Model, VLDB 2015.
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

class TumblingWindow final : public Window {
public:
    static Bytes need(const CompiledWindow& plan, std::size_t partitions_max);
    // name and plan must outlive it.
    TumblingWindow(Arena& arena, const CompiledWindow& plan, std::string_view name, std::uint32_t number,
                   std::size_t partitions_max, std::uint64_t seed);

    void add(const Run& run, Emission& emission) override;
    bool may_evict(std::int64_t earliest, std::int64_t latest) const override;
    void collect(const Watermarks& watermarks, std::span<Due> due, std::size_t& count) override;
    void release(const Watermarks& watermarks) override;
    void emit(const Due& due, std::uint16_t flags, Emission& emission) override;
    bool before(const Due& a, const Due& b) const override { return before(a.cell, b.cell); }
    // Of a lane whose source is silent: what is open is due as it stands, and once that was emitted is gone.
    void collect_open(std::span<Due> due, std::size_t& count) const;
    void free_open();
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
    // fresh: rows since the last early result. belated: rows for a late record.
    enum CellFlag : std::uint8_t { used = 1, closed = 2, dirty = 4, untrusted = 8, fresh = 16, belated = 32 };
    struct Cell {
        std::int64_t start = 0;
        std::uint64_t hash = 0;           // of key and start
        std::uint64_t partition_hash = 0;
        std::uint32_t interval = 0;
        std::uint32_t list = 0;           // the partition, or the interval: what closes it
        std::uint32_t next = none;        // in that list, or of the free ones
        std::uint32_t previous = none;
        std::uint32_t revision = 0;       // of its next record
        std::uint8_t flags = 0;
    };
    struct Interval {
        std::int64_t start = 0;
        std::int64_t end = 0;
        std::uint32_t admitted = 0;  // keys that ever had a cell
        std::uint32_t live = 0;      // cells in use
        bool used = false;
    };
    std::int64_t end(std::uint32_t cell) const { return intervals_[cells_[cell].interval].end; }
    bool before(std::uint32_t a, std::uint32_t b) const;
    bool is_plain(const Run& run);
    void turn_to(std::int64_t at);
    void add_plain(const Run& run, const Column* where, Emission& emission, std::size_t& pending);
    bool admit(const Run& run, std::size_t row, Emission& emission, std::size_t& pending);
    std::uint32_t place(const Run& run, std::size_t row, std::int64_t start, Emission& emission, std::size_t& pending);
    std::size_t select(const Run& run, const Column* where);
    std::size_t find_by_hash(const Run& run, std::span<const std::uint16_t> rows, std::int64_t start, std::span<std::uint32_t> to) const;
    std::uint32_t place_new(const Run& run, std::size_t row, std::int64_t start, std::uint64_t hash, Emission& emission, std::size_t& pending);
    std::uint32_t find(const Run& run, std::size_t row, std::uint64_t hash, std::int64_t start) const;
    std::uint32_t interval_at(std::int64_t start) const;
    std::uint32_t open_interval(const Run& run, std::int64_t start, Emission& emission, std::size_t& pending);
    std::uint32_t make_cell(const Run& run, std::size_t row, std::uint32_t interval, std::uint64_t hash);
    std::uint32_t fold(const Run& run, std::size_t row, std::uint32_t interval);
    void aggregate(const Run& run, std::size_t& pending);
    void mark_late(std::uint32_t cell);
    void begin_early(const Watermarks& watermarks, std::uint32_t cell);
    void collect_cell(std::uint32_t cell, std::int64_t watermark, std::span<Due> due, std::size_t& count);
    void say(const Due& due, std::uint16_t flags, Emission& emission);
    void begin_late(std::uint32_t cell);
    void evict_oldest(const Run& run, Emission& emission, std::size_t& pending);
    void free_cell(std::uint32_t cell);
    void free_interval(std::uint32_t interval);
    void leave(std::uint32_t cell, std::uint16_t flags, Emission& emission);
    void create_states(std::uint32_t cell, std::uint64_t seed);
    void release_states(std::uint32_t cell);
    void link(std::uint32_t cell);
    void unlink(std::uint32_t cell);
    void drop_clean_from_dirty();
    std::uint32_t other(std::uint32_t interval) const { return static_cast<std::uint32_t>(plan_.cells_max) + interval; }
    bool is_other(std::uint32_t cell) const { return cell >= plan_.cells_max; }
    std::byte* key(std::uint32_t cell) { return keys_.data() + cell * plan_.key.width(); }
    const std::byte* key(std::uint32_t cell) const { return keys_.data() + cell * plan_.key.width(); }
    std::int64_t closing_watermark(const Watermarks& watermarks, std::uint32_t cell) const;
    void save_cell(std::uint32_t cell, ByteWriter& out) const;
    bool load_cell(std::uint32_t cell, ByteReader& in, std::size_t partitions);

    const CompiledWindow& plan_;
    std::uint32_t number_;
    std::uint64_t seed_;
    std::span<Cell> cells_;             // cells_max, then one of "(other)" an interval
    std::span<std::byte> keys_;
    HashIndex index_;  // of cells
    std::span<std::uint32_t> heads_;    // of the lists
    std::span<std::uint32_t> early_;    // how many early results of a cell were due; empty without them
    std::span<Interval> intervals_;
    Results* results_;
    AggregateStates* folded_;           // an HLL an interval, of the keys in "(other)"
    std::span<std::uint32_t> dirty_;
    Frontier frontier_;
    WindowCounters counters_;
    std::uint32_t free_ = none;
    std::size_t cells_used_ = 0;
    std::size_t intervals_used_ = 0;
    std::size_t dirty_count_ = 0;
    std::int64_t evicted_until_ = never_us;
    std::int64_t recent_start_ = forever_us;  // the interval of the last row: most rows follow in the same
    std::int64_t recent_end_ = forever_us;
};

}  // namespace weir
