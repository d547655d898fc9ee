#include "agent/alert_rows.h"

#include <algorithm>

#include "agent/alert_plan.h"
#include "agent/zones.h"

namespace weir {
namespace {

constexpr std::size_t fields_max = record_fields_max - 8;  // room for what an alert's record says beside them

Value value_of(const Column& column, std::size_t row) {
    if (!column.present.test(row)) return {};
    switch (column.type) {
        case ColumnType::integer: return Value::of_integer(column.integers[row]);
        case ColumnType::real: return Value::of_real(column.reals[row]);
        case ColumnType::boolean: return Value::of_boolean(column.booleans[row] != 0);
        case ColumnType::text: return Value::of_text(column.texts[row]);
    }
    return {};
}

std::vector<std::size_t> other_columns(const Schema& schema, std::span<const std::size_t> by) {
    std::vector<std::size_t> columns;
    for (std::size_t i = 0; i < schema.size() && by.size() + columns.size() < fields_max; ++i)
        if (std::find(by.begin(), by.end(), i) == by.end()) columns.push_back(i);
    return columns;
}

std::optional<bool> truth(const Column& column, std::size_t row) {
    return column.present.test(row) ? std::optional<bool>(column.booleans[row] != 0) : std::nullopt;
}

// Columns of tables come later, in the engine.
Schema own_schema(const Assembly& assembly, std::size_t source) { return assembly.config().sources[source].schema(); }

}  // namespace

std::optional<Expression> compile_row_condition(std::string_view text, const Schema& schema, Problem& problem) {
    std::optional<Expression> expression = Expression::compile(text, schema, problem, &system_zones());
    if (!expression || expression->type() == ColumnType::boolean) return expression;
    problem = {"is " + std::string(name(expression->type())) + ", expected a condition such as speed < 20.0", 0};
    return std::nullopt;
}

Bytes RowFields::need(const Schema& schema, std::span<const std::size_t> by) {
    const KeyLayout layout(schema, {by.begin(), by.end()});
    return Arena::need<std::byte>(layout.width()) + Arena::need<Field>(by.size()) + Arena::need<Field>(other_columns(schema, by).size());
}

RowFields::RowFields(Arena& arena, const Schema& schema, std::span<const std::size_t> by)
    : layout_(schema, {by.begin(), by.end()}),
      bytes_(arena.take<std::byte>(layout_.width())),
      key_(arena.take<Field>(by.size())),
      columns_(other_columns(schema, by)) {
    values_ = arena.take<Field>(columns_.size());
    for (std::size_t i = 0; i < by.size(); ++i) key_[i].name = schema[by[i]].name;
    for (std::size_t i = 0; i < columns_.size(); ++i) values_[i].name = schema[columns_[i]].name;
}

std::vector<FieldType> RowFields::types(const Schema& schema, std::span<const std::size_t> by) {
    std::vector<FieldType> types;
    for (const std::size_t column : by) types.push_back({schema[column].name, kind_of(schema[column].type)});
    for (const std::size_t column : other_columns(schema, by)) types.push_back({schema[column].name, kind_of(schema[column].type)});
    return types;
}

std::uint64_t RowFields::hash(const Batch& batch, std::size_t row) {
    layout_.encode(batch, row, bytes_.data());
    for (std::size_t i = 0; i < key_.size(); ++i) key_[i].value = layout_.value(bytes_.data(), i);
    return hash_of_key(key_);
}

Record RowFields::record(const Batch& batch, std::size_t row) {
    for (std::size_t i = 0; i < columns_.size(); ++i) values_[i].value = value_of(batch.column(columns_[i]), row);
    Record record;
    record.start = record.end = batch.time(row).event;
    record.flags = batch.time(row).arrival_trusted ? 0 : static_cast<std::uint16_t>(record_clock_untrusted);
    record.key = key_;
    record.values = values_;
    return record;
}

Bytes AlertRows::need(const Assembly& assembly) {
    Bytes total = 0;
    for (const AlertPlan& plan : assembly.alerts()) {
        if (plan.kind != AlertKind::rows) continue;
        const AlertConfig& alert = assembly.config().alerts[plan.alert];
        total += RowFields::need(assembly.engine().source(plan.from).schema, plan.by);
        for (const ConfigString* text : {&alert.when, &alert.clear}) {
            if (text->empty()) continue;
            Problem problem;
            total += Evaluator::need(*compile_row_condition(text->text, own_schema(assembly, plan.from), problem), batch_rows_max);
        }
    }
    return total;
}

AlertRows::AlertRows(Arena& arena, const Assembly& assembly) {
    for (std::size_t i = 0; i < assembly.alerts().size(); ++i) {
        const AlertPlan& plan = assembly.alerts()[i];
        if (plan.kind != AlertKind::rows) continue;
        const AlertConfig& alert = assembly.config().alerts[plan.alert];
        Watch watch;
        watch.alert = i;
        watch.source = plan.from;
        watch.name = assembly.engine().source(plan.from).name;
        watch.max_future = assembly.engine().source(plan.from).max_future;
        // Its names outlive the record's views: they are the plan's.
        watch.fields = std::make_unique<RowFields>(arena, assembly.engine().source(plan.from).schema, plan.by);
        const auto compile = [&](const ConfigString& text, std::unique_ptr<Expression>& to, std::unique_ptr<Evaluator>& values) {
            if (text.empty()) return;
            Problem problem;
            to = std::make_unique<Expression>(*compile_row_condition(text.text, own_schema(assembly, plan.from), problem));
            values = std::make_unique<Evaluator>(arena, *to, batch_rows_max);
        };
        compile(alert.when, watch.when, watch.when_values);
        compile(alert.clear, watch.clear, watch.clear_values);
        watch.inputs.resize(own_schema(assembly, plan.from).size());
        watches_.push_back(std::move(watch));
    }
}

void AlertRows::bind(std::size_t alert, AlertLife& life) {
    for (Watch& watch : watches_)
        if (watch.alert == alert) watch.life = &life;
}

void AlertRows::observe(std::size_t source, const Batch& batch) {
    if (batch.empty()) return;
    for (Watch& watch : watches_)
        if (watch.source == source) judge(watch, batch);
}

void AlertRows::judge(Watch& watch, const Batch& batch) {
    for (std::size_t i = 0; i < watch.inputs.size(); ++i) watch.inputs[i] = &batch.column(i);
    const RowTime* const times = &batch.time(0);
    const Column& when = watch.when_values->evaluate(watch.inputs, batch.rows(), times);
    const Column* const clear = watch.clear_values ? &watch.clear_values->evaluate(watch.inputs, batch.rows(), times) : nullptr;
    for (std::size_t row = 0; row < batch.rows(); ++row) {
        const std::optional<bool> raises = truth(when, row);
        if (raises != true && watch.life->is_calm()) continue;
        const RowTime& time = times[row];
        if (time.arrival_trusted && time.event > time.arrival + watch.max_future) {
            ++quarantined_;
            continue;
        }
        const std::uint64_t key = watch.fields->hash(batch, row);
        if (raises != true && watch.life->is_calm(key)) continue;
        std::optional<bool> clears = clear ? truth(*clear, row) : std::nullopt;
        if (!clear && raises) clears = !*raises;
        Record record = watch.fields->record(batch, row);
        record.window = watch.name;
        watch.life->judge(record, key, time.event.us(), raises, clears);
    }
}

}  // namespace weir
