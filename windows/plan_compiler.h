// From spec to compiled plan: finds the aggregates in the select texts, shares their states, checks all.
// Memory: heap, at start-up only. Cost: O(text). Threads: one owner.
// Errors: the first SpecProblem.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "windows/compiled_plan.h"
#include "windows/compiler.h"
#include "windows/syntax.h"

namespace weir {

class PlanCompiler {
public:
    PlanCompiler(EngineSpec spec, SpecProblem& problem);
    // nullptr when problem is set.
    std::unique_ptr<CompiledPlan> run();

private:
    static constexpr Duration longest = Duration::minutes(60 * 24 * 366);

    bool fail(std::string key, std::string what, std::size_t offset = 0);
    bool fail(std::string key, const Problem& problem) { return fail(std::move(key), problem.what, problem.offset); }
    bool table(const TableSpec& spec);
    bool source(SourceSpec& spec);
    bool enrich(SourceSpec& spec, CompiledSource& out);
    bool join(const JoinSpec& spec);
    bool join_sides(const JoinSpec& spec, CompiledJoin& out);
    bool join_keys(const JoinSpec& spec, CompiledJoin& out);
    bool join_limits(const JoinSpec& spec, CompiledJoin& out);
    bool join_columns(const JoinSpec& spec, CompiledJoin& out, SourceSpec& joined);
    bool align_sources();
    std::int64_t waiting_for_others(std::size_t source) const;
    bool window(const WindowSpec& spec);
    bool pattern(const PatternSpec& spec);
    // windows/plan_compiler_cuts.cc
    bool groups(const WindowSpec& spec);
    bool session_gap(const WindowSpec& spec, CompiledWindow& out);
    bool hopping_limits(const WindowSpec& spec, CompiledWindow& out);
    bool late_and_early(const WindowSpec& spec, CompiledWindow& out);
    bool session_limits(const WindowSpec& spec, CompiledWindow& out);
    bool count_limits(const WindowSpec& spec, CompiledWindow& out);
    bool window_limits(const WindowSpec& spec, CompiledWindow& out);
    bool window_cut(const WindowSpec& spec, CompiledWindow& out);
    std::optional<ZoneTable> zone(const WindowSpec& spec);
    bool window_where(const WindowSpec& spec, CompiledWindow& out);
    bool window_key(const WindowSpec& spec, CompiledWindow& out);
    bool window_select(const WindowSpec& spec, CompiledWindow& out);
    bool fits(const CompiledWindow& window);
    std::uint64_t sketch_bytes() const;
    void share_sketch_bytes();
    template <typename Give>
    void merged_states(CompiledWindow& window, Give give);
    std::string definition_text(const WindowSpec& spec, const CompiledWindow& window) const;
    static Node call_of(std::string name, Node argument);
    static StateSpec folded_keys();
    static std::size_t grouping(CompiledSource& source, const std::vector<std::size_t>& columns);
    static std::string source_text(const SourceSpec& source);
    static std::size_t hashed(CompiledSource& source, std::size_t column);
    static std::size_t input(CompiledSource& source, Expression expression);

    std::unique_ptr<CompiledPlan> plan_;
    SpecProblem& problem_;
    std::uint64_t planned_ = 0;  // bytes of cells so far, sketches in their smallest form
    std::uint64_t wanted_ = 0;   // what sketches would take beyond that, at most
    std::string at_source_;
    std::string at_window_;
    std::string at_pattern_;
    std::string at_table_;
    std::string at_join_;
    std::vector<std::string> selected_;  // canonical texts of the window being compiled
};

}  // namespace weir
