#include "windows/time_aggregates.h"

#include <algorithm>
#include <cmath>

#include "sketches/portable_math.h"
#include "windows/civil.h"
#include "windows/stretches.h"

namespace weir {
namespace {

constexpr double ln2 = 0.6931471805599453;

// Value and time in their co-moments about the means; times from the first row that came.
struct Line {
    std::int64_t n;
    std::int64_t origin;
    double mean_time;
    double mean_value;
    double time_time;
    double time_value;

    void add(std::int64_t at, double value) {
        if (n == 0) origin = at;
        ++n;
        const auto time = static_cast<double>(at - origin);
        const double off_time = time - mean_time;
        mean_time += off_time / static_cast<double>(n);
        mean_value += (value - mean_value) / static_cast<double>(n);
        time_time += off_time * (time - mean_time);
        time_value += off_time * (value - mean_value);
    }
    void merge(const Line& other) {
        if (other.n == 0) return;
        if (n == 0) {
            *this = other;
            return;
        }
        const double between_times = other.mean_time + static_cast<double>(other.origin - origin) - mean_time;
        const double between_values = other.mean_value - mean_value;
        const double share = static_cast<double>(other.n) / static_cast<double>(n + other.n);
        const double weight = static_cast<double>(n) * share;
        time_time += other.time_time + between_times * between_times * weight;
        time_value += other.time_value + between_times * between_values * weight;
        mean_time += between_times * share;
        mean_value += between_values * share;
        n += other.n;
    }
    bool valid() const { return n >= 0 && is_timestamp(origin); }
};

// A row of time t weighs 2^(t / half-life), of which the whole powers are kept apart: sum is in units of 2^step, so
// that nothing overflows and a step costs no precision. The end of the window takes its own weight off.
struct Decayed {
    std::int64_t n;
    std::int64_t step;
    CompensatedSum sum;

    static double part(std::int64_t time, std::int64_t half_life) {
        return portable_exp(static_cast<double>(floor_modulo(time, half_life)) / static_cast<double>(half_life) * ln2);
    }
    static double scaled(double value, std::int64_t steps) {
        return std::ldexp(value, static_cast<int>(std::clamp<std::int64_t>(steps, -4000, 4000)));
    }
    void raise(std::int64_t to) {
        sum.sum = scaled(sum.sum, step - to);
        sum.error = scaled(sum.error, step - to);
        step = to;
    }
    void add(std::int64_t time, double value, std::int64_t half_life) {
        const std::int64_t at = floor_divide(time, half_life);
        if (n == 0 || at > step) raise(at);
        ++n;
        sum.add(scaled(value * part(time, half_life), at - step));
    }
    void merge(Decayed other) {
        if (other.n == 0) return;
        if (n == 0 || other.step > step) raise(other.step);
        other.raise(step);
        sum.merge(other.sum);
        n += other.n;
    }
    double at(std::int64_t end, std::int64_t half_life) const {
        return scaled(sum.real() / part(end, half_life), step - floor_divide(end, half_life));
    }
    bool valid() const { return n >= 0 && is_timestamp(step); }  // a step is no more than its time
};

template <typename State>
State& state_at(std::byte* states, std::size_t cell) {
    return reinterpret_cast<State*>(states)[cell];
}
template <typename State>
const State& state_of(const std::byte* state) {
    return *reinterpret_cast<const State*>(state);
}

// each(cell, value, row) for every row that is neither null nor NaN.
template <typename Each>
void each_real(const CellRows& selection, const Column& input, Each each) {
    for (std::size_t i = 0; i < selection.rows.size(); ++i) {
        const std::size_t row = selection.rows[i];
        const double value = input.reals[row];
        if (input.present.test(row) && value == value) each(selection.cells[i], value, row);
    }
}

template <typename State>
std::size_t add_series(std::byte* states, const CellRows& selection, const Column& input, const Batch& batch) {
    std::size_t lost = 0;
    each_real(selection, input, [&](std::uint32_t cell, double value, std::size_t row) {
        lost += state_at<State>(states, cell).add(batch.time(row).event.us(), value) ? 0 : 1;
    });
    return lost;
}

std::size_t add_integer_series(std::byte* states, const CellRows& selection, const Column& input, const Batch& batch) {
    std::size_t lost = 0;
    for (std::size_t i = 0; i < selection.rows.size(); ++i) {
        const std::size_t row = selection.rows[i];
        if (!input.present.test(row)) continue;
        auto& state = state_at<IntegerCounter>(states, selection.cells[i]);
        lost += state.add(batch.time(row).event.us(), input.integers[row]) ? 0 : 1;
    }
    return lost;
}

void add_to_histogram(const StateSpec& spec, std::byte* states, const CellRows& selection, const Column& input) {
    const std::size_t buckets = spec.bounds.size() + 1;
    each_real(selection, input, [&](std::uint32_t cell, double value, std::size_t) {
        std::size_t bucket = 0;
        for (const double bound : spec.bounds) bucket += value >= bound ? 1 : 0;
        ++state_at<std::uint64_t>(states, cell * buckets + bucket);
    });
}

Value real_or_null(double value) { return value == value ? Value::of_real(value) : Value{}; }

template <typename Counter, typename Sum>
Value finish_counter(const Counter& counter, Function function) {
    if (counter.empty()) return {};
    const auto whole = counter.whole();
    if (whole.rows < 2) return {};
    Sum gained = whole.inside.lost;
    gained.add(whole.last);
    gained.subtract(whole.first);
    if (function == Function::rate) {
        if (whole.to == whole.from) return {};
        return real_or_null(gained.real() / (static_cast<double>(whole.to - whole.from) / 1e6));
    }
    if constexpr (std::is_same_v<Sum, WideInteger>)
        if (gained.fits()) return Value::of_integer(gained.integer());
    return real_or_null(gained.real());
}

Value finish_held(const HeldValue& series) {
    if (series.empty()) return {};
    const auto whole = series.whole();
    if (whole.to == whole.from) return real_or_null(whole.last);
    return real_or_null(whole.inside.area.real() / static_cast<double>(whole.to - whole.from));
}

Value finish_line(const Line& line) {
    if (!(line.time_time > 0)) return {};
    return real_or_null(line.time_value / (line.time_time / 1e6));
}

}  // namespace

Bytes timed_state_bytes(const StateSpec& spec) {
    switch (spec.kind) {
        case StateKind::counter: return spec.type == ColumnType::integer ? sizeof(IntegerCounter) : sizeof(RealCounter);
        case StateKind::held: return sizeof(HeldValue);
        case StateKind::line: return sizeof(Line);
        case StateKind::decayed: return sizeof(Decayed);
        default: return (spec.bounds.size() + 1) * sizeof(std::uint64_t);
    }
}

std::size_t add_timed(const StateSpec& spec, std::byte* states, const CellRows& selection, const Column& input, const Batch& batch) {
    const auto time = [&batch](std::size_t row) { return batch.time(row).event.us(); };
    switch (spec.kind) {
        case StateKind::counter:
            if (spec.type == ColumnType::integer) return add_integer_series(states, selection, input, batch);
            return add_series<RealCounter>(states, selection, input, batch);
        case StateKind::held: return add_series<HeldValue>(states, selection, input, batch);
        case StateKind::line:
            each_real(selection, input, [&](std::uint32_t cell, double value, std::size_t row) {
                state_at<Line>(states, cell).add(time(row), value);
            });
            break;
        case StateKind::decayed:
            each_real(selection, input, [&](std::uint32_t cell, double value, std::size_t row) {
                state_at<Decayed>(states, cell).add(time(row), value, spec.half_life);
            });
            break;
        default: add_to_histogram(spec, states, selection, input);
    }
    return 0;
}

std::size_t merge_timed(const StateSpec& spec, std::byte* to, const std::byte* from) {
    switch (spec.kind) {
        case StateKind::counter:
            if (spec.type == ColumnType::integer) return static_cast<std::size_t>(state_at<IntegerCounter>(to, 0).merge(state_of<IntegerCounter>(from)));
            return static_cast<std::size_t>(state_at<RealCounter>(to, 0).merge(state_of<RealCounter>(from)));
        case StateKind::held: return static_cast<std::size_t>(state_at<HeldValue>(to, 0).merge(state_of<HeldValue>(from)));
        case StateKind::line: state_at<Line>(to, 0).merge(state_of<Line>(from)); break;
        case StateKind::decayed: state_at<Decayed>(to, 0).merge(state_of<Decayed>(from)); break;
        default:
            for (std::size_t i = 0; i <= spec.bounds.size(); ++i)
                state_at<std::uint64_t>(to, i) += *(reinterpret_cast<const std::uint64_t*>(from) + i);
    }
    return 0;
}

bool is_timed_state(const StateSpec& spec, const std::byte* state) {
    switch (spec.kind) {
        case StateKind::counter:
            return spec.type == ColumnType::integer ? state_of<IntegerCounter>(state).valid() : state_of<RealCounter>(state).valid();
        case StateKind::held: return state_of<HeldValue>(state).valid();
        case StateKind::line: return state_of<Line>(state).valid();
        case StateKind::decayed: return state_of<Decayed>(state).valid();
        default: return true;
    }
}

Value finish_timed(const CallSpec& call, const StateSpec& spec, const std::byte* state, std::int64_t end) {
    switch (spec.kind) {
        case StateKind::counter:
            if (spec.type == ColumnType::integer) return finish_counter<IntegerCounter, WideInteger>(state_of<IntegerCounter>(state), call.function);
            return finish_counter<RealCounter, CompensatedSum>(state_of<RealCounter>(state), call.function);
        case StateKind::held: return finish_held(state_of<HeldValue>(state));
        case StateKind::line: return finish_line(state_of<Line>(state));
        case StateKind::decayed: {
            const auto& decayed = state_of<Decayed>(state);
            if (decayed.n == 0) return call.function == Function::decayed_count ? Value::of_real(0) : Value{};
            return real_or_null(decayed.at(end, spec.half_life));
        }
        default: {
            Value value;
            value.kind = ValueKind::histogram;
            value.bounds = spec.bounds;
            value.counts = {reinterpret_cast<const std::uint64_t*>(state), spec.bounds.size() + 1};
            return value;
        }
    }
}

}  // namespace weir
