#include <algorithm>
#include <cstring>

#include "windows/pattern.h"
#include "windows/pattern_registers.h"

// Memory of a pattern, and its state as bytes.

namespace weir {
namespace {

std::size_t lanes(const CompiledPattern& plan, std::size_t partitions_max) { return plan.by_partition ? partitions_max : 1; }

template <typename CellColumn>
Bytes look_need(const PatternExpression& expression) {
    const std::size_t operands = expression.operands.size();
    return Arena::need<Evaluator>() + Evaluator::need(*expression.expression, 1) + Arena::need<CellColumn>(operands) +
           Arena::need<const Column*>(operands);
}

// A text's length must not lead out of its cell.
bool sound(const std::byte* cell, ColumnType type) {
    return type != ColumnType::text || read_cell(cell, type).text.size() <= pattern_text_max;
}
bool sound(const CompiledPattern& plan, const std::byte* registers) {
    for (const RegisterSpec& spec : plan.registers) {
        const Bytes width = pattern_cell_bytes(spec.type);
        if (spec.kind == RegisterKind::first && !sound(registers + spec.at + 8, spec.type)) return false;
        for (std::size_t i = 0; spec.kind == RegisterKind::last && i <= spec.offset; ++i)
            if (!sound(registers + spec.at + i * width, spec.type)) return false;
    }
    return true;
}

}  // namespace

Bytes Pattern::need(const CompiledPattern& plan, std::size_t partitions_max) {
    const Bytes stride = sizeof(Progress) + plan.run_bytes;
    Bytes total = Arena::need<Group>(plan.groups_max) + Arena::need<std::byte>(plan.groups_max * plan.key.width()) +
                  Arena::need<std::byte>(plan.groups_max * plan.runs_max * stride) +
                  Arena::need<std::byte>((plan.runs_max + 2) * stride) + HashIndex::need(plan.groups_max) +
                  Arena::need<std::uint32_t>(plan.groups_max) + Arena::need<Waiting>(plan.pending_max) + Arena::need<std::byte>(plan.pending_max * plan.row_bytes) +
                  Arena::need<Lane>(lanes(plan, partitions_max)) + Arena::need<Look>(plan.conditions.size()) +
                  Arena::need<Look>(plan.measures.size()) + Frontier::need(plan.frontiers_max);
    for (const PatternExpression& condition : plan.conditions) total += look_need<CellColumn>(condition);
    for (const PatternExpression& measure : plan.measures) total += look_need<CellColumn>(measure);
    return total;
}

Pattern::Pattern(Arena& arena, const CompiledPattern& plan, std::string_view name, std::uint64_t definition,
                 std::size_t source, std::size_t partitions_max)
    : plan_(plan),
      name_(name),
      definition_(definition),
      source_(source),
      groups_(arena.take<Group>(plan.groups_max)),
      keys_(arena.take<std::byte>(plan.groups_max * plan.key.width())),
      runs_(arena.take<std::byte>(plan.groups_max * plan.runs_max * stride())),
      scratch_(arena.take<std::byte>((plan.runs_max + 2) * stride())),
      index_(arena, plan.groups_max),
      places_(arena.take<std::uint32_t>(plan.groups_max)),
      waiting_(arena.take<Waiting>(plan.pending_max)),
      rows_(arena.take<std::byte>(plan.pending_max * plan.row_bytes)),
      lanes_(arena.take<Lane>(lanes(plan, partitions_max))),
      conditions_(arena.take<Look>(plan.conditions.size())),
      measures_(arena.take<Look>(plan.measures.size())),
      frontier_(arena, plan.frontiers_max) {
    const auto prepare = [&](Look& look, const PatternExpression& expression) {
        look.evaluator = arena.make<Evaluator>(arena, *expression.expression, std::size_t{1});
        look.cells = arena.take<CellColumn>(expression.operands.size());
        look.columns = arena.take<const Column*>(expression.operands.size());
        for (std::size_t i = 0; i < expression.operands.size(); ++i) {
            CellColumn& cell = look.cells[i];
            cell.column.type = expression.operands[i].type;
            cell.column.integers = &cell.integer;
            cell.column.reals = &cell.real;
            cell.column.booleans = &cell.boolean;
            cell.column.texts = &cell.text;
            look.columns[i] = &cell.column;
        }
    };
    for (std::size_t i = 0; i < plan.conditions.size(); ++i) prepare(conditions_[i], plan.conditions[i]);
    for (std::size_t i = 0; i < plan.measures.size(); ++i) prepare(measures_[i], plan.measures[i]);
    reset();
}

void Pattern::reset() {
    index_.reset();
    std::fill(lanes_.begin(), lanes_.end(), Lane{});
    free_group_ = none;
    for (std::uint32_t i = static_cast<std::uint32_t>(groups_.size()); i-- > 0;) {
        groups_[i] = Group{};
        groups_[i].next = free_group_;
        free_group_ = i;
    }
    free_row_ = none;
    for (std::uint32_t i = static_cast<std::uint32_t>(waiting_.size()); i-- > 0;) {
        waiting_[i] = Waiting{};
        waiting_[i].next = free_row_;
        free_row_ = i;
    }
    groups_used_ = 0;
    pending_used_ = 0;
    counters_ = {};
    frontier_.reset();
}

Bytes Pattern::save_size_max(const CompiledPattern& plan) {
    const Bytes group = 8 + 8 + 8 + 4 + 4 + plan.key.width() + plan.runs_max * (sizeof(Progress) + plan.run_bytes);
    const Bytes row = 8 + 4 + 4 + 4 + plan.row_bytes;
    return 4 + 4 + pattern_counters * 8 + Frontier::save_size_max(plan.frontiers_max) + plan.groups_max * group + plan.pending_max * row;
}

// Groups lane by lane, in their order there, and then the rows. Rows name their group by its place in that.
void Pattern::save(ByteWriter& out) const {
    frontier_.save(out);
    for (std::uint64_t value : counters_.values()) out.write(value);
    out.write(static_cast<std::uint32_t>(groups_used_));
    std::uint32_t place = 0;
    for (const Lane& lane : lanes_)
        for (std::uint32_t number = lane.head; number != none; number = groups_[number].next) {
            const Group& group = groups_[number];
            places_[number] = place++;
            out.write(group.hash);
            out.write(group.partition_hash);
            out.write(group.rows);
            out.write(group.lane);
            out.write(group.runs);
            out.bytes({key(number), plan_.key.width()});
            out.bytes({runs(number), group.runs * stride()});
        }
    out.write(static_cast<std::uint32_t>(pending_used_));
    for (const Lane& lane : lanes_)
        for (std::uint32_t number = lane.first; number != none; number = waiting_[number].next) {
            const Waiting& row = waiting_[number];
            out.write(row.time);
            out.write(places_[row.group]);
            out.write(row.fits);
            out.write(row.untrusted);
            out.bytes({row_cells(number), plan_.row_bytes});
        }
}

bool Pattern::load(ByteReader& in, std::size_t partitions) {
    reset();
    if (!frontier_.load(in)) return false;
    for (std::uint64_t& value : counters_.values()) value = in.read<std::uint64_t>();
    const auto count = in.read<std::uint32_t>();
    if (!in.ok() || count > groups_.size()) return false;
    for (std::uint32_t i = 0; i < count; ++i)
        if (!load_group(in, partitions)) return false;
    const auto rows = in.read<std::uint32_t>();
    if (!in.ok() || rows > waiting_.size()) return false;
    for (std::uint32_t i = 0; i < rows; ++i)
        if (!load_row(in)) return false;
    for (std::uint32_t number = 0; number < count; ++number) {
        if (groups_[number].runs == 0 && groups_[number].pending == 0) return false;
        Lane& lane = lanes_[groups_[number].lane];
        lane.deadline = std::min(lane.deadline, deadline(number));
    }
    return in.ok();
}

// Groups are loaded into 0, 1, 2, ...: their places in the saved order.
bool Pattern::load_group(ByteReader& in, std::size_t partitions) {
    const std::uint32_t number = free_group_;
    Group& group = groups_[number];
    free_group_ = group.next;
    group = Group{};
    group.used = 1;
    group.hash = in.read<std::uint64_t>();
    group.partition_hash = in.read<std::uint64_t>();
    group.rows = in.read<std::uint64_t>();
    group.lane = in.read<std::uint32_t>();
    group.runs = in.read<std::uint32_t>();
    const ByteSpan identity = in.bytes(plan_.key.width());
    if (!in.ok() || group.runs > plan_.runs_max || group.lane >= lanes_.size() || (plan_.by_partition && group.lane >= partitions)) return false;
    const ByteSpan saved = in.bytes(group.runs * stride());
    if (!in.ok()) return false;
    if (!identity.empty()) std::memcpy(key(number), identity.data(), identity.size());
    if (!saved.empty()) std::memcpy(runs(number), saved.data(), saved.size());
    std::uint64_t start = 0;
    for (std::uint32_t i = 0; i < group.runs; ++i) {
        const std::byte* const run = runs(number) + i * stride();
        const Progress& at = progress(run);
        const bool in_time = at.start >= never_us && at.start <= at.last && at.last <= forever_us;
        const bool in_order = at.start_row >= start && at.start_row <= at.last_row && at.last_row < group.rows && at.after_row <= group.rows;
        if (!in_time || !in_order || at.state >= plan_.program.states.size() || !sound(plan_, run + sizeof(Progress))) return false;
        start = at.start_row;
    }
    index_.insert(groups_[number].hash, number);
    link_group(number);
    ++groups_used_;
    return true;
}

bool Pattern::load_row(ByteReader& in) {
    const std::uint32_t number = free_row_;
    Waiting& row = waiting_[number];
    free_row_ = row.next;
    row = Waiting{};
    row.time = in.read<std::int64_t>();
    row.group = in.read<std::uint32_t>();
    row.fits = in.read<std::uint32_t>();
    row.untrusted = in.read<std::uint32_t>();
    const ByteSpan cells = in.bytes(plan_.row_bytes);
    if (!in.ok() || row.group >= groups_used_ || row.time < never_us || row.time > forever_us) return false;
    if (!cells.empty()) std::memcpy(row_cells(number), cells.data(), cells.size());
    for (const PatternInput& input : plan_.inputs)
        if (!sound(row_cells(number) + input.at, input.type)) return false;
    link_row(number, groups_[row.group].lane);
    ++groups_[row.group].pending;
    ++pending_used_;
    return true;
}

}  // namespace weir
