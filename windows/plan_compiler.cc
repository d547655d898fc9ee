#include "windows/plan_compiler.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "agent/base/hash.h"
#include "windows/civil.h"
#include "windows/pattern.h"
#include "windows/plan_calls.h"
#include "windows/result_state.h"

namespace weir {
namespace {

constexpr std::size_t intervals_bound = 64;
constexpr std::uint64_t planned_max = std::uint64_t{1} << 30;

std::vector<std::string> names_of(const std::vector<ColumnSpec>& columns) {
    std::vector<std::string> names;
    for (const ColumnSpec& column : columns) names.push_back(column.name);
    return names;
}

template <typename Spec>
std::vector<std::string> names_of(const std::vector<Spec>& specs) {
    std::vector<std::string> names;
    for (const Spec& spec : specs) names.push_back(spec.name);
    return names;
}

}  // namespace

PlanCompiler::PlanCompiler(EngineSpec spec, SpecProblem& problem)
    : plan_(std::make_unique<CompiledPlan>()), problem_(problem) {
    plan_->spec = std::move(spec);
    problem_ = {};
}

std::unique_ptr<CompiledPlan> PlanCompiler::run() {
    std::string all = "seed " + std::to_string(plan_->spec.seed);
    for (const TableSpec& spec : plan_->spec.tables) {
        if (!table(spec)) return nullptr;
        all += "\ntable " + spec.name + " " + std::to_string(spec.max_rows) + " " + std::to_string(spec.max_text) + " " + std::string(name(spec.key.type));
        for (const ColumnSpec& column : spec.columns.columns()) all += " " + std::string(name(column.type));
    }
    for (SourceSpec& spec : plan_->spec.sources)
        if (!source(spec)) return nullptr;
    if (!align_sources()) return nullptr;
    for (const JoinSpec& spec : plan_->spec.joins) {
        if (!join(spec)) return nullptr;
        all += "\njoin " + plan_->spec.sources.back().origin;
    }
    for (const WindowSpec& spec : plan_->spec.windows) {
        if (!window(spec)) return nullptr;
        all += "\nwindow " + spec.name + " " + std::to_string(plan_->windows.back().definition);
        if (spec.early > Duration()) all += " early " + std::to_string(spec.early.us());
    }
    for (const PatternSpec& spec : plan_->spec.patterns) {
        if (!pattern(spec)) return nullptr;
        all += "\npattern " + spec.name + " " + std::to_string(plan_->patterns.back().definition);
    }
    for (const SourceSpec& spec : plan_->spec.sources) all += "\nsource " + spec.name + (spec.split ? " split" : "");
    share_sketch_bytes();
    for (const CompiledWindow& window : plan_->windows)
        for (const StateSpec& state : window.states) all += "\nspare " + std::to_string(state.spare);
    // A state belongs to the offsets it was made with: another data base of zones may know better.
    for (const CompiledSource& source : plan_->sources)
        for (const Expression& input : source.inputs)
            for (const ZoneTable& zone : input.zones()) {
                all += "\nzone " + zone.name() + " " + std::to_string(zone.before().us());
                for (const ZoneTable::Change& change : zone.changes())
                    all += " " + std::to_string(change.at.us()) + " " + std::to_string(change.offset.us());
            }
    plan_->fingerprint = hash64(as_byte_span(all));
    plan_->spec.zones = nullptr;  // the caller's, no longer asked
    return std::move(plan_);
}

bool PlanCompiler::fail(std::string key, std::string what, std::size_t offset) {
    problem_ = {at_source_, at_window_, at_pattern_, std::move(key), {std::move(what), offset}, at_table_, at_join_};
    return false;
}

bool PlanCompiler::source(SourceSpec& spec) {
    at_source_ = spec.name;
    CompiledSource out;
    if (spec.name.empty()) return fail("name", "a source needs a name");
    for (const SourceSpec& other : plan_->spec.sources)
        if (&other != &spec && other.name == spec.name) return fail("name", "two sources are called " + spec.name);
    for (std::size_t i = 0; i < spec.schema.size(); ++i)
        if (spec.schema.find(spec.schema[i].name) != i) return fail("columns", "two columns are called " + spec.schema[i].name);
    const auto within = [&](Duration d, Duration least) { return d >= least && d <= longest; };
    if (!within(spec.lateness.most(), {})) return fail("time.lateness", "must be from 0 to 366 days");
    if (spec.lateness.adaptive && !(spec.lateness.floor >= Duration() && spec.lateness.floor <= spec.lateness.ceiling))
        return fail("time.lateness_min", "must be from 0 to time.lateness_max");
    if (spec.lateness.adaptive && !(spec.lateness.late_share > 0 && spec.lateness.late_share < 1))
        return fail("time.late_share", "must be more than 0 and less than 1: the share of events that may come too late");
    if (!within(spec.idle, Duration::micros(1))) return fail("time.idle", "must be more than 0, and at most 366 days");
    if (!within(spec.max_future, {})) return fail("time.max_future", "must be from 0 to 366 days");
    if (spec.max_partitions < 1 || spec.max_partitions > 1'000'000) return fail("max_partitions", "must be from 1 to 1000000");
    if (!spec.partition.empty()) {
        const auto column = spec.schema.find(spec.partition);
        if (!column) {
            const auto known = names_of(spec.schema.columns());
            return fail("partition", "no column is called " + spec.partition + suggestion(spec.partition, known));
        }
        if (spec.schema[*column].type == ColumnType::real)
            return fail("partition", spec.partition + " is float: a partition is an int, a bool or a string");
        out.partition_column = *column;
        out.partition = hashed(out, *column);
    }
    if (!enrich(spec, out)) return false;
    out.partitions_max = out.partition ? spec.max_partitions + 1 : 1;
    out.definition = hash64(as_byte_span(source_text(spec)));
    plan_->sources.push_back(std::move(out));
    at_source_.clear();
    return true;
}

bool PlanCompiler::align_sources() {
    for (std::size_t i = 0; i < plan_->sources.size(); ++i) {
        const SourceSpec& spec = plan_->spec.sources[i];
        CompiledSource& out = plan_->sources[i];
        out.together = {i};
        if (spec.align.empty()) continue;
        at_source_ = spec.name;
        for (std::size_t other = 0; other < plan_->sources.size(); ++other)
            if (other != i && plan_->spec.sources[other].align == spec.align) out.together.push_back(other);
        if (out.together.size() == 1) return fail("time.align", "no other source is aligned with \"" + spec.align + "\": name the same in each of them");
        if (spec.split) return fail("time.align", "is not for a source that several engines share");
        if (spec.ahead < Duration() || spec.ahead > longest) return fail("time.ahead", "must be from 0 to 366 days");
        out.ahead = spec.ahead.us();
        at_source_.clear();
    }
    return true;
}

// How long intervals stay open for the sources that theirs is aligned with: until those have come, or are idle.
std::int64_t PlanCompiler::waiting_for_others(std::size_t source) const {
    std::int64_t most = 0;
    for (std::size_t other : plan_->sources[source].together) {
        const SourceSpec& spec = plan_->spec.sources[other];
        if (other != source) most = std::max(most, spec.lateness.most().us() + spec.idle.us());
    }
    return most;
}

bool PlanCompiler::window(const WindowSpec& spec) {
    at_window_ = spec.name;
    CompiledWindow out;
    if (spec.name.empty()) return fail("name", "a window needs a name");
    for (const WindowSpec& other : plan_->spec.windows)
        if (&other != &spec && other.name == spec.name) return fail("name", "two windows are called " + spec.name);
    const auto sources = names_of(plan_->spec.sources);
    const auto found = std::find(sources.begin(), sources.end(), spec.from);
    if (found == sources.end()) return fail("from", "no source is called " + spec.from + suggestion(spec.from, sources));
    out.source = static_cast<std::size_t>(found - sources.begin());
    selected_.clear();
    if (!window_where(spec, out) || !window_key(spec, out) || !window_limits(spec, out) || !window_select(spec, out)) return false;
    if (plan_->spec.sources[out.source].split && !out.merged)
        return fail(spec.count > 0 ? "count" : out.is_hopping() ? "every" : "session",
                    "the rows of '" + spec.from + "' come through several lanes, and only windows of a size or a calendar, without every, "
                                                  "can be put together from parts: give the source one lane");
    if (plan_->spec.sources[out.source].split)
        for (const StateSpec& state : out.states)
            if (is_ordered(state.kind))
                return fail("select", state.label + " goes by the order of rows, and those of '" + spec.from + "' come through several lanes: give the source one lane");
    if (out.merged)
        for (const StateSpec& state : out.states)
            if (is_ordered(state.kind))
                return fail("select", state.label + " asks which row came before which, and the rows of '" + spec.from +
                                          "' come through several lanes: give the source one lane");
    if (!fits(out)) return false;
    out.definition = hash64(as_byte_span(definition_text(spec, out)));
    out.keeps_state = plan_->spec.keep_states && !out.is_session && out.count == 0 && !out.is_hopping();
    out.state_shape = state_shape(out);
    CompiledSource& source = plan_->sources[out.source];
    source.windows.push_back(plan_->windows.size());
    source.revises |= out.allow > 0 && !out.aside;
    const bool in_steps = out.is_session || out.count > 0;
    const std::int64_t cut = out.is_hopping() ? out.every : out.size;
    const Boundary boundary = in_steps ? Boundary{session_step_us, 0, nullptr, out.early} : Boundary{cut, out.allow, out.calendar, out.early};
    const bool by_time = out.count == 0 || out.max_wait > 0;
    if (by_time) source.source_boundaries.push_back(boundary);
    if (by_time && out.by_partition) source.partition_boundaries.push_back(boundary);
    plan_->windows.push_back(std::move(out));
    at_window_.clear();
    return true;
}

bool PlanCompiler::pattern(const PatternSpec& spec) {
    at_pattern_ = spec.name;
    for (const PatternSpec& other : plan_->spec.patterns)
        if (&other != &spec && other.name == spec.name) return fail("name", "two patterns are called " + spec.name);
    for (const WindowSpec& other : plan_->spec.windows)
        if (other.name == spec.name) return fail("name", "a window is called " + spec.name + ", too");
    const auto sources = names_of(plan_->spec.sources);
    const auto found = std::find(sources.begin(), sources.end(), spec.from);
    if (found == sources.end()) return fail("from", "no source is called " + spec.from + suggestion(spec.from, sources));
    PlannedPattern out;
    out.source = static_cast<std::size_t>(found - sources.begin());
    const SourceSpec& from = plan_->spec.sources[out.source];
    if (from.split)
        return fail("from", "the rows of '" + spec.from + "' come through several lanes, which a pattern cannot follow: give the source one lane");
    CompiledSource& source = plan_->sources[out.source];
    std::string key;
    Problem problem;
    auto compiled = compile_pattern(spec, from.schema, from.partition, source.inputs, plan_->spec.zones, key, problem);
    if (!compiled) return fail(key, problem);
    out.plan = std::move(*compiled);
    out.plan.step = pattern_step_us;
    out.plan.frontiers_max = out.plan.by_partition ? source.partitions_max : 1;
    std::vector<std::size_t> columns;
    for (const std::string& by : spec.by) columns.push_back(*from.schema.find(by));
    out.grouping = grouping(source, columns);
    planned_ += Pattern::need(out.plan, source.partitions_max);
    if (planned_ + sketch_bytes() > planned_max) return fail("max_groups", "the windows and patterns up to this one would take more than any plan may");
    out.definition = hash64(as_byte_span(source_text(from) + out.plan.definition_text));
    source.patterns.push_back(plan_->patterns.size());
    source.source_boundaries.push_back({pattern_step_us, 0});
    if (out.plan.by_partition) source.partition_boundaries.push_back({pattern_step_us, 0});
    plan_->patterns.push_back(std::move(out));
    at_pattern_.clear();
    return true;
}

bool PlanCompiler::window_cut(const WindowSpec& spec, CompiledWindow& out) {
    if (spec.calendar == CalendarUnit::none) {
        if (spec.size < Duration::millis(1) || spec.size > longest) return fail("size", "must be from 1ms to 366 days");
        out.size = spec.size.us();
        return true;
    }
    if (spec.size != Duration()) return fail("calendar", "has size beside it; a window has one of them");
    auto table = zone(spec);
    if (!table) return false;
    out.size = spec.calendar == CalendarUnit::day ? day_us : hour_us;
    plan_->calendars.push_back(std::make_unique<const Calendar>(spec.calendar, std::move(*table)));
    out.calendar = plan_->calendars.back().get();
    return true;
}

std::optional<ZoneTable> PlanCompiler::zone(const WindowSpec& spec) {
    if (const auto offset = parse_offset(spec.zone)) return ZoneTable::fixed(spec.zone, Duration::micros(*offset));
    const Zones* const zones = plan_->spec.zones;
    auto table = zones ? zones->find(spec.zone) : std::nullopt;
    if (!table) fail("zone", unknown_zone(spec.zone, zones));
    return table;
}

bool PlanCompiler::window_limits(const WindowSpec& spec, CompiledWindow& out) {
    const SourceSpec& source = plan_->spec.sources[out.source];
    if (spec.session != Duration() || !spec.session_gap.empty()) return session_limits(spec, out);
    if (spec.count > 0 || spec.max_wait != Duration()) return count_limits(spec, out);
    if (!window_cut(spec, out)) return false;
    if (spec.max_groups < 1 || spec.max_groups > 1'000'000) return fail("max_groups", "must be from 1 to 1000000");
    if (spec.max_open > 4096) return fail("max_open", "must be at most 4096");
    if (!late_and_early(spec, out)) return false;
    const auto intervals = [&](std::int64_t span) { return static_cast<std::size_t>((span + out.size - 1) / out.size); };
    // How long an interval stays open beyond its end, in intervals: so many hold groups at once. A window that
    // closes by the source's watermark waits for a partition that fell silent until that is idle.
    const bool waits = !source.partition.empty() && !out.by_partition;
    const std::int64_t held = source.lateness.most().us() + out.allow + (waits ? source.idle.us() : 0) + waiting_for_others(out.source);
    const std::size_t together = 1 + std::min(intervals(held), intervals_bound);
    const std::size_t ahead = intervals(held + source.max_future.us());
    out.intervals_max = spec.max_open ? spec.max_open : std::max<std::size_t>(together, std::min(4 + ahead, intervals_bound));
    out.groups_max = spec.by.empty() ? 1 : spec.max_groups;
    out.cells_max = spec.by.empty() ? out.intervals_max : out.groups_max * std::min(together, out.intervals_max);
    if (!hopping_limits(spec, out)) return false;
    out.folded = folded_keys();
    out.frontiers_max = out.by_partition ? plan_->sources[out.source].partitions_max + 1 : 1;
    if (!source.split || out.is_hopping()) return true;
    const std::int64_t waiting = held + (waits ? 0 : source.idle.us());
    MergedLimits merged;
    const std::size_t merged_together = 1 + std::min(intervals(waiting), intervals_bound);
    merged.intervals_max = std::max(out.intervals_max, std::max(merged_together, std::min(4 + intervals(waiting + source.max_future.us()), intervals_bound)));
    merged.cells_max = spec.by.empty() ? merged.intervals_max : out.groups_max * std::min(merged_together, merged.intervals_max);
    out.merged = std::move(merged);
    return true;
}

// In 64 bits: on a 32-bit board the sum of what a plan asks for must not wrap round.
bool PlanCompiler::fits(const CompiledWindow& window) {
    const std::uint64_t cells = window.cells_all() + 1;
    planned_ += cells * (128 + window.key.width());
    for (const StateSpec& state : window.states) {
        planned_ += cells * AggregateStates::first_bytes(state);
        wanted_ += AggregateStates::spare_max(state, window.cells_all());
    }
    planned_ += window.folded_max() * AggregateStates::first_bytes(window.folded);
    wanted_ += AggregateStates::spare_max(window.folded, window.folded_max());
    if (window.merged) {
        const std::uint64_t merged = window.merged->cells_all() + 1;
        planned_ += merged * (128 + window.key.width());
        for (const StateSpec& state : window.states) planned_ += merged * AggregateStates::first_bytes(state);
    }
    const std::uint64_t most = planned_ + sketch_bytes();
    if (most <= planned_max) return true;
    return fail("max_groups", "the windows up to this one would take " + std::to_string(most >> 20) + " MiB, more than any plan may (" +
                                  std::to_string(planned_max >> 20) + " MiB)");
}

std::uint64_t PlanCompiler::sketch_bytes() const {
    return plan_->spec.sketch_bytes ? std::min<std::uint64_t>(wanted_, *plan_->spec.sketch_bytes) : wanted_;
}

template <typename Give>
void PlanCompiler::merged_states(CompiledWindow& window, Give give) {
    MergedLimits& merged = *window.merged;
    const auto in_full = [](StateSpec& state) { state.spare = static_cast<Bytes>(AggregateStates::spare_max(state, 1)); };
    merged.states = merged.staged = window.states;
    merged.folded = merged.staged_folded = window.folded;
    for (StateSpec& state : merged.states) give(state, merged.cells_all());
    give(merged.folded, merged.intervals_max);
    for (StateSpec& state : merged.staged) in_full(state);
    in_full(merged.staged_folded);
}

// Each pool gets the same share of what it would take at most. In 1/65,536, so that it is the same on every board.
void PlanCompiler::share_sketch_bytes() {
    const std::uint64_t share = wanted_ == 0 ? 0 : (sketch_bytes() << 16) / wanted_;
    const auto give = [share](StateSpec& state, std::size_t cells) {
        state.spare = static_cast<Bytes>(AggregateStates::spare_max(state, cells) * share >> 16);
    };
    for (CompiledWindow& window : plan_->windows) {
        for (StateSpec& state : window.states) give(state, window.cells_all());
        give(window.folded, window.folded_max());
        if (window.merged) merged_states(window, give);
    }
}

bool PlanCompiler::window_where(const WindowSpec& spec, CompiledWindow& out) {
    if (spec.where.empty()) return true;
    Problem problem;
    auto where = Expression::compile(spec.where, plan_->spec.sources[out.source].schema, problem, plan_->spec.zones);
    if (!where) return fail("where", problem);
    if (where->type() != ColumnType::boolean)
        return fail("where", "where is true or false, and this is " + std::string(name(where->type())));
    out.where = input(plan_->sources[out.source], std::move(*where));
    return true;
}

bool PlanCompiler::window_key(const WindowSpec& spec, CompiledWindow& out) {
    const Schema& schema = plan_->spec.sources[out.source].schema;
    CompiledSource& source = plan_->sources[out.source];
    std::vector<std::size_t> columns;
    for (const std::string& by : spec.by) {
        const auto column = schema.find(by);
        if (!column) {
            const auto known = names_of(schema.columns());
            return fail("by", "no column is called " + by + suggestion(by, known));
        }
        if (schema[*column].type == ColumnType::real)
            return fail("by", by + " is float: a key is an int, a bool or a string; int(x) in a select shows values");
        if (std::find(columns.begin(), columns.end(), *column) != columns.end()) return fail("by", by + " stands twice");
        columns.push_back(*column);
        out.by_partition |= source.partition && source.partition_column == *column;
        out.key_names.push_back(by);
        out.fields.push_back({by, value_kind(schema[*column].type)});
    }
    if (plan_->spec.sources[out.source].split) {
        out.split_partition = out.by_partition;
        out.by_partition = false;
    }
    if (columns.size() > record_fields_max / 2) return fail("by", "at most " + std::to_string(record_fields_max / 2) + " columns");
    out.key = KeyLayout(schema, columns);
    out.grouping = grouping(source, columns);
    return true;
}

std::size_t PlanCompiler::grouping(CompiledSource& source, const std::vector<std::size_t>& columns) {
    std::vector<std::size_t> cells;
    for (std::size_t column : columns) cells.push_back(hashed(source, column));
    const auto known = std::find(source.groupings.begin(), source.groupings.end(), cells);
    const auto index = static_cast<std::size_t>(known - source.groupings.begin());
    if (known == source.groupings.end()) source.groupings.push_back(std::move(cells));
    return index;
}

bool PlanCompiler::window_select(const WindowSpec& spec, CompiledWindow& out) {
    if (spec.select.empty()) return fail("select", "a window needs at least one value, such as n = \"count()\"");
    if (spec.select.size() + spec.by.size() + 1 > record_fields_max)
        return fail("select", "keys and values together are at most " + std::to_string(record_fields_max - 1));
    AggregateCalls calls(plan_->sources[out.source], plan_->spec.sources[out.source].schema, out, plan_->spec.zones);
    std::size_t top_items = 0;
    std::size_t buckets = 0;
    for (const auto& [name, text] : spec.select) {
        const std::string key = "select." + name;
        for (const FieldType& field : out.fields)
            if (field.name == name) return fail(key, name + " stands twice among keys and values");
        if (name.empty() || name == "folded_keys") return fail(key, "this name is taken");
        Problem problem;
        const auto tree = parse(text, problem);
        if (!tree) return fail(key, problem);
        CompiledValue value;
        value.name = name;
        if (AggregateCalls::is_aggregate(*tree)) {
            value.call = calls.call(*tree, problem);
            if (!value.call) return fail(key, problem);
            value.kind = out.calls[*value.call].kind;
            top_items += out.calls[*value.call].items;
            if (value.kind == ValueKind::histogram) buckets += out.states[out.calls[*value.call].state].bounds.size() + 1;
        } else {
            value.expression = ExpressionCompiler::compile(*tree, calls, problem);
            if (!value.expression) return fail(key, problem);
            value.kind = value_kind(value.expression->type());
        }
        if (top_items > record_top_items_max) return fail(key, "top lists of one window hold at most " + std::to_string(record_top_items_max) + " items together");
        if (buckets > record_buckets_max) return fail(key, "histograms of one window hold at most " + std::to_string(record_buckets_max) + " buckets together");
        out.fields.push_back({name, value.kind});
        selected_.push_back(name + " = " + canonical(*tree));
        out.values.push_back(std::move(value));
    }
    out.fields.push_back({"folded_keys", ValueKind::estimate});
    return true;
}

Node PlanCompiler::call_of(std::string name, Node argument) {
    Node node;
    node.kind = Node::Kind::call;
    node.offset = argument.offset;
    node.text = std::move(name);
    node.args.push_back(std::move(argument));
    return node;
}

std::size_t PlanCompiler::hashed(CompiledSource& source, std::size_t column) { return index_of(source.hashed, column); }

std::size_t PlanCompiler::input(CompiledSource& source, Expression expression) { return add_input(source, std::move(expression)); }

namespace {

std::string line(std::string_view key, const std::string& value) { return std::string(key) + " " + value + "\n"; }
std::string us(Duration d) { return std::to_string(d.us()); }

}  // namespace

std::string PlanCompiler::source_text(const SourceSpec& source) {
    std::string text = line("from", source.name) + source.origin;
    for (const ColumnSpec& column : source.schema.columns()) text += line("column", column.name + " " + std::string(name(column.type)));
    const auto lateness = [&](const LatenessParams& l) {
        if (!l.adaptive) return us(l.fixed);
        return "adaptive " + us(l.floor) + " " + us(l.ceiling) + " " +
               std::to_string(std::bit_cast<std::uint64_t>(l.late_share));
    };
    text += line("time", lateness(source.lateness) + " " + us(source.idle) + " " + us(source.max_future));
    for (const TableUse& use : source.enrich) text += line("enrich", use.table + " " + use.on);
    if (!source.align.empty()) text += line("align", source.align + " " + us(source.ahead));
    text += line("partition", source.partition + " " + std::to_string(source.max_partitions));
    return text;
}

std::string PlanCompiler::definition_text(const WindowSpec& spec, const CompiledWindow& window) const {
    std::string text = source_text(plan_->spec.sources[window.source]);
    if (window.where) text += line("where", plan_->sources[window.source].inputs[*window.where].canonical());
    for (const std::string& by : spec.by) text += line("by", by);
    if (window.gap)
        text += line("session", plan_->sources[window.source].inputs[*window.gap].canonical() + " up to " + us(spec.session_max));
    else if (window.is_session)
        text += line("session", us(spec.session));
    else if (window.count > 0)
        text += line("count", std::to_string(spec.count) + " " + us(spec.max_wait));
    else if (window.calendar)
        text += line("calendar", (spec.calendar == CalendarUnit::day ? "day " : "hour ") + spec.zone);
    else
        text += line("size", us(spec.size));
    if (window.is_hopping()) text += line("every", us(spec.every));
    if (window.split_partition) text += line("closes", "by the source's watermark");
    text += line("late", std::to_string(window.allow) + (window.aside ? " side" : ""));
    text += line("limits", std::to_string(window.groups_max) + " " + std::to_string(window.intervals_max) + " " + std::to_string(window.cells_max));
    for (const std::string& value : selected_) text += line("select", value);
    return text;
}

}  // namespace weir
