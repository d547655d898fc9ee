#include "windows/pattern_plan.h"

#include <algorithm>

#include "windows/compiler.h"
#include "windows/syntax.h"

namespace weir {
namespace {

constexpr Duration longest = Duration::minutes(60 * 24 * 366);
constexpr std::uint64_t planned_max = std::uint64_t{1} << 30;

struct AggregateName {
    std::string_view name;
    RegisterKind kind;
};
constexpr AggregateName aggregates[] = {
    {"count", RegisterKind::count}, {"sum", RegisterKind::sum_real},      {"mean", RegisterKind::mean},
    {"avg", RegisterKind::mean},    {"min", RegisterKind::least},         {"max", RegisterKind::greatest},
    {"first", RegisterKind::first}, {"last", RegisterKind::last},
};

const AggregateName* aggregate(const Node& node) {
    if (node.kind != Node::Kind::call) return nullptr;
    for (const AggregateName& known : aggregates) {
        // min and max of two values are plain functions.
        const bool extreme = known.kind == RegisterKind::least || known.kind == RegisterKind::greatest;
        if (node.text == known.name && !(extreme && node.args.size() == 2)) return &known;
    }
    return nullptr;
}

bool numeric(ColumnType type) { return type == ColumnType::integer || type == ColumnType::real; }

ValueKind value_kind(ColumnType type) {
    switch (type) {
        case ColumnType::integer: return ValueKind::integer;
        case ColumnType::real: return ValueKind::real;
        case ColumnType::boolean: return ValueKind::boolean;
        case ColumnType::text: return ValueKind::text;
    }
    return ValueKind::null;
}

Bytes register_bytes(const RegisterSpec& spec) {
    switch (spec.kind) {
        case RegisterKind::count_rows:
        case RegisterKind::count: return 8;
        case RegisterKind::sum_integer: return 16;
        case RegisterKind::sum_real:
        case RegisterKind::mean: return 24;
        case RegisterKind::least:
        case RegisterKind::greatest: return 16;
        case RegisterKind::first: return 8 + pattern_cell_bytes(spec.type);
        case RegisterKind::last: return (spec.offset + 1) * pattern_cell_bytes(spec.type);
    }
    return 0;
}

class PatternCompiler {
public:
    PatternCompiler(const PatternSpec& spec, const Schema& schema, std::vector<Expression>& inputs, const Zones* zones,
                    std::string& key, Problem& problem)
        : spec_(spec), schema_(schema), inputs_(inputs), zones_(zones), key_(key), problem_(problem) {}

    std::optional<CompiledPattern> run(std::string_view partition) {
        if (!limits() || !match() || !keys(partition) || !where() || !define()) return std::nullopt;
        out_.condition_bytes = out_.run_bytes;
        if (!measures() || !after() || !fits()) return std::nullopt;
        out_.definition_text = definition_text();
        return std::move(out_);
    }

private:
    struct ValueType {
        ColumnType type = ColumnType::real;
        Meaning meaning = Meaning::plain;
    };

    // The names and calls of one condition or measure.
    class References final : public Inputs {
    public:
        References(PatternCompiler& compiler, PatternExpression& out, std::optional<std::size_t> variable)
            : compiler_(compiler), out_(out), variable_(variable) {}

        std::optional<Input> input(const Node& node, Problem& problem) override {
            if (const AggregateName* known = aggregate(node)) return of_aggregate(node, *known, problem);
            if (node.kind != Node::Kind::name) return std::nullopt;
            Node column = node;
            std::optional<std::size_t> of;
            if (!compiler_.strip(column, of)) return std::nullopt;
            const auto index = compiler_.input_of(column, problem);
            if (!index) return std::nullopt;
            // The row that a condition is asked about is the last of its variable, and the last of all.
            if (variable_ && (!of || of == variable_)) return operand(true, *index, compiler_.types_[*index]);
            return of_register(RegisterKind::last, of, *index, 0);
        }
        std::string unknown(const Node& node) const override {
            const std::size_t dot = node.text.find('.');
            if (dot != std::string::npos) {
                const std::string prefix = node.text.substr(0, dot);
                const std::vector<std::string>& known = compiler_.out_.program.variables;
                if (std::find(known.begin(), known.end(), prefix) == known.end())
                    return "the pattern has no variable " + prefix + suggestion(prefix, known);
                Node column = node;
                column.text.erase(0, dot + 1);
                return SchemaInputs(compiler_.schema_).unknown(column);
            }
            return SchemaInputs(compiler_.schema_).unknown(node);
        }

    private:
        std::optional<Input> operand(bool of_row, std::size_t index, const ValueType& type) {
            const auto same = [&](const PatternExpression::Operand& o) { return o.of_row == of_row && o.index == index; };
            const auto known = std::find_if(out_.operands.begin(), out_.operands.end(), same);
            const auto at = static_cast<std::size_t>(known - out_.operands.begin());
            if (known == out_.operands.end()) out_.operands.push_back({of_row, index, type.type});
            return Input{at, type.type, type.meaning};
        }
        std::optional<Input> of_register(RegisterKind kind, std::optional<std::size_t> variable, std::size_t input, std::size_t offset) {
            RegisterSpec spec;
            spec.kind = kind;
            spec.variable = variable ? static_cast<std::uint8_t>(*variable) : all_variables;
            spec.input = input;
            spec.offset = offset;
            ValueType type{ColumnType::integer, Meaning::plain};
            if (kind != RegisterKind::count_rows) {
                type = compiler_.types_[input];
                spec.type = type.type;
            }
            if (kind == RegisterKind::count) type = {ColumnType::integer, Meaning::plain};
            if (kind == RegisterKind::mean || kind == RegisterKind::sum_real) type = {ColumnType::real, Meaning::plain};
            return operand(false, compiler_.register_of(spec), type);
        }
        std::optional<Input> refuse(Problem& problem, const Node& at, std::string what) {
            problem = {std::move(what), at.offset};
            return std::nullopt;
        }
        std::optional<Input> of_aggregate(const Node& node, const AggregateName& known, Problem& problem) {
            const bool place = known.kind == RegisterKind::first || known.kind == RegisterKind::last;
            std::size_t offset = 0;
            if (place && node.args.size() == 2) {
                const Node& n = node.args[1];
                if (n.kind != Node::Kind::integer || n.integer < 0 || n.integer > static_cast<std::int64_t>(pattern_offset_max))
                    return refuse(problem, n, node.text + "() goes back by a number from 0 to " + std::to_string(pattern_offset_max));
                offset = static_cast<std::size_t>(n.integer);
            } else if (known.kind == RegisterKind::count && node.args.empty()) {
                return of_register(RegisterKind::count_rows, std::nullopt, 0, 0);
            } else if (node.args.size() != 1) {
                return refuse(problem, node, node.text + "() takes one value" + (place ? ", and perhaps how far to go back" : ""));
            }
            Node arg = node.args[0];
            std::optional<std::size_t> of;
            if (known.kind == RegisterKind::count && arg.kind == Node::Kind::name && (of = compiler_.variable(arg.text)))
                return of_register(RegisterKind::count_rows, of, 0, 0);
            bool mixed = false;
            bool bare = false;
            compiler_.strip_all(arg, of, bare, mixed);
            if (mixed || (bare && of)) return refuse(problem, node, node.text + "() looks at the rows of one variable, and " + canonical(node.args[0]) + " names several");
            return over(node, known, arg, of, offset, problem);
        }
        std::optional<Input> over(const Node& node, const AggregateName& known, const Node& arg, std::optional<std::size_t> of,
                                  std::size_t offset, Problem& problem) {
            RegisterKind kind = known.kind;
            auto index = compiler_.input_of(arg, problem);
            if (!index) return std::nullopt;
            const ValueType& type = compiler_.types_[*index];
            const bool place = kind == RegisterKind::first || kind == RegisterKind::last;
            if (!place && kind != RegisterKind::count && (type.meaning != Meaning::plain || !numeric(type.type)))
                return refuse(problem, node, node.text + "() takes numbers, and " + canonical(arg) + " is " +
                                                 (type.meaning == Meaning::plain ? std::string(name(type.type)) : "a time"));
            if (kind == RegisterKind::sum_real && type.type == ColumnType::integer) kind = RegisterKind::sum_integer;
            if (kind == RegisterKind::mean && type.type == ColumnType::integer) {
                Node real;
                real.kind = Node::Kind::call;
                real.offset = arg.offset;
                real.text = "float";
                real.args.push_back(arg);
                index = compiler_.input_of(real, problem);
            }
            return of_register(kind, of, *index, offset);
        }

        PatternCompiler& compiler_;
        PatternExpression& out_;
        std::optional<std::size_t> variable_;  // whose condition this is; none for measures
    };

    bool fail(std::string key, Problem problem) {
        key_ = std::move(key);
        problem_ = std::move(problem);
        return false;
    }
    bool fail(std::string key, std::string what) { return fail(std::move(key), Problem{std::move(what), 0}); }

    bool limits() {
        if (spec_.name.empty()) return fail("name", "a pattern needs a name");
        if (spec_.within < Duration() || spec_.within > longest) return fail("within", "must be from 0 to 366 days");
        if (spec_.max_groups < 1 || spec_.max_groups > 1'000'000) return fail("max_groups", "must be from 1 to 1000000");
        if (spec_.max_runs < 1 || spec_.max_runs > 4096) return fail("max_runs", "must be from 1 to 4096");
        if (spec_.max_pending < 1 || spec_.max_pending > 1'000'000) return fail("max_pending", "must be from 1 to 1000000");
        if (spec_.measures.empty()) return fail("measures", "a pattern needs at least one measure, such as n = \"count()\"");
        if (spec_.measures.size() + spec_.by.size() > record_fields_max) return fail("measures", "keys and measures together are at most " + std::to_string(record_fields_max));
        out_.within = spec_.within.us();
        out_.contiguity = spec_.contiguity;
        out_.after = spec_.after;
        out_.groups_max = spec_.max_groups;
        out_.runs_max = spec_.max_runs;
        out_.pending_max = spec_.max_pending;
        return true;
    }

    bool match() {
        Problem problem;
        auto program = parse_pattern(spec_.match, problem);
        if (!program) return fail("match", std::move(problem));
        out_.program = std::move(*program);
        out_.variables.resize(out_.program.variables.size());
        for (const PatternState& state : out_.program.states)
            // Nothing else would ever end such a run.
            if (spec_.within == Duration() && state.done && !state.edges.empty() && spec_.contiguity == Contiguity::next)
                return fail("within", "this match goes on as long as rows fit: it needs a bound in time");
        return true;
    }

    bool keys(std::string_view partition) {
        std::vector<std::size_t> columns;
        std::vector<std::string> known;
        for (const ColumnSpec& column : schema_.columns()) known.push_back(column.name);
        for (const std::string& by : spec_.by) {
            const auto column = schema_.find(by);
            if (!column) return fail("by", "no column is called " + by + suggestion(by, known));
            if (schema_[*column].type == ColumnType::real) return fail("by", by + " is float: a key is an int, a bool or a string");
            if (std::find(columns.begin(), columns.end(), *column) != columns.end()) return fail("by", by + " stands there twice");
            columns.push_back(*column);
            out_.by_partition |= by == partition;
            out_.key_names.push_back(by);
            out_.fields.push_back({by, value_kind(schema_[*column].type)});
        }
        out_.key = KeyLayout(schema_, columns);
        return true;
    }

    bool where() {
        if (spec_.where.empty()) return true;
        Problem problem;
        auto where = Expression::compile(spec_.where, schema_, problem, zones_);
        if (where && where->type() != ColumnType::boolean) problem = {"a condition is true or false, and this is " + std::string(name(where->type())), 0};
        if (!problem.what.empty()) return fail("where", std::move(problem));
        out_.where = source_input(std::move(*where));
        return true;
    }

    bool define() {
        for (const auto& [name, text] : spec_.define) {
            const std::string key = "define." + name;
            const auto variable = this->variable(name);
            if (!variable) return fail(key, "match has no variable " + name + suggestion(name, out_.program.variables));
            PatternVariable& to = out_.variables[*variable];
            if (to.alone || to.history) return fail(key, name + " is defined twice");
            Problem problem;
            const auto tree = parse(text, problem);
            if (!tree || !condition(*tree, *variable, problem)) return fail(key, std::move(problem));
        }
        return true;
    }
    bool condition(const Node& tree, std::size_t variable, Problem& problem) {
        PatternVariable& to = out_.variables[variable];
        PatternExpression made;
        std::optional<Expression> alone;
        if (of_row_alone(tree, variable)) {
            Node plain = tree;
            std::optional<std::size_t> of;
            bool bare = false;
            bool mixed = false;
            strip_all(plain, of, bare, mixed);
            SchemaInputs columns(schema_, zones_);
            alone = ExpressionCompiler::compile(plain, columns, problem);
        } else {
            References references(*this, made, variable);
            made.expression = ExpressionCompiler::compile(tree, references, problem);
        }
        const Expression* const found = alone ? &*alone : made.expression ? &*made.expression : nullptr;
        if (!found) return false;
        if (found->type() != ColumnType::boolean) {
            problem = {"a condition is true or false, and this is " + std::string(name(found->type())), 0};
            return false;
        }
        canonical_ += out_.program.variables[variable] + " as " + canonical(tree) + "\n";
        if (alone) {
            to.alone = source_input(std::move(*alone));
        } else {
            out_.conditions.push_back(std::move(made));
            to.history = out_.conditions.size() - 1;
        }
        return true;
    }
    // Whether a condition of variable looks at nothing but the row it is asked about.
    bool of_row_alone(const Node& node, std::size_t variable) const {
        if (aggregate(node)) return false;
        if (node.kind == Node::Kind::name) {
            const std::size_t dot = node.text.find('.');
            if (dot == std::string::npos || schema_.find(node.text)) return true;
            return this->variable(node.text.substr(0, dot)) == variable;
        }
        return std::all_of(node.args.begin(), node.args.end(), [&](const Node& arg) { return of_row_alone(arg, variable); });
    }

    bool measures() {
        for (const auto& [name, text] : spec_.measures) {
            const std::string key = "measures." + name;
            for (const FieldType& field : out_.fields)
                if (field.name == name) return fail(key, "this name is taken");
            Problem problem;
            PatternExpression made;
            made.name = name;
            const auto tree = parse(text, problem);
            if (!tree) return fail(key, std::move(problem));
            References references(*this, made, std::nullopt);
            made.expression = ExpressionCompiler::compile(*tree, references, problem);
            if (!made.expression) return fail(key, std::move(problem));
            made.kind = value_kind(made.expression->type());
            out_.fields.push_back({name, made.kind});
            canonical_ += name + " = " + canonical(*tree) + "\n";
            out_.measures.push_back(std::move(made));
        }
        return true;
    }

    bool after() {
        if (spec_.after != AfterMatch::first && spec_.after != AfterMatch::last) return true;
        const auto variable = this->variable(spec_.after_variable);
        if (!variable) return fail("after", "match has no variable " + spec_.after_variable + suggestion(spec_.after_variable, out_.program.variables));
        out_.after_variable = static_cast<std::uint8_t>(*variable);
        if (spec_.after == AfterMatch::first && !out_.program.states[0].edges.empty() &&
            std::all_of(out_.program.states[0].edges.begin(), out_.program.states[0].edges.end(),
                        [&](const PatternState::Edge& edge) { return edge.variable == out_.after_variable; }))
            return fail("after", "every match begins with " + spec_.after_variable + ": the search would not move on");
        return true;
    }

    // In 64 bits: on a small machine the product may be more than a size can say.
    bool fits() {
        const std::uint64_t run = out_.run_bytes + 64;
        const std::uint64_t row = out_.row_bytes + 64;
        const std::uint64_t bytes = std::uint64_t{out_.groups_max} * (128 + out_.key.width() + out_.runs_max * run) + out_.pending_max * row;
        if (bytes <= planned_max) return true;
        return fail("max_groups", "max_groups, max_runs and max_pending together would take " + std::to_string(bytes >> 20) + " MiB, more than any plan may");
    }

    std::optional<std::size_t> variable(std::string_view name) const {
        const auto& known = out_.program.variables;
        const auto found = std::find(known.begin(), known.end(), name);
        if (found == known.end()) return std::nullopt;
        return static_cast<std::size_t>(found - known.begin());
    }
    // "A.speed" becomes "speed", and A. False for a dotted name of no variable that is no column either.
    bool strip(Node& node, std::optional<std::size_t>& of) const {
        const std::size_t dot = node.text.find('.');
        if (dot == std::string::npos || schema_.find(node.text)) return node.text == "time" || schema_.find(node.text).has_value();
        of = variable(node.text.substr(0, dot));
        if (of) node.text.erase(0, dot + 1);
        return node.text == "time" || schema_.find(node.text).has_value();
    }
    void strip_all(Node& node, std::optional<std::size_t>& of, bool& bare, bool& mixed) const {
        if (node.kind == Node::Kind::name) {
            std::optional<std::size_t> found;
            strip(node, found);
            bare |= !found;
            mixed |= found && of && *found != *of;
            if (found) of = found;
        }
        for (Node& arg : node.args) strip_all(arg, of, bare, mixed);
    }

    std::size_t source_input(Expression expression) {
        for (std::size_t i = 0; i < inputs_.size(); ++i)
            if (inputs_[i].canonical() == expression.canonical()) return i;
        inputs_.push_back(std::move(expression));
        return inputs_.size() - 1;
    }
    // Among the pattern's inputs.
    std::optional<std::size_t> input_of(const Node& tree, Problem& problem) {
        SchemaInputs columns(schema_, zones_);
        auto expression = ExpressionCompiler::compile(tree, columns, problem, std::nullopt);
        if (!expression) return std::nullopt;
        PatternInput made;
        made.type = expression->type();
        const ValueType type{expression->type(), expression->meaning()};
        made.input = source_input(std::move(*expression));
        for (std::size_t i = 0; i < out_.inputs.size(); ++i)
            if (out_.inputs[i].input == made.input) return i;
        made.at = out_.row_bytes;
        out_.row_bytes += pattern_cell_bytes(made.type);
        out_.inputs.push_back(made);
        types_.push_back(type);
        return out_.inputs.size() - 1;
    }
    std::size_t register_of(RegisterSpec spec) {
        for (std::size_t i = 0; i < out_.registers.size(); ++i) {
            const RegisterSpec& known = out_.registers[i];
            if (known.kind == spec.kind && known.variable == spec.variable && known.input == spec.input && known.offset == spec.offset) return i;
        }
        spec.at = out_.run_bytes;
        out_.run_bytes += register_bytes(spec);
        out_.registers.push_back(spec);
        return out_.registers.size() - 1;
    }

    std::string definition_text() const {
        std::string text = "match " + out_.program.canonical + "\n" + canonical_;
        if (out_.where) text += "where " + inputs_[*out_.where].canonical() + "\n";
        for (const std::string& by : out_.key_names) text += "by " + by + "\n";
        text += "within " + std::to_string(out_.within) + "\ncontiguity " + std::to_string(static_cast<int>(out_.contiguity));
        text += "\nafter " + std::to_string(static_cast<int>(out_.after)) + " " + spec_.after_variable;
        text += "\nlimits " + std::to_string(out_.groups_max) + " " + std::to_string(out_.runs_max) + " " + std::to_string(out_.pending_max) + "\n";
        return text;
    }

    const PatternSpec& spec_;
    const Schema& schema_;
    std::vector<Expression>& inputs_;
    const Zones* zones_;
    std::string& key_;
    Problem& problem_;
    CompiledPattern out_;
    std::vector<ValueType> types_;  // of out_.inputs
    std::string canonical_;
};

}  // namespace

std::optional<CompiledPattern> compile_pattern(const PatternSpec& spec, const Schema& schema, std::string_view partition,
                                               std::vector<Expression>& inputs, const Zones* zones, std::string& key,
                                               Problem& problem) {
    return PatternCompiler(spec, schema, inputs, zones, key, problem).run(partition);
}

}  // namespace weir
