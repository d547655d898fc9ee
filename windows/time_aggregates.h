// The states of the aggregates that go by event time: rate and increase, time_mean, slope, decayed_sum and
// decayed_count; and histogram, whose bounds stand in its spec. aggregate.h keeps them, a state a cell, side by side.
// Memory: state_bytes(spec): 456 (rate, increase, time_mean), 48 (slope), 32 (decayed), 8 a bucket; zeroed is empty.
// Cost: add_timed() one loop over the rows: up to 8 steps a row, slope 12 operations, decayed some 60, a bucket each bound.
// Accuracy: u is 2^-53, n the rows. increase of ints is exact; of reals as the sum of first, last and the values before
// resets (sums.h). time_mean: u sum|x dt| more than the bound of that sum. slope: n u sqrt(sum x^2 sum t^2) / sum (t - mean)^2,
// t from the first row that came, times a small constant. decayed: 1e-12 of the sum of |x| decayed, beside the bound of sums.
// Counts are exact. All but rate, increase and time_mean are the same in whatever order rows come, within these.
// Threads: plain bytes, one owner. Errors: what found no place in a series is counted (stretches.h); bytes that are
// none of these states are refused by is_timed_state().
// Source: Welford 1962 and Chan, Golub, LeVeque 1979 for co-moments; Cormode, Shkapenyuk, Srivastava, Xu, Forward Decay,
// ICDE 2009; of the idea of resets, Prometheus' rate(), which extrapolates to the ends of its range and this does not.
#pragma once

#include "windows/aggregate.h"

namespace weir {

// Whether the state is one of these.
constexpr bool is_timed(StateKind kind) {
    return kind == StateKind::counter || kind == StateKind::held || kind == StateKind::line ||
           kind == StateKind::decayed || kind == StateKind::histogram;
}

Bytes timed_state_bytes(const StateSpec& spec);
// Returns how many rows found no place.
std::size_t add_timed(const StateSpec& spec, std::byte* states, const CellRows& selection, const Column& input, const Batch& batch);
std::size_t merge_timed(const StateSpec& spec, std::byte* to, const std::byte* from);
bool is_timed_state(const StateSpec& spec, const std::byte* state);
// end: of the window, from which age counts. A histogram points into state and spec.
Value finish_timed(const CallSpec& call, const StateSpec& spec, const std::byte* state, std::int64_t end);

}  // namespace weir
