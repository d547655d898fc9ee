// One tumbling window: the cells (groups of open intervals) of one [[window]], and their results.
// An interval is open until the watermark that closes it has passed its end, and late_allow more. A key
// that contains the partition column closes by its partition's watermark, all others, and "(other)", by
// the source's. max_groups keys an interval have cells of their own, first come; the rest share one.
// Memory: need(window): cells x (56 + key + states), a table of 8 to 16 bytes a cell, and the pools of sketches.
// Cost: add() O(rows x states); collect() O(cells of what closes); release() the same.
// Threads: one owner. Errors: none; every row that does not count has a counter.
// Source: Akidau et al., The Dataflow Model, VLDB 2015.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "agent/base/record.h"
#include "windows/compiled_plan.h"
#include "windows/counters.h"
#include "windows/frontier.h"
#include "windows/item_hashes.h"
#include "windows/source.h"
#include "windows/watermark.h"

namespace weir {

// A record to be made: which cell of which window.
struct Due {
    std::uint32_t window = 0;
    std::uint32_t cell = 0;
};

// Where records come out, shared by the windows of an engine.
struct Emission {
    struct Gap {
        std::int64_t from = 0;
        std::int64_t to = 0;
    };
    RecordSink* sink = nullptr;
    std::uint64_t next_sequence = 1;
    std::span<Gap> gaps;
    std::size_t gap_count = 0;
    std::span<Field> fields;
    std::span<TopItem> top_items;
    std::span<std::byte> sketches;
};

// Rows [first, last) of a batch, between two closings.
struct Run {
    const Batch& batch;
    std::size_t first = 0;
    std::size_t last = 0;
    Source& source;                          // what it made of these rows
    std::span<const std::uint64_t> hashes;   // of this window's keys
    std::span<std::uint16_t> rows;           // scratch for batch_rows_max
    std::span<std::uint32_t> cells;

    const Watermarks& watermarks() const { return source.watermarks(); }
};

class Window {
public:
    static Bytes need(const CompiledWindow& plan, std::size_t partitions_max);
    // name and plan must outlive it.
    Window(Arena& arena, const CompiledWindow& plan, std::string_view name, std::uint32_t number,
           std::size_t partitions_max, std::uint64_t seed);

    // How many more intervals can be open before one has to be closed early.
    std::size_t intervals_free() const { return intervals_.size() - intervals_used_; }
    std::int64_t size() const { return plan_.size; }
    void add(const Run& run, Emission& emission);

    // Appends what has to be emitted: late additions, and what closed since the last call.
    void collect(const Watermarks& watermarks, std::span<Due> due, std::size_t& count);
    // Frees what lies beyond late_allow. After the records of collect() were emitted.
    void release(const Watermarks& watermarks);
    void emit(std::uint32_t cell, std::uint16_t flags, Emission& emission);
    // The order of records that are due together, within one window: end, key, "(other)".
    bool before(std::uint32_t a, std::uint32_t b) const;
    std::int64_t end(std::uint32_t cell) const { return cells_[cell].start + plan_.size; }
    bool has_late_additions() const { return dirty_count_ > 0; }
    bool allows_late() const { return plan_.allow > 0; }

    Frontier& frontier() { return frontier_; }
    std::uint64_t definition() const { return plan_.definition; }
    const WindowCounters& counters() const { return counters_; }
    std::size_t intervals_used() const { return intervals_used_; }
    std::size_t cells_used() const { return cells_used_; }

    static Bytes save_size_max(const CompiledWindow& plan);
    void save(ByteWriter& out) const;
    bool load(ByteReader& in, std::size_t partitions);
    void reset();

private:
    static constexpr std::uint32_t none = 0xffffffff;
    enum CellFlag : std::uint8_t { used = 1, closed = 2, dirty = 4, untrusted = 8 };
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
        std::uint32_t admitted = 0;  // keys that ever had a cell
        std::uint32_t live = 0;      // cells in use
        bool used = false;
    };
    // A value of a call, as the one row of a column.
    struct CallValue {
        Column column;
        std::int64_t integer = 0;
        double real = 0;
        std::uint8_t boolean = 0;
        std::string_view text;
    };

    bool is_plain(const Run& run) const;
    void add_plain(const Run& run, const Column* where, Emission& emission, std::size_t& pending);
    bool passes_where(const Column* where, std::size_t row);
    bool admit(const Run& run, std::size_t row, Emission& emission, std::size_t& pending);
    std::uint32_t place(const Run& run, std::size_t row, std::int64_t start, Emission& emission, std::size_t& pending);
    std::uint32_t find(const Run& run, std::size_t row, std::uint64_t hash, std::int64_t start) const;
    std::uint32_t interval_at(std::int64_t start) const;
    std::uint32_t open_interval(const Run& run, std::int64_t start, Emission& emission, std::size_t& pending);
    std::uint32_t make_cell(const Run& run, std::size_t row, std::uint32_t interval, std::uint64_t hash);
    std::uint32_t fold(const Run& run, std::size_t row, std::uint32_t interval);
    void aggregate(const Run& run, std::size_t& pending);
    void mark_late(std::uint32_t cell);
    void evict_oldest(const Run& run, Emission& emission, std::size_t& pending);
    void free_cell(std::uint32_t cell);
    void free_interval(std::uint32_t interval);
    void create_states(std::uint32_t cell, std::uint64_t seed);
    void release_states(std::uint32_t cell);
    void link(std::uint32_t cell);
    void unlink(std::uint32_t cell);
    void insert(std::uint32_t cell);
    void erase(std::uint32_t cell);
    void drop_clean_from_dirty();
    std::uint32_t other(std::uint32_t interval) const { return static_cast<std::uint32_t>(plan_.cells_max) + interval; }
    bool is_other(std::uint32_t cell) const { return cell >= plan_.cells_max; }
    std::byte* key(std::uint32_t cell) { return keys_.data() + cell * plan_.key.width(); }
    const std::byte* key(std::uint32_t cell) const { return keys_.data() + cell * plan_.key.width(); }
    std::int64_t closing_watermark(const Watermarks& watermarks, std::uint32_t cell) const;
    std::size_t fill_values(std::uint32_t cell, std::span<Field> fields, Emission& emission);
    std::size_t fill_key(std::uint32_t cell, std::span<Field> fields) const;
    void fill_call(std::size_t call, const Value& value);
    void save_cell(std::uint32_t cell, ByteWriter& out) const;
    bool load_cell(std::uint32_t cell, ByteReader& in, std::size_t partitions);

    const CompiledWindow& plan_;
    std::string_view name_;
    std::uint32_t number_;
    std::uint64_t seed_;
    std::span<Cell> cells_;             // cells_max, then one of "(other)" an interval
    std::span<std::byte> keys_;
    std::span<std::uint32_t> table_;    // cell + 1, by hash
    std::span<std::uint32_t> heads_;    // of the lists
    std::span<Interval> intervals_;
    std::span<AggregateStates*> states_;
    AggregateStates* folded_;           // an HLL an interval, of the keys in "(other)"
    std::span<Evaluator*> evaluators_;  // one a value that is an expression, else nullptr
    std::span<CallValue> call_values_;
    std::span<const Column*> call_columns_;
    std::span<Value> finished_;         // of each call, of the cell being emitted
    std::span<SketchView> sketches_;    // of each state, the same
    std::span<std::uint32_t> dirty_;
    Frontier frontier_;
    WindowCounters counters_;
    std::uint32_t free_ = none;
    std::size_t cells_used_ = 0;
    std::size_t intervals_used_ = 0;
    std::size_t dirty_count_ = 0;
    std::int64_t evicted_until_ = never_us;
    std::int64_t recent_start_ = forever_us;  // of the last row: most rows follow in the same interval
};

}  // namespace weir
