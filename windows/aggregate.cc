#include "windows/aggregate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "sketches/frequent_items.h"
#include "sketches/hll.h"
#include "sketches/kll.h"
#include "sketches/theta.h"
#include "windows/key.h"
#include "windows/row_bits.h"
#include "windows/sums.h"
#include "windows/time_aggregates.h"

namespace weir {
namespace {

struct Count {
    std::int64_t n;
};
struct IntegerSum : WideInteger {
    std::int64_t n;
    void add(std::int64_t value) {
        WideInteger::add(value);
        ++n;
    }
    void merge(const IntegerSum& other) {
        WideInteger::merge(other);
        n += other.n;
    }
};
struct RealSum : CompensatedSum {
    std::int64_t n;
    void add(double value) {
        CompensatedSum::add(value);
        ++n;
    }
    void merge(const RealSum& other) {
        CompensatedSum::merge(other);
        n += other.n;
    }
};
template <typename T>
struct Extreme {
    T value;
    std::int64_t n;
};
template <typename T>
struct Pick {
    std::int64_t time;
    std::int64_t n;
    T value;
};
struct PickText {
    std::int64_t time;
    std::int64_t n;
    std::uint64_t length;
    char text[key_text_max];
};
struct Moments {
    std::int64_t n;
    double mean;
    double squares;  // sum of squared distances from the mean
    void add(double value) {
        ++n;
        const double before = value - mean;
        mean += before / static_cast<double>(n);
        squares += before * (value - mean);
    }
    void merge(const Moments& other) {
        if (other.n == 0) return;
        if (n == 0) {
            *this = other;
            return;
        }
        const double between = other.mean - mean;
        const auto both = static_cast<double>(n + other.n);
        const double share = static_cast<double>(other.n) / both;
        mean += between * share;
        squares += other.squares + between * between * static_cast<double>(n) * share;
        n += other.n;
    }
};

constexpr std::uint64_t values_max = std::uint64_t{1} << 32;  // of a KLL
constexpr std::uint16_t kll_k = 200;
constexpr int bounds_sigmas = 2;

KllSketch<double>::Params kll_params(std::uint64_t seed) { return {kll_k, values_max, seed}; }
HllSketch::Params hll_params(const StateSpec& spec) { return {spec.lg_k}; }
ThetaSketch::Params theta_params(const StateSpec& spec) { return {spec.lg_k}; }

template <typename Item>
typename FrequentItems<Item>::Params frequent_params(const StateSpec& spec) {
    return {spec.lg_max, 32};
}

// Calls use with a value of the sketch's item type.
template <typename Use>
auto with_item(ColumnType type, Use use) {
    switch (type) {
        case ColumnType::integer: return use(std::int64_t{});
        case ColumnType::real: return use(double{});
        case ColumnType::boolean:
        case ColumnType::text: break;
    }
    return use(std::string_view{});
}

ItemType item_type(ColumnType type) {
    if (type == ColumnType::integer) return ItemType::integer;
    return type == ColumnType::real ? ItemType::real : ItemType::text;
}

template <typename T>
const T* column_values(const Column& column) {
    if constexpr (std::is_same_v<T, std::int64_t>) return column.integers;
    if constexpr (std::is_same_v<T, double>) return column.reals;
    if constexpr (std::is_same_v<T, std::uint8_t>) return column.booleans;
    if constexpr (std::is_same_v<T, std::string_view>) return column.texts;
}

template <typename T>
bool is_number(T value) {
    if constexpr (std::is_same_v<T, double>) return value == value;
    return true;
}

// each(cell, value, row) for every row of the selection that has a value.
template <typename T, typename Each>
void for_each(const CellRows& selection, const Column& column, Each each) {
    const T* const values = column_values<T>(column);
    const std::uint16_t* const rows = selection.rows.data();
    const std::uint32_t* const cells = selection.cells.data();
    const std::size_t count = selection.rows.size();
    if (is_full(column.present, rows[0], rows[count - 1])) {
        for (std::size_t i = 0; i < count; ++i)
            if (is_number(values[rows[i]])) [[likely]] each(cells[i], values[rows[i]], rows[i]);
        return;
    }
    for (std::size_t i = 0; i < count; ++i)
        if (column.present.test(rows[i]) && is_number(values[rows[i]])) each(cells[i], values[rows[i]], rows[i]);
}

template <typename T>
Value value_of(T value) {
    if constexpr (std::is_same_v<T, std::int64_t>) return Value::of_integer(value);
    if constexpr (std::is_same_v<T, std::uint8_t>) return Value::of_boolean(value != 0);
    if constexpr (std::is_same_v<T, double>) return value == value ? Value::of_real(value) : Value{};
}

// A text that fits, whole characters of it when it does not.
std::string_view fitting(std::string_view text) {
    if (text.size() <= key_text_max) return text;
    std::size_t length = key_text_max;
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xc0) == 0x80) --length;
    return text.substr(0, length);
}

Value estimate(double value, double lower, double upper) {
    Value out;
    out.kind = ValueKind::estimate;
    out.real = value;
    out.lower = lower;
    out.upper = upper;
    return out;
}

// Calls use with a null pointer to the sketch's type, and its params.
template <typename Use>
auto with_sketch(const StateSpec& spec, std::uint64_t seed, Use use) {
    if (spec.kind == StateKind::kll) return use(static_cast<KllSketch<double>*>(nullptr), kll_params(seed));
    if (spec.kind == StateKind::hll) return use(static_cast<HllSketch*>(nullptr), hll_params(spec));
    if (spec.kind == StateKind::theta) return use(static_cast<ThetaSketch*>(nullptr), theta_params(spec));
    return with_item(spec.type, [&](auto item) {
        using Item = decltype(item);
        return use(static_cast<FrequentItems<Item>*>(nullptr), frequent_params<Item>(spec));
    });
}

Bytes sketch_bytes(const StateSpec& spec) {
    return with_sketch(spec, 0, []<typename Sketch>(Sketch*, const auto& params) { return Sketch::need(params); });
}

// 0 for sketches.
Bytes stride(const StateSpec& spec) {
    switch (spec.kind) {
        case StateKind::rows:
        case StateKind::truths:
        case StateKind::present: return sizeof(Count);
        case StateKind::sum: return spec.type == ColumnType::integer ? sizeof(IntegerSum) : sizeof(RealSum);
        case StateKind::least:
        case StateKind::greatest: return sizeof(Extreme<double>);
        case StateKind::first:
        case StateKind::last: return spec.type == ColumnType::text ? sizeof(PickText) : sizeof(Pick<double>);
        case StateKind::moments: return sizeof(Moments);
        case StateKind::kll:
        case StateKind::hll:
        case StateKind::theta:
        case StateKind::frequent: return 0;
        case StateKind::counter:
        case StateKind::held:
        case StateKind::line:
        case StateKind::decayed:
        case StateKind::histogram: break;
    }
    return timed_state_bytes(spec);
}

Bytes first_block(const StateSpec& spec) {
    return with_sketch(spec, 0, []<typename Sketch>(Sketch*, const auto& params) { return Sketch::need_min(params); });
}

std::size_t newborn_words(const StateSpec& spec) {
    return is_sketch(spec.kind) ? align_up(first_block(spec), 8) / 8 : 0;
}

SketchPool::Params pool_params(const StateSpec& spec, std::size_t cells) {
    if (!is_sketch(spec.kind)) return {};
    return {cells, first_block(spec), spec.spare};
}

}  // namespace

Bytes AggregateStates::first_bytes(const StateSpec& spec) {
    return is_sketch(spec.kind) ? SketchPool::cost(first_block(spec)) : stride(spec);
}

// All of them in full, and one of them twice, while it moves into its last block.
std::uint64_t AggregateStates::spare_max(const StateSpec& spec, std::size_t cells) {
    if (!is_sketch(spec.kind)) return 0;
    const std::uint64_t full = SketchPool::cost(sketch_bytes(spec));
    return cells * (full - SketchPool::cost(first_block(spec))) + full;
}

Bytes AggregateStates::need(const StateSpec& spec, std::size_t cells) {
    return Arena::need<std::byte>(stride(spec) * cells) + SketchPool::need(pool_params(spec, cells)) +
           Arena::need<std::uint64_t>(newborn_words(spec));
}

AggregateStates::AggregateStates(Arena& arena, const StateSpec& spec, std::size_t cells)
    : spec_(spec),
      stride_(stride(spec)),
      memory_(arena.take<std::byte>(stride_ * cells)),
      pool_(arena, pool_params(spec, cells)),
      newborn_(std::as_writable_bytes(arena.take<std::uint64_t>(newborn_words(spec)))) {
    if (!is_sketch(spec.kind)) return;
    with_sketch(spec, 0, [&]<typename Sketch>(Sketch*, const auto& params) { Sketch::create(newborn_.first(first_block(spec)), params); });
}

void AggregateStates::create(std::size_t cell, std::uint64_t seed) {
    if (!is_sketch(spec_.kind)) {
        std::memset(memory_.data() + cell * stride_, 0, stride_);
        return;
    }
    const MutableByteSpan block = pool_.open(cell);
    std::memcpy(block.data(), newborn_.data(), block.size());
    if (spec_.kind == StateKind::kll) sketch_at<KllSketch<double>>(cell).seed(seed);
}

void AggregateStates::release(std::size_t cell) {
    if (is_sketch(spec_.kind)) pool_.close(cell);
}

void AggregateStates::reset() { pool_.reset(); }

// A sketch's memory as it is, its length before it.
Bytes AggregateStates::save_size_max(const StateSpec& spec, std::size_t cells) {
    static_assert(SketchPool::cost(0) >= sizeof(std::uint32_t));
    return is_sketch(spec.kind) ? SketchPool::limit(pool_params(spec, cells)) : stride(spec) * cells;
}

void AggregateStates::save(std::size_t cell, ByteWriter& out) const {
    if (!is_sketch(spec_.kind)) return out.bytes(memory_.subspan(cell * stride_, stride_));
    out.write(static_cast<std::uint32_t>(pool_.size(cell)));
    out.bytes({pool_.at(cell), pool_.size(cell)});
}

bool AggregateStates::load(std::size_t cell, ByteReader& in) {
    if (!is_sketch(spec_.kind)) {
        const ByteSpan from = in.bytes(stride_);
        if (!in.ok()) return false;
        std::byte* const to = memory_.data() + cell * stride_;
        std::memcpy(to, from.data(), from.size());
        return !is_timed(spec_.kind) || is_timed_state(spec_, to);
    }
    const auto size = in.read<std::uint32_t>();
    const ByteSpan from = in.bytes(size);
    if (!in.ok() || size > sketch_bytes(spec_)) return false;
    const MutableByteSpan block = pool_.restore(cell, size);
    if (block.empty()) return false;
    std::memcpy(block.data(), from.data(), from.size());
    return with_sketch(spec_, 0, [&]<typename Sketch>(Sketch*, const auto&) { return Sketch::at(block.data())->room() <= size; });
}

namespace {

bool is_text_pick(const StateSpec& spec) {
    return (spec.kind == StateKind::first || spec.kind == StateKind::last) && spec.type == ColumnType::text;
}

}  // namespace

Bytes AggregateStates::leave_size_max(const StateSpec& spec) { return stride(spec); }

void AggregateStates::leave(std::size_t cell, ByteWriter& out) const {
    Bytes size = stride_;
    if (is_text_pick(spec_)) size = offsetof(PickText, text) + static_cast<Bytes>(state<PickText>(cell).length);
    out.bytes(memory_.subspan(cell * stride_, size));
}

bool AggregateStates::take(std::size_t cell, ByteReader& in) {
    std::byte* const to = memory_.data() + cell * stride_;
    std::memset(to, 0, stride_);
    Bytes size = is_text_pick(spec_) ? offsetof(PickText, text) : stride_;
    const ByteSpan head = in.bytes(size);
    if (!in.ok()) return false;
    std::memcpy(to, head.data(), size);
    if (is_text_pick(spec_)) {
        auto& pick = states<PickText>()[cell];
        if (pick.length > key_text_max) return pick = {}, false;
        const std::string_view text = as_text(in.bytes(static_cast<Bytes>(pick.length)));
        if (!text.empty()) std::memcpy(pick.text, text.data(), text.size());
    }
    return in.ok() && (!is_timed(spec_.kind) || is_timed_state(spec_, to));
}

bool AggregateStates::take_sketch(std::size_t cell, ByteSpan bytes, std::uint64_t seed) {
    const MutableByteSpan block = pool_.restore(cell, sketch_bytes(spec_));
    if (block.empty()) return false;
    return with_sketch(spec_, seed, [&]<typename Sketch>(Sketch*, const auto& params) {
        return Sketch::create(block, params)->load(bytes).ok();
    });
}

// False: the pool has no more, or the sketch needs none, and it has settled for what it has.
template <typename Sketch>
bool AggregateStates::make_room(std::uint32_t cell) {
    Sketch& sketch = sketch_at<Sketch>(cell);
    const auto move = [](std::byte* from, MutableByteSpan to) { Sketch::at(from)->move_to(to); };
    if (sketch.wanted() > sketch.room() && pool_.grow(cell, sketch.wanted(), move)) return true;
    sketch.settle();
    return false;
}

// After a first offer was refused. Not inline, so that the loops over rows stay small.
template <typename Sketch, typename Offer>
[[gnu::noinline]] std::size_t AggregateStates::offer_again(std::uint32_t cell, Offer offer_to) {
    std::size_t refused = 0;
    do
        refused += make_room<Sketch>(cell) ? 0 : 1;
    while (!offer_to(sketch_at<Sketch>(cell)));
    return refused;
}

namespace {

template <typename T>
void add_pick(Pick<T>* states, const CellRows& selection, const Column& column, const Batch& batch, bool first) {
    for_each<T>(selection, column, [&](std::uint32_t cell, T value, std::size_t row) {
        Pick<T>& state = states[cell];
        const std::int64_t time = batch.time(row).event.us();
        const bool better = state.n == 0 || (first ? time < state.time : time >= state.time);
        ++state.n;
        if (!better) return;
        state.time = time;
        state.value = value;
    });
}

void add_pick_text(PickText* states, const CellRows& selection, const Column& column, const Batch& batch, bool first) {
    for_each<std::string_view>(selection, column, [&](std::uint32_t cell, std::string_view value, std::size_t row) {
        PickText& state = states[cell];
        const std::int64_t time = batch.time(row).event.us();
        const bool better = state.n == 0 || (first ? time < state.time : time >= state.time);
        ++state.n;
        if (!better) return;
        state.time = time;
        const std::string_view kept = fitting(value);
        state.length = kept.size();
        if (!kept.empty()) std::memcpy(state.text, kept.data(), kept.size());
    });
}

template <typename T, typename Better>
void add_extreme(Extreme<T>* states, const CellRows& selection, const Column& column, Better better) {
    for_each<T>(selection, column, [&](std::uint32_t cell, T value, std::size_t) {
        Extreme<T>& state = states[cell];
        if (state.n == 0 || better(value, state.value)) state.value = value;
        ++state.n;
    });
}

}  // namespace

std::size_t AggregateStates::add_item(std::uint32_t cell, std::int64_t item) {
    const auto offer = [item](HllSketch& sketch) { return sketch.offer(item); };
    return offer(sketch_at<HllSketch>(cell)) ? 0 : offer_again<HllSketch>(cell, offer);
}

std::size_t AggregateStates::add(const CellRows& selection, const Column* input, std::span<const Hash128> hashes,
                                 const Batch& batch) {
    if (is_sketch(spec_.kind)) return add_to_sketches(selection, *input, hashes);
    if (is_timed(spec_.kind)) return add_timed(spec_, memory_.data(), selection, *input, batch);
    add_to_numbers(selection, input, batch);
    return 0;
}

std::size_t AggregateStates::add_to_sketches(const CellRows& selection, const Column& input,
                                             std::span<const Hash128> hashes) {
    std::size_t refused = 0;
    const SketchPool::Blocks blocks = pool_.blocks();
    const auto offer = [&]<typename Sketch>(Sketch*, std::uint32_t cell, auto offer_to) __attribute__((always_inline)) {
        if (!offer_to(*reinterpret_cast<Sketch*>(blocks.at(cell)))) [[unlikely]] refused += offer_again<Sketch>(cell, offer_to);
    };
    if (spec_.kind == StateKind::kll) {
        for_each<double>(selection, input, [&](std::uint32_t cell, double value, std::size_t) {
            offer(static_cast<KllSketch<double>*>(nullptr), cell, [value](auto& sketch) { return sketch.offer(value); });
        });
        return refused;
    }
    with_item(spec_.type, [&](auto type) {
        using Item = decltype(type);
        const Hash128* const hash = hashes.data();
        if (spec_.kind == StateKind::frequent)
            return for_each<Item>(selection, input, [&](std::uint32_t cell, Item item, std::size_t row) {
                offer(static_cast<FrequentItems<Item>*>(nullptr), cell, [item, hash, row](auto& sketch) { return sketch.offer(item, hash[row], 1); });
            });
        for_each<Item>(selection, input, [&](std::uint32_t cell, Item item, std::size_t row) {
            if (is_ignored(item)) return;
            if (spec_.kind == StateKind::theta)
                offer(static_cast<ThetaSketch*>(nullptr), cell, [hash, row](auto& sketch) { return sketch.offer(hash[row]); });
            else
                offer(static_cast<HllSketch*>(nullptr), cell, [hash, row](auto& sketch) { return sketch.offer(hash[row]); });
        });
    });
    return refused;
}

void AggregateStates::add_to_numbers(const CellRows& selection, const Column* input, const Batch& batch) {
    const auto [rows, cells] = selection;
    const bool integers = spec_.type == ColumnType::integer;
    switch (spec_.kind) {
        case StateKind::rows: {
            Count* const counts = states<Count>();
            for (std::uint32_t cell : cells) ++counts[cell].n;
            return;
        }
        case StateKind::truths: {
            Count* const counts = states<Count>();
            return for_each<std::uint8_t>(selection, *input,
                                          [=](std::uint32_t cell, std::uint8_t value, std::size_t) { counts[cell].n += value; });
        }
        case StateKind::present: {
            Count* const counts = states<Count>();
            for (std::size_t i = 0; i < rows.size(); ++i) counts[cells[i]].n += input->present.test(rows[i]) ? 1 : 0;
            return;
        }
        case StateKind::sum:
            if (integers)
                return for_each<std::int64_t>(selection, *input, [s = states<IntegerSum>()](std::uint32_t cell, std::int64_t value, std::size_t) { s[cell].add(value); });
            return for_each<double>(selection, *input, [s = states<RealSum>()](std::uint32_t cell, double value, std::size_t) { s[cell].add(value); });
        case StateKind::least:
            if (integers) return add_extreme(states<Extreme<std::int64_t>>(), selection, *input, std::less<>());
            return add_extreme(states<Extreme<double>>(), selection, *input, std::less<>());
        case StateKind::greatest:
            if (integers) return add_extreme(states<Extreme<std::int64_t>>(), selection, *input, std::greater<>());
            return add_extreme(states<Extreme<double>>(), selection, *input, std::greater<>());
        case StateKind::first:
        case StateKind::last: {
            const bool first = spec_.kind == StateKind::first;
            switch (spec_.type) {
                case ColumnType::integer: return add_pick(states<Pick<std::int64_t>>(), selection, *input, batch, first);
                case ColumnType::real: return add_pick(states<Pick<double>>(), selection, *input, batch, first);
                case ColumnType::boolean: return add_pick(states<Pick<std::uint8_t>>(), selection, *input, batch, first);
                case ColumnType::text: return add_pick_text(states<PickText>(), selection, *input, batch, first);
            }
            return;
        }
        case StateKind::moments:
            return for_each<double>(selection, *input, [s = states<Moments>()](std::uint32_t cell, double value, std::size_t) { s[cell].add(value); });
        default: break;
    }
}

template <typename Sketch>
std::size_t AggregateStates::merge_sketches(std::uint32_t to, const AggregateStates& other, std::uint32_t from) {
    const auto move = [](std::byte* block, MutableByteSpan into) { Sketch::at(block)->move_to(into); };
    const Bytes wanted = sketch_at<Sketch>(to).wanted(other.sketch_at<Sketch>(from));
    const bool refused = wanted > sketch_at<Sketch>(to).room() && !pool_.grow(to, wanted, move);
    if (refused) sketch_at<Sketch>(to).settle();
    if constexpr (std::is_same_v<Sketch, KllSketch<double>>)
        return sketch_at<Sketch>(to).merge(other.sketch_at<Sketch>(from)).ok() && !refused ? 0 : 1;
    else
        sketch_at<Sketch>(to).merge(other.sketch_at<Sketch>(from));
    return refused ? 1 : 0;
}

namespace {

template <typename T, typename Better>
void merge_extremes(Extreme<T>& to, const Extreme<T>& from, Better better) {
    if (from.n > 0 && (to.n == 0 || better(from.value, to.value))) to.value = from.value;
    to.n += from.n;
}

template <typename State>
void merge_picks(State& to, const State& from, bool first) {
    const std::int64_t both = to.n + from.n;
    if (from.n > 0 && (to.n == 0 || (first ? from.time < to.time : from.time >= to.time))) to = from;
    to.n = both;
}

}  // namespace

std::size_t AggregateStates::merge(std::uint32_t to, const AggregateStates& other, std::uint32_t from) {
    switch (spec_.kind) {
        case StateKind::kll: return merge_sketches<KllSketch<double>>(to, other, from);
        case StateKind::hll: return merge_sketches<HllSketch>(to, other, from);
        case StateKind::theta: return merge_sketches<ThetaSketch>(to, other, from);
        case StateKind::counter:
        case StateKind::held:
        case StateKind::line:
        case StateKind::decayed:
        case StateKind::histogram: return merge_timed(spec_, memory_.data() + to * stride_, other.memory_.data() + from * stride_);
        case StateKind::frequent:
            return with_item(spec_.type, [&](auto item) { return merge_sketches<FrequentItems<decltype(item)>>(to, other, from); });
        default: merge_numbers(to, other, from); return 0;
    }
}

std::size_t AggregateStates::copy(std::uint32_t to, std::uint32_t from, std::uint64_t seed) {
    if (!is_sketch(spec_.kind)) {
        std::memcpy(memory_.data() + to * stride_, memory_.data() + from * stride_, stride_);
        return 0;
    }
    const Bytes size = pool_.size(from);
    const MutableByteSpan block = pool_.restore(to, size);
    if (block.empty()) {
        create(to, seed);
        return merge(to, from);
    }
    std::memcpy(block.data(), pool_.at(from), size);
    return 0;
}

void AggregateStates::merge_numbers(std::uint32_t to, const AggregateStates& other, std::uint32_t from) {
    const bool integers = spec_.type == ColumnType::integer;
    const auto extremes = [&](auto better) {
        if (integers) return merge_extremes(states<Extreme<std::int64_t>>()[to], other.state<Extreme<std::int64_t>>(from), better);
        merge_extremes(states<Extreme<double>>()[to], other.state<Extreme<double>>(from), better);
    };
    switch (spec_.kind) {
        case StateKind::rows:
        case StateKind::truths:
        case StateKind::present: states<Count>()[to].n += other.state<Count>(from).n; return;
        case StateKind::sum:
            if (integers) return states<IntegerSum>()[to].merge(other.state<IntegerSum>(from));
            return states<RealSum>()[to].merge(other.state<RealSum>(from));
        case StateKind::least: return extremes(std::less<>());
        case StateKind::greatest: return extremes(std::greater<>());
        case StateKind::first:
        case StateKind::last: {
            const bool first = spec_.kind == StateKind::first;
            switch (spec_.type) {
                case ColumnType::integer: return merge_picks(states<Pick<std::int64_t>>()[to], other.state<Pick<std::int64_t>>(from), first);
                case ColumnType::real: return merge_picks(states<Pick<double>>()[to], other.state<Pick<double>>(from), first);
                case ColumnType::boolean: return merge_picks(states<Pick<std::uint8_t>>()[to], other.state<Pick<std::uint8_t>>(from), first);
                case ColumnType::text: return merge_picks(states<PickText>()[to], other.state<PickText>(from), first);
            }
            return;
        }
        case StateKind::moments: return states<Moments>()[to].merge(other.state<Moments>(from));
        default: break;
    }
}

Bytes AggregateStates::sketch_size_max(const StateSpec& spec) {
    switch (spec.kind) {
        case StateKind::kll: return KllSketch<double>::serialized_size_max(kll_params(0));
        case StateKind::hll: return HllSketch::serialized_size_max(hll_params(spec), HllType::hll4);
        case StateKind::theta: return ThetaSketch::serialized_size_max(theta_params(spec));
        case StateKind::frequent:
            return with_item(spec.type, [&](auto item) {
                return FrequentItems<decltype(item)>::serialized_size_max(frequent_params<decltype(item)>(spec));
            });
        default: return 0;
    }
}

SketchView AggregateStates::sketch(std::size_t cell, ByteWriter& out) const {
    const Bytes before = out.size();
    SketchView view;
    Status status;
    switch (spec_.kind) {
        case StateKind::kll:
            view.kind = SketchKind::kll;
            view.item = ItemType::real;
            status = sketch_at<KllSketch<double>>(cell).serialize(out);
            break;
        case StateKind::hll:
            view.kind = SketchKind::hll;
            view.item = item_type(spec_.type);
            status = sketch_at<HllSketch>(cell).serialize(out, HllType::hll4);
            break;
        case StateKind::theta:
            view.kind = SketchKind::theta;
            view.item = item_type(spec_.type);
            status = sketch_at<ThetaSketch>(cell).serialize(out);
            break;
        case StateKind::frequent:
            view.kind = SketchKind::frequent;
            view.item = item_type(spec_.type);
            status = with_item(spec_.type, [&](auto item) { return sketch_at<FrequentItems<decltype(item)>>(cell).serialize(out); });
            break;
        default: return view;
    }
    WEIR_ASSERT(status.ok());  // out has room for sketch_size_max()
    view.bytes = out.written().subspan(before);
    return view;
}

namespace {

Value finish_quantile(const KllSketch<double>& sketch, double rank) {
    if (sketch.empty()) return {};
    const auto found = sketch.quantile_with_bounds(rank, RankConfidence::percent_95);
    return estimate(found.value, found.lower, found.upper);
}

Value finish_distinct(bool exact, double middle, double lower, double upper) {
    const auto said = [exact](double value) { return exact ? std::floor(value + 0.5) : value; };
    return estimate(said(middle), said(lower), said(upper));
}

Value finish_distinct(const HllSketch& sketch) {
    const HllSketch::Bounds bounds = sketch.bounds(bounds_sigmas);
    return finish_distinct(sketch.is_exact(), bounds.estimate, bounds.lower, bounds.upper);
}

Value finish_distinct(const ThetaSketch& sketch) {
    return finish_distinct(sketch.is_exact(), sketch.estimate(), sketch.lower_bound(bounds_sigmas), sketch.upper_bound(bounds_sigmas));
}

template <typename Item>
Value finish_top(const FrequentItems<Item>& sketch, std::size_t wanted, std::span<TopItem> items) {
    std::array<typename FrequentItems<Item>::Row, top_items_max> rows{};
    const std::size_t found = sketch.top(std::span(rows).first(std::min(wanted, items.size())));
    for (std::size_t i = 0; i < found; ++i) {
        TopItem& item = items[i];
        item = TopItem{};
        if constexpr (std::is_same_v<Item, std::string_view>) {
            item.text = rows[i].item;
        } else if constexpr (std::is_same_v<Item, double>) {
            item.type = ItemType::real;
            item.real = rows[i].item;
        } else {
            item.type = ItemType::integer;
            item.integer = rows[i].item;
        }
        item.estimate = static_cast<double>(rows[i].estimate);
        item.lower = static_cast<double>(rows[i].lower);
        item.upper = static_cast<double>(rows[i].upper);
    }
    Value value;
    value.kind = ValueKind::top;
    value.top = items.first(found);
    return value;
}

Value finish_variance(const Moments& moments, bool root) {
    if (moments.n < 2) return {};
    const double variance = moments.squares / static_cast<double>(moments.n - 1);
    return value_of(root ? std::sqrt(variance) : variance);
}

}  // namespace

Value AggregateStates::finish(const CallSpec& call, std::size_t cell, std::span<TopItem> items, std::int64_t end) const {
    if (is_timed(spec_.kind)) return finish_timed(call, spec_, memory_.data() + cell * stride_, end);
    const bool integers = spec_.type == ColumnType::integer;
    switch (call.function) {
        case Function::count: return Value::of_integer(state<Count>(cell).n);
        case Function::sum:
            if (!integers) return state<RealSum>(cell).n == 0 ? Value{} : value_of(state<RealSum>(cell).real());
            if (const auto& sum = state<IntegerSum>(cell); sum.n > 0)
                return sum.fits() ? Value::of_integer(static_cast<std::int64_t>(sum.low)) : value_of(sum.real());
            return {};
        case Function::mean: {
            const std::int64_t n = integers ? state<IntegerSum>(cell).n : state<RealSum>(cell).n;
            if (n == 0) return {};
            return value_of((integers ? state<IntegerSum>(cell).real() : state<RealSum>(cell).real()) / static_cast<double>(n));
        }
        case Function::least:
        case Function::greatest:
            if (state<Extreme<double>>(cell).n == 0) return {};
            return integers ? value_of(state<Extreme<std::int64_t>>(cell).value) : value_of(state<Extreme<double>>(cell).value);
        case Function::first:
        case Function::last:
            if (state<Pick<double>>(cell).n == 0) return {};
            switch (spec_.type) {
                case ColumnType::integer: return value_of(state<Pick<std::int64_t>>(cell).value);
                case ColumnType::real: return value_of(state<Pick<double>>(cell).value);
                case ColumnType::boolean: return value_of(state<Pick<std::uint8_t>>(cell).value);
                case ColumnType::text: break;
            }
            return Value::of_text({state<PickText>(cell).text, static_cast<std::size_t>(state<PickText>(cell).length)});
        case Function::variance:
        case Function::stddev: return finish_variance(state<Moments>(cell), call.function == Function::stddev);
        case Function::quantile: return finish_quantile(sketch_at<KllSketch<double>>(cell), call.rank);
        case Function::distinct:
            if (spec_.kind == StateKind::theta) return finish_distinct(sketch_at<ThetaSketch>(cell));
            return finish_distinct(sketch_at<HllSketch>(cell));
        default: break;
    }
    return with_item(spec_.type, [&](auto item) {
        return finish_top(sketch_at<FrequentItems<decltype(item)>>(cell), call.items, items);
    });
}

}  // namespace weir
