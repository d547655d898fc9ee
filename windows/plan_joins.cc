#include <algorithm>

#include "agent/base/hash.h"
#include "windows/plan_compiler.h"

// Interval joins: two sources, and the source that their pairs make.

namespace weir {
namespace {

constexpr Duration longest = Duration::minutes(60 * 24 * 366);
constexpr std::size_t rows_most = 1'000'000;
constexpr std::uint64_t planned_max = std::uint64_t{1} << 30;
constexpr std::string_view side_names[2] = {"left", "right"};

// The names in a column of the joined source: SOURCE.COLUMN, or left.COLUMN and right.COLUMN; the time of each, too.
class JoinInputs final : public Inputs {
public:
    JoinInputs(const std::vector<SourceSpec>& sources, CompiledJoin& out, const Zones* zones)
        : sources_(sources), out_(out), zones_(zones) {}

    std::optional<Input> input(const Node& node, Problem&) override {
        if (node.kind != Node::Kind::name) return std::nullopt;
        for (const std::size_t by_name : {1U, 0U})
            for (std::size_t side = 0; side < 2; ++side) {
                const std::string prefix = std::string(by_name ? source(side).name : side_names[side]) + ".";
                if (!node.text.starts_with(prefix)) continue;
                if (const auto found = of(side, node.text.substr(prefix.size()))) return found;
            }
        return std::nullopt;
    }
    std::string unknown(const Node& node) const override {
        std::vector<std::string> known;
        for (std::size_t side = 0; side < 2; ++side) {
            known.push_back(source(side).name + ".time");
            for (const ColumnSpec& column : source(side).schema.columns()) {
                known.push_back(source(side).name + "." + column.name);
                if (column.name == node.text)
                    return "say whose " + node.text + ": " + source(0).name + "." + node.text + " or " + source(1).name + "." + node.text;
            }
        }
        return "neither side has " + node.text + suggestion(node.text, known);
    }
    bool has_time() const override { return true; }
    const Zones* zones() const override { return zones_; }

    std::optional<Input> of(std::size_t side, const std::string& name) {
        const Schema& schema = source(side).schema;
        if (const auto column = schema.find(name)) {
            const ColumnType type = schema[*column].type;
            return Input{operand(side, input_of(side, *column, type), type), type};
        }
        if (name != "time") return std::nullopt;
        return Input{operand(side, std::nullopt, ColumnType::integer), ColumnType::integer, Meaning::timestamp};
    }

private:
    const SourceSpec& source(std::size_t side) const { return sources_[out_.sides[side].source]; }
    std::size_t input_of(std::size_t side, std::size_t column, ColumnType type) {
        CompiledJoin::Side& of = out_.sides[side];
        const auto known = std::find_if(of.inputs.begin(), of.inputs.end(), [&](const auto& input) { return input.column == column; });
        const auto index = static_cast<std::size_t>(known - of.inputs.begin());
        if (known != of.inputs.end()) return index;
        of.inputs.push_back({column, type, of.row_bytes});
        of.row_bytes += pattern_cell_bytes(type);
        return index;
    }
    std::size_t operand(std::size_t side, std::optional<std::size_t> input, ColumnType type) {
        const auto same = [&](const CompiledJoin::Operand& o) { return o.side == side && o.input == input; };
        const auto known = std::find_if(out_.operands.begin(), out_.operands.end(), same);
        const auto index = static_cast<std::size_t>(known - out_.operands.begin());
        if (known == out_.operands.end()) out_.operands.push_back({side, input, type});
        return index;
    }

    const std::vector<SourceSpec>& sources_;
    CompiledJoin& out_;
    const Zones* zones_;
};

}  // namespace

bool PlanCompiler::join(const JoinSpec& spec) {
    at_join_ = spec.name;
    CompiledJoin out;
    if (spec.name.empty()) return fail("name", "a join needs a name");
    if (!join_sides(spec, out) || !join_limits(spec, out)) return false;
    SourceSpec joined;
    joined.name = spec.name;
    if (!join_columns(spec, out, joined)) return false;

    const SourceSpec& left = plan_->spec.sources[out.sides[0].source];
    const SourceSpec& right = plan_->spec.sources[out.sides[1].source];
    // How far rows can be ahead of its watermark: what memory for open windows follows from.
    joined.lateness = std::max(left.lateness.most(), right.lateness.most()) + std::max(left.idle, right.idle);
    joined.idle = std::max(left.idle, right.idle);
    joined.max_future = std::max(left.max_future, right.max_future);
    joined.origin += source_text(left) + source_text(right) + "bounds " + std::to_string(out.lower) + " " +
                     std::to_string(out.upper) + " " + std::to_string(out.rows_max) + "\n";
    // In 64 bits first: on a 32-bit board the sum of what is asked for must not wrap round.
    const std::uint64_t row = 256 + 2 * out.sides[0].key.width() + out.sides[0].row_bytes + out.sides[1].row_bytes;
    const bool fits = row * out.rows_max <= planned_max;
    if (fits) planned_ += IntervalJoin::need(out, joined.schema);
    if (!fits || planned_ > planned_max) return fail("max_rows", "the joins up to this one would take more than any plan may");

    const std::size_t number = plan_->joins.size();
    for (std::size_t side = 0; side < 2; ++side) {
        CompiledSource& source = plan_->sources[out.sides[side].source];
        source.joins.push_back({number, side});
        source.source_boundaries.push_back({join_step_us, 0});
    }
    CompiledSource compiled;
    compiled.join = number;
    compiled.partitions_max = 1;
    compiled.definition = hash64(as_byte_span(source_text(joined)));
    out.joined = plan_->sources.size();
    compiled.together = {out.joined};
    plan_->sources.push_back(std::move(compiled));
    plan_->joins.push_back(std::move(out));
    plan_->spec.sources.push_back(std::move(joined));
    at_join_.clear();
    return true;
}

bool PlanCompiler::join_sides(const JoinSpec& spec, CompiledJoin& out) {
    std::vector<std::string> names;
    for (const SourceSpec& source : plan_->spec.sources) {
        if (source.name == spec.name) return fail("name", "a source or another join is called " + spec.name);
        if (source.origin.empty()) names.push_back(source.name);
    }
    for (std::size_t side = 0; side < 2; ++side) {
        const std::string& wanted = side == 0 ? spec.left : spec.right;
        const auto found = std::find(names.begin(), names.end(), wanted);
        if (found == names.end())
            return fail(std::string(side_names[side]), "no source is called " + wanted + suggestion(wanted, names));
        out.sides[side].source = static_cast<std::size_t>(found - names.begin());
        if (plan_->spec.sources[out.sides[side].source].split)
            return fail(std::string(side_names[side]), "the rows of '" + wanted + "' come through several lanes, which a join cannot follow: give the source one lane");
    }
    if (spec.left == "right" || spec.right == "left") return fail(spec.left == "right" ? "left" : "right", "is a source whose name means the other side");
    if (spec.left == spec.right) return fail("right", "is left, too; a source is not joined with itself: look at [[pattern]]");
    return join_keys(spec, out);
}

bool PlanCompiler::join_keys(const JoinSpec& spec, CompiledJoin& out) {
    if (spec.on.empty()) return fail("on", "a join needs at least one column to be equal, such as on = [\"vid\"]");
    for (const auto& [left, right] : spec.on) {
        std::array<ColumnType, 2> types{};
        for (std::size_t side = 0; side < 2; ++side) {
            const SourceSpec& source = plan_->spec.sources[out.sides[side].source];
            const std::string& wanted = side == 0 ? left : right;
            const auto column = source.schema.find(wanted);
            if (!column) {
                std::vector<std::string> known;
                for (const ColumnSpec& each : source.schema.columns()) known.push_back(each.name);
                return fail("on", source.name + " has no column " + wanted + suggestion(wanted, known));
            }
            types[side] = source.schema[*column].type;
            if (types[side] == ColumnType::real) return fail("on", wanted + " is float: an int, a bool or a string can be equal");
            out.sides[side].on.push_back(*column);
        }
        if (types[0] != types[1])
            return fail("on", left + " is " + std::string(name(types[0])) + " in " + spec.left + ", and " + right + " is " +
                                  std::string(name(types[1])) + " in " + spec.right);
    }
    for (CompiledJoin::Side& side : out.sides) {
        side.key = KeyLayout(plan_->spec.sources[side.source].schema, side.on);
        side.grouping = grouping(plan_->sources[side.source], side.on);
    }
    return true;
}

bool PlanCompiler::join_limits(const JoinSpec& spec, CompiledJoin& out) {
    if (spec.within < Duration() - longest || spec.within > longest) return fail("within", "must be at most 366 days");
    if (spec.after < Duration() - longest || spec.after > longest) return fail("after", "must be at most 366 days");
    if (spec.after > spec.within) return fail("within", "must be at least `after`");
    if (spec.max_rows < 1 || spec.max_rows > rows_most) return fail("max_rows", "must be from 1 to " + std::to_string(rows_most));
    out.lower = spec.after.us();
    out.upper = spec.within.us();
    out.rows_max = spec.max_rows;
    return true;
}

// The columns of `on` under their names on the left, then those that are written.
bool PlanCompiler::join_columns(const JoinSpec& spec, CompiledJoin& out, SourceSpec& joined) {
    std::vector<ColumnSpec> columns;
    JoinInputs inputs(plan_->spec.sources, out, plan_->spec.zones);
    const auto add = [&](const std::string& key, const std::string& name, const Node& tree) {
        Problem problem;
        auto expression = ExpressionCompiler::compile(tree, inputs, problem, std::nullopt);
        if (!expression) return fail(key, problem);
        if (expression->meaning() == Meaning::timestamp)
            return fail(key, "is a time, which no column holds: take int() of it, or a difference");
        const auto taken = std::find_if(columns.begin(), columns.end(), [&](const ColumnSpec& c) { return c.name == name; });
        if (taken != columns.end()) return fail(key, "on has a column of that name already");
        const bool seconds = expression->meaning() == Meaning::duration;
        joined.origin += "joined " + name + " = " + expression->canonical() + "\n";
        columns.push_back({name, seconds ? ColumnType::real : expression->type()});
        out.values.push_back({std::move(*expression), seconds});
        return true;
    };
    for (const auto& [left, right] : spec.on) {
        Node tree;
        tree.kind = Node::Kind::name;
        tree.text = "left." + left;
        joined.origin += "on " + left + " " + right + "\n";
        if (!add("on", left, tree)) return false;
    }
    for (const auto& [name, text] : spec.columns) {
        Problem problem;
        const auto tree = parse(text, problem);
        if (!tree) return fail("columns." + name, problem);
        if (!add("columns." + name, name, *tree)) return false;
    }
    joined.schema = Schema(std::move(columns));
    return true;
}

}  // namespace weir
