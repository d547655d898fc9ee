#include "windows/engine_memory.h"

#include <algorithm>

#include "windows/engine_state.h"
#include "windows/partial.h"
#include "windows/result_state.h"

namespace weir {

std::vector<EnginePlan::Part> engine_parts(const CompiledPlan& plan) {
    std::vector<EnginePlan::Part> parts;
    Bytes engine = Arena::need<EngineState>() + Arena::need<Source*>(plan.sources.size()) +
                   Arena::need<Window*>(plan.windows.size()) + Arena::need<Pattern*>(plan.patterns.size()) + Arena::need<Due>(plan.due_max()) +
                   Arena::need<std::uint16_t>(batch_rows_max) + Arena::need<std::uint32_t>(batch_rows_max) +
                   Arena::need<Emission::Gap>(gaps_max(plan)) + Arena::need<Field>(record_fields_max) +
                   Arena::need<TopItem>(items_max(plan)) + Arena::need<std::byte>(sketch_bytes_max(plan)) + Arena::need<std::byte>(partial_size_max(plan)) + Arena::need<std::byte>(state_size_max(plan));
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

Bytes state_size_max(const CompiledPlan& plan) {
    Bytes most = 0;
    for (const CompiledWindow& window : plan.windows) most = std::max(most, state_size_max(window));
    return most;
}

Bytes engine_save_size_max(const CompiledPlan& plan) {
    Bytes total = engine_save_header + 64 + gaps_max(plan) * sizeof(Emission::Gap);
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
    return total + field_head + 64 + state_size_max(window);
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

}  // namespace weir
