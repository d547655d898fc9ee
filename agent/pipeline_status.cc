#include <algorithm>

#include "agent/pipeline.h"

// What the engine says of itself, or what the engines of several lanes have come to together.

namespace weir {
namespace {

template <std::size_t size>
void add_counts(std::array<std::uint64_t, size>& to, const std::array<std::uint64_t, size>& from) {
    for (std::size_t i = 0; i < size; ++i) to[i] += from[i];
}

// Of the lanes that have seen it the watermark is the least.
void add(SourceStatus& to, const SourceStatus& from) {
    add_counts(to.counters, from.counters);
    to.partitions += from.partitions;
    to.active_partitions += from.active_partitions;
    to.lateness = std::max(to.lateness, from.lateness);
    to.waits |= from.waits;
    to.holds |= from.holds;
    if (from.watermark == Timestamp::min() || (to.watermark != Timestamp::min() && to.watermark <= from.watermark)) return;
    to.watermark = from.watermark;
    to.holder = from.holder;
}

void add(WindowStatus& to, const WindowStatus& from) {
    add_counts(to.counters, from.counters);
    to.open_intervals = std::max(to.open_intervals, from.open_intervals);
    to.cells += from.cells;
    to.cells_max += from.cells_max;
}

void add(PatternStatus& to, const PatternStatus& from) {
    add_counts(to.counters, from.counters);
    to.groups += from.groups;
    to.groups_max += from.groups_max;
    to.pending += from.pending;
    to.pending_max += from.pending_max;
}

void add(JoinStatus& to, const JoinStatus& from) {
    add_counts(to.counters, from.counters);
    for (std::size_t side = 0; side < to.kept.size(); ++side) to.kept[side] += from.kept[side];
    to.rows_max = std::max(to.rows_max, from.rows_max);
}

}  // namespace

SourceStatus Pipeline::source_status(std::size_t source) const {
    if (!lanes_) return analysis_.engine().source_status(source);
    SourceStatus sum;
    sum.watermark = Timestamp::min();
    for (std::size_t lane = 0; lane < engines(); ++lane) add(sum, analysis_of(lane).engine().source_status(source));
    if (assembly_.is_split(source)) sum.watermark = lanes_->merger().watermark(source);
    return sum;
}

// What lanes emit of a window that is split is put together before it is a result.
WindowStatus Pipeline::window_status(std::size_t window) const {
    if (!lanes_) return analysis_.engine().window_status(window);
    WindowStatus sum;
    for (std::size_t lane = 0; lane < engines(); ++lane) add(sum, analysis_of(lane).engine().window_status(window));
    if (!is_merged(window)) return sum;
    const WindowStatus merged = lanes_->merger().status(window);
    for (WindowCounter counter : {WindowCounter::emitted, WindowCounter::suppressed, WindowCounter::revised})
        sum.counters[static_cast<std::size_t>(counter)] = merged.counters[static_cast<std::size_t>(counter)];
    return sum;
}

PatternStatus Pipeline::pattern_status(std::size_t pattern) const {
    PatternStatus sum;
    for (std::size_t lane = 0; lane < engines(); ++lane) add(sum, analysis_of(lane).engine().pattern_status(pattern));
    return sum;
}

JoinStatus Pipeline::join_status(std::size_t join) const {
    JoinStatus sum;
    for (std::size_t lane = 0; lane < engines(); ++lane) add(sum, analysis_of(lane).engine().join_status(join));
    return sum;
}

std::uint64_t Pipeline::lane_groups_late(std::size_t window) const {
    if (!lanes_ || !is_merged(window)) return 0;
    const WindowStatus merged = lanes_->merger().status(window);
    return merged.counters[static_cast<std::size_t>(WindowCounter::late)] +
           merged.counters[static_cast<std::size_t>(WindowCounter::late_after_eviction)];
}

// A window over what a join makes has a source behind those of the configuration, which is whole.
bool Pipeline::is_merged(std::size_t window) const {
    const std::optional<std::size_t> source = assembly_.engine().find_source(assembly_.engine().window(window).from);
    return source && *source < assembly_.codecs().size() && assembly_.is_split(*source);
}

}  // namespace weir
