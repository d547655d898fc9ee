// The states of one aggregate for all cells of a window, side by side, and what is read from them.
// Aggregates that can share a state do: sum and mean of one column, all quantiles of one column.
// Memory: need(spec, cells): 8 bytes (counts) to 24 (sums) a cell. Sketches live in a pool of their own: 80
// bytes (HLL) to 0.4 KiB (KLL) and more a cell to begin with, and spec.spare to grow in; one that gets no
// more goes on with less precision, and its bounds say so. At most 5.8 KiB a KLL (k 200), 4.1 KiB an HLL (lg_k
// 12), 32 KiB a Theta sketch (lg_k 11), 4 to 77 KiB a frequent-items map. time_aggregates.h says what the others take. Cost: add() one loop over the rows.
// Accuracy: ints are summed exactly in 128 bits; reals with an error of at most 2u|S| + n^2 u^2 sum|x|;
// variance by Welford's method, of the sample (n - 1). Sketches: their headers.
// Threads: one owner. Errors: none. Null and NaN are skipped.
// Source: Knuth, TAOCP 2, 4.2.2 (two-sum); Welford, Technometrics 4 (1962); merged: Chan, Golub, LeVeque, 1979.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "agent/base/record.h"
#include "sketches/murmur3.h"
#include "sketches/pool.h"

namespace weir {

enum class StateKind : std::uint8_t {
    rows, truths, present,     // count(), count(condition), count(x)
    sum, least, greatest,      // of int or float
    first, last,               // by event time; ties: by journal order
    moments, kll, hll, theta, frequent,
    counter, held, line, decayed, histogram,  // windows/time_aggregates.h
};

struct StateSpec {
    StateKind kind = StateKind::rows;
    ColumnType type = ColumnType::real;   // of the input
    std::size_t input = 0;                // among the source's inputs; not for rows
    std::uint8_t lg_max = 8;              // of frequent: 2^lg_max places
    std::uint8_t lg_k = 12;               // of hll: 2^lg_k registers; of theta: about as many hashes
    std::int64_t half_life = 0;           // of decayed, microseconds
    std::vector<double> bounds;           // of histogram, ascending
    std::size_t hashes = 0;               // of hll, theta and frequent: among the source's item hashes
    Bytes spare = 0;                      // of sketches: room to grow in, for all cells together
    std::string label;                    // "quantile(speed)", for the plan
};

enum class Function : std::uint8_t {
    count, sum, mean, least, greatest, first, last, variance, stddev, quantile, distinct, top,
    rate, increase, time_mean, slope, decayed_sum, decayed_count, histogram,
};

struct CallSpec {
    Function function = Function::count;
    std::size_t state = 0;
    double rank = 0;        // of quantile
    std::size_t items = 0;  // of top
    ValueKind kind = ValueKind::integer;
};

inline constexpr std::size_t top_items_max = 100;

// Whether its sketches take hashes instead of items.
constexpr bool is_hashed(StateKind kind) {
    return kind == StateKind::hll || kind == StateKind::theta || kind == StateKind::frequent;
}
constexpr bool is_sketch(StateKind kind) { return kind == StateKind::kll || is_hashed(kind); }
// Whether it asks which row came before which, so that two states of mixed times cannot be merged exactly.
constexpr bool is_ordered(StateKind kind) { return kind == StateKind::counter || kind == StateKind::held; }

// Row rows[i] goes to cell cells[i].
struct CellRows {
    std::span<const std::uint16_t> rows;
    std::span<const std::uint32_t> cells;
};

class AggregateStates {
public:
    static Bytes need(const StateSpec& spec, std::size_t cells);
    // What a cell takes before anything was added to it.
    static Bytes first_bytes(const StateSpec& spec);
    // With so much spec.spare every sketch can have its full size; 0 for other states.
    static std::uint64_t spare_max(const StateSpec& spec, std::size_t cells);
    AggregateStates(Arena& arena, const StateSpec& spec, std::size_t cells);

    // A cell comes and goes. REQUIRES: it is not, or is, in use.
    void create(std::size_t cell, std::uint64_t seed);
    void release(std::size_t cell);
    void reset();  // no cell is in use
    // input is the evaluated input, nullptr for count(); hashes are its items', for sketches that take them.
    // Returns how many sketches were refused more room, for good; of ordered states how many rows found no place.
    std::size_t add(const CellRows& selection, const Column* input, std::span<const Hash128> hashes, const Batch& batch);
    // One item into a cell of kind hll, likewise.
    std::size_t add_item(std::uint32_t cell, std::int64_t item);
    // Afterwards `to` is as if it had also seen what `from` saw, after its own rows in the journal; `from` stays
    // as it is. Counts, int sums and extremes are exact; sums of reals keep their bound; sketches as their headers
    // say. Returns 1 when a sketch was refused the room for it, for good, of ordered states how many rows found no
    // place, else 0. REQUIRES: to != from.
    std::size_t merge(std::uint32_t to, std::uint32_t from) { return merge(to, *this, from); }
    // The same from a cell of states of the same aggregate elsewhere.
    std::size_t merge(std::uint32_t to, const AggregateStates& other, std::uint32_t from);
    // `to` becomes what `from` is, coins and all; of the seed only when the pool refuses it the room: then 1 is returned.
    // REQUIRES: `to` is not in use.
    std::size_t copy(std::uint32_t to, std::uint32_t from, std::uint64_t seed);
    const StateSpec& spec() const { return spec_; }

    static Bytes save_size_max(const StateSpec& spec, std::size_t cells);  // of all cells
    void save(std::size_t cell, ByteWriter& out) const;
    // Into a cell that is not in use. False for what save() has not written.
    bool load(std::size_t cell, ByteReader& in);

    // The same, of one cell that is no sketch, in as few bytes as it takes: for rows on flash.
    static Bytes leave_size_max(const StateSpec& spec);
    void leave(std::size_t cell, ByteWriter& out) const;
    bool take(std::size_t cell, ByteReader& in);
    // A sketch in DataSketches' format into a cell that is not in use. REQUIRES: spec.spare for its full size.
    bool take_sketch(std::size_t cell, ByteSpan bytes, std::uint64_t seed);

    // The sketch of a cell in DataSketches' format, into out; no sketch for other states.
    static Bytes sketch_size_max(const StateSpec& spec);
    SketchView sketch(std::size_t cell, ByteWriter& out) const;
    // items has room for call.items. The value may point into this and into items. end: of the window, us.
    Value finish(const CallSpec& call, std::size_t cell, std::span<TopItem> items, std::int64_t end = 0) const;

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
        return *reinterpret_cast<Sketch*>(pool_.at(cell));
    }
    template <typename Sketch>
    const Sketch& sketch_at(std::size_t cell) const {
        return *reinterpret_cast<const Sketch*>(pool_.at(cell));
    }
    std::size_t add_to_sketches(const CellRows& selection, const Column& input, std::span<const Hash128> hashes);
    void add_to_numbers(const CellRows& selection, const Column* input, const Batch& batch);
    template <typename Sketch, typename Offer>
    std::size_t offer_again(std::uint32_t cell, Offer offer_to);
    template <typename Sketch>
    bool make_room(std::uint32_t cell);
    template <typename Sketch>
    std::size_t merge_sketches(std::uint32_t to, const AggregateStates& other, std::uint32_t from);
    void merge_numbers(std::uint32_t to, const AggregateStates& other, std::uint32_t from);

    const StateSpec& spec_;
    Bytes stride_;
    std::span<std::byte> memory_;  // of states that are no sketches
    SketchPool pool_;              // of sketches: a slot a cell
    std::span<std::byte> newborn_; // the first block of a sketch: copied, which is cheaper than made
};

}  // namespace weir
