// What the engine shall compute, checked and compiled: the windows of a configuration, as a plan that
// knows its memory before anything runs.
// Memory: the plan itself on the heap, at start-up; need() is what an Engine of it takes from an arena,
// parts() the same by name. Cost: compile() O(text). Threads: constant once made.
// Errors: compile() gives a SpecProblem that names window, key, and the place in the expression.
// Source: DESIGN.md sections 4 and 5; Akidau et al., The Dataflow Model, VLDB 2015.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "agent/base/batch.h"
#include "agent/base/bytes.h"
#include "agent/base/problem.h"
#include "agent/base/time.h"
#include "windows/calendar.h"
#include "windows/expression.h"
#include "windows/lateness.h"
#include "windows/pattern_plan.h"
#include "windows/table.h"

namespace weir {

// A source takes the columns of a table, as "sites.limit", for the rows whose column `on` is the key.
struct TableUse {
    std::string table;
    std::string on;  // "": the column with the name of the key
};

struct SourceSpec {
    std::string name;
    Schema schema;
    LatenessParams lateness = Duration::seconds(2);
    Duration idle = Duration::seconds(30);
    Duration max_future = Duration::minutes(1);
    std::string partition;  // a column, or "" for one watermark for all
    std::size_t max_partitions = 1024;
    std::vector<TableUse> enrich;
    // Several engines have its rows, each some of them: windows leave partial states, for lane_merger.h, and close by
    // the source's watermark whatever their key.
    bool split = false;
    std::string origin;  // of a source that a join makes: what it is made of; not for callers
    std::string align = {};  // sources of one name wait for each other: a watermark is at most `ahead` beyond the last one's
    Duration ahead = Duration::seconds(30);
};

// What happens to a row behind the watermark of its window: dropped and counted; within late_allow counted in, which makes
// a revision; or within late_allow counted apart, which makes a late record of such rows alone. Beyond it always dropped.
enum class LateThen : std::uint8_t { drop, revise, side };

struct WindowSpec {
    std::string name;
    std::string from;   // a source
    std::string where;  // "" is true
    std::vector<std::string> by;
    Duration size;      // or a calendar
    Duration every;     // of hopping windows: how far apart they begin, a divisor of size; zero: size
    CalendarUnit calendar = CalendarUnit::none;
    std::string zone = "UTC";  // of the calendar: a name of the IANA data base, or an offset such as "+02:00"
    Duration session;   // or the gap of sessions,
    std::string session_gap;  // or an expression for it, row by row: a duration, or a number of seconds
    Duration session_max = Duration::minutes(60);  // that expression's bound: rows that ask for more do not count
    std::uint64_t count = 0;  // or so many rows of a key,
    Duration max_wait;        // but no longer than so much event time; 0: as long as it takes
    std::size_t max_groups = 512;  // of sessions: how many are kept at once
    Duration late_allow;
    LateThen late_then = LateThen::drop;
    Duration early;     // a provisional result every so much event time before the window closes; zero: none
    std::size_t max_open = 0;  // intervals open at once; 0: from size, lateness, late_allow and max_future
    std::vector<std::pair<std::string, std::string>> select;  // name, expression over aggregates
};

// Rows of two sources that belong together, as a source of its own, called name, for windows and patterns: interval_join.h.
// Its columns are those of `on`, under their names on the left, and `columns`, expressions over SOURCE.COLUMN and
// SOURCE.time (or left. and right.), a duration in seconds; its time is the later of the two.
struct JoinSpec {
    std::string name;
    std::string left;   // sources
    std::string right;
    std::vector<std::pair<std::string, std::string>> on;  // columns of left and right that are equal
    Duration within;    // right.time is at most so long after left.time,
    Duration after;     // and at least this; negative: before it
    std::vector<std::pair<std::string, std::string>> columns;  // name, expression
    std::size_t max_rows = 4096;  // kept, a side
};

struct EngineSpec {
    std::vector<SourceSpec> sources;
    std::vector<WindowSpec> windows;
    std::vector<PatternSpec> patterns;
    std::vector<TableSpec> tables;
    std::vector<JoinSpec> joins;
    std::uint64_t seed = 1;  // of the sketches' coins
    // What all sketches together may take beyond their smallest form; none: what they ever could. With less, every
    // aggregate has the same share of that, first come, and a sketch that gets no more goes on with less precision.
    std::optional<Bytes> sketch_bytes;
    const Zones* zones = nullptr;  // time zones by name; asked by compile() only
    // Results of windows that can be merged with their neighbours carry what that takes: Record::state.
    bool keep_states = false;
};

// Which part of a spec is wrong, and why. One of source, window, pattern, table and join is set.
struct SpecProblem {
    std::string source;
    std::string window;
    std::string pattern;
    std::string key;  // "where", "by", "size", "select.p85", "partition", ...
    Problem problem;
    std::string table;
    std::string join;
};

struct CompiledPlan;  // windows/compiled_plan.h

class EnginePlan {
public:
    struct Part {
        std::string name;  // "window site_minute: quantile(speed)"
        Bytes bytes = 0;
    };

    static std::optional<EnginePlan> compile(EngineSpec spec, SpecProblem& problem);
    EnginePlan(EnginePlan&&) noexcept;
    EnginePlan& operator=(EnginePlan&&) noexcept;
    ~EnginePlan();

    // Sums to need().
    std::vector<Part> parts() const;
    Bytes need() const;
    // What the expressions and calendars hold on the heap: regular expressions fill theirs while they run.
    Bytes expression_memory() const;
    // What sketches may take beyond their smallest form, and what they could take at most.
    std::uint64_t sketch_bytes() const;
    std::uint64_t sketch_bytes_max() const;
    // A saved state is never larger.
    Bytes save_size_max() const;
    // No partial state that the engine leaves is larger; 0 when no source is split.
    Bytes partial_size_max() const;
    // No record that the engine emits encodes to more.
    Bytes record_size_max() const;
    Bytes record_size_max(std::size_t window) const;  // the same, of one window
    Bytes pattern_record_size_max(std::size_t pattern) const;
    // Whether results of a window carry Record::state: those with a size or a calendar that do not hop.
    bool keeps_state(std::size_t window) const;

    std::size_t sources() const;  // of the spec, and behind them those that joins make
    std::size_t windows() const;
    std::size_t patterns() const;
    std::size_t tables() const;
    std::size_t joins() const;
    std::optional<std::size_t> find_source(std::string_view name) const;
    std::optional<std::size_t> find_window(std::string_view name) const;
    // Its schema ends with the columns that come from tables; Engine::push() fills them.
    const SourceSpec& source(std::size_t index) const;
    std::optional<std::size_t> find_pattern(std::string_view name) const;
    const WindowSpec& window(std::size_t index) const;
    const PatternSpec& pattern(std::size_t index) const;
    const TableSpec& table(std::size_t index) const;
    const JoinSpec& join(std::size_t index) const;
    // The join that makes a source, if one does.
    std::optional<std::size_t> join_of_source(std::size_t source) const;
    // A hash of all that determines a window's results: source columns and times, where, by, size or calendar and the
    // zone's name, late, select. Not the zone's rules: an interval's start and end in UTC are its identity.
    std::uint64_t definition(std::size_t window) const;
    std::uint64_t pattern_definition(std::size_t pattern) const;
    // Over all definitions, limits and the seed: a saved state belongs to one fingerprint.
    std::uint64_t fingerprint() const;
    // What the records of a window hold, keys first: for Condition::compile(). The last is "folded_keys",
    // which only the row of "(other)" has.
    std::span<const FieldType> fields(std::size_t window) const;
    std::span<const FieldType> pattern_fields(std::size_t pattern) const;

    const CompiledPlan& compiled() const { return *compiled_; }

private:
    explicit EnginePlan(std::unique_ptr<CompiledPlan> compiled);
    std::unique_ptr<CompiledPlan> compiled_;
};

}  // namespace weir
