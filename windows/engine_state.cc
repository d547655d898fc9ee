#include "windows/engine_state.h"

#include <algorithm>

#include "windows/partial.h"
#include "windows/tumbling_window.h"

// The way of rows and of time. What is kept and handed over is in engine_keep.cc.

namespace weir {

EngineState::EngineState(Arena& arena, const CompiledPlan& plan, RecordSink& sink, PartialSink* partials)
    : plan_(plan), sources_(arena.take<Source*>(plan.sources.size())), windows_(arena.take<Window*>(plan.windows.size())), patterns_(arena.take<Pattern*>(plan.patterns.size())) {
    due_ = arena.take<Due>(plan.due_max());
    rows_ = arena.take<std::uint16_t>(batch_rows_max);
    cells_ = arena.take<std::uint32_t>(batch_rows_max);
    emission_.sink = &sink;
    emission_.gaps = arena.take<Emission::Gap>(gaps_max(plan));
    emission_.fields = arena.take<Field>(record_fields_max);
    emission_.top_items = arena.take<TopItem>(items_max(plan));
    emission_.sketches = arena.take<std::byte>(sketch_bytes_max(plan));
    emission_.partials = partials;
    emission_.partial = arena.take<std::byte>(partial_size_max(plan));
    emission_.state = arena.take<std::byte>(state_size_max(plan));
    for (std::size_t i = 0; i < plan.sources.size(); ++i)
        sources_[i] = arena.make<Source>(arena, plan.spec.sources[i], plan.sources[i]);
    emission_.sources = sources_;
    for (std::size_t i = 0; i < plan.windows.size(); ++i) {
        const CompiledWindow& window = plan.windows[i];
        windows_[i] = make_window(arena, window, plan.spec.windows[i].name, static_cast<std::uint32_t>(i),
                                         plan.sources[window.source].partitions_max, plan.spec.seed);
    }
    for (std::size_t i = 0; i < plan.patterns.size(); ++i) {
        const PlannedPattern& pattern = plan.patterns[i];
        patterns_[i] = arena.make<Pattern>(arena, pattern.plan, plan.spec.patterns[i].name, pattern.definition, pattern.source,
                                           plan.sources[pattern.source].partitions_max);
    }
    joins_ = arena.take<IntervalJoin*>(plan.joins.size());
    for (std::size_t i = 0; i < plan.joins.size(); ++i)
        joins_[i] = arena.make<IntervalJoin>(arena, plan.joins[i], plan.spec.sources[plan.joins[i].joined].schema, i, static_cast<JoinSink&>(*this));
    tables_ = arena.take<Table*>(plan.spec.tables.size());
    for (std::size_t i = 0; i < plan.spec.tables.size(); ++i) tables_[i] = arena.make<Table>(arena, plan.spec.tables[i]);
    enrichments_ = arena.take<std::span<Enrichment>>(plan.sources.size());
    for (std::size_t i = 0; i < plan.sources.size(); ++i) {
        const std::vector<CompiledEnrichment>& uses = plan.sources[i].enrichments;
        enrichments_[i] = arena.take<Enrichment>(uses.size());
        for (std::size_t j = 0; j < uses.size(); ++j)
            enrichments_[i][j] = Enrichment(uses[j], *tables_[uses[j].table], plan.spec.tables[uses[j].table].columns.size());
    }
}

void EngineState::push(Source& source, const CompiledSource& plan, const Batch& batch) {
    std::size_t first = 0;
    source.forget_rows();
    if (batch.ends_earlier_message() && source.message_open) end_message(source, plan, batch, first, 0);
    source.prepare(batch);
    for (std::size_t row = 0; row < batch.rows();) {
        const RowTime& time = batch.time(row);
        if (!source.message_open && !source.watermarks().arrive(time.arrival, time.arrival_trusted))
            source.counters().add(SourceCounter::arrival_steps);
        source.message_open = true;
        std::size_t end = row + 1;
        while (end < batch.rows() && !batch.ends_message(end - 1)) ++end;
        source.take_in(batch, row, end);
        if (batch.ends_message(end - 1)) end_message(source, plan, batch, first, end);
        row = end;
    }
    process(source, plan, batch, first, batch.rows());
}

// Rows are judged by the watermarks as they were before their message: where the new ones pass a
// boundary, or where there are late additions to emit, the rows up to here are worked off first. What this source is
// aligned with goes on with it: there no row waits to be worked off, since journal order holds across sources.
void EngineState::end_message(Source& source, const CompiledSource& plan, const Batch& batch, std::size_t& first,
                               std::size_t last) {
    source.message_open = false;
    source.counters().add(SourceCounter::messages);
    bool passes = source.watermarks().propose();
    passes |= limit(plan);
    const bool emits = passes || (plan.revises && source.behind) || late_additions(plan);
    if (emits) {
        process(source, plan, batch, first, last);
        first = last;
        source.forget_rows();
    }
    source.watermarks().adopt();
    const std::span<const std::size_t> others = std::span(plan.together).subspan(1);
    for (std::size_t other : others) sources_[other]->watermarks().catch_up();
    if (emits) {
        std::size_t count = 0;
        for (std::size_t each : plan.together) collect(*sources_[each], plan_.sources[each], count);
        emit(count);
        if (source.watermarks().source_passed()) tell(source, plan);
        for (std::size_t each : plan.together) {
            advance_patterns(*sources_[each], plan_.sources[each]);
            release(*sources_[each], plan_.sources[each]);
        }
    }
    for (std::size_t each : plan.together) sources_[each]->watermarks().clear_passed();
    if (emits)
        for (std::size_t each : plan.together) close_joined(plan_.sources[each]);
}

// How far each source of the group may go: a bounded time beyond the one that has come least far of those that are not
// idle. Returns whether one of them passes a boundary by that.
bool EngineState::limit(const CompiledSource& plan) {
    if (plan.together.size() == 1) return false;
    std::int64_t least = forever_us;
    for (std::size_t each : plan.together) least = std::min(least, sources_[each]->watermarks().unlimited());
    bool passes = false;
    for (std::size_t each : plan.together)
        passes |= sources_[each]->watermarks().limit(std::min(least + plan_.sources[each].ahead, forever_us));
    return passes;
}

// How far a split source has come in this lane; at a tick its owner asks for source_status().
void EngineState::tell(const Source& source, const CompiledSource& plan) {
    const auto number = static_cast<std::size_t>(&plan - plan_.sources.data());
    if (!emission_.partials || !plan_.spec.sources[number].split) return;
    emission_.partials->passed(number, Timestamp::micros(source.watermarks().watermark()), source.watermarks().holds());
}

void EngineState::advance_patterns(Source& source, const CompiledSource& plan) {
    for (std::size_t number : plan.patterns) {
        Pattern& pattern = *patterns_[number];
        if (!pattern.by_partition()) {
            if (source.watermarks().source_passed()) pattern.advance(source.watermarks(), 0, emission_);
            continue;
        }
        for (std::uint32_t partition : source.watermarks().passed()) pattern.advance(source.watermarks(), partition, emission_);
    }
}

bool EngineState::late_additions(const CompiledSource& plan) const {
    for (std::size_t window : plan.windows)
        if (windows_[window]->has_late_additions()) return true;
    return false;
}

// Records of evicted intervals and of count windows come out while rows go in. Where that could happen in more than one
// window rows go one by one, so that their order does not depend on how rows are cut into batches.
void EngineState::process(Source& source, const CompiledSource& plan, const Batch& batch, std::size_t first, std::size_t last) {
    if (first == last) return;
    bool fits = true;
    std::size_t closing = 0;
    for (std::size_t number : plan.windows) {
        if (source.latest < source.earliest) break;  // nothing but quarantined rows
        fits &= !windows_[number]->may_evict(source.earliest, source.latest) && !windows_[number]->may_fill_up(last - first);
        closing += windows_[number]->may_close() ? 1 : 0;
    }
    // What joins make of the rows, too, can close something.
    for (const CompiledSource::JoinUse& use : plan.joins) closing += plan_.sources[plan_.joins[use.join].joined].windows.empty() ? 0 : 1;
    if (fits && closing < 2) return add(source, plan, batch, first, last);
    for (std::size_t row = first; row < last; ++row) add(source, plan, batch, row, row + 1);
}

void EngineState::add(Source& source, const CompiledSource& plan, const Batch& batch, std::size_t first, std::size_t last) {
    for (std::size_t number : plan.windows) {
        const Run run{batch, first, last, source, source.hashes(plan_.windows[number].grouping), rows_, cells_};
        windows_[number]->add(run, emission_);
    }
    for (std::size_t number : plan.patterns)
        patterns_[number]->add({batch, first, last, source.watermarks(), source.partitions(), source.quarantined(),
                                source.hashes(plan_.patterns[number].grouping), source.inputs()});
    for (const CompiledSource::JoinUse& use : plan.joins) {
        const CompiledJoin& join = plan_.joins[use.join];
        joins_[use.join]->add(use.side, {batch, first, last, watermark_of(join), source.quarantined(), source.hashes(join.sides[use.side].grouping)});
    }
}

// Pairs are rows of a source without messages: its watermark follows those of the join's sides.
void EngineState::joined(std::size_t number, const Batch& batch) {
    const std::size_t index = plan_.joins[number].joined;
    Source& source = *sources_[index];
    source.forget_rows();
    source.prepare(batch);
    source.take_in(batch, 0, batch.rows());
    process(source, plan_.sources[index], batch, 0, batch.rows());
}

std::int64_t EngineState::watermark_of(const CompiledJoin& join) const {
    const std::int64_t at = std::min(sources_[join.sides[0].source]->watermarks().watermark(), sources_[join.sides[1].source]->watermarks().watermark());
    return at <= never_us || at >= forever_us ? at : floor_to(at, join_step_us);
}

// Whether the watermark of what the join makes has moved.
bool EngineState::follow(std::size_t number) {
    Watermarks& watermarks = sources_[plan_.joins[number].joined]->watermarks();
    const std::int64_t now = watermark_of(plan_.joins[number]);
    if (now <= watermarks.watermark()) return false;
    joins_[number]->free(now);
    watermarks.follow(now);
    return true;
}

// A source has closed what it could: then what joins make of it.
void EngineState::close_joined(const CompiledSource& of) {
    for (const CompiledSource::JoinUse& use : of.joins) {
        if (!follow(use.join)) continue;
        const std::size_t index = plan_.joins[use.join].joined;
        std::size_t count = 0;
        collect(*sources_[index], plan_.sources[index], count);
        emit(count);
        advance_patterns(*sources_[index], plan_.sources[index]);
        release(*sources_[index], plan_.sources[index]);
        sources_[index]->watermarks().clear_passed();
    }
}

void EngineState::collect(Source& source, const CompiledSource& plan, std::size_t& count) {
    for (std::size_t window : plan.windows) windows_[window]->collect(source.watermarks(), due_, count);
}

bool EngineState::before(const Due& a, const Due& b) const {
    if (a.end != b.end) return a.end < b.end;
    if (a.window != b.window) return a.window < b.window;
    return windows_[a.window]->before(a, b);
}

// What is due again makes a heap in the places of what was emitted.
void EngineState::emit(std::size_t count) {
    const auto begin = due_.begin();
    const auto after = [this](const Due& a, const Due& b) { return before(b, a); };
    std::sort(begin, begin + static_cast<std::ptrdiff_t>(count), [this](const Due& a, const Due& b) { return before(a, b); });
    std::ptrdiff_t again = 0;
    for (std::size_t next = 0; next < count || again > 0;) {
        const bool once_more = again > 0 && (next == count || before(due_[0], due_[next]));
        if (once_more) std::pop_heap(begin, begin + again--, after);
        Due due = once_more ? begin[again] : due_[next++];
        windows_[due.window]->emit(due, 0, emission_);
        if (!windows_[due.window]->is_due_again(due)) continue;
        begin[again++] = due;
        std::push_heap(begin, begin + again, after);
    }
}

void EngineState::release(Source& source, const CompiledSource& plan) {
    for (std::size_t window : plan.windows) windows_[window]->release(source.watermarks());
}

void EngineState::tick(Timestamp arrival, bool trusted) {
    std::size_t count = 0;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        sources_[i]->held = sources_[i]->watermarks().holds();
        if (plan_.sources[i].join) continue;
        if (!sources_[i]->watermarks().arrive(arrival, trusted)) sources_[i]->counters().add(SourceCounter::arrival_steps);
        sources_[i]->watermarks().find_idle();
    }
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        const CompiledSource& plan = plan_.sources[i];
        if (plan.join) {
            (void)follow(*plan.join);  // its sides stand before it
        } else {
            (void)limit(plan);
            sources_[i]->watermarks().tick();
        }
        collect(*sources_[i], plan, count);
    }
    emit(count);
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        advance_patterns(*sources_[i], plan_.sources[i]);
        release(*sources_[i], plan_.sources[i]);
        sources_[i]->watermarks().clear_passed();
        if (sources_[i]->held && !sources_[i]->watermarks().holds()) leave_open(plan_.sources[i]);
    }
}

// A split source is silent in this lane: other lanes go on without it, and pass what it has open. So that goes before them.
void EngineState::leave_open(const CompiledSource& plan) {
    const auto number = static_cast<std::size_t>(&plan - plan_.sources.data());
    if (!emission_.partials || !plan_.spec.sources[number].split) return;
    std::size_t count = 0;
    for (const std::size_t window : plan.windows) static_cast<TumblingWindow&>(*windows_[window]).collect_open(due_, count);
    emit(count);
    for (const std::size_t window : plan.windows) static_cast<TumblingWindow&>(*windows_[window]).free_open();
}

void EngineState::close_all() {
    std::size_t count = 0;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        Source& source = *sources_[i];
        if (source.message_open) {
            source.message_open = false;
            source.counters().add(SourceCounter::messages);
            source.watermarks().propose();
            source.watermarks().adopt();
            source.watermarks().clear_passed();
        }
        source.watermarks().finish();
        if (plan_.sources[i].join) joins_[*plan_.sources[i].join]->free(forever_us);
        collect(source, plan_.sources[i], count);
    }
    emit(count);
    for (std::size_t i = 0; i < sources_.size(); ++i) {
        for (std::size_t pattern : plan_.sources[i].patterns) patterns_[pattern]->finish(sources_[i]->watermarks(), emission_);
        release(*sources_[i], plan_.sources[i]);
        sources_[i]->watermarks().clear_passed();
    }
}

}  // namespace weir
