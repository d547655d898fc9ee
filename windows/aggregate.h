// The states of one aggregate for all cells of a window, side by side, and what is read from them.
// Aggregates that can share a state do: sum and mean of one column, all quantiles of one column.
// Memory: need(spec, cells): 8 bytes (counts) to 24 (sums) a cell; 6 KiB a KLL (k 200), 4.1 KiB an HLL
// (lg_k 12), 4 to 20 KiB and more a frequent-items map. Cost: add() one loop over the rows.
// Accuracy: ints are summed exactly in 128 bits; reals with an error of at most 2u|S| + n^2 u^2 sum|x|;
// variance by Welford's method, of the sample (n - 1). Sketches: their headers.
// Threads: one owner. Errors: none. Null and NaN are skipped.
// Source: Knuth, TAOCP 2, 4.2.2 (two-sum); Welford, Technometrics 4 (1962).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "agent/base/record.h"

namespace weir {

enum class StateKind : std::uint8_t {
    rows, truths, present,     // count(), count(condition), count(x)
    sum, least, greatest,      // of int or float
    first, last,               // by event time; ties: by journal order
    moments, kll, hll, frequent,
};

struct StateSpec {
    StateKind kind = StateKind::rows;
    ColumnType type = ColumnType::real;   // of the input
    std::size_t input = 0;                // among the source's inputs; not for rows
    std::uint8_t lg_max = 8;              // of frequent: 2^lg_max places
    std::string label;                    // "quantile(speed)", for the plan
};

enum class Function : std::uint8_t {
    count, sum, mean, least, greatest, first, last, variance, stddev, quantile, distinct, top,
};

struct CallSpec {
    Function function = Function::count;
    std::size_t state = 0;
    double rank = 0;        // of quantile
    std::size_t items = 0;  // of top
    ValueKind kind = ValueKind::integer;
};

inline constexpr std::size_t top_items_max = 100;

class AggregateStates {
public:
    static Bytes need(const StateSpec& spec, std::size_t cells);
    AggregateStates(Arena& arena, const StateSpec& spec, std::size_t cells);

    void create(std::size_t cell, std::uint64_t seed);
    // Row rows[i] goes to cell cells[i]. input is the evaluated input, nullptr for count().
    void add(std::span<const std::uint16_t> rows, std::span<const std::uint32_t> cells, const Column* input,
             const Batch& batch);
    const StateSpec& spec() const { return spec_; }
    std::span<std::byte> bytes(std::size_t cell) { return memory_.subspan(cell * stride_, stride_); }
    std::span<const std::byte> bytes(std::size_t cell) const { return memory_.subspan(cell * stride_, stride_); }
    static Bytes stride(const StateSpec& spec);

    // The sketch of a cell in DataSketches' format, into out; no sketch for other states.
    static Bytes sketch_size_max(const StateSpec& spec);
    SketchView sketch(std::size_t cell, ByteWriter& out) const;
    // items has room for call.items. The value may point into this and into items.
    Value finish(const CallSpec& call, std::size_t cell, std::span<TopItem> items) const;

private:
    template <typename State>
    State* states() {
        return reinterpret_cast<State*>(memory_.data());
    }
    template <typename State>
    const State& state(std::size_t cell) const {
        return *reinterpret_cast<const State*>(memory_.data() + cell * stride_);
    }
    template <typename Sketch>
    Sketch& sketch_at(std::size_t cell) {
        return *reinterpret_cast<Sketch*>(memory_.data() + cell * stride_);
    }

    const StateSpec& spec_;
    Bytes stride_;
    std::span<std::byte> memory_;
};

}  // namespace weir
