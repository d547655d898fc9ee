#include <algorithm>
#include <cstring>

#include "windows/interval_join.h"
#include "windows/pattern_plan.h"
#include "windows/pattern_registers.h"
#include "windows/watermark.h"

// Memory of an interval join, and its state as bytes.

namespace weir {
namespace {

Batch::Params batch_params() { return {join_batch_rows, 0}; }

Bytes operand_need(ColumnType type) {
    switch (type) {
        case ColumnType::integer: return Arena::need<std::int64_t>(join_batch_rows);
        case ColumnType::real: return Arena::need<double>(join_batch_rows);
        case ColumnType::boolean: return Arena::need<std::uint8_t>(join_batch_rows);
        case ColumnType::text: return Arena::need<std::string_view>(join_batch_rows) + Arena::need<char>(join_batch_rows * pattern_text_max);
    }
    return 0;
}

}  // namespace

Bytes IntervalJoin::need(const CompiledJoin& plan, const Schema& joined) {
    const std::size_t groups = 2 * plan.rows_max;
    const Bytes width = plan.sides[0].key.width();
    Bytes total = Arena::need<Group>(groups) + Arena::need<std::byte>(groups * width) + Arena::need<std::byte>(width) +
                  HashIndex::need(groups) + Batch::need(joined, batch_params()) + Arena::need<Column>(plan.operands.size()) +
                  Arena::need<const Column*>(plan.operands.size()) + Arena::need<std::span<char>>(plan.operands.size()) +
                  Arena::need<Evaluator*>(plan.values.size()) + Arena::need<double*>(plan.values.size());
    for (const CompiledJoin::Side& side : plan.sides)
        total += Arena::need<Row>(plan.rows_max) + Arena::need<std::byte>(plan.rows_max * side.row_bytes) + Arena::need<std::byte>(side.row_bytes);
    for (const CompiledJoin::Operand& operand : plan.operands) total += operand_need(operand.type);
    for (const CompiledJoin::Value& value : plan.values)
        total += Arena::need<Evaluator>() + Evaluator::need(*value.expression, join_batch_rows);
    return total;
}

IntervalJoin::IntervalJoin(Arena& arena, const CompiledJoin& plan, const Schema& joined, std::size_t number, JoinSink& sink)
    : plan_(plan),
      number_(number),
      sink_(sink),
      groups_(arena.take<Group>(2 * plan.rows_max)),
      keys_(arena.take<std::byte>(2 * plan.rows_max * plan.sides[0].key.width())),
      key_(arena.take<std::byte>(plan.sides[0].key.width())),
      index_(arena, 2 * plan.rows_max),
      batch_(arena, joined, batch_params()),
      operands_(arena.take<Column>(plan.operands.size())),
      inputs_(arena.take<const Column*>(plan.operands.size())),
      texts_(arena.take<std::span<char>>(plan.operands.size())),
      evaluators_(arena.take<Evaluator*>(plan.values.size())),
      seconds_(arena.take<double*>(plan.values.size())) {
    for (std::size_t side = 0; side < 2; ++side) {
        sides_[side].rows = arena.take<Row>(plan.rows_max);
        sides_[side].cells = arena.take<std::byte>(plan.rows_max * plan.sides[side].row_bytes);
        sides_[side].scratch = arena.take<std::byte>(plan.sides[side].row_bytes);
    }
    for (std::size_t i = 0; i < plan.operands.size(); ++i) {
        Column& column = operands_[i];
        inputs_[i] = &column;
        column.type = plan.operands[i].type;
        switch (column.type) {
            case ColumnType::integer: column.integers = arena.take<std::int64_t>(join_batch_rows).data(); break;
            case ColumnType::real: column.reals = arena.take<double>(join_batch_rows).data(); break;
            case ColumnType::boolean: column.booleans = arena.take<std::uint8_t>(join_batch_rows).data(); break;
            case ColumnType::text:
                column.texts = arena.take<std::string_view>(join_batch_rows).data();
                texts_[i] = arena.take<char>(join_batch_rows * pattern_text_max);
                break;
        }
    }
    for (std::size_t i = 0; i < plan.values.size(); ++i) {
        evaluators_[i] = arena.make<Evaluator>(arena, *plan.values[i].expression, join_batch_rows);
        if (plan.values[i].seconds) seconds_[i] = batch_.column(i).reals;
    }
    reset();
}

void IntervalJoin::reset() {
    index_.reset();
    free_group_ = none;
    for (std::uint32_t i = static_cast<std::uint32_t>(groups_.size()); i-- > 0;) {
        groups_[i] = Group{};
        groups_[i].next = free_group_;
        free_group_ = i;
    }
    for (Side& side : sides_) {
        side.order = {};
        side.free = none;
        side.used = 0;
        for (std::uint32_t i = static_cast<std::uint32_t>(side.rows.size()); i-- > 0;) {
            side.rows[i] = Row{};
            side.rows[i].next = side.free;
            side.free = i;
        }
    }
    pairs_ = 0;
    counters_ = {};
}

Bytes IntervalJoin::save_size_max(const CompiledJoin& plan) {
    Bytes total = join_counters * 8 + 2 * 4;
    for (const CompiledJoin::Side& side : plan.sides) total += plan.rows_max * (8 + 8 + 1 + 8 + side.key.width() + side.row_bytes);
    return total;
}

// The rows of each side by time; ties keep their order.
void IntervalJoin::save(ByteWriter& out) const {
    for (std::uint64_t value : counters_.values()) out.write(value);
    for (std::size_t side = 0; side < 2; ++side) {
        const Side& of = sides_[side];
        out.write(static_cast<std::uint32_t>(of.used));
        for (std::uint32_t number = of.order.first; number != none; number = of.rows[number].next) {
            const Row& row = of.rows[number];
            out.write(row.time);
            out.write(row.arrival);
            out.write(static_cast<std::uint8_t>(row.trusted | row.matched << 1));
            out.write(groups_[row.group].hash);
            out.bytes({key(row.group), key_.size()});
            out.bytes({cells(side, number), plan_.sides[side].row_bytes});
        }
    }
}

bool IntervalJoin::load(ByteReader& in) {
    reset();
    for (std::uint64_t& value : counters_.values()) value = in.read<std::uint64_t>();
    for (std::size_t side = 0; side < 2; ++side) {
        const auto count = in.read<std::uint32_t>();
        if (!in.ok() || count > plan_.rows_max) return false;
        for (std::uint32_t i = 0; i < count; ++i)
            if (!load_row(in, side)) return false;
    }
    return in.ok();
}

bool IntervalJoin::load_row(ByteReader& in, std::size_t side) {
    Side& of = sides_[side];
    const CompiledJoin::Side& plan = plan_.sides[side];
    const std::uint32_t number = of.free;
    Row row;
    row.time = in.read<std::int64_t>();
    row.arrival = in.read<std::int64_t>();
    const auto flags = in.read<std::uint8_t>();
    const auto hash = in.read<std::uint64_t>();
    const ByteSpan identity = in.bytes(key_.size());
    const ByteSpan values = in.bytes(plan.row_bytes);
    if (!in.ok() || flags > 3 || row.time < never_us || row.time > forever_us) return false;
    for (const CompiledJoin::Input& input : plan.inputs)
        if (input.type == ColumnType::text && read_cell(values.data() + input.at, input.type).text.size() > pattern_text_max) return false;
    row.trusted = flags & 1;
    row.matched = flags >> 1;
    std::memcpy(key_.data(), identity.data(), identity.size());
    const std::uint32_t known = find(hash);
    of.free = of.rows[number].next;
    of.rows[number] = row;
    if (!values.empty()) std::memcpy(cells(side, number), values.data(), values.size());
    insert(side, number, known == none ? make_group(hash) : known);
    return true;
}

}  // namespace weir
