#include "windows/counters.h"

namespace weir {

std::string_view name(SourceCounter counter) {
    switch (counter) {
        case SourceCounter::rows: return "rows";
        case SourceCounter::messages: return "messages";
        case SourceCounter::future: return "future";
        case SourceCounter::absurd_time: return "absurd_time";
        case SourceCounter::partition_overflow: return "partition_overflow";
        case SourceCounter::arrival_steps: return "arrival_steps";
    }
    return "?";
}

std::string_view name(WindowCounter counter) {
    switch (counter) {
        case WindowCounter::rows: return "rows";
        case WindowCounter::counted: return "counted";
        case WindowCounter::filtered: return "filtered";
        case WindowCounter::where_null: return "where_null";
        case WindowCounter::late: return "late";
        case WindowCounter::late_after_power_cut: return "late_after_power_cut";
        case WindowCounter::late_after_eviction: return "late_after_eviction";
        case WindowCounter::quarantined: return "quarantined";
        case WindowCounter::gap_invalid: return "gap_invalid";
        case WindowCounter::revised: return "revised";
        case WindowCounter::folded: return "folded";
        case WindowCounter::pool_exhausted: return "pool_exhausted";
        case WindowCounter::key_cut: return "key_cut";
        case WindowCounter::evicted: return "evicted";
        case WindowCounter::emitted: return "emitted";
        case WindowCounter::suppressed: return "suppressed";
        case WindowCounter::sketches_settled: return "sketches_settled";
        case WindowCounter::out_of_order: return "out_of_order";
        case WindowCounter::late_in_part: return "late_in_part";
        case WindowCounter::late_aside: return "late_aside";
        case WindowCounter::early: return "early";
    }
    return "?";
}

std::string_view name(PatternCounter counter) {
    constexpr std::string_view names[pattern_counters] = {
        "rows",         "counted", "filtered",   "where_null",    "late",         "quarantined", "groups_full",
        "pending_full", "emitted", "suppressed", "runs_given_up", "runs_expired", "key_cut",     "skipped_to_next"};
    return names[static_cast<std::size_t>(counter)];
}

}  // namespace weir
