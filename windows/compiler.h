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
        Meaning meaning = Meaning::plain;
    };
    virtual ~Inputs() = default;
    // nullopt with problem.what empty: not an input, the compiler goes on.
    virtual std::optional<Input> input(const Node& node, Problem& problem) = 0;
    // What to say of a name that nobody knows.
    virtual std::string unknown(const Node& node) const = 0;
    // Whether evaluate() will be told the event times of the rows.
    virtual bool has_time() const { return false; }
    virtual const Zones* zones() const { return nullptr; }
};

class SchemaInputs final : public Inputs {
public:
    explicit SchemaInputs(const Schema& schema, const Zones* zones = nullptr) : schema_(schema), zones_(zones) {}
    std::optional<Input> input(const Node& node, Problem& problem) override;
    std::string unknown(const Node& node) const override;
    bool has_time() const override { return true; }
    const Zones* zones() const override { return zones_; }

private:
    const Schema& schema_;
    const Zones* zones_;
};

class ExpressionCompiler {
public:
    // wanted: nullopt for a result of any meaning.
    static std::optional<Expression> compile(const Node& tree, Inputs& inputs, Problem& problem,
                                             std::optional<Meaning> wanted = Meaning::plain);

private:
    struct Typed {
        std::uint32_t operand = 0;
        ColumnType type = ColumnType::real;
        Meaning meaning = Meaning::plain;
        bool untyped_null = false;

        bool numeric() const {
            return !untyped_null && meaning == Meaning::plain && (type == ColumnType::integer || type == ColumnType::real);
        }
        bool is(ColumnType wanted) const { return !untyped_null && meaning == Meaning::plain && type == wanted; }
        bool is(Meaning wanted) const { return !untyped_null && meaning == wanted; }
        bool same_type(const Typed& other) const { return type == other.type && meaning == other.meaning; }
    };
    using Maybe = std::optional<Typed>;
    struct Function {
        std::string_view name;
        std::size_t args_least;
        std::size_t args_most;
        Maybe (ExpressionCompiler::*compile)(const Node& tree);
    };
    static const Function* functions(std::size_t& count);

    ExpressionCompiler(Inputs& inputs, Problem& problem) : inputs_(inputs), problem_(problem) {}

    Maybe fail(std::string what, const Node& at);
    Maybe fail(std::string what, std::size_t offset);
    Maybe node(const Node& tree);
    Maybe operation(const Node& tree);
    Maybe named(const Node& tree);
    Maybe unary(const Node& tree);
    Maybe arithmetic(const Node& tree);
    Maybe time_arithmetic(const Node& tree, Typed a, Typed b);
    Maybe comparison(const Node& tree);
    Maybe logic(const Node& tree);
    Maybe choice(const Node& tree);
    Maybe membership(const Node& tree);
    Maybe null_test(const Node& of, bool present);
    Maybe numeric_pair(const Node& tree, Typed a, const Node& left, Typed b, const Node& right, OperationCode code, bool as_real);
    Maybe equal(Typed a, Typed b, const Node& at, const Node& left, const Node& right);
    std::optional<ConstantList> constants(const Node& list, ColumnType type) const;

    // windows/compiler_functions.cc
    Maybe call(const Node& tree);
    Maybe call_absolute(const Node& tree);
    Maybe call_extreme(const Node& tree);
    Maybe call_rounding(const Node& tree);
    Maybe call_to_integer(const Node& tree);
    Maybe call_to_real(const Node& tree);
    Maybe call_to_boolean(const Node& tree);
    Maybe call_timestamp(const Node& tree);
    Maybe call_duration(const Node& tree);
    Maybe call_has(const Node& tree);
    Maybe call_size(const Node& tree);
    Maybe call_text_test(const Node& tree);
    Maybe call_matches(const Node& tree);
    Maybe call_time_part(const Node& tree);
    Maybe duration_part(const Node& tree, Typed span);
    Maybe local_time(const Node& tree, Typed at);
    Maybe wrong_argument(const Node& tree, std::string_view takes, const Node& arg, const Typed& typed);

    Typed to_real(Typed value);
    Typed emit(OperationCode code, ColumnType operands, ColumnType result, std::uint32_t a, std::uint32_t b = 0,
               std::uint32_t c = 0);
    // One more operation on the result of the one before.
    Typed then(Typed value, OperationCode code, ColumnType result, std::uint32_t b = 0);
    Typed with_integer(Typed value, OperationCode code, std::int64_t literal);
    Typed limited(Typed value, Meaning meaning);
    Typed literal(Literal value);
    Typed integer(std::int64_t value);
    void release(std::uint32_t operand);
    static std::string_view type_name(const Typed& typed);
    static std::string described(const Node& tree, const Typed& typed);

    Inputs& inputs_;
    Problem& problem_;
    Expression out_;
    std::vector<ColumnType> register_types_;
    std::vector<bool> register_free_;
};

// That nobody knows it, and which one was meant or how one looks.
std::string unknown_zone(std::string_view name, const Zones* zones);

}  // namespace weir
