#include "windows/expression.h"
#include "windows/operations.h"

namespace weir {
namespace {

std::optional<ColumnType> usable_type(ValueKind kind) {
    switch (kind) {
        case ValueKind::integer: return ColumnType::integer;
        case ValueKind::real:
        case ValueKind::estimate: return ColumnType::real;
        case ValueKind::boolean: return ColumnType::boolean;
        case ValueKind::text: return ColumnType::text;
        case ValueKind::null:
        case ValueKind::top:
        case ValueKind::histogram: break;
    }
    return std::nullopt;
}

// One row of a field, in cells of its own.
struct Cell {
    Column column;
    std::int64_t integer = 0;
    double real = 0;
    std::uint8_t boolean = 0;
    std::string_view text;
};

void put(Cell& cell, const Value& value) {
    cell.column.present.reset(0);
    if (usable_type(value.kind) != cell.column.type) return;
    cell.integer = value.integer;
    cell.real = value.real;
    cell.boolean = value.boolean ? 1 : 0;
    cell.text = value.text;
    cell.column.present.set(0);
}

}  // namespace

struct Condition::State {
    State(Expression compiled, std::size_t fields)
        : expression(std::move(compiled)),
          cells(fields),
          block(Evaluator::need(expression, 1)),
          arena(block.memory()),
          evaluator(arena, expression, 1) {}

    Expression expression;
    std::vector<Cell> cells;
    std::vector<std::size_t> positions;  // of each cell among the record's fields
    std::vector<const Column*> inputs;
    ArenaBlock block;
    Arena arena;
    Evaluator evaluator;
};

Condition::Condition(std::unique_ptr<State> state) : state_(std::move(state)) {}
Condition::Condition(Condition&&) noexcept = default;
Condition& Condition::operator=(Condition&&) noexcept = default;
Condition::~Condition() = default;

std::optional<Condition> Condition::compile(std::string_view text, std::span<const FieldType> fields, Problem& problem,
                                            const Zones* zones) {
    std::vector<ColumnSpec> columns;
    std::vector<std::size_t> positions;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const auto type = usable_type(fields[i].kind);
        if (!type) continue;
        columns.push_back({fields[i].name, *type});
        positions.push_back(i);
    }
    const Schema schema(columns);
    std::optional<Expression> expression = Expression::compile(text, schema, problem, zones);
    if (!expression) return std::nullopt;
    if (expression->type() != ColumnType::boolean) {
        problem = {"a condition is true or false, and this is " + std::string(name(expression->type())), 0};
        return std::nullopt;
    }
    auto state = std::make_unique<State>(std::move(*expression), columns.size());
    state->positions = std::move(positions);
    for (std::size_t i = 0; i < columns.size(); ++i) {
        Cell& cell = state->cells[i];
        cell.column.type = columns[i].type;
        cell.column.integers = &cell.integer;
        cell.column.reals = &cell.real;
        cell.column.booleans = &cell.boolean;
        cell.column.texts = &cell.text;
        state->inputs.push_back(&cell.column);
    }
    return Condition(std::move(state));
}

std::optional<bool> Condition::evaluate(const Record& record) {
    for (std::size_t i = 0; i < state_->cells.size(); ++i) {
        const std::size_t position = state_->positions[i];
        const std::size_t value = position - record.key.size();
        if (position < record.key.size())
            put(state_->cells[i], record.key[position].value);
        else if (value < record.values.size())
            put(state_->cells[i], record.values[value].value);
        else
            put(state_->cells[i], Value{});
    }
    const RowTime time{record.end, record.end, true};
    const Column& result = state_->evaluator.evaluate(state_->inputs, 1, &time);
    if (!result.present.test(0)) return std::nullopt;
    return result.booleans[0] != 0;
}

Bytes Condition::memory() const {
    return sizeof(State) + state_->block.memory().size() + state_->cells.size() * (sizeof(Cell) + sizeof(void*) + sizeof(std::size_t)) +
           state_->expression.canonical().size() + state_->expression.memory();
}

const std::string& Condition::canonical() const { return state_->expression.canonical(); }

}  // namespace weir
