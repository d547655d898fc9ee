// What happened to the rows, by name and reason.
// Memory: 8 bytes a counter. Cost: an increment. Threads: as the engine they belong to. Errors: none.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace weir {

// Counters are parts of the state: a crash and its recovery leave them as if nothing had happened.
enum class SourceCounter : std::uint8_t {
    rows,                 // pushed
    messages,             // ended
    future,               // quarantined: event time beyond arrival + max_future
    absurd_time,          // quarantined: before 1970 or after the year 9999
    partition_overflow,   // rows of partitions beyond max_partitions, which share one watermark
    arrival_steps,        // arrival clock went back, or leapt more than was counted as elapsed
};
inline constexpr std::size_t source_counters = 6;
std::string_view name(SourceCounter counter);

enum class WindowCounter : std::uint8_t {
    rows,                  // of the source
    counted,               // in a window's result
    filtered,              // where was false
    where_null,            // where was null
    late,                  // behind the watermark, and late_allow
    late_after_power_cut,  // at or below the emission frontier
    late_after_eviction,   // its interval had been closed early, or none could be opened for it
    quarantined,           // by the source: future, absurd_time
    gap_invalid,           // the gap it asks for is null, not more than 0, or beyond session_max
    // These are parts of counted, or count something else.
    revised,               // late rows that were counted in, which made a new revision
    folded,                // counted in "(other)"
    pool_exhausted,        // had to go there because no cell was free rather than for max_groups; may be late there
    key_cut,               // a string key longer than 64 bytes was cut and marked with its hash
    evicted,               // intervals closed early because too many were open
    emitted,               // records
    suppressed,            // records not emitted, being at or below the emission frontier
    sketches_settled,      // sketches that were refused more memory: from then on they are less precise, and say so
    out_of_order,          // rows, an aggregate each, that rate, increase or time_mean left out: too far out of order
    late_in_part,          // counted, but not in all hopping windows they are of: some had closed for good
    late_aside,            // late rows that were counted in a late record
    early,                 // provisional records; not among emitted
};
inline constexpr std::size_t window_counters = static_cast<std::size_t>(WindowCounter::early) + 1;  // the last
std::string_view name(WindowCounter counter);

enum class PatternCounter : std::uint8_t {
    rows,                  // of the source
    counted,               // taken in
    filtered,              // where was false
    where_null,            // where was null
    late,                  // behind the watermark
    quarantined,           // by the source: future, absurd_time
    groups_full,           // of keys for which there was no place
    pending_full,          // too many rows waited for the watermark
    // These count something else.
    emitted,               // matches
    suppressed,            // matches not emitted, being at or below the emission frontier
    runs_given_up,         // ways to map the rows that were dropped for max_runs
    runs_expired,          // runs that were under way when `within` had passed
    key_cut,               // a string key longer than 64 bytes was cut and marked with its hash
    skipped_to_next,       // matches without a row of the variable to which `after` goes: it went to the next row
};
inline constexpr std::size_t pattern_counters = 14;
std::string_view name(PatternCounter counter);

template <std::size_t count>
class Counters {
public:
    template <typename Name>
    void add(Name name, std::uint64_t n = 1) {
        values_[static_cast<std::size_t>(name)] += n;
    }
    std::array<std::uint64_t, count>& values() { return values_; }
    const std::array<std::uint64_t, count>& values() const { return values_; }

private:
    std::array<std::uint64_t, count> values_{};
};
using SourceCounters = Counters<source_counters>;
using WindowCounters = Counters<window_counters>;

}  // namespace weir
