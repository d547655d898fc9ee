#include "windows/plan_compiler.h"

#include <algorithm>

// Windows that are not cut by the clock: by gaps between the rows of a key, or by their number.

namespace weir {
namespace {

constexpr std::uint8_t folded_lg_k = 10;  // the number of folded keys to about 3 %
// A frontier is kept for so many groups of keys; within one the furthest counts for all.
constexpr std::size_t count_frontiers_max = 256;

}  // namespace

StateSpec PlanCompiler::folded_keys() {
    StateSpec state;
    state.kind = StateKind::hll;
    state.type = ColumnType::integer;
    state.lg_k = folded_lg_k;
    state.label = "keys in (other)";
    return state;
}

bool PlanCompiler::groups(const WindowSpec& spec) {
    if (spec.max_groups >= 1 && spec.max_groups <= 1'000'000) return true;
    return fail("max_groups", "must be from 1 to 1000000");
}

bool PlanCompiler::session_limits(const WindowSpec& spec, CompiledWindow& out) {
    if (spec.size != Duration() || spec.calendar != CalendarUnit::none || spec.count > 0 ||
        (spec.session != Duration() && !spec.session_gap.empty()))
        return fail("session", "stands beside size, calendar, count or another session; a window has one of them");
    if (spec.max_wait != Duration()) return fail("max_wait", "belongs to count");
    if (!spec.session_gap.empty() && !session_gap(spec, out)) return false;
    if (!out.gap && (spec.session < Duration::millis(1) || spec.session > longest))
        return fail("session", "must be from 1ms to 366 days");
    if (spec.late_allow < Duration() || spec.late_allow > longest) return fail("late.allow", "must be from 0 to 366 days");
    if (!groups(spec)) return false;
    out.is_session = true;
    out.size = out.gap ? spec.session_max.us() : spec.session.us();
    out.allow = spec.late_then == LateThen::revise ? spec.late_allow.us() : 0;
    out.groups_max = out.cells_max = spec.max_groups;
    out.frontiers_max = out.by_partition ? plan_->sources[out.source].partitions_max + 1 : 1;
    return true;
}

// A number is a number of seconds: duration() makes a duration of it.
bool PlanCompiler::session_gap(const WindowSpec& spec, CompiledWindow& out) {
    if (spec.session_max < Duration::millis(1) || spec.session_max > longest)
        return fail("session_max", "must be from 1ms to 366 days");
    Problem problem;
    auto tree = parse(spec.session_gap, problem);
    if (!tree) return fail("session", problem);
    SchemaInputs columns(plan_->spec.sources[out.source].schema, plan_->spec.zones);
    auto gap = ExpressionCompiler::compile(*tree, columns, problem, std::nullopt);
    if (!gap) return fail("session", problem);
    const bool is_number = gap->meaning() == Meaning::plain && (gap->type() == ColumnType::integer || gap->type() == ColumnType::real);
    if (!is_number && gap->meaning() != Meaning::duration)
        return fail("session", "a gap is a duration, or a number of seconds, and " + gap->canonical() + " is " +
                                   (gap->meaning() == Meaning::timestamp ? "a timestamp" : std::string(name(gap->type()))));
    if (is_number) gap = ExpressionCompiler::compile(call_of("duration", std::move(*tree)), columns, problem, std::nullopt);
    if (!gap) return fail("session", problem);
    out.gap = input(plan_->sources[out.source], std::move(*gap));
    return true;
}

bool PlanCompiler::count_limits(const WindowSpec& spec, CompiledWindow& out) {
    if (spec.size != Duration() || spec.calendar != CalendarUnit::none)
        return fail("count", "stands beside size or calendar; a window has one of them");
    if (spec.count < 1 || spec.count > 1'000'000'000) return fail("count", "must be from 1 to 1000000000");
    if (spec.max_wait != Duration() && (spec.max_wait < Duration::millis(1) || spec.max_wait > longest))
        return fail("max_wait", "must be from 1ms to 366 days");
    if (spec.late_allow != Duration()) return fail("late.allow", "has no meaning with count: no row is late");
    if (!groups(spec)) return false;
    out.count = spec.count;
    out.max_wait = spec.max_wait.us();
    out.groups_max = out.cells_max = spec.by.empty() ? 1 : spec.max_groups;
    out.intervals_max = 1;  // of "(other)"
    out.folded = folded_keys();
    out.frontiers_max = std::min(out.groups_max, count_frontiers_max) + 1;
    return true;
}

}  // namespace weir
