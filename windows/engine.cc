#include "windows/engine.h"

#include <algorithm>

#include "agent/base/hash.h"
#include "windows/engine_memory.h"
#include "windows/engine_state.h"

namespace weir {
namespace {

constexpr std::uint32_t save_version = 4;

// Keyed by the plan, so that bytes of another plan, or damaged ones, are not taken for a state.
std::uint64_t seal(ByteSpan payload, const CompiledPlan& plan) {
    return hash64(payload, {plan.fingerprint, 0x7765697220736176ULL});
}

}  // namespace

Engine::Engine(Arena& arena, const EnginePlan& plan, RecordSink& sink, PartialSink* partials)
    : state_(arena.make<EngineState>(arena, plan.compiled(), sink, partials)) {}
Engine::~Engine() = default;

void Engine::push(std::size_t source, Batch& batch) {
    WEIR_ASSERT(source < state_->sources_.size());
    for (Enrichment& use : state_->enrichments_[source]) use.fill(batch);
    state_->push(*state_->sources_[source], state_->plan_.sources[source], batch);
}
Status Engine::load_table(std::size_t table, ByteSpan part, Bytes offset, Bytes total) {
    if (table >= state_->tables_.size()) return Error::missing;
    return state_->tables_[table]->load_part(part, offset, total);
}
void Engine::tick(Timestamp arrival, bool trusted) { state_->tick(arrival, trusted); }
void Engine::close_all() { state_->close_all(); }
std::uint64_t Engine::next_sequence() const { return state_->emission_.next_sequence; }
void Engine::set_next_sequence(std::uint64_t sequence) { state_->emission_.next_sequence = sequence; }
void Engine::leave_out_sketches() { state_->emission_.with_sketches = false; }
Status Engine::set_frontier(std::uint64_t definition, std::uint64_t partition, Timestamp end) {
    return state_->set_frontier(definition, partition, end);
}
void Engine::sample(std::size_t source, unsigned level) { state_->sample(source, level); }
void Engine::mark_gap(Timestamp from, Timestamp to, std::uint64_t definition) { state_->mark_gap(from, to, definition); }
std::vector<std::uint64_t> Engine::adopt(Engine& from) { return state_->adopt(*from.state_); }
void Engine::reset() { state_->reset(); }

// u32 version, u64 fingerprint, u64 payload bytes, u64 seal, payload.
Status Engine::save(ByteWriter& out) const {
    out.write(save_version);
    out.write(state_->plan_.fingerprint);
    const Bytes size_at = out.size();
    out.write(std::uint64_t{0});
    out.write(std::uint64_t{0});
    const Bytes begin = out.size();
    state_->save_payload(out);
    if (!out.ok()) return Error::full;
    const ByteSpan payload = out.written().subspan(begin);
    out.patch(size_at, static_cast<std::uint64_t>(payload.size()));
    out.patch(size_at + 8, seal(payload, state_->plan_));
    return {};
}

Status Engine::load(ByteReader& in) {
    const auto version = in.read<std::uint32_t>();
    const auto fingerprint = in.read<std::uint64_t>();
    const auto size = in.read<std::uint64_t>();
    const auto sealed = in.read<std::uint64_t>();
    if (!in.ok()) return Error::truncated;
    if (version != save_version) return Error::unsupported;
    if (fingerprint != state_->plan_.fingerprint) return Error::refused;
    if (size > in.remaining()) return Error::truncated;
    const ByteSpan payload = in.bytes(static_cast<Bytes>(size));
    if (seal(payload, state_->plan_) != sealed) return Error::corrupt;
    ByteReader reader(payload);
    state_->reset();
    if (state_->load_payload(reader)) return {};
    state_->reset();
    return Error::corrupt;
}

SourceStatus Engine::source_status(std::size_t source) const {
    const Source& of = *state_->sources_[source];
    SourceStatus status;
    const std::int64_t watermark = of.watermarks().watermark();
    status.watermark = watermark == never_us ? Timestamp::min() : Timestamp::micros(watermark);
    status.holds = of.watermarks().holds();
    status.partitions = of.watermarks().partitions();
    status.lateness = of.watermarks().lateness();
    status.active_partitions = of.watermarks().active();
    status.holder = of.watermarks().holder();
    status.sampling_level = of.sampled().level();
    status.waits = of.watermarks().is_limited();
    status.counters = of.counters().values();
    return status;
}

Timestamp Engine::partition_watermark(std::size_t source, std::uint64_t partition) const {
    const Watermarks& watermarks = state_->sources_[source]->watermarks();
    std::int64_t time = watermarks.watermark();
    for (std::uint32_t i = 0; i < watermarks.partitions(); ++i)
        if (watermarks.hash(i) == partition) time = watermarks.watermark(i);
    return time == never_us ? Timestamp::min() : Timestamp::micros(time);
}

std::size_t Engine::partition_status(std::size_t source, std::span<PartitionStatus> out) const {
    const Watermarks& watermarks = state_->sources_[source]->watermarks();
    const auto time = [](std::int64_t us) { return us == never_us ? Timestamp::min() : Timestamp::micros(us); };
    const auto is_earlier = [](const PartitionStatus& a, const PartitionStatus& b) { return a.watermark < b.watermark; };
    std::size_t used = 0;
    for (std::uint32_t partition = 0; partition < watermarks.partitions(); ++partition) {
        PartitionStatus status;
        status.watermark = time(watermarks.watermark(partition));
        if (used == out.size() && (out.empty() || !is_earlier(status, out[used - 1]))) continue;
        const std::string_view label = watermarks.label(partition);
        status.label_size = static_cast<std::uint8_t>(std::min(label.size(), status.label.size()));
        std::copy_n(label.begin(), status.label_size, status.label.begin());
        status.active = watermarks.is_active(partition);
        status.newest = time(watermarks.greatest(partition));
        if (used < out.size()) ++used;
        const auto last = out.begin() + static_cast<std::ptrdiff_t>(used) - 1;
        const auto place = std::upper_bound(out.begin(), last, status, is_earlier);
        std::copy_backward(place, last, last + 1);
        *place = status;
    }
    return used;
}

WindowStatus Engine::window_status(std::size_t window) const {
    const Window& of = *state_->windows_[window];
    return {of.intervals_used(), of.cells_used(), state_->plan_.windows[window].cells_max, of.counters().values()};
}

PatternStatus Engine::pattern_status(std::size_t pattern) const {
    const Pattern& of = *state_->patterns_[pattern];
    const CompiledPattern& plan = state_->plan_.patterns[pattern].plan;
    return {of.groups(), plan.groups_max, of.pending(), plan.pending_max, of.counters().values()};
}

Table::Status Engine::table_status(std::size_t table) const { return state_->tables_[table]->status(); }
std::size_t Engine::enrichments(std::size_t source) const { return state_->enrichments_[source].size(); }
JoinStatus Engine::join_status(std::size_t join) const {
    const IntervalJoin& of = *state_->joins_[join];
    return {{of.kept(0), of.kept(1)}, state_->plan_.joins[join].rows_max, of.counters().values()};
}
EnrichmentStatus Engine::enrichment_status(std::size_t source, std::size_t index) const {
    return {state_->plan_.sources[source].enrichments[index].table, state_->enrichments_[source][index].status()};
}

}  // namespace weir
