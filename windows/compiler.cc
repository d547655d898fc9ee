#include "windows/compiler.h"

#include <algorithm>

#include "windows/civil.h"
#include "windows/regex.h"

namespace weir {
namespace {

Literal null_literal() {
    Literal literal;
    literal.present = false;
    return literal;
}

}  // namespace

std::optional<Inputs::Input> SchemaInputs::input(const Node& node, Problem&) {
    if (node.kind != Node::Kind::name) return std::nullopt;
    const auto found = schema_.find(node.text);
    if (!found) return std::nullopt;
    return Input{*found, schema_[*found].type};
}

std::string SchemaInputs::unknown(const Node& node) const {
    std::vector<std::string> known;
    for (const ColumnSpec& column : schema_.columns()) known.push_back(column.name);
    return "no column is called " + node.text + suggestion(node.text, known);
}

std::optional<Expression> ExpressionCompiler::compile(const Node& tree, Inputs& inputs, Problem& problem,
                                                      std::optional<Meaning> wanted) {
    problem = {};
    ExpressionCompiler compiler(inputs, problem);
    const Maybe result = compiler.node(tree);
    if (!result) return std::nullopt;
    if (result->untyped_null) {
        compiler.fail("the expression is null, whatever comes", tree);
        return std::nullopt;
    }
    if (wanted && result->meaning != *wanted) {
        if (wanted == Meaning::duration)
            compiler.fail("a duration is wanted, as in duration('30s'), and " + described(tree, *result), tree);
        else
            compiler.fail(described(tree, *result) + ", which no result can hold: take a number of it, as int() or getSeconds() do", tree);
        return std::nullopt;
    }
    compiler.out_.result_ = result->operand;
    compiler.out_.type_ = result->type;
    compiler.out_.meaning_ = result->meaning;
    compiler.out_.registers_ = compiler.register_types_;
    compiler.out_.canonical_ = canonical(tree);
    return std::move(compiler.out_);
}

ExpressionCompiler::Maybe ExpressionCompiler::fail(std::string what, std::size_t offset) {
    if (problem_.what.empty()) problem_ = {std::move(what), offset};
    return std::nullopt;
}

ExpressionCompiler::Maybe ExpressionCompiler::fail(std::string what, const Node& at) { return fail(std::move(what), at.offset); }

std::string_view ExpressionCompiler::type_name(const Typed& typed) {
    if (typed.untyped_null) return "null";
    if (typed.meaning == Meaning::timestamp) return "timestamp";
    if (typed.meaning == Meaning::duration) return "duration";
    return name(typed.type);
}

std::string ExpressionCompiler::described(const Node& tree, const Typed& typed) {
    std::string text = canonical(tree);
    if (text.size() > 40) text = text.substr(0, 37) + "...";
    return text + " is " + std::string(type_name(typed));
}

ExpressionCompiler::Typed ExpressionCompiler::literal(Literal value) {
    const ColumnType type = value.type;
    out_.literals_.push_back(std::move(value));
    return {operand(OperandKind::literal, out_.literals_.size() - 1), type};
}

ExpressionCompiler::Typed ExpressionCompiler::integer(std::int64_t value) {
    Literal made;
    made.type = ColumnType::integer;
    made.integer = value;
    return literal(std::move(made));
}

void ExpressionCompiler::release(std::uint32_t which) {
    if (operand_kind(which) == OperandKind::reg) register_free_[operand_index(which)] = true;
}

ExpressionCompiler::Typed ExpressionCompiler::emit(OperationCode code, ColumnType operands, ColumnType result,
                                                   std::uint32_t a, std::uint32_t b, std::uint32_t c) {
    // The operands are released afterwards: an operation never writes where it reads.
    std::size_t reg = 0;
    while (reg < register_types_.size() && !(register_free_[reg] && register_types_[reg] == result)) ++reg;
    if (reg == register_types_.size()) {
        register_types_.push_back(result);
        register_free_.push_back(false);
    }
    register_free_[reg] = false;
    out_.operations_.push_back({code, operands, static_cast<std::uint32_t>(reg), a, b, c});
    return {operand(OperandKind::reg, reg), result};
}

ExpressionCompiler::Typed ExpressionCompiler::then(Typed value, OperationCode code, ColumnType result, std::uint32_t b) {
    const Typed made = emit(code, value.type, result, value.operand, b);
    release(value.operand);
    return made;
}

ExpressionCompiler::Typed ExpressionCompiler::with_integer(Typed value, OperationCode code, std::int64_t other) {
    return then(value, code, ColumnType::integer, integer(other).operand);
}

ExpressionCompiler::Typed ExpressionCompiler::limited(Typed value, Meaning meaning) {
    Typed made = then(value, meaning == Meaning::timestamp ? OperationCode::limit_timestamp : OperationCode::limit_duration,
                      ColumnType::integer);
    made.meaning = meaning;
    return made;
}

ExpressionCompiler::Typed ExpressionCompiler::to_real(Typed value) {
    if (value.type == ColumnType::real) return value;
    if (operand_kind(value.operand) == OperandKind::literal) {
        Literal converted = out_.literals_[operand_index(value.operand)];
        converted.type = ColumnType::real;
        converted.real = static_cast<double>(converted.integer);
        return literal(std::move(converted));
    }
    return then(value, OperationCode::to_real, ColumnType::real);
}

ExpressionCompiler::Maybe ExpressionCompiler::node(const Node& tree) {
    if (out_.operations_.size() >= expression_operations_max) return fail("the expression is too large", tree);
    Literal value;
    switch (tree.kind) {
        case Node::Kind::null: {
            Typed typed = literal(null_literal());
            typed.untyped_null = true;
            return typed;
        }
        case Node::Kind::boolean:
            value.type = ColumnType::boolean;
            value.boolean = tree.boolean ? 1 : 0;
            return literal(value);
        case Node::Kind::integer: return integer(tree.integer);
        case Node::Kind::real:
            value.real = tree.real;
            return literal(value);
        case Node::Kind::text:
            value.type = ColumnType::text;
            value.text = tree.text;
            return literal(value);
        case Node::Kind::list: return fail("a list stands only after 'in'", tree);
        case Node::Kind::name: return named(tree);
        case Node::Kind::call: return call(tree);
        case Node::Kind::operation: break;
    }
    return operation(tree);
}

ExpressionCompiler::Maybe ExpressionCompiler::operation(const Node& tree) {
    if (tree.args.size() == 1) return unary(tree);
    if (tree.args.size() == 3) return choice(tree);
    if (tree.text == "in") return membership(tree);
    if (tree.text == "&&" || tree.text == "||") return logic(tree);
    if (tree.text == "+" || tree.text == "-" || tree.text == "*" || tree.text == "/" || tree.text == "%") return arithmetic(tree);
    return comparison(tree);
}

ExpressionCompiler::Maybe ExpressionCompiler::named(const Node& tree) {
    if (const auto input = inputs_.input(tree, problem_))
        return Typed{operand(OperandKind::input, input->index), input->type, input->meaning};
    if (!problem_.what.empty()) return std::nullopt;
    if (tree.text == "time" && inputs_.has_time()) {
        out_.uses_time_ = true;
        Typed time = emit(OperationCode::event_time, ColumnType::integer, ColumnType::integer, 0);
        time.meaning = Meaning::timestamp;
        return time;
    }
    return fail(inputs_.unknown(tree), tree);
}

ExpressionCompiler::Maybe ExpressionCompiler::unary(const Node& tree) {
    const Maybe value = node(tree.args[0]);
    if (!value) return value;
    const bool negation = tree.text == "neg";
    if (negation ? !value->numeric() : !value->is(ColumnType::boolean))
        return fail(std::string(negation ? "- needs a number, and " : "! needs a bool, and ") + described(tree.args[0], *value), tree);
    return then(*value, negation ? OperationCode::negate : OperationCode::logical_not, value->type);
}

ExpressionCompiler::Maybe ExpressionCompiler::numeric_pair(const Node& tree, Typed a, const Node& left, Typed b,
                                                           const Node& right, OperationCode code, bool as_real) {
    for (const auto& [typed, side] : {std::pair{a, &left}, std::pair{b, &right}})
        if (!typed.numeric()) return fail(tree.text + " needs numbers, and " + described(*side, typed), *side);
    const bool integers = a.type == ColumnType::integer && b.type == ColumnType::integer && !as_real;
    if (code == OperationCode::modulo && !integers)
        return fail("% needs ints, and " + (a.type == ColumnType::real ? described(left, a) : described(right, b)), tree);
    const Typed x = integers ? a : to_real(a);
    const Typed y = integers ? b : to_real(b);
    const ColumnType type = integers ? ColumnType::integer : ColumnType::real;
    const Typed result = emit(code, type, type, x.operand, y.operand);
    release(x.operand);
    release(y.operand);
    return result;
}

ExpressionCompiler::Maybe ExpressionCompiler::arithmetic(const Node& tree) {
    OperationCode code = OperationCode::add;
    switch (tree.text[0]) {
        case '-': code = OperationCode::subtract; break;
        case '*': code = OperationCode::multiply; break;
        case '/': code = OperationCode::divide; break;
        case '%': code = OperationCode::modulo; break;
        default: break;
    }
    const Maybe a = node(tree.args[0]);
    if (!a) return a;
    const Maybe b = node(tree.args[1]);
    if (!b) return b;
    if (a->meaning != Meaning::plain || b->meaning != Meaning::plain) return time_arithmetic(tree, *a, *b);
    if (code == OperationCode::add && a->is(ColumnType::text) && b->is(ColumnType::text))
        return fail("strings cannot be joined here: + needs numbers, and " + described(tree.args[0], *a), tree);
    return numeric_pair(tree, *a, tree.args[0], *b, tree.args[1], code, code == OperationCode::divide);
}

// timestamp + duration, either way round, duration + duration, and the differences that these make.
ExpressionCompiler::Maybe ExpressionCompiler::time_arithmetic(const Node& tree, Typed a, Typed b) {
    const bool plus = tree.text == "+";
    std::optional<Meaning> meaning;
    if (plus || tree.text == "-") {
        if (a.is(Meaning::duration) && b.is(Meaning::duration)) meaning = Meaning::duration;
        if (a.is(Meaning::timestamp) && b.is(Meaning::duration)) meaning = Meaning::timestamp;
        if (a.is(Meaning::duration) && b.is(Meaning::timestamp) && plus) meaning = Meaning::timestamp;
        if (a.is(Meaning::timestamp) && b.is(Meaning::timestamp) && !plus) meaning = Meaning::duration;
    }
    if (!meaning)
        return fail(described(tree.args[0], a) + " and " + described(tree.args[1], b) + ": " + tree.text + " has no meaning for these", tree);
    const Typed sum = emit(plus ? OperationCode::add : OperationCode::subtract, ColumnType::integer, ColumnType::integer, a.operand, b.operand);
    release(a.operand);
    release(b.operand);
    return limited(sum, *meaning);
}

ExpressionCompiler::Maybe ExpressionCompiler::null_test(const Node& of, bool present) {
    const Maybe value = node(of);
    if (!value) return value;
    return then(*value, present ? OperationCode::is_present : OperationCode::is_null, ColumnType::boolean);
}

ExpressionCompiler::Maybe ExpressionCompiler::comparison(const Node& tree) {
    const Node& left = tree.args[0];
    const Node& right = tree.args[1];
    const bool equality = tree.text == "==" || tree.text == "!=";
    if (equality && right.kind == Node::Kind::null) return null_test(left, tree.text == "!=");
    if (equality && left.kind == Node::Kind::null) return null_test(right, tree.text == "!=");
    const Maybe a = node(left);
    if (!a) return a;
    const Maybe b = node(right);
    if (!b) return b;
    if (a->untyped_null || b->untyped_null) return fail("null has no order: ask == null or != null", tree);
    Typed x = *a;
    Typed y = *b;
    if (x.numeric() && y.numeric() && x.type != y.type) {
        x = to_real(x);
        y = to_real(y);
    }
    if (!x.same_type(y)) return fail(described(left, *a) + " and " + described(right, *b) + ": these cannot be compared", tree);
    OperationCode code = OperationCode::equal;
    if (tree.text == "!=") code = OperationCode::unequal;
    if (tree.text == "<" || tree.text == ">") code = OperationCode::less;
    if (tree.text == "<=" || tree.text == ">=") code = OperationCode::less_equal;
    const bool swapped = tree.text[0] == '>';
    const Typed result = emit(code, x.type, ColumnType::boolean, swapped ? y.operand : x.operand, swapped ? x.operand : y.operand);
    release(x.operand);
    release(y.operand);
    return result;
}

ExpressionCompiler::Maybe ExpressionCompiler::logic(const Node& tree) {
    std::uint32_t operands[2] = {};
    for (std::size_t i = 0; i < 2; ++i) {
        const Maybe value = node(tree.args[i]);
        if (!value) return value;
        if (!value->is(ColumnType::boolean))
            return fail(tree.text + " needs bools, and " + described(tree.args[i], *value), tree.args[i]);
        operands[i] = value->operand;
    }
    const Typed result = emit(tree.text == "&&" ? OperationCode::logical_and : OperationCode::logical_or,
                              ColumnType::boolean, ColumnType::boolean, operands[0], operands[1]);
    release(operands[0]);
    release(operands[1]);
    return result;
}

ExpressionCompiler::Maybe ExpressionCompiler::choice(const Node& tree) {
    const Maybe condition = node(tree.args[0]);
    if (!condition) return condition;
    if (!condition->is(ColumnType::boolean))
        return fail("what stands before ? must be a bool, and " + described(tree.args[0], *condition), tree.args[0]);
    const Maybe yes = node(tree.args[1]);
    if (!yes) return yes;
    const Maybe no = node(tree.args[2]);
    if (!no) return no;
    if (yes->untyped_null && no->untyped_null) return fail("both sides of : are null", tree);
    Typed x = *yes;
    Typed y = *no;
    if (x.untyped_null || y.untyped_null) {
        Typed& null = x.untyped_null ? x : y;
        const Typed& other = x.untyped_null ? y : x;
        out_.literals_[operand_index(null.operand)].type = other.type;
        null = {null.operand, other.type, other.meaning, false};
    } else if (x.numeric() && y.numeric() && x.type != y.type) {
        x = to_real(x);
        y = to_real(y);
    }
    if (!x.same_type(y))
        return fail(described(tree.args[1], *yes) + " and " + described(tree.args[2], *no) + ": both sides of : must have one type", tree);
    Typed result = emit(OperationCode::select, x.type, x.type, condition->operand, x.operand, y.operand);
    result.meaning = x.meaning;
    release(condition->operand);
    release(x.operand);
    release(y.operand);
    return result;
}

// The list, if all of it are literals that compare with type as they are.
std::optional<ConstantList> ExpressionCompiler::constants(const Node& list, ColumnType type) const {
    ConstantList out;
    out.type = type;
    for (const Node& item : list.args) {
        if (type == ColumnType::integer && item.kind == Node::Kind::integer)
            out.integers.push_back(item.integer);
        else if (type == ColumnType::real && item.kind == Node::Kind::integer)
            out.reals.push_back(static_cast<double>(item.integer));
        else if (type == ColumnType::real && item.kind == Node::Kind::real)
            out.reals.push_back(item.real);
        else if (type == ColumnType::text && item.kind == Node::Kind::text)
            out.texts.push_back(item.text);
        else
            return std::nullopt;
    }
    std::sort(out.integers.begin(), out.integers.end());
    std::sort(out.reals.begin(), out.reals.end());
    std::sort(out.texts.begin(), out.texts.end());
    return out;
}

ExpressionCompiler::Maybe ExpressionCompiler::membership(const Node& tree) {
    const Node& list = tree.args[1];
    if (list.kind != Node::Kind::list) return fail("after 'in' stands a list in brackets", list);
    const Maybe value = node(tree.args[0]);
    if (!value) return value;
    if (value->untyped_null) return fail("null is in no list: ask == null", tree);
    if (list.args.empty()) {
        Literal none;
        none.type = ColumnType::boolean;
        release(value->operand);
        return literal(none);
    }
    if (value->meaning == Meaning::plain)
        if (auto constant = constants(list, value->type)) {
            out_.lists_.push_back(std::move(*constant));
            return then(*value, OperationCode::in_list, ColumnType::boolean, static_cast<std::uint32_t>(out_.lists_.size() - 1));
        }
    Maybe result;
    for (const Node& item : list.args) {
        const Maybe one = node(item);
        if (!one) return one;
        const Maybe same = equal(*value, *one, item, tree.args[0], item);
        if (!same) return same;
        if (!result) {
            result = same;
            continue;
        }
        const Typed either =
            emit(OperationCode::logical_or, ColumnType::boolean, ColumnType::boolean, result->operand, same->operand);
        release(result->operand);
        release(same->operand);
        result = either;
    }
    release(value->operand);
    return result;
}

// Releases b and what it makes, but not a, which the next item is compared with.
ExpressionCompiler::Maybe ExpressionCompiler::equal(Typed a, Typed b, const Node& at, const Node& left, const Node& right) {
    Typed x = a;
    Typed y = b;
    if (x.numeric() && y.numeric() && x.type != y.type) {
        if (x.type == ColumnType::integer && operand_kind(x.operand) != OperandKind::literal)
            x = emit(OperationCode::to_real, x.type, ColumnType::real, x.operand);
        else
            (x.type == ColumnType::integer ? x : y) = to_real(x.type == ColumnType::integer ? x : y);
    }
    if (y.untyped_null || !x.same_type(y))
        return fail(described(left, a) + " and " + described(right, b) + ": these cannot be compared", at);
    const Typed result = emit(OperationCode::equal, x.type, ColumnType::boolean, x.operand, y.operand);
    if (x.operand != a.operand) release(x.operand);
    if (y.operand != a.operand) release(y.operand);
    return result;
}

}  // namespace weir
