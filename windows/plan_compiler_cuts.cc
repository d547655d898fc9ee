#include "windows/plan_compiler.h"

#include <algorithm>
#include <utility>

// Windows that are not only cut by the clock: that hop, or end by gaps between the rows of a key, or by their number.

namespace weir {
namespace {

constexpr std::uint8_t folded_lg_k = 10;  // the number of folded keys to about 3 %
// A frontier is kept for so many groups of keys; within one the furthest counts for all.
constexpr std::size_t count_frontiers_max = 256;
constexpr std::uint64_t panes_bound = 4096;
constexpr std::uint64_t panes_waiting_bound = 1024;
constexpr std::uint64_t panes_ahead_bound = 64;
constexpr std::uint64_t cells_bound = std::uint64_t{1} << 22;

// As configurations spell it.
std::string text(Duration d) {
    constexpr std::pair<std::int64_t, const char*> units[] = {
        {std::int64_t{86400} * 1'000'000, "d"}, {std::int64_t{3600} * 1'000'000, "h"}, {60'000'000, "m"}, {1'000'000, "s"}, {1000, "ms"}};
    for (const auto& [us, unit] : units)
        if (d.us() % us == 0) return std::to_string(d.us() / us) + unit;
    return std::to_string(d.us()) + "us";
}

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

// Cells are panes: those of one window, and of what waits for the watermark. Results that may be revised are kept beside them.
bool PlanCompiler::hopping_limits(const WindowSpec& spec, CompiledWindow& out) {
    if (spec.every == Duration()) return true;
    if (spec.calendar != CalendarUnit::none) return fail("every", "stands beside calendar: only windows of a size can hop");
    const std::int64_t every = spec.every.us();
    if (spec.every < Duration::millis(1)) return fail("every", "must be 1ms or more");
    if (spec.every > spec.size) return fail("every", "is longer than size: what happens between two windows would count nowhere");
    const std::int64_t below = spec.size.us() / every * every;
    if (below != spec.size.us())
        return fail("size", text(spec.size) + " is no multiple of every = " + text(spec.every) + "; the nearest that are: " +
                                text(Duration::micros(below)) + " and " + text(Duration::micros(below + every)));
    if (every == spec.size.us()) return true;
    if (out.aside) return fail("late.then", "\"side\" is not for windows that hop: a row may be late for one of its windows and not for the next");
    if (out.early > 0) return fail("early", "is not for windows that hop: a smaller every gives results as often");
    const SourceSpec& source = plan_->spec.sources[out.source];
    const auto panes_in = [every](std::int64_t span) { return std::min(static_cast<std::uint64_t>((span + every - 1) / every), panes_bound + 1); };
    const std::uint64_t panes = panes_in(spec.size.us());
    if (panes > panes_bound) return fail("every", "cuts size into more than " + std::to_string(panes_bound) + " panes");
    const bool waits = !source.partition.empty() && !out.by_partition;
    const std::int64_t held = source.lateness.most().us() + (waits ? source.idle.us() : 0) + waiting_for_others(out.source);
    const std::uint64_t together = panes + std::min<std::uint64_t>(panes_in(held), panes_waiting_bound);
    const std::uint64_t ahead = std::min<std::uint64_t>(4 + panes_in(held + source.max_future.us()), panes_ahead_bound);
    const std::uint64_t kept = out.allow > 0 ? panes_in(out.allow) + 1 : 0;
    const std::uint64_t intervals = spec.max_open ? spec.max_open : std::max(together + 4, panes + ahead);
    if (intervals <= panes) return fail("max_open", "must be more than the " + std::to_string(panes) + " panes of a window");
    const std::uint64_t cells = spec.by.empty() ? intervals : out.groups_max * std::min(together, intervals);
    if (cells + (out.groups_max + 1) * (kept + 1) > cells_bound)
        return fail("max_groups", std::to_string(out.groups_max) + " groups x " + std::to_string(together + kept) +
                                      " panes and results are more than any plan may hold (" + std::to_string(cells_bound) + "); a longer every makes fewer panes");
    out.every = every;
    out.kept_max = static_cast<std::size_t>(kept);
    out.intervals_max = static_cast<std::size_t>(intervals);
    out.cells_max = static_cast<std::size_t>(cells);
    return true;
}

// Sessions have no length of which an early result must be a part.
bool PlanCompiler::late_and_early(const WindowSpec& spec, CompiledWindow& out) {
    if (spec.late_allow < Duration() || spec.late_allow > longest) return fail("late.allow", "must be from 0 to 366 days");
    out.allow = spec.late_then == LateThen::drop ? 0 : spec.late_allow.us();
    out.aside = out.allow > 0 && spec.late_then == LateThen::side;
    // What several engines have of a cell is merged when it closes, into one result.
    const bool split = plan_->spec.sources[out.source].split;
    if (split && out.aside) return fail("late.then", "\"side\" is not for a source that several engines share: drop, or revise");
    if (split && spec.early != Duration()) return fail("early", "is not for a source that several engines share");
    if (spec.early == Duration()) return true;
    if (spec.early < Duration::micros(early_least_us) || spec.early > longest) return fail("early", "must be from 100ms to 366 days");
    if (!out.is_session && spec.early.us() >= out.size)
        return fail("early", "is as long as the window or longer: nothing would come before its result");
    out.early = spec.early.us();
    return true;
}

bool PlanCompiler::session_limits(const WindowSpec& spec, CompiledWindow& out) {
    if (spec.size != Duration() || spec.calendar != CalendarUnit::none || spec.count > 0 ||
        (spec.session != Duration() && !spec.session_gap.empty()))
        return fail("session", "stands beside size, calendar, count or another session; a window has one of them");
    if (spec.max_wait != Duration()) return fail("max_wait", "belongs to count");
    if (spec.every != Duration()) return fail("every", "stands beside session: only windows of a size can hop");
    if (!spec.session_gap.empty() && !session_gap(spec, out)) return false;
    if (!out.gap && (spec.session < Duration::millis(1) || spec.session > longest))
        return fail("session", "must be from 1ms to 366 days");
    if (!groups(spec)) return false;
    out.is_session = true;
    out.size = out.gap ? spec.session_max.us() : spec.session.us();
    if (!late_and_early(spec, out)) return false;
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
    if (spec.every != Duration()) return fail("every", "stands beside count: only windows of a size can hop");
    if (spec.count < 1 || spec.count > 1'000'000'000) return fail("count", "must be from 1 to 1000000000");
    if (spec.max_wait != Duration() && (spec.max_wait < Duration::millis(1) || spec.max_wait > longest))
        return fail("max_wait", "must be from 1ms to 366 days");
    if (spec.late_allow != Duration()) return fail("late.allow", "has no meaning with count: no row is late");
    if (spec.early != Duration()) return fail("early", "is for windows that time closes, not count; max_wait bounds how long its results take");
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
