#include "windows/compiler.h"

namespace weir {
namespace {

bool numeric(ColumnType type) { return type == ColumnType::integer || type == ColumnType::real; }

std::vector<std::string> functions() {
    return {"abs", "min", "max", "int", "float", "has", "startsWith", "endsWith", "contains"};
}

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

std::optional<Expression> ExpressionCompiler::compile(const Node& tree, Inputs& inputs, Problem& problem) {
    problem = {};
    ExpressionCompiler compiler(inputs, problem);
    const Maybe result = compiler.node(tree);
    if (!result) return std::nullopt;
    if (result->untyped_null) {
        compiler.fail("the expression is null, whatever comes", tree);
        return std::nullopt;
    }
    compiler.out_.result_ = result->operand;
    compiler.out_.type_ = result->type;
    compiler.out_.registers_ = compiler.register_types_;
    compiler.out_.canonical_ = canonical(tree);
    return std::move(compiler.out_);
}

ExpressionCompiler::Maybe ExpressionCompiler::fail(std::string what, const Node& at) {
    if (problem_.what.empty()) {
        problem_.what = std::move(what);
        problem_.offset = at.offset;
    }
    return std::nullopt;
}

std::string ExpressionCompiler::described(const Node& tree, const Typed& typed) const {
    std::string text = canonical(tree);
    if (text.size() > 40) text = text.substr(0, 37) + "...";
    return text + " is " + (typed.untyped_null ? "null" : std::string(name(typed.type)));
}

ExpressionCompiler::Typed ExpressionCompiler::literal(Literal value) {
    const ColumnType type = value.type;
    out_.literals_.push_back(std::move(value));
    return {operand(OperandKind::literal, out_.literals_.size() - 1), type, false};
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
    return {operand(OperandKind::reg, reg), result, false};
}

ExpressionCompiler::Typed ExpressionCompiler::to_real(Typed value) {
    if (value.type == ColumnType::real) return value;
    if (operand_kind(value.operand) == OperandKind::literal) {
        Literal converted = out_.literals_[operand_index(value.operand)];
        converted.type = ColumnType::real;
        converted.real = static_cast<double>(converted.integer);
        return literal(std::move(converted));
    }
    const Typed real = emit(OperationCode::to_real, value.type, ColumnType::real, value.operand);
    release(value.operand);
    return real;
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
        case Node::Kind::integer:
            value.type = ColumnType::integer;
            value.integer = tree.integer;
            return literal(value);
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
    if (tree.args.size() == 1) return unary(tree);
    if (tree.args.size() == 3) return choice(tree);
    if (tree.text == "in") return membership(tree);
    if (tree.text == "&&" || tree.text == "||") return logic(tree);
    if (tree.text == "+" || tree.text == "-" || tree.text == "*" || tree.text == "/" || tree.text == "%") return arithmetic(tree);
    return comparison(tree);
}

ExpressionCompiler::Maybe ExpressionCompiler::named(const Node& tree) {
    const auto input = inputs_.input(tree, problem_);
    if (input) return Typed{operand(OperandKind::input, input->index), input->type, false};
    return fail(inputs_.unknown(tree), tree);
}

ExpressionCompiler::Maybe ExpressionCompiler::call(const Node& tree) {
    if (const auto input = inputs_.input(tree, problem_))
        return Typed{operand(OperandKind::input, input->index), input->type, false};
    if (!problem_.what.empty()) return std::nullopt;
    const std::string& f = tree.text;
    std::size_t wanted = 1;
    if (f == "min" || f == "max" || f == "startsWith" || f == "endsWith" || f == "contains")
        wanted = 2;
    else if (f != "abs" && f != "int" && f != "float" && f != "double" && f != "has")
        return fail("no function is called " + f + suggestion(f, functions()), tree);
    if (tree.args.size() != wanted)
        return fail(f + "() takes " + (wanted == 1 ? "one value" : "two values") + ", not " + std::to_string(tree.args.size()) +
                        ((f == "min" || f == "max") ? ": of one column it is an aggregate, which has no place here" : ""),
                    tree);
    if (f == "min") return numeric_pair(tree, tree.args[0], tree.args[1], OperationCode::least, false);
    if (f == "max") return numeric_pair(tree, tree.args[0], tree.args[1], OperationCode::greatest, false);
    if (f == "startsWith") return text_test(tree, OperationCode::starts_with);
    if (f == "endsWith") return text_test(tree, OperationCode::ends_with);
    if (f == "contains") return text_test(tree, OperationCode::contains);
    if (f == "has") return null_test(tree.args[0], true, tree);
    if (f == "int") return conversion(tree, ColumnType::integer);
    if (f == "float" || f == "double") return conversion(tree, ColumnType::real);
    const Maybe value = node(tree.args[0]);
    if (!value) return value;
    if (value->untyped_null || !numeric(value->type)) return fail("abs() takes a number, and " + described(tree.args[0], *value), tree);
    const Typed result = emit(OperationCode::absolute, value->type, value->type, value->operand);
    release(value->operand);
    return result;
}

ExpressionCompiler::Maybe ExpressionCompiler::conversion(const Node& tree, ColumnType to) {
    const Maybe value = node(tree.args[0]);
    if (!value) return value;
    if (value->untyped_null || !numeric(value->type))
        return fail(tree.text + "() takes a number, and " + described(tree.args[0], *value), tree);
    if (value->type == to) return value;
    if (to == ColumnType::real) return to_real(*value);
    const Typed result = emit(OperationCode::to_integer, ColumnType::real, ColumnType::integer, value->operand);
    release(value->operand);
    return result;
}

ExpressionCompiler::Maybe ExpressionCompiler::unary(const Node& tree) {
    const Maybe value = node(tree.args[0]);
    if (!value) return value;
    const bool negation = tree.text == "neg";
    if (value->untyped_null || (negation ? !numeric(value->type) : value->type != ColumnType::boolean))
        return fail(std::string(negation ? "- needs a number, and " : "! needs a bool, and ") + described(tree.args[0], *value), tree);
    const Typed result =
        emit(negation ? OperationCode::negate : OperationCode::logical_not, value->type, value->type, value->operand);
    release(value->operand);
    return result;
}

ExpressionCompiler::Maybe ExpressionCompiler::numeric_pair(const Node& tree, const Node& left, const Node& right,
                                                           OperationCode code, bool as_real) {
    const Maybe a = node(left);
    if (!a) return a;
    const Maybe b = node(right);
    if (!b) return b;
    for (const auto& [typed, side] : {std::pair{*a, &left}, std::pair{*b, &right}})
        if (typed.untyped_null || !numeric(typed.type))
            return fail(tree.text + " needs numbers, and " + described(*side, typed), tree);
    const bool integers = a->type == ColumnType::integer && b->type == ColumnType::integer && !as_real;
    if (code == OperationCode::modulo && !integers)
        return fail("% needs ints, and " + (a->type == ColumnType::real ? described(left, *a) : described(right, *b)), tree);
    const Typed x = integers ? *a : to_real(*a);
    const Typed y = integers ? *b : to_real(*b);
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
    return numeric_pair(tree, tree.args[0], tree.args[1], code, code == OperationCode::divide);
}

ExpressionCompiler::Maybe ExpressionCompiler::null_test(const Node& of, bool present, const Node&) {
    const Maybe value = node(of);
    if (!value) return value;
    const Typed result = emit(present ? OperationCode::is_present : OperationCode::is_null, value->type,
                              ColumnType::boolean, value->operand);
    release(value->operand);
    return result;
}

ExpressionCompiler::Maybe ExpressionCompiler::comparison(const Node& tree) {
    const Node& left = tree.args[0];
    const Node& right = tree.args[1];
    const bool equality = tree.text == "==" || tree.text == "!=";
    if (equality && right.kind == Node::Kind::null) return null_test(left, tree.text == "!=", tree);
    if (equality && left.kind == Node::Kind::null) return null_test(right, tree.text == "!=", tree);
    const Maybe a = node(left);
    if (!a) return a;
    const Maybe b = node(right);
    if (!b) return b;
    if (a->untyped_null || b->untyped_null) return fail("null has no order: ask == null or != null", tree);
    Typed x = *a;
    Typed y = *b;
    if (numeric(x.type) && numeric(y.type) && x.type != y.type) {
        x = to_real(x);
        y = to_real(y);
    }
    if (x.type != y.type) return fail(described(left, *a) + " and " + described(right, *b) + ": these cannot be compared", tree);
    if (!equality && x.type == ColumnType::boolean) return fail("bools have no order, and " + described(left, *a), tree);
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
        if (value->untyped_null || value->type != ColumnType::boolean)
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
    if (condition->untyped_null || condition->type != ColumnType::boolean)
        return fail("what stands before ? must be a bool, and " + described(tree.args[0], *condition), tree);
    const Maybe yes = node(tree.args[1]);
    if (!yes) return yes;
    const Maybe no = node(tree.args[2]);
    if (!no) return no;
    if (yes->untyped_null && no->untyped_null) return fail("both sides of : are null", tree);
    Typed x = *yes;
    Typed y = *no;
    if (x.untyped_null) {
        x.type = y.type;
        out_.literals_[operand_index(x.operand)].type = y.type;
    } else if (y.untyped_null) {
        y.type = x.type;
        out_.literals_[operand_index(y.operand)].type = x.type;
    } else if (x.type != y.type && numeric(x.type) && numeric(y.type)) {
        x = to_real(x);
        y = to_real(y);
    }
    if (x.type != y.type)
        return fail(described(tree.args[1], *yes) + " and " + described(tree.args[2], *no) + ": both sides of : must have one type", tree);
    const Typed result = emit(OperationCode::select, x.type, x.type, condition->operand, x.operand, y.operand);
    release(condition->operand);
    release(x.operand);
    release(y.operand);
    return result;
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
    Maybe result;
    for (const Node& item : list.args) {
        const Maybe one = node(item);
        if (!one) return one;
        const Maybe same = equal(*value, *one, tree, tree.args[0], item);
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
    if (!y.untyped_null && numeric(x.type) && numeric(y.type) && x.type != y.type) {
        if (x.type == ColumnType::integer) {
            x = emit(OperationCode::to_real, x.type, ColumnType::real, x.operand);
        } else {
            y = to_real(y);
        }
    }
    if (y.untyped_null || x.type != y.type)
        return fail(described(left, a) + " and " + described(right, b) + ": these cannot be compared", at);
    const Typed result = emit(OperationCode::equal, x.type, ColumnType::boolean, x.operand, y.operand);
    if (x.operand != a.operand) release(x.operand);
    if (y.operand != a.operand) release(y.operand);
    return result;
}

ExpressionCompiler::Maybe ExpressionCompiler::text_test(const Node& tree, OperationCode code) {
    std::uint32_t operands[2] = {};
    for (std::size_t i = 0; i < 2; ++i) {
        const Maybe value = node(tree.args[i]);
        if (!value) return value;
        if (value->untyped_null || value->type != ColumnType::text)
            return fail(tree.text + "() takes strings, and " + described(tree.args[i], *value), tree);
        operands[i] = value->operand;
    }
    const Typed result = emit(code, ColumnType::text, ColumnType::boolean, operands[0], operands[1]);
    release(operands[0]);
    release(operands[1]);
    return result;
}

}  // namespace weir
