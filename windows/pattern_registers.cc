#include "windows/pattern_registers.h"

#include <cmath>
#include <cstring>

namespace weir {
namespace {

// Registers lie in bytes, so that a run can be copied and saved as it is; memcpy costs what a load costs.
template <typename T>
T get(const std::byte* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}
template <typename T>
void put(std::byte* to, T value) {
    std::memcpy(to, &value, sizeof value);
}

void count(std::byte* to) { put(to, get<std::uint64_t>(to) + 1); }

struct IntegerSum {
    std::int64_t sum = 0;
    std::uint32_t any = 0;
    std::uint32_t overflowed = 0;
};
void add(std::byte* to, std::int64_t value) {
    auto state = get<IntegerSum>(to);
    state.any = 1;
    if (__builtin_add_overflow(state.sum, value, &state.sum)) state.overflowed = 1;
    put(to, state);
}

struct RealSum {
    double high = 0;
    double low = 0;  // what high could not hold
    std::uint64_t count = 0;
};
void add(std::byte* to, double value) {
    auto state = get<RealSum>(to);
    const double sum = state.high + value;
    const double kept = sum - state.high;
    const double error = (state.high - (sum - kept)) + (value - kept);
    state.high = sum;
    if (std::isfinite(error)) state.low += error;
    ++state.count;
    put(to, state);
}

void extreme(const RegisterSpec& spec, std::byte* to, const std::byte* cell) {
    const PatternCell known = read_cell(to, spec.type);
    const PatternCell value = read_cell(cell, spec.type);
    const bool less = spec.type == ColumnType::real ? value.real < known.real : value.integer < known.integer;
    const bool more = spec.type == ColumnType::real ? value.real > known.real : value.integer > known.integer;
    if (!known.present || (spec.kind == RegisterKind::least ? less : more)) std::memcpy(to, cell, pattern_cell_bytes(spec.type));
}

void remember(const RegisterSpec& spec, std::byte* to, const std::byte* cell) {
    const Bytes width = pattern_cell_bytes(spec.type);
    switch (spec.kind) {
        case RegisterKind::count_rows: return count(to);
        case RegisterKind::first: {
            const auto seen = get<std::uint64_t>(to);
            if (seen == spec.offset) std::memcpy(to + 8, cell, width);
            if (seen <= spec.offset) put(to, seen + 1);
            return;
        }
        case RegisterKind::last:
            std::memmove(to + width, to, spec.offset * width);
            std::memcpy(to, cell, width);
            return;
        default: break;
    }
    const PatternCell value = read_cell(cell, spec.type);
    if (!value.present || (spec.type == ColumnType::real && value.real != value.real)) return;
    switch (spec.kind) {
        case RegisterKind::count: return count(to);
        case RegisterKind::sum_integer: return add(to, value.integer);
        case RegisterKind::sum_real:
        case RegisterKind::mean: return add(to, value.real);
        default: return extreme(spec, to, cell);
    }
}

}  // namespace

PatternCell read_cell(const std::byte* from, ColumnType type) {
    PatternCell cell;
    const auto head = get<std::uint64_t>(from);
    cell.present = (head & 1) != 0;
    switch (type) {
        case ColumnType::integer:
        case ColumnType::boolean: cell.integer = get<std::int64_t>(from + 8); break;
        case ColumnType::real: cell.real = get<double>(from + 8); break;
        case ColumnType::text: cell.text = {reinterpret_cast<const char*>(from + 8), static_cast<std::size_t>(head >> 1)}; break;
    }
    return cell;
}

void write_cell(std::byte* to, const Column& column, std::size_t row) {
    const Bytes width = pattern_cell_bytes(column.type);
    std::memset(to, 0, width);
    if (!column.present.test(row)) return;
    std::uint64_t head = 1;
    switch (column.type) {
        case ColumnType::integer: put(to + 8, column.integers[row]); break;
        case ColumnType::boolean: put(to + 8, static_cast<std::int64_t>(column.booleans[row])); break;
        case ColumnType::real: put(to + 8, column.reals[row]); break;
        case ColumnType::text: {
            const std::string_view text = column.texts[row].substr(0, pattern_text_max);
            if (!text.empty()) std::memcpy(to + 8, text.data(), text.size());
            head |= static_cast<std::uint64_t>(text.size()) << 1;
            break;
        }
    }
    put(to, head);
}

void remember(const CompiledPattern& plan, std::byte* registers, std::size_t variable, const std::byte* row) {
    for (const RegisterSpec& spec : plan.registers) {
        if (spec.variable != all_variables && spec.variable != variable) continue;
        const bool counts_rows = spec.kind == RegisterKind::count_rows;
        remember(spec, registers + spec.at, counts_rows ? nullptr : row + plan.inputs[spec.input].at);
    }
}

PatternCell recall(const RegisterSpec& spec, const std::byte* registers) {
    const std::byte* const from = registers + spec.at;
    PatternCell cell;
    switch (spec.kind) {
        case RegisterKind::count_rows:
        case RegisterKind::count:
            cell.present = true;
            cell.integer = get<std::int64_t>(from);
            return cell;
        case RegisterKind::sum_integer: {
            const auto state = get<IntegerSum>(from);
            cell.present = state.any != 0 && state.overflowed == 0;
            cell.integer = state.sum;
            return cell;
        }
        case RegisterKind::sum_real:
        case RegisterKind::mean: {
            const auto state = get<RealSum>(from);
            cell.real = state.high + state.low;
            if (spec.kind == RegisterKind::mean && state.count > 0) cell.real /= static_cast<double>(state.count);
            cell.present = state.count > 0 && cell.real == cell.real;
            return cell;
        }
        case RegisterKind::least:
        case RegisterKind::greatest: return read_cell(from, spec.type);
        case RegisterKind::first: return get<std::uint64_t>(from) > spec.offset ? read_cell(from + 8, spec.type) : cell;
        case RegisterKind::last: return read_cell(from + spec.offset * pattern_cell_bytes(spec.type), spec.type);
    }
    return cell;
}

}  // namespace weir
