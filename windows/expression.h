// Expressions in a typed subset of CEL, compiled once to a program over columns.
// Literals (int, float, 'string', r'raw', true, false, null), + - * / %, comparisons, && || !, c ? a : b,
// x in [..], has(x); of strings size, startsWith, endsWith, contains, matches (RE2); int(), float() or
// double(), bool(); math.least, greatest, abs, ceil, floor, round, trunc, sign, isNaN, isInf, isFinite, and
// abs, min, max for short; `time`, the event time of the row, timestamp(), duration(), their sums, differences
// and getHours() and its like, in UTC, at an offset or in a named zone.
// Two differences from CEL: ints promote to float, and / is always float division. Null where there
// is no answer: a missing field, division by zero, an int overflow, a conversion or a time out of range;
// null goes through operators, but false && null is false, true || null is true, and x == null,
// x != null and has(x) are never null. README.md lists what CEL has beside.
// Memory: the program on the heap at start-up, memory() with its regular expressions and zones;
// Evaluator::need() for its registers, 8 bytes and a bit a row each. Cost: compile() O(text), evaluate()
// O(operations x rows), dispatch once an operation. Threads: an Expression and its Evaluator have one owner.
// Errors: compile() gives a Problem with the byte offset, the types and the nearest known name; depth, length
// and number of operations are bounded. evaluate() cannot fail.
// Source: github.com/google/cel-spec, doc/langdef.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "agent/base/problem.h"
#include "agent/base/record.h"
#include "windows/zone.h"

namespace weir {

inline constexpr std::size_t expression_text_max = 4096;
inline constexpr std::size_t expression_operations_max = 512;

struct Operation;  // windows/operations.h
struct Literal;
struct ConstantList;
class Regex;

// What an int of an expression stands for: timestamps and durations are microseconds.
enum class Meaning : std::uint8_t { plain, timestamp, duration };

class Expression {
public:
    // names are the columns that the text may use; one that is called time hides the event time. zones, if any,
    // know the time zones by name. The result means what is wanted: a session's gap, say, is a duration.
    // On nullopt problem says why.
    static std::optional<Expression> compile(std::string_view text, const Schema& names, Problem& problem,
                                             const Zones* zones = nullptr, Meaning wanted = Meaning::plain);

    Expression(Expression&&) noexcept;
    Expression& operator=(Expression&&) noexcept;
    ~Expression();

    ColumnType type() const { return type_; }
    // The input column that this expression is, when it is nothing but a column.
    std::optional<std::size_t> plain_column() const;
    // The same for all spellings of the same tree: spaces, quotes and parentheses do not matter.
    const std::string& canonical() const { return canonical_; }
    Meaning meaning() const { return meaning_; }
    std::span<const ZoneTable> zones() const { return zones_; }
    bool uses_time() const { return uses_time_; }
    // On the heap: the regular expressions, which fill up while they run, and the zones.
    Bytes memory() const;

private:
    friend class ExpressionCompiler;
    friend class Evaluator;
    Expression();

    std::vector<Operation> operations_;
    std::vector<Literal> literals_;
    std::vector<ConstantList> lists_;
    std::vector<std::unique_ptr<Regex>> regexes_;
    std::vector<ZoneTable> zones_;
    std::vector<ColumnType> registers_;
    std::uint32_t result_ = 0;  // an operand, see operations.h
    ColumnType type_ = ColumnType::boolean;
    Meaning meaning_ = Meaning::plain;
    bool uses_time_ = false;
    std::string canonical_;
};

// The registers of one expression. The expression must outlive it.
class Evaluator {
public:
    static Bytes need(const Expression& expression, std::size_t rows_max);
    Evaluator(Arena& arena, const Expression& expression, std::size_t rows_max);

    // inputs in the order of the schema compiled against. The column lives until the next call; it may be
    // one of the inputs. times: of the rows, for expressions that use time.
    // REQUIRES: rows <= rows_max; times, if the expression uses them.
    const Column& evaluate(std::span<const Column* const> inputs, std::size_t rows, const RowTime* times = nullptr);

private:
    class Run;

    const Expression& expression_;
    std::span<Column> registers_;  // and one more, for a result that is a literal
};

// A name and what it holds in a result record: estimates count as their estimate, top lists as nothing
// that a condition could use.
struct FieldType {
    std::string name;
    ValueKind kind = ValueKind::null;
};

// A condition over the fields of a result record: an alert's `when` and `clear`. Its time is the record's end.
// Memory: on the heap, taken by compile(); memory() says how much. evaluate() allocates nothing.
class Condition {
public:
    // fields: the key fields and then the values, in the order of the records (EnginePlan::fields()).
    static std::optional<Condition> compile(std::string_view text, std::span<const FieldType> fields,
                                            Problem& problem, const Zones* zones = nullptr);
    Condition(Condition&&) noexcept;
    Condition& operator=(Condition&&) noexcept;
    ~Condition();

    // nullopt is null: neither true nor false. A field of another kind than was declared, such as an int
    // key that reads "(other)", is null.
    std::optional<bool> evaluate(const Record& record);
    Bytes memory() const;
    const std::string& canonical() const;

private:
    struct State;
    explicit Condition(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace weir
