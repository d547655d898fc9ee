#include <algorithm>

#include "agent/status.h"

// The snapshot: of one analysis, or what several lanes have come to together.

namespace weir {
namespace {

template <std::size_t size>
void add_counts(std::array<std::uint64_t, size>& to, const std::array<std::uint64_t, size>& from) {
    for (std::size_t i = 0; i < size; ++i) to[i] += from[i];
}

void add(DecodeCounters& to, const DecodeCounters& from) {
    to.messages += from.messages;
    to.bytes += from.bytes;
    to.events += from.events;
    to.dropped_events += from.dropped_events;
    add_counts(to.by_reason, from.by_reason);
}

}  // namespace

void StatusBoard::take_source(std::size_t index, Pipeline& pipeline) {
    SourceSnapshot& source = sources_[index];
    source.decode = {};
    source.ends = {};
    source.status = pipeline.source_status(index);
    source.samples_used = source.partitions_used = 0;
    for (std::size_t lane = 0; lane < pipeline.engines(); ++lane) {
        const Analysis& analysis = pipeline.analysis_of(lane);
        const Codec& codec = analysis.codec(index);
        add(source.decode, codec.counters());
        add_counts(source.ends.counts(), analysis.message_ends_of(index).counts());
        for (std::size_t s = 0; s < codec.samples() && source.samples_used < source.samples.size(); ++s)
            source.samples[source.samples_used++] = codec.sample(s);
        if (source.partitions.empty()) continue;
        const auto room = std::span(source.partitions).subspan(source.partitions_used, partitions_shown);
        source.partitions_used += analysis.engine().partition_status(index, room);
    }
    source.holder_size = std::min(source.status.holder.size(), source.holder_text.size());
    std::copy_n(source.status.holder.begin(), source.holder_size, source.holder_text.begin());
    source.status.holder = {};
}

void StatusBoard::take(Pipeline& pipeline) {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return;
    for (std::size_t i = 0; i < sources_.size(); ++i) take_source(i, pipeline);
    for (std::size_t i = 0; i < windows_.size(); ++i) {
        windows_[i].status = pipeline.window_status(i);
        windows_[i].groups_late = pipeline.lane_groups_late(i);
    }
    for (std::size_t i = 0; i < patterns_.size(); ++i) patterns_[i].status = pipeline.pattern_status(i);
    for (std::size_t i = 0; i < joins_.size(); ++i) joins_[i] = pipeline.join_status(i);
    for (EnrichmentSnapshot& use : enrichments_) use.status = {};
    messages_ = unrouted_ = 0;
    for (std::size_t lane = 0; lane < pipeline.engines(); ++lane) {
        const Analysis& analysis = pipeline.analysis_of(lane);
        const Engine& engine = analysis.engine();
        for (EnrichmentSnapshot& use : enrichments_) {
            const EnrichmentStatus one = engine.enrichment_status(use.source, use.index);
            use.status.table = one.table;
            use.status.rows.matched += one.rows.matched;
            use.status.rows.unmatched += one.rows.unmatched;
        }
        for (std::size_t i = 0; i < tables_.size(); ++i)
            if (lane == 0) tables_[i] = engine.table_status(i);
        messages_ += analysis.messages();
        unrouted_ += analysis.unrouted();
        if (lane < lane_messages_.size()) lane_messages_[lane] = analysis.messages();
    }
    for (std::size_t i = 0; i < links_.size(); ++i) links_[i] = pipeline.link_accounting(i);
    for (std::size_t i = 0; i < alerts_.size(); ++i) alerts_[i].raised = pipeline.analysis().alerts().raised(i);
    open_alerts_.take(pipeline.analysis().alerts());
    pipeline_ = pipeline.counters();
    epoch_ = pipeline.epoch();
    sequence_ = pipeline.analysis().last_sequence();
}

}  // namespace weir
