// Patterns over the rows of a key, in the order of event time: a bounded subset of MATCH_RECOGNIZE.
// Rows wait until the watermark of their partition (of the source, where the key does not contain it) has passed
// them, and are then taken by time, ties in journal order. A key has runs: the ways in which its rows so far may
// be mapped, each with what measures and conditions need of them, no rows. Of the matches that begin at a row the
// preferred one counts: alternatives from left to right, repetitions as often as possible, or as seldom. It is
// emitted when nothing better can come any more: at a row, or when `within` has passed for the watermark.
// Memory: need(): max_pending x (48 + row), max_groups x (88 + key + max_runs x (48 + run)), twice that a key.
// Cost: add() O(rows that are out of order); advance() O(rows x runs of the key x edges of a state).
// Accuracy: exact, but that runs beyond max_runs a key are given up, the latest starts and least preferred first;
// sums as in aggregate.h, of ints null beyond 64 bits. Threads: one owner.
// Errors: none; every row that is not taken in, and every run given up, is counted by reason.
// Source: ISO/IEC 19075-5; Flink's MATCH_RECOGNIZE; Cox, Regular Expression Matching: the Virtual Machine
// Approach (2009), for runs in order of preference.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "windows/counters.h"
#include "windows/frontier.h"
#include "windows/hash_index.h"
#include "windows/pattern_plan.h"
#include "windows/window.h"

namespace weir {

// Rows [first, last) of a batch, judged by the watermarks as they are.
struct PatternRows {
    const Batch& batch;
    std::size_t first = 0;
    std::size_t last = 0;
    const Watermarks& watermarks;
    std::span<const std::uint32_t> partitions;  // a row's
    const RowBits& quarantined;
    std::span<const std::uint64_t> hashes;      // of the pattern's keys
    std::span<const Column* const> inputs;      // evaluated
};

class Pattern {
public:
    static Bytes need(const CompiledPattern& plan, std::size_t partitions_max);
    // name and plan must outlive it. definition: a hash, for the records.
    Pattern(Arena& arena, const CompiledPattern& plan, std::string_view name, std::uint64_t definition,
            std::size_t source, std::size_t partitions_max);

    // Rows in journal order.
    void add(const PatternRows& rows);
    // Takes the rows that the partition's watermark has passed (any partition, where the source's counts), and ends
    // what is over.
    void advance(const Watermarks& watermarks, std::uint32_t partition, Emission& emission);
    // After Watermarks::finish(): the same for all, and every run is over.
    void finish(const Watermarks& watermarks, Emission& emission);

    bool by_partition() const { return plan_.by_partition; }
    Frontier& frontier() { return frontier_; }
    std::uint64_t definition() const { return definition_; }
    std::size_t groups() const { return groups_used_; }
    std::size_t pending() const { return pending_used_; }
    const Counters<pattern_counters>& counters() const { return counters_; }

    static Bytes save_size_max(const CompiledPattern& plan);
    void save(ByteWriter& out) const;
    bool load(ByteReader& in, std::size_t partitions);
    void reset();

private:
    static constexpr std::uint32_t none = 0xffffffff;
    struct Group {
        std::uint64_t hash = 0;
        std::uint64_t partition_hash = 0;
        std::uint64_t rows = 0;           // taken so far: the number of the next
        std::uint32_t lane = 0;
        std::uint32_t next = none;        // in the lane, or of the free ones
        std::uint32_t previous = none;
        std::uint32_t pending = 0;
        std::uint32_t runs = 0;
        std::uint32_t used = 0;
    };
    // A row that waits.
    struct Waiting {
        std::int64_t time = 0;
        std::uint32_t group = 0;
        std::uint32_t next = none;
        std::uint32_t previous = none;
        std::uint32_t fits = 0;           // variables whose condition on the row alone is true
        std::uint32_t untrusted = 0;
    };
    // Followed by its registers. Those of a key are in order of their start, and then of preference.
    struct Progress {
        std::int64_t start = 0;       // times of the first and the last row mapped
        std::int64_t last = 0;
        std::uint64_t start_row = 0;  // numbers of these rows
        std::uint64_t last_row = 0;
        std::uint64_t after_row = 0;  // where the search would go on, and 1; 0: nowhere yet
        std::uint16_t state = 0;
        std::uint8_t done = 0;        // a match, unless something better comes
        std::uint8_t untrusted = 0;
    };
    struct Lane {
        std::uint32_t head = none;        // groups, in the order in which they came
        std::uint32_t tail = none;
        std::uint32_t first = none;       // rows, by time
        std::uint32_t last = none;
        std::int64_t deadline = forever_us;  // no run is over before
    };
    // A value of an expression, as the one row of a column.
    struct CellColumn {
        Column column;
        std::int64_t integer = 0;
        double real = 0;
        std::uint8_t boolean = 0;
        std::string_view text;
    };
    struct Look {
        Evaluator* evaluator = nullptr;
        std::span<CellColumn> cells;
        std::span<const Column*> columns;
    };

    // pattern.cc: rows in
    bool admit(const PatternRows& rows, std::size_t row);
    std::uint32_t find(const PatternRows& rows, std::size_t row) const;
    std::uint32_t make_group(const PatternRows& rows, std::size_t row, std::uint32_t lane);
    void wait(const PatternRows& rows, std::size_t row, std::uint32_t group, std::uint32_t fits);
    std::uint32_t fits(const PatternRows& rows, std::size_t row) const;
    void advance_lane(std::uint32_t lane, std::int64_t watermark, Emission& emission);
    void end_runs(std::uint32_t lane, std::int64_t watermark, Emission& emission);
    void drop_if_idle(std::uint32_t group);
    void link_group(std::uint32_t group);
    void unlink_group(std::uint32_t group);
    void link_row(std::uint32_t row, std::uint32_t lane);
    void free_row(std::uint32_t row, std::uint32_t lane);
    bool load_group(ByteReader& in, std::size_t partitions);
    bool load_row(ByteReader& in);

    // pattern_runs.cc: rows to matches
    void step(std::uint32_t group, std::uint32_t row, Emission& emission);
    void expire(std::uint32_t group, std::int64_t now, Emission& emission);
    bool extend(const std::byte* run, bool fresh, const Waiting& row, const std::byte* cells, std::uint64_t number, std::size_t first);
    bool take(const std::byte* run, PatternState::Edge edge, const Waiting& row, const std::byte* cells, std::uint64_t number);
    void keep(const std::byte* run, std::size_t first);
    void settle(std::uint32_t group, Emission& emission);
    void forget(std::size_t first, std::size_t last);
    std::uint64_t resume_after(const Progress& run);
    void emit(std::uint32_t group, const std::byte* run, Emission& emission);
    const Column& look(const Look& look, const PatternExpression& expression, const std::byte* registers, const std::byte* cells);
    bool over(const Progress& run, std::int64_t now) const {
        return plan_.within > 0 ? now - run.start > plan_.within : now >= forever_us;
    }
    static Progress& progress(std::byte* run) { return *reinterpret_cast<Progress*>(run); }
    static const Progress& progress(const std::byte* run) { return *reinterpret_cast<const Progress*>(run); }
    std::byte* made(std::size_t index) { return scratch_.data() + index * stride(); }

    Bytes stride() const { return sizeof(Progress) + plan_.run_bytes; }
    std::byte* runs(std::uint32_t group) { return runs_.data() + group * plan_.runs_max * stride(); }
    const std::byte* runs(std::uint32_t group) const { return runs_.data() + group * plan_.runs_max * stride(); }
    std::byte* key(std::uint32_t group) { return keys_.data() + group * plan_.key.width(); }
    const std::byte* key(std::uint32_t group) const { return keys_.data() + group * plan_.key.width(); }
    std::byte* row_cells(std::uint32_t row) { return rows_.data() + row * plan_.row_bytes; }
    const std::byte* row_cells(std::uint32_t row) const { return rows_.data() + row * plan_.row_bytes; }
    // No run of the group is over before.
    std::int64_t deadline(std::uint32_t group) const {
        if (groups_[group].runs == 0) return forever_us;
        return plan_.within > 0 ? progress(runs(group)).start + plan_.within + 1 : forever_us;
    }
    std::int64_t watermark_of(const Watermarks& watermarks, std::uint32_t lane) const {
        const std::int64_t at = plan_.by_partition ? watermarks.watermark(lane) : watermarks.watermark();
        return at >= forever_us ? at : floor_to(at, plan_.step);
    }

    const CompiledPattern& plan_;
    std::string_view name_;
    std::uint64_t definition_;
    std::size_t source_;
    std::span<Group> groups_;
    std::span<std::byte> keys_;
    std::span<std::byte> runs_;
    std::span<std::byte> scratch_;        // max_runs runs, the one that is tried, and one at its beginning
    HashIndex index_;  // of groups
    std::span<std::uint32_t> places_;     // of groups in the order in which save() writes them
    std::span<Waiting> waiting_;
    std::span<std::byte> rows_;
    std::span<Lane> lanes_;
    std::span<Look> conditions_;
    std::span<Look> measures_;
    Frontier frontier_;
    Counters<pattern_counters> counters_;
    std::size_t made_ = 0;                // runs in scratch_
    std::uint32_t free_group_ = none;
    std::uint32_t free_row_ = none;
    std::size_t groups_used_ = 0;
    std::size_t pending_used_ = 0;
};

}  // namespace weir
