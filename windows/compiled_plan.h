// The plan as the engine walks it: every name an index, every text a program.
// Memory: heap, at start-up. Threads: constant once made. Errors: none.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "windows/aggregate.h"
#include "windows/calendar.h"
#include "windows/enrichment.h"
#include "windows/expression.h"
#include "windows/interval_join.h"
#include "windows/key.h"
#include "windows/pattern_plan.h"
#include "windows/plan.h"
#include "windows/watermark.h"

namespace weir {

// One value of a result: a call as it is, or an expression over the calls of the window.
struct CompiledValue {
    std::string name;
    ValueKind kind = ValueKind::null;
    std::optional<std::size_t> call;
    std::optional<Expression> expression;
};

// Of a window whose source is split, in the merger: intervals wait there for the last lane, until that is idle.
struct MergedLimits {
    std::size_t intervals_max = 0;
    std::size_t cells_max = 0;
    std::vector<StateSpec> states;  // with room for their sketches there
    StateSpec folded;
    std::vector<StateSpec> staged;  // one cell at full size
    StateSpec staged_folded;

    std::size_t cells_all() const { return cells_max + intervals_max; }
};

struct CompiledWindow {
    std::size_t source = 0;
    std::optional<std::size_t> where;  // among the source's inputs
    std::size_t grouping = 0;          // among the source's groupings
    KeyLayout key;
    std::vector<std::string> key_names;
    bool by_partition = false;         // each key closes by its own partition's watermark
    bool split_partition = false;      // each would, were its source not split
    std::int64_t size = 0;             // microseconds, as allow is; of a calendar what is usual
    const Calendar* calendar = nullptr;  // of the plan's
    std::int64_t allow = 0;
    bool aside = false;                // rows within allow make late records, not revisions
    std::int64_t early = 0;            // 0: no early results
    bool is_session = false;           // size is the gap; no "(other)"
    std::optional<std::size_t> gap;    // of sessions, among the source's inputs; then size is its bound
    std::uint64_t count = 0;           // rows, of a count window: no size
    std::int64_t max_wait = 0;         // of a count window; 0: for ever
    std::int64_t every = 0;            // of a hopping window the length of a pane; else 0
    std::size_t kept_max = 0;          // of a hopping window: results a key that may still be revised
    std::size_t groups_max = 0;
    std::size_t intervals_max = 0;
    std::size_t cells_max = 0;         // beside one of "(other)" an interval
    std::size_t frontiers_max = 0;
    std::vector<StateSpec> states;
    StateSpec folded;                  // counts the keys in "(other)", a state for each of its cells
    std::optional<MergedLimits> merged;  // the source is split: of what becomes of all lanes' cells
    std::vector<CallSpec> calls;
    std::vector<ColumnType> call_types;  // as the expressions see them
    std::vector<CompiledValue> values;
    std::vector<FieldType> fields;
    std::uint64_t definition = 0;
    bool keeps_state = false;          // results carry Record::state
    std::uint32_t state_shape = 0;     // which only a window of an equal one reads

    Cut cut() const { return {size, calendar}; }
    bool is_hopping() const { return every > 0; }
    std::size_t panes() const { return static_cast<std::size_t>(size / every); }
    // Beside its panes: of a hopping window the back of each key, and results; of "(other)" one more.
    std::size_t results_max() const { return kept_max > 0 ? (groups_max + 1) * kept_max : 2; }
    std::size_t cells_all() const { return cells_max + intervals_max + (is_hopping() ? groups_max + 1 + results_max() : 0); }
    std::size_t folded_max() const { return intervals_max + (is_hopping() ? 1 + std::max<std::size_t>(kept_max, 1) : 0); }
    // The most cells that can be due together.
    std::size_t due_max() const { return is_hopping() ? groups_max + 1 : cells_all(); }
};

struct CompiledSource {
    std::optional<std::size_t> partition;  // among hashed
    std::size_t partition_column = 0;
    std::size_t partitions_max = 0;    // the last is the one that the others share
    std::vector<Expression> inputs;    // of all windows, each evaluated once a batch
    std::vector<std::size_t> item_hashes;  // inputs whose items sketches take as hashes
    std::vector<std::size_t> hashed;   // columns of keys and partition, each hashed once a batch
    std::vector<std::vector<std::size_t>> groupings;  // the keys, as indices among hashed
    std::vector<Boundary> partition_boundaries;       // of the windows that close by partition
    std::vector<Boundary> source_boundaries;          // of all windows
    std::vector<std::size_t> windows;
    std::vector<std::size_t> patterns;
    std::vector<CompiledEnrichment> enrichments;
    struct JoinUse {
        std::size_t join = 0;
        std::size_t side = 0;
    };
    std::vector<JoinUse> joins;        // that read it
    std::optional<std::size_t> join;   // that makes it
    bool revises = false;              // one of them takes late rows
    std::uint64_t definition = 0;      // of columns, times and partition
    std::vector<std::size_t> together; // this source, then those that it is aligned with
    std::int64_t ahead = 0;            // how far it may be ahead of the last of them
};

struct PlannedPattern {
    std::size_t source = 0;
    std::size_t grouping = 0;  // among the source's groupings
    std::uint64_t definition = 0;
    CompiledPattern plan;
};

// Patterns go on when a watermark passes a multiple of this: within a step how rows are cut into batches must not
// show, and not every message has to be worked off alone.
inline constexpr std::int64_t pattern_step_us = 100'000;

// Sessions close when a watermark passes a multiple of this, for the same reason.
inline constexpr std::int64_t session_step_us = 100'000;

// Early results come no more often: every one ends a run of rows that is worked off as a whole.
inline constexpr std::int64_t early_least_us = 100'000;

struct CompiledPlan {
    EngineSpec spec;
    std::vector<CompiledSource> sources;
    std::vector<CompiledWindow> windows;
    std::vector<PlannedPattern> patterns;
    std::vector<CompiledJoin> joins;
    std::vector<std::unique_ptr<const Calendar>> calendars;
    std::uint64_t fingerprint = 0;

    std::size_t due_max() const {
        std::size_t total = 0;
        for (const CompiledWindow& window : windows) total += window.due_max();
        return total;
    }
};

}  // namespace weir
