#include "windows/engine_state.h"

#include <algorithm>

// State that outlives a process or a configuration: frontiers, gaps, saving, taking over.

namespace weir {

Status EngineState::set_frontier(std::uint64_t definition, std::uint64_t partition, Timestamp end) {
    Status status = Error::missing;
    for (Window* window : windows_)
        if (window->definition() == definition) {
            status = window->frontier().set(partition, std::clamp(end.us(), never_us, forever_us));
            if (!status.ok()) break;
        }
    for (Pattern* pattern : patterns_)
        if (pattern->definition() == definition) status = pattern->frontier().set(partition, std::clamp(end.us(), never_us, forever_us));
    return status;
}

void EngineState::mark_gap(Timestamp from, Timestamp to, std::uint64_t definition) {
    if (from < to) emission_.mark_gap(from.us(), to.us(), definition);
}

void EngineState::sample(std::size_t source, unsigned level) {
    const auto change = [&](std::size_t which, unsigned to) {
        std::int64_t allow = 0;  // rows that much behind the watermark still count somewhere
        for (const CompiledWindow& window : plan_.windows)
            if (window.source == which) allow = std::max(allow, window.allow);
        const Watermarks& watermarks = sources_[which]->watermarks();
        sources_[which]->sampled().change(to, watermarks.watermark() - allow, watermarks.newest());
    };
    change(source, level);
    for (const CompiledJoin& join : plan_.joins) {  // a joined row is kept if both of its sides are
        unsigned both = 0;
        for (const CompiledJoin::Side& side : join.sides) both += sources_[side.source]->sampled().level();
        if (join.sides[0].source == source || join.sides[1].source == source) change(join.joined, both);
    }
}

template <typename Part>
bool EngineState::move_state(Part& to, Part& from, std::size_t partitions, std::span<std::byte> scratch) {
    ByteWriter out(scratch);
    from.save(out);
    ByteReader in(out.written());
    const bool moved = out.ok() && to.load(in, partitions) && in.ok() && in.remaining() == 0;
    (moved ? from : to).reset();
    return moved;
}

// At start-up: the scratch is on the heap.
std::vector<std::uint64_t> EngineState::adopt(EngineState& from) {
    std::vector<std::byte> scratch(engine_save_size_max(from.plan_));
    for (std::size_t i = 0; i < sources_.size(); ++i)
        for (std::size_t j = 0; j < from.sources_.size(); ++j) {
            if (plan_.sources[i].definition != from.plan_.sources[j].definition) continue;
            ByteWriter out(scratch);
            from.sources_[j]->save(out);
            ByteReader in(out.written());
            if (!out.ok() || !sources_[i]->load(in)) sources_[i]->reset();
        }
    for (std::size_t i = 0; i < joins_.size(); ++i)
        for (std::size_t j = 0; j < from.joins_.size(); ++j) {
            if (plan_.sources[plan_.joins[i].joined].definition != from.plan_.sources[from.plan_.joins[j].joined].definition) continue;
            ByteWriter out(scratch);
            from.joins_[j]->save(out);
            ByteReader in(out.written());
            if (!out.ok() || !joins_[i]->load(in)) joins_[i]->reset();
        }
    std::vector<std::uint64_t> moved;
    const auto take_over = [&](auto& to, auto& of, std::size_t partitions) {
        if (to.definition() != of.definition() || !move_state(to, of, partitions, scratch)) return;
        moved.push_back(to.definition());
        for (const Emission::Gap& gap : from.emission_.gaps.first(from.emission_.gap_count))
            if (gap.definition == 0 || gap.definition == to.definition())
                mark_gap(Timestamp::micros(gap.from), Timestamp::micros(gap.to), to.definition());
    };
    for (std::size_t i = 0; i < windows_.size(); ++i)
        for (std::size_t j = 0; j < from.windows_.size(); ++j)
            if (plan_.spec.windows[i].name == from.plan_.spec.windows[j].name)
                take_over(*windows_[i], *from.windows_[j], plan_.sources[plan_.windows[i].source].partitions_max);
    for (std::size_t i = 0; i < patterns_.size(); ++i)
        for (std::size_t j = 0; j < from.patterns_.size(); ++j)
            if (plan_.spec.patterns[i].name == from.plan_.spec.patterns[j].name)
                take_over(*patterns_[i], *from.patterns_[j], plan_.sources[plan_.patterns[i].source].partitions_max);
    return moved;
}

void EngineState::reset() {
    for (Source* source : sources_) source->reset();
    for (Window* window : windows_) window->reset();
    for (Pattern* pattern : patterns_) pattern->reset();
    for (IntervalJoin* join : joins_) join->reset();
    for (Table* table : tables_) table->reset();
    for (std::span<Enrichment> uses : enrichments_)
        for (Enrichment& use : uses) use.reset();
    emission_.next_sequence = 1;
    emission_.gap_count = 0;
}

void EngineState::save_payload(ByteWriter& out) const {
    emission_.save(out);
    for (const Source* source : sources_) source->save(out);
    for (const Window* window : windows_) window->save(out);
    for (const Pattern* pattern : patterns_) pattern->save(out);
    for (const IntervalJoin* join : joins_) join->save(out);
    for (const Table* table : tables_) table->save(out);
    for (std::span<const Enrichment> uses : enrichments_)
        for (const Enrichment& use : uses) use.save(out);
}

bool EngineState::load_payload(ByteReader& in) {
    if (!emission_.load(in)) return false;
    for (Source* source : sources_)
        if (!source->load(in)) return false;
    for (std::size_t i = 0; i < windows_.size(); ++i)
        if (!windows_[i]->load(in, plan_.sources[plan_.windows[i].source].partitions_max)) return false;
    for (std::size_t i = 0; i < patterns_.size(); ++i)
        if (!patterns_[i]->load(in, plan_.sources[plan_.patterns[i].source].partitions_max)) return false;
    for (IntervalJoin* join : joins_)
        if (!join->load(in)) return false;
    for (Table* table : tables_)
        if (!table->load(in)) return false;
    for (std::span<Enrichment> uses : enrichments_)
        for (Enrichment& use : uses) use.load(in);
    return in.ok() && in.remaining() == 0;
}

}  // namespace weir
