#include "windows/engine.h"

#include <algorithm>

#include "agent/base/hash.h"
#include "windows/engine_memory.h"
#include "windows/partial.h"
#include "windows/pattern.h"
#include "windows/source.h"
#include "windows/window_kinds.h"

namespace weir {
namespace {

constexpr std::uint32_t save_version = 4;
constexpr Bytes save_header = 4 + 8 + 8 + 8;

// Keyed by the plan, so that bytes of another plan, or damaged ones, are not taken for a state.
std::uint64_t seal(ByteSpan payload, const CompiledPlan& plan) {
    return hash64(payload, {plan.fingerprint, 0x7765697220736176ULL});
}

}  // namespace

class EngineState final : private JoinSink {
public:
    EngineState(Arena& arena, const CompiledPlan& plan, RecordSink& sink, PartialSink* partials);

    void push(Source& source, const CompiledSource& plan, const Batch& batch);
    void tick(Timestamp arrival, bool trusted);
    void close_all();
    Status set_frontier(std::uint64_t definition, std::uint64_t partition, Timestamp end);
    void mark_gap(Timestamp from, Timestamp to, std::uint64_t definition);
    std::vector<std::uint64_t> adopt(EngineState& from);
    void save_payload(ByteWriter& out) const;
    bool load_payload(ByteReader& in);
    void reset();

    const CompiledPlan& plan_;
    std::span<Source*> sources_;
    std::span<Window*> windows_;
    std::span<Pattern*> patterns_;
    std::span<IntervalJoin*> joins_;
    std::span<Table*> tables_;
    std::span<std::span<Enrichment>> enrichments_;  // of each source
    Emission emission_;

private:
    void end_message(Source& source, const CompiledSource& plan, const Batch& batch, std::size_t& first, std::size_t last);
    void process(Source& source, const CompiledSource& plan, const Batch& batch, std::size_t first, std::size_t last);
    void add(Source& source, const CompiledSource& plan, const Batch& batch, std::size_t first, std::size_t last);
    bool late_additions(const CompiledSource& plan) const;
    void collect(Source& source, const CompiledSource& plan, std::size_t& count);
    bool before(const Due& a, const Due& b) const;
    void emit(std::size_t count);
    void tell(const Source& source, const CompiledSource& plan);
    bool limit(const CompiledSource& plan);
    void advance_patterns(Source& source, const CompiledSource& plan);
    void release(Source& source, const CompiledSource& plan);
    template <typename Part>
    static bool move_state(Part& to, Part& from, std::size_t partitions, std::span<std::byte> scratch);
    void joined(std::size_t join, const Batch& batch) override;
    std::int64_t watermark_of(const CompiledJoin& join) const;
    bool follow(std::size_t join);
    void close_joined(const CompiledSource& plan);

    std::span<Due> due_;
    std::span<std::uint16_t> rows_;
    std::span<std::uint32_t> cells_;
};

std::vector<EnginePlan::Part> engine_parts(const CompiledPlan& plan) {
    std::vector<EnginePlan::Part> parts;
    Bytes engine = Arena::need<EngineState>() + Arena::need<Source*>(plan.sources.size()) +
                   Arena::need<Window*>(plan.windows.size()) + Arena::need<Pattern*>(plan.patterns.size()) + Arena::need<Due>(plan.due_max()) +
                   Arena::need<std::uint16_t>(batch_rows_max) + Arena::need<std::uint32_t>(batch_rows_max) +
                   Arena::need<Emission::Gap>(gaps_max(plan)) + Arena::need<Field>(record_fields_max) +
                   Arena::need<TopItem>(items_max(plan)) + Arena::need<std::byte>(sketch_bytes_max(plan)) + Arena::need<std::byte>(partial_size_max(plan));
    engine += plan.sources.size() * Arena::need<Source>();
    engine += Arena::need<IntervalJoin*>(plan.joins.size()) + Arena::need<Table*>(plan.spec.tables.size()) + Arena::need<std::span<Enrichment>>(plan.sources.size());
    for (const CompiledSource& source : plan.sources) engine += Arena::need<Enrichment>(source.enrichments.size());
    parts.push_back({"engine", engine});
    for (std::size_t i = 0; i < plan.joins.size(); ++i)
        parts.push_back({"join " + plan.spec.joins[i].name,
                         Arena::need<IntervalJoin>() + IntervalJoin::need(plan.joins[i], plan.spec.sources[plan.joins[i].joined].schema)});
    for (const TableSpec& table : plan.spec.tables)
        parts.push_back({"table " + table.name, Arena::need<Table>() + Table::need(table)});
    for (std::size_t i = 0; i < plan.sources.size(); ++i) {
        const SourceSpec& spec = plan.spec.sources[i];
        const Bytes watermarks = Source::need_watermarks(spec, plan.sources[i]);
        parts.push_back({"source " + spec.name + ": watermarks", watermarks});
        parts.push_back({"source " + spec.name + ": expressions", Source::need(spec, plan.sources[i]) - watermarks});
    }
    for (std::size_t i = 0; i < plan.windows.size(); ++i) {
        const CompiledWindow& window = plan.windows[i];
        const std::string prefix = "window " + plan.spec.windows[i].name + ": ";
        Bytes rest = window_need(window, plan.sources[window.source].partitions_max);
        for (const StateSpec& state : window.states) {
            const Bytes bytes = AggregateStates::need(state, window.cells_all());
            rest -= bytes;
            parts.push_back({prefix + state.label + (is_sketch(state.kind) ? " (pool)" : ""), bytes});
        }
        const Bytes folded = window.is_session ? 0 : AggregateStates::need(window.folded, window.folded_max());
        if (folded > 0) parts.push_back({prefix + window.folded.label + " (pool)", folded});
        const std::string panes = window.is_hopping() ? " x " + std::to_string(window.cells_max / window.groups_max) + " panes" : "";
        parts.push_back({prefix + (panes.empty() ? "" : std::to_string(window.groups_max) + " ") + "groups" + panes, rest - folded});
    }
    for (std::size_t i = 0; i < plan.patterns.size(); ++i) {
        const PlannedPattern& pattern = plan.patterns[i];
        parts.push_back({"pattern " + plan.spec.patterns[i].name,
                         Arena::need<Pattern>() + Pattern::need(pattern.plan, plan.sources[pattern.source].partitions_max)});
    }
    return parts;
}

Bytes sketch_bytes_max(const CompiledPlan& plan) {
    Bytes most = 0;
    for (const CompiledWindow& window : plan.windows) {
        Bytes total = 0;
        for (const StateSpec& state : window.states) total += AggregateStates::sketch_size_max(state);
        most = std::max(most, total);
    }
    return most;
}

std::size_t items_max(const CompiledPlan& plan) {
    std::size_t most = 0;
    for (const CompiledWindow& window : plan.windows) {
        std::size_t total = 0;
        for (const CallSpec& call : window.calls) total += call.items;
        most = std::max(most, total);
    }
    return most;
}

Bytes PartialHead::size_max(const CompiledWindow& window) {
    if (!window.merged) return 0;
    Bytes states = 0;
    for (const StateSpec& state : window.merged->staged) states += AggregateStates::save_size_max(state, 1);
    return size + std::max(window.key.width(), AggregateStates::save_size_max(window.merged->staged_folded, 1)) + states;
}

Bytes partial_size_max(const CompiledPlan& plan) {
    Bytes most = 0;
    for (const CompiledWindow& window : plan.windows) most = std::max(most, PartialHead::size_max(window));
    return most;
}

Bytes engine_save_size_max(const CompiledPlan& plan) {
    Bytes total = save_header + 64 + gaps_max(plan) * sizeof(Emission::Gap);
    for (std::size_t i = 0; i < plan.sources.size(); ++i) total += Source::save_size_max(plan.spec.sources[i], plan.sources[i]);
    for (const CompiledWindow& window : plan.windows) total += window_save_size_max(window);
    for (const PlannedPattern& pattern : plan.patterns) total += Pattern::save_size_max(pattern.plan);
    for (const CompiledJoin& join : plan.joins) total += IntervalJoin::save_size_max(join);
    for (const TableSpec& table : plan.spec.tables) total += Table::save_size_max(table);
    for (const CompiledSource& source : plan.sources) total += source.enrichments.size() * Enrichment::save_size;
    return total;
}

Bytes window_record_size_max(const CompiledPlan& plan, std::size_t index) {
    constexpr Bytes head = 64;
    constexpr Bytes field_head = 5;
    const CompiledWindow& window = plan.windows[index];
    Bytes total = head + plan.spec.windows[index].name.size();
    for (const std::string& name : window.key_names) total += field_head + name.size() + 4 + key_text_max;
    for (const CompiledValue& value : window.values) {
        // A text is a literal, or of first() and last().
        total += field_head + value.name.size() + 32 + (value.kind == ValueKind::text ? expression_text_max : 0);
        if (!value.call) continue;
        const CallSpec& call = window.calls[*value.call];
        const StateSpec& state = window.states[call.state];
        total += AggregateStates::sketch_size_max(state) + call.items * (32 + 4 + key_text_max) + state.bounds.size() * 16;
    }
    return total + field_head + 64;
}

Bytes pattern_record_size_max(const CompiledPlan& plan, std::size_t index) {
    constexpr Bytes head = 64;
    constexpr Bytes field_head = 5;
    const CompiledPattern& pattern = plan.patterns[index].plan;
    Bytes total = head + plan.spec.patterns[index].name.size();
    for (const std::string& name : pattern.key_names) total += field_head + name.size() + 4 + key_text_max;
    // A text is a literal, or of a row.
    for (const PatternExpression& measure : pattern.measures)
        total += field_head + measure.name.size() + 32 + (measure.kind == ValueKind::text ? expression_text_max : 0);
    return total;
}

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
    for (std::size_t i = 0; i < plan.sources.size(); ++i)
        sources_[i] = arena.make<Source>(arena, plan.spec.sources[i], plan.sources[i]);
    for (std::size_t i = 0; i < plan.windows.size(); ++i) {
        const CompiledWindow& window = plan.windows[i];
        windows_[i] = make_window(arena, window, plan.spec.windows[i].name, static_cast<std::uint32_t>(i),
                                         plan.sources[window.source].partitions_max, plan.spec.seed);
    }
    for (std::size_t i = 0; i < plan.patterns.size(); ++i) {
        const PlannedPattern& pattern = plan.patterns[i];
        patterns_[i] = arena.make<Pattern>(arena, pattern.plan, plan.spec.patterns[i].name, pattern.definition,
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
    }
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
    status.waits = of.watermarks().is_limited();
    status.counters = of.counters().values();
    return status;
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
