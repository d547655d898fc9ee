#include "windows/expression.h"

#include "windows/compiler.h"
#include "windows/operations.h"
#include "windows/regex.h"
#include "windows/syntax.h"

namespace weir {

Expression::Expression() = default;
Expression::Expression(Expression&&) noexcept = default;
Expression& Expression::operator=(Expression&&) noexcept = default;
Expression::~Expression() = default;

std::optional<Expression> Expression::compile(std::string_view text, const Schema& names, Problem& problem,
                                              const Zones* zones, Meaning wanted) {
    const std::optional<Node> tree = parse(text, problem);
    if (!tree) return std::nullopt;
    SchemaInputs inputs(names, zones);
    return ExpressionCompiler::compile(*tree, inputs, problem, wanted);
}

Bytes Expression::memory() const {
    Bytes total = regexes_.size() * regex_memory;
    for (const ZoneTable& zone : zones_) total += zone.memory();
    return total;
}

std::optional<std::size_t> Expression::plain_column() const {
    if (operand_kind(result_) != OperandKind::input) return std::nullopt;
    return operand_index(result_);
}

}  // namespace weir
