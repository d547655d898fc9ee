// From tree to program: types are checked here, so that a program cannot fail.
// Memory: heap, at start-up only. Cost: O(nodes). Threads: one owner.
// Errors: a Problem that names the operands, their types and the place.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <vector>

#include "windows/expression.h"
#include "windows/operations.h"
#include "windows/syntax.h"

namespace weir {

// Names and calls that are inputs of the expression: columns, fields, aggregates.
class Inputs {
public:
    struct Input {
        std::size_t index = 0;
        ColumnType type = ColumnType::real;
    };
    virtual ~Inputs() = default;
    // nullopt with problem.what empty: not an input, the compiler goes on.
    virtual std::optional<Input> input(const Node& node, Problem& problem) = 0;
    // What to say of a name that nobody knows.
    virtual std::string unknown(const Node& node) const = 0;
};

class SchemaInputs final : public Inputs {
public:
    explicit SchemaInputs(const Schema& schema) : schema_(schema) {}
    std::optional<Input> input(const Node& node, Problem& problem) override;
    std::string unknown(const Node& node) const override;

private:
    const Schema& schema_;
};

class ExpressionCompiler {
public:
    static std::optional<Expression> compile(const Node& tree, Inputs& inputs, Problem& problem);

private:
    struct Typed {
        std::uint32_t operand = 0;
        ColumnType type = ColumnType::real;
        bool untyped_null = false;
    };
    using Maybe = std::optional<Typed>;

    ExpressionCompiler(Inputs& inputs, Problem& problem) : inputs_(inputs), problem_(problem) {}

    Maybe fail(std::string what, const Node& at);
    Maybe node(const Node& tree);
    Maybe named(const Node& tree);
    Maybe call(const Node& tree);
    Maybe unary(const Node& tree);
    Maybe arithmetic(const Node& tree);
    Maybe comparison(const Node& tree);
    Maybe logic(const Node& tree);
    Maybe choice(const Node& tree);
    Maybe membership(const Node& tree);
    Maybe null_test(const Node& of, bool present, const Node& at);
    Maybe text_test(const Node& tree, OperationCode code);
    Maybe numeric_pair(const Node& tree, const Node& left, const Node& right, OperationCode code, bool as_real);
    Maybe conversion(const Node& tree, ColumnType to);
    Maybe equal(Typed a, Typed b, const Node& at, const Node& left, const Node& right);

    Typed to_real(Typed value);
    Typed emit(OperationCode code, ColumnType operands, ColumnType result, std::uint32_t a, std::uint32_t b = 0,
               std::uint32_t c = 0);
    Typed literal(Literal value);
    void release(std::uint32_t operand);
    std::string described(const Node& tree, const Typed& typed) const;

    Inputs& inputs_;
    Problem& problem_;
    Expression out_;
    std::vector<ColumnType> register_types_;
    std::vector<bool> register_free_;
};

}  // namespace weir
