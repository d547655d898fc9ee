#include "windows/plan.h"

#include <algorithm>

#include "windows/engine_memory.h"
#include "windows/plan_compiler.h"

namespace weir {

EnginePlan::EnginePlan(std::unique_ptr<CompiledPlan> compiled) : compiled_(std::move(compiled)) {}
EnginePlan::EnginePlan(EnginePlan&&) noexcept = default;
EnginePlan& EnginePlan::operator=(EnginePlan&&) noexcept = default;
EnginePlan::~EnginePlan() = default;

std::optional<EnginePlan> EnginePlan::compile(EngineSpec spec, SpecProblem& problem) {
    auto compiled = PlanCompiler(std::move(spec), problem).run();
    if (!compiled) return std::nullopt;
    return EnginePlan(std::move(compiled));
}

std::vector<EnginePlan::Part> EnginePlan::parts() const { return engine_parts(*compiled_); }

Bytes EnginePlan::need() const {
    Bytes total = 0;
    for (const Part& part : parts()) total += part.bytes;
    return total;
}

Bytes EnginePlan::expression_memory() const {
    Bytes total = 0;
    for (const CompiledSource& source : compiled_->sources)
        for (const Expression& input : source.inputs) total += input.memory();
    for (const CompiledWindow& window : compiled_->windows)
        for (const CompiledValue& value : window.values)
            if (value.expression) total += value.expression->memory();
    for (const PlannedPattern& pattern : compiled_->patterns) {
        for (const PatternExpression& condition : pattern.plan.conditions) total += condition.expression->memory();
        for (const PatternExpression& measure : pattern.plan.measures) total += measure.expression->memory();
    }
    for (const CompiledJoin& join : compiled_->joins)
        for (const CompiledJoin::Value& value : join.values) total += value.expression->memory();
    for (const auto& calendar : compiled_->calendars) total += calendar->memory();
    return total;
}

std::uint64_t EnginePlan::sketch_bytes() const {
    std::uint64_t sum = 0;
    for (const CompiledWindow& window : compiled_->windows) {
        sum += window.folded.spare;
        for (const StateSpec& state : window.states) sum += state.spare;
    }
    return sum;
}

std::uint64_t EnginePlan::sketch_bytes_max() const {
    std::uint64_t sum = 0;
    for (const CompiledWindow& window : compiled_->windows) {
        sum += AggregateStates::spare_max(window.folded, window.folded_max());
        for (const StateSpec& state : window.states) sum += AggregateStates::spare_max(state, window.cells_all());
    }
    return sum;
}

Bytes EnginePlan::save_size_max() const { return engine_save_size_max(*compiled_); }
Bytes EnginePlan::partial_size_max() const { return weir::partial_size_max(*compiled_); }
Bytes EnginePlan::record_size_max() const {
    Bytes most = 0;
    for (std::size_t i = 0; i < windows(); ++i) most = std::max(most, record_size_max(i));
    for (std::size_t i = 0; i < patterns(); ++i) most = std::max(most, pattern_record_size_max(i));
    return most;
}
Bytes EnginePlan::record_size_max(std::size_t window) const { return window_record_size_max(*compiled_, window); }
Bytes EnginePlan::pattern_record_size_max(std::size_t pattern) const { return weir::pattern_record_size_max(*compiled_, pattern); }

bool EnginePlan::keeps_state(std::size_t window) const { return compiled_->windows[window].keeps_state; }

std::size_t EnginePlan::sources() const { return compiled_->sources.size(); }
std::size_t EnginePlan::windows() const { return compiled_->windows.size(); }
std::size_t EnginePlan::patterns() const { return compiled_->patterns.size(); }
std::size_t EnginePlan::joins() const { return compiled_->joins.size(); }
std::optional<std::size_t> EnginePlan::join_of_source(std::size_t source) const { return compiled_->sources[source].join; }
std::size_t EnginePlan::tables() const { return compiled_->spec.tables.size(); }

std::optional<std::size_t> EnginePlan::find_source(std::string_view name) const {
    for (std::size_t i = 0; i < sources(); ++i)
        if (source(i).name == name) return i;
    return std::nullopt;
}
std::optional<std::size_t> EnginePlan::find_window(std::string_view name) const {
    for (std::size_t i = 0; i < windows(); ++i)
        if (window(i).name == name) return i;
    return std::nullopt;
}

std::optional<std::size_t> EnginePlan::find_pattern(std::string_view name) const {
    for (std::size_t i = 0; i < patterns(); ++i)
        if (pattern(i).name == name) return i;
    return std::nullopt;
}

const SourceSpec& EnginePlan::source(std::size_t index) const { return compiled_->spec.sources[index]; }
const WindowSpec& EnginePlan::window(std::size_t index) const { return compiled_->spec.windows[index]; }
const PatternSpec& EnginePlan::pattern(std::size_t index) const { return compiled_->spec.patterns[index]; }
const JoinSpec& EnginePlan::join(std::size_t index) const { return compiled_->spec.joins[index]; }
const TableSpec& EnginePlan::table(std::size_t index) const { return compiled_->spec.tables[index]; }
std::uint64_t EnginePlan::pattern_definition(std::size_t pattern) const { return compiled_->patterns[pattern].definition; }
std::span<const FieldType> EnginePlan::pattern_fields(std::size_t pattern) const { return compiled_->patterns[pattern].plan.fields; }
std::uint64_t EnginePlan::definition(std::size_t window) const { return compiled_->windows[window].definition; }
std::uint64_t EnginePlan::fingerprint() const { return compiled_->fingerprint; }
std::span<const FieldType> EnginePlan::fields(std::size_t window) const { return compiled_->windows[window].fields; }

}  // namespace weir
