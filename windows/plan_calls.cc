#include "windows/plan_calls.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <initializer_list>

#include "windows/civil.h"

namespace weir {
namespace {

constexpr std::size_t bounds_max = 64;
constexpr std::uint8_t theta_lg_k = 11;  // 2.2 %, in 32 KiB
constexpr std::int64_t half_life_least = 1000;
constexpr std::int64_t half_life_most = 366 * day_us;

struct FunctionName {
    std::string_view name;
    Function function;
    StateKind state;
};
constexpr FunctionName aggregates[] = {
    {"count", Function::count, StateKind::rows},
    {"sum", Function::sum, StateKind::sum},
    {"mean", Function::mean, StateKind::sum},
    {"min", Function::least, StateKind::least},
    {"max", Function::greatest, StateKind::greatest},
    {"first", Function::first, StateKind::first},
    {"last", Function::last, StateKind::last},
    {"variance", Function::variance, StateKind::moments},
    {"stddev", Function::stddev, StateKind::moments},
    {"quantile", Function::quantile, StateKind::kll},
    {"distinct", Function::distinct, StateKind::hll},
    {"top", Function::top, StateKind::frequent},
    {"rate", Function::rate, StateKind::counter},
    {"increase", Function::increase, StateKind::counter},
    {"time_mean", Function::time_mean, StateKind::held},
    {"slope", Function::slope, StateKind::line},
    {"decayed_sum", Function::decayed_sum, StateKind::decayed},
    {"decayed_count", Function::decayed_count, StateKind::decayed},
    {"histogram", Function::histogram, StateKind::histogram},
};

// min and max of two values are plain functions.
const FunctionName* plain_aggregate(const Node& node) {
    if (node.kind != Node::Kind::call) return nullptr;
    for (const FunctionName& known : aggregates) {
        const bool extreme = known.function == Function::least || known.function == Function::greatest;
        if (node.text == known.name && !(extreme && node.args.size() == 2)) return &known;
    }
    return nullptr;
}

bool is_where(const Node& node) { return node.kind == Node::Kind::call && node.text == "where" && node.args.size() == 2; }

const Node* inner_aggregate(const Node& node) {
    if (AggregateCalls::is_aggregate(node)) return &node;
    for (const Node& arg : node.args)
        if (const Node* found = inner_aggregate(arg)) return found;
    return nullptr;
}

bool numeric(ColumnType type) { return type == ColumnType::integer || type == ColumnType::real; }

// Whether it works on floats alone: ints are converted before.
bool takes_reals(StateKind kind) {
    return kind == StateKind::moments || kind == StateKind::kll || kind == StateKind::held || kind == StateKind::line ||
           kind == StateKind::decayed || kind == StateKind::histogram;
}

Node made_of(Node::Kind kind, std::string text, std::initializer_list<Node> args, std::size_t offset) {
    Node node;
    node.kind = kind;
    node.offset = offset;
    node.text = std::move(text);
    node.args = args;
    return node;
}

std::optional<double> number(const Node& node) {
    if (node.kind == Node::Kind::integer) return static_cast<double>(node.integer);
    if (node.kind == Node::Kind::real) return node.real;
    return std::nullopt;
}

bool refuse(Problem& problem, const Node& at, std::string what) {
    problem = {std::move(what), at.offset};
    return false;
}

bool quantile_parameters(const Node& node, CallSpec& made, Problem& problem) {
    const auto rank = node.args.size() == 2 ? number(node.args[1]) : std::nullopt;
    if (!rank || !(*rank >= 0 && *rank <= 1))
        return refuse(problem, node, "quantile() takes a value and a rank from 0 to 1, as in quantile(speed, 0.95)");
    made.rank = *rank;
    return true;
}

bool top_parameters(const Node& node, StateSpec& state, CallSpec& made, Problem& problem) {
    const auto items = node.args.size() == 2 ? number(node.args[1]) : std::nullopt;
    if (!items || node.args[1].kind != Node::Kind::integer || *items < 1 || *items > static_cast<double>(top_items_max))
        return refuse(problem, node, "top() takes a value and how many, from 1 to " + std::to_string(top_items_max) + ", as in top(vid, 10)");
    made.items = static_cast<std::size_t>(*items);
    // Sixteen places an item that is asked for keep the error near a fifth of such an item's share.
    state.lg_max = static_cast<std::uint8_t>(std::max<std::size_t>(8, static_cast<std::size_t>(std::bit_width(made.items * 16 - 1))));
    return true;
}

bool distinct_parameters(const Node& node, StateSpec& state, Problem& problem) {
    if (node.args.size() == 1) return true;
    const std::string form = node.args.size() == 2 && node.args[1].kind == Node::Kind::text ? node.args[1].text : "";
    if (form != "hll" && form != "theta")
        return refuse(problem, node, "distinct() takes a value and, if not HLL, \"theta\", as in distinct(vid, \"theta\")");
    if (form == "theta") {
        state.kind = StateKind::theta;
        state.lg_k = theta_lg_k;
    }
    return true;
}

bool decayed_parameters(const Node& node, std::size_t values, StateSpec& state, Problem& problem) {
    const bool text = node.args.size() == values + 1 && node.args[values].kind == Node::Kind::text;
    const auto half_life = text ? parse_span(node.args[values].text) : std::nullopt;
    if (!half_life || *half_life < half_life_least || *half_life > half_life_most)
        return refuse(problem, node, node.text + "() takes " + (values ? "a value and " : "") + "the half-life, from \"1ms\" to \"8784h\", as in " +
                                         (values ? "decayed_sum(speed, \"5m\")" : "decayed_count(\"5m\")"));
    state.half_life = *half_life;
    return true;
}

bool histogram_parameters(const Node& node, StateSpec& state, Problem& problem) {
    for (std::size_t i = 1; i < node.args.size(); ++i) {
        const auto bound = number(node.args[i]);
        if (!bound || (i > 1 && !(*bound > state.bounds.back())))
            return refuse(problem, node.args[i], "the bounds of histogram() are numbers, each greater than the one before, as in histogram(speed, 30, 50, 80)");
        state.bounds.push_back(*bound);
    }
    if (!state.bounds.empty() && state.bounds.size() <= bounds_max) return true;
    return refuse(problem, node, "histogram() takes a value and 1 to " + std::to_string(bounds_max) + " bounds, as in histogram(speed, 30, 50, 80)");
}

bool parameters(const Node& node, StateSpec& state, CallSpec& made, Problem& problem) {
    const std::size_t given = node.args.size();
    switch (made.function) {
        case Function::quantile: return quantile_parameters(node, made, problem);
        case Function::top: return top_parameters(node, state, made, problem);
        case Function::distinct: return distinct_parameters(node, state, problem);
        case Function::decayed_sum: return decayed_parameters(node, 1, state, problem);
        case Function::decayed_count: return decayed_parameters(node, 0, state, problem);
        case Function::histogram: return histogram_parameters(node, state, problem);
        case Function::count:
            return given <= 1 || refuse(problem, node, "count() takes nothing, a condition or a value");
        default: return given == 1 || refuse(problem, node, node.text + "() takes one value");
    }
}

ColumnType result_type(Function function, ColumnType input) {
    switch (function) {
        case Function::count: return ColumnType::integer;
        case Function::sum:
        case Function::least:
        case Function::greatest:
        case Function::first:
        case Function::last:
        case Function::increase: return input;
        default: return ColumnType::real;
    }
}

ValueKind result_kind(Function function, ColumnType input) {
    if (function == Function::quantile || function == Function::distinct) return ValueKind::estimate;
    if (function == Function::top) return ValueKind::top;
    if (function == Function::histogram) return ValueKind::histogram;
    return value_kind(result_type(function, input));
}

}  // namespace

bool AggregateCalls::is_aggregate(const Node& node) { return plain_aggregate(is_where(node) ? node.args[0] : node) != nullptr; }

std::optional<Inputs::Input> AggregateCalls::input(const Node& node, Problem& problem) {
    if (is_aggregate(node)) {
        const auto made = call(node, problem);
        if (!made) return std::nullopt;
        if (is_list(window_.calls[*made].kind)) {
            problem = {parts_of(node).call.text + "() is a list, which no expression can go on with", node.offset};
            return std::nullopt;
        }
        return Input{*made, window_.call_types[*made]};
    }
    if (node.kind == Node::Kind::call && node.text == "where")
        problem = {"where() stands behind an aggregate and takes a condition, as in mean(speed).where(kind == 'truck')", node.offset};
    return std::nullopt;
}

std::string AggregateCalls::unknown(const Node& node) const {
    if (schema_.find(node.text))
        return node.text + " has a value for each event: say which one, as in mean(" + node.text + ") or last(" + node.text + ")";
    return SchemaInputs(schema_).unknown(node);
}

AggregateCalls::Parts AggregateCalls::parts_of(const Node& node) {
    if (is_where(node)) return {node.args[0], node.args[1]};
    return {node, std::nullopt};
}

std::optional<std::size_t> AggregateCalls::call(const Node& node, Problem& problem) {
    const Parts parts = parts_of(node);
    const FunctionName& known = *plain_aggregate(parts.call);
    StateSpec state;
    state.kind = known.state;
    CallSpec made;
    made.function = known.function;
    if (!parameters(parts.call, state, made, problem)) return std::nullopt;
    if (parts.where && !condition(*parts.where, problem)) return std::nullopt;
    ColumnType type = ColumnType::integer;
    if (!parts.call.args.empty() || parts.where) {
        const auto input_type = argument(parts, known.function, state, problem);
        if (!input_type) return std::nullopt;
        type = *input_type;
    }
    made.state = shared(std::move(state));
    made.kind = result_kind(known.function, type);
    window_.calls.push_back(made);
    window_.call_types.push_back(made.kind == ValueKind::estimate ? ColumnType::real : result_type(known.function, type));
    return window_.calls.size() - 1;
}

bool AggregateCalls::condition(const Node& where, Problem& problem) const {
    if (const Node* inner = inner_aggregate(where))
        return refuse(problem, *inner, canonical(*inner) + " stands inside where(), which looks at single events");
    SchemaInputs columns(schema_, zones_);
    const auto compiled = ExpressionCompiler::compile(where, columns, problem);
    if (!compiled) return false;
    if (compiled->type() == ColumnType::boolean) return true;
    return refuse(problem, where, "where() takes a condition, and " + canonical(where) + " is " + std::string(name(compiled->type())));
}

// Compiles what the aggregate is over; returns its type.
std::optional<ColumnType> AggregateCalls::argument(const Parts& parts, Function function, StateSpec& state, Problem& problem) {
    const Node& call = parts.call;
    const std::size_t offset = call.offset;
    Node tree;
    if (function == Function::decayed_count) {
        tree = made_of(Node::Kind::real, "", {}, offset);
        tree.real = 1;
    } else if (!call.args.empty()) {
        tree = call.args[0];
    }
    if (const Node* inner = inner_aggregate(tree)) {
        refuse(problem, *inner, parts_of(*inner).call.text + "() stands inside " + call.text + "(): aggregates do not nest");
        return std::nullopt;
    }
    const bool counts_rows = function == Function::count && call.args.empty();
    if (counts_rows)
        tree = *parts.where;
    else if (parts.where)
        tree = made_of(Node::Kind::operation, "?:", {*parts.where, std::move(tree), Node{}}, offset);
    SchemaInputs columns(schema_, zones_);
    auto expression = ExpressionCompiler::compile(tree, columns, problem);
    if (!expression) return std::nullopt;
    const ColumnType type = expression->type();
    const std::string found = canonical(call.args.empty() ? tree : call.args[0]) + " is " + std::string(name(type));
    switch (function) {
        case Function::count: state.kind = type == ColumnType::boolean ? StateKind::truths : StateKind::present; break;
        case Function::first:
        case Function::last: break;
        case Function::distinct:
        case Function::top:
            if (type == ColumnType::boolean) {
                refuse(problem, call.args[0], call.text + "() takes ints, floats or strings, and " + found);
                return std::nullopt;
            }
            break;
        default:
            if (!numeric(type)) {
                refuse(problem, call.args[0], call.text + "() takes numbers, and " + found);
                return std::nullopt;
            }
    }
    state.type = type;
    if (takes_reals(state.kind) && type == ColumnType::integer) {
        state.type = ColumnType::real;
        expression = ExpressionCompiler::compile(made_of(Node::Kind::call, "float", {std::move(tree)}, offset), columns, problem);
    }
    state.label = call.text + "(" + (call.args.empty() ? "" : canonical(call.args[0])) + ")";
    if (parts.where) state.label += ".where(" + canonical(*parts.where) + ")";
    state.input = add_input(source_, std::move(*expression));
    if (is_hashed(state.kind)) state.hashes = index_of(source_.item_hashes, state.input);
    return type;
}

std::size_t AggregateCalls::shared(StateSpec state) {
    if (state.label.empty()) state.label = "count()";
    for (std::size_t i = 0; i < window_.states.size(); ++i) {
        StateSpec& other = window_.states[i];
        const bool same = other.kind == state.kind && other.type == state.type && other.half_life == state.half_life &&
                          other.bounds == state.bounds && (state.kind == StateKind::rows || other.input == state.input);
        if (!same) continue;
        other.lg_max = std::max(other.lg_max, state.lg_max);
        return i;
    }
    window_.states.push_back(std::move(state));
    return window_.states.size() - 1;
}

std::size_t add_input(CompiledSource& source, Expression expression) {
    for (std::size_t i = 0; i < source.inputs.size(); ++i)
        if (source.inputs[i].canonical() == expression.canonical()) return i;
    source.inputs.push_back(std::move(expression));
    return source.inputs.size() - 1;
}

std::size_t index_of(std::vector<std::size_t>& list, std::size_t value) {
    const auto found = std::find(list.begin(), list.end(), value);
    const auto index = static_cast<std::size_t>(found - list.begin());
    if (found == list.end()) list.push_back(value);
    return index;
}

ValueKind value_kind(ColumnType type) {
    switch (type) {
        case ColumnType::integer: return ValueKind::integer;
        case ColumnType::real: return ValueKind::real;
        case ColumnType::boolean: return ValueKind::boolean;
        case ColumnType::text: return ValueKind::text;
    }
    return ValueKind::null;
}

}  // namespace weir
