#include "sketches/kll.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "sketches/kll_detail.h"
#include "sketches/portable_math.h"

namespace weir {

using namespace kll_detail;

namespace {

// Order-preserving integers for the values of T; -0.0 and 0.0 share one.
template <typename T>
struct Order {
    using Key = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;
    static constexpr Key sign = Key{1} << (sizeof(Key) * 8 - 1);

    static Key key(T value) {
        const Key bits = std::bit_cast<Key>(value);
        return bits & sign ? Key{0} - bits : bits | sign;
    }
    static T value(Key key) { return std::bit_cast<T>(key & sign ? key ^ sign : Key{0} - key); }
};

}  // namespace

template <typename T>
struct KllSketch<T>::Layout {
    explicit Layout(const Params& params)
        : levels_max(levels_for(params.k, params.n_max)),
          items(total_capacity(params.k, levels_max)),
          items_at(static_cast<std::uint32_t>(
              align_up(sizeof(KllSketch) + (2 * levels_max + 1) * sizeof(std::uint32_t), 8))),
          bytes(align_up(items_at + items * sizeof(T), 8)) {}

    std::uint32_t levels_max;
    std::uint32_t items;
    std::uint32_t items_at;
    Bytes bytes;
};

template <typename T>
bool KllSketch<T>::valid(const Params& params) {
    return params.k >= kll_detail::m && params.n_max >= 1 && params.n_max <= n_max_limit;
}

template <typename T>
Bytes KllSketch<T>::need(const Params& params) {
    return Layout(params).bytes;
}

template <typename T>
KllSketch<T>::KllSketch(const Params& params, const Layout& layout)
    : n_capacity_((std::uint64_t{params.k} << (layout.levels_max - 1)) - 1),
      coins_(params.seed),
      levels_max_(layout.levels_max),
      end_(layout.items),
      items_at_(layout.items_at),
      k_(params.k),
      min_k_(params.k) {
    for (std::uint32_t depth = 0; depth < levels_max_; ++depth)
        capacities()[depth] = level_capacity(k_, depth);
    reset();
}

template <typename T>
KllSketch<T>* KllSketch<T>::create(MutableByteSpan memory, const Params& params) {
    WEIR_ASSERT(valid(params));
    WEIR_ASSERT(memory.size() >= need(params));
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory.data()) % 8 == 0);
    std::memset(memory.data(), 0, need(params));
    return new (memory.data()) KllSketch(params, Layout(params));
}

template <typename T>
Bytes KllSketch<T>::memory_bytes() const {
    return align_up(items_at_ + end_ * sizeof(T), 8);
}

template <typename T>
void KllSketch<T>::reset() {
    n_ = refused_ = 0;
    min_ = max_ = 0;
    min_k_ = k_;
    starts()[0] = end_;
    set_levels(1);
}

template <typename T>
void KllSketch<T>::reset(std::uint64_t seed) {
    reset();
    coins_ = seed;
}

template <typename T>
void KllSketch<T>::update_column(std::span<const T> values) {
    for (T value : values) update(value);
}

// SplitMix64 (Steele, Lea, Flood 2014).
template <typename T>
bool KllSketch<T>::coin() {
    std::uint64_t z = coins_ += 0x9E3779B97F4A7C15ULL;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    return (z ^ z >> 31) >> 63;
}

// New levels are empty and on top.
template <typename T>
void KllSketch<T>::set_levels(std::uint32_t levels) {
    WEIR_ASSERT(levels <= levels_max_);
    std::uint32_t capacity = 0;
    for (std::uint32_t depth = 0; depth < levels; ++depth) capacity += capacities()[depth];
    for (std::uint32_t level = levels_; level <= levels; ++level) starts()[level] = end_;
    starts()[levels] = end_;
    levels_ = levels;
    begin_ = end_ - capacity;
}

// Makes room for at least 4 items. False, with nothing changed, when that would need a level too
// many.
template <typename T>
bool KllSketch<T>::compress() {
    std::uint32_t level = 0;
    while (level_size(level) < capacities()[levels_ - 1 - level]) ++level;
    if (level == levels_ - 1) {
        if (levels_ == levels_max_) return false;
        set_levels(levels_ + 1);
    }
    compact(level);
    return true;
}

// Every second item of the level goes up, the others are dropped, and the levels below move towards
// the end. Of an odd number the first stays.
template <typename T>
void KllSketch<T>::compact(std::uint32_t level) {
    T* const first = items() + starts()[level];
    T* const above = items() + starts()[level + 1];
    T* const above_end = items() + starts()[level + 2];
    const std::uint32_t odd = level_size(level) & 1;
    const std::uint32_t half = level_size(level) / 2;
    const T stays = *first;
    T* const pairs = first + odd;
    if (level == 0) std::sort(pairs, above);
    const std::uint32_t from = coin();
    for (std::uint32_t i = 0; i < half; ++i) pairs[i] = pairs[2 * i + from];
    merge_sorted(pairs, half, above, static_cast<std::uint32_t>(above_end - above), pairs + half);
    if (odd) pairs[half - 1] = stays;
    T* const lowest = items() + starts()[0];
    std::move_backward(lowest, first, first + half);
    for (std::uint32_t i = 0; i <= level; ++i) starts()[i] += half;
    starts()[level + 1] -= half;
}

template <typename T>
Status KllSketch<T>::merge(const KllSketch& other) {
    WEIR_ASSERT(&other != this);
    if (other.n_ == 0) return Status::success();
    if (other.n_ > n_capacity_ || n_ > n_capacity_ - other.n_ || other.levels_ > levels_max_)
        return Error::full;
    if (!other.is_exact()) min_k_ = std::min(min_k_, other.min_k_);
    min_ = n_ == 0 ? other.min_ : std::min(min_, other.min_);
    max_ = n_ == 0 ? other.max_ : std::max(max_, other.max_);
    coins_ += std::rotl(other.coins_, 32);
    if (other.levels_ > levels_) set_levels(other.levels_);
    for (std::uint32_t level = other.levels_; level-- > 0;)
        absorb(level, std::as_bytes(std::span<const T>(other.items() + other.starts()[level],
                                                       other.level_size(level))));
    n_ += other.n_;
    return Status::success();
}

// Adds items of the weight of a level, from the last to the first; sorted ones unless the level is
// 0.
template <typename T>
void KllSketch<T>::absorb(std::uint32_t level, ByteSpan from) {
    while (!from.empty()) {
        const std::uint32_t room = starts()[0] - begin_;
        if (room == 0) {
            const bool made_room = compress();
            WEIR_ASSERT(made_room);
            continue;
        }
        const Bytes run = std::min<Bytes>(from.size(), room * sizeof(T));
        merge_run(level, from.last(run));
        from = from.first(from.size() - run);
    }
}

// REQUIRES: there is room for them.
template <typename T>
void KllSketch<T>::merge_run(std::uint32_t level, ByteSpan from) {
    const auto count = static_cast<std::uint32_t>(from.size() / sizeof(T));
    T* const lowest = items() + starts()[0];
    T* const first = items() + starts()[level];
    std::move(lowest, first, lowest - count);
    for (std::uint32_t i = 0; i <= level; ++i) starts()[i] -= count;
    if (level == 0)
        std::memcpy(first - count, from.data(), from.size());
    else
        merge_sorted(from.data(), count, first, starts()[level + 1] - starts()[level] - count,
                     first - count);
}

template <typename T>
std::uint32_t KllSketch<T>::retained() const {
    return end_ - starts()[0];
}

template <typename T>
T KllSketch<T>::min() const {
    WEIR_ASSERT(n_ != 0);
    return min_;
}

template <typename T>
T KllSketch<T>::max() const {
    WEIR_ASSERT(n_ != 0);
    return max_;
}

template <typename T>
std::uint64_t KllSketch<T>::weight_up_to(T value) const {
    const T* const item = items();
    std::uint64_t weight = 0;
    for (std::uint32_t i = starts()[0]; i < starts()[1]; ++i) weight += item[i] <= value;
    for (std::uint32_t level = 1; level < levels_; ++level) {
        const T* const first = item + starts()[level];
        const T* const end = item + starts()[level + 1];
        weight += static_cast<std::uint64_t>(std::upper_bound(first, end, value) - first) << level;
    }
    return weight;
}

template <typename T>
double KllSketch<T>::rank(T value) const {
    WEIR_ASSERT(n_ != 0);
    return static_cast<double>(weight_up_to(value)) / static_cast<double>(n_);
}

// The smallest item up to which the items weigh at least weight: halves the range of values until
// one item, or one value, is left in it.
template <typename T>
T KllSketch<T>::select(std::uint64_t weight) const {
    using Ordered = Order<T>;
    struct Range {  // of a level's items that are still in the range of values; of level 0 only
                    // counts
        std::uint32_t begin;
        std::uint32_t end;
    };
    std::array<Range, levels_limit> ranges;
    for (std::uint32_t level = 0; level < levels_; ++level) ranges[level] = {0, level_size(level)};
    std::uint32_t candidates = retained();
    auto low = Ordered::key(min_);
    auto high = Ordered::key(max_);
    while (low < high && candidates > 1) {
        const auto middle = low + (high - low) / 2;
        const T value = Ordered::value(middle);
        std::array<std::uint32_t, levels_limit> up_to;
        up_to[0] = 0;
        for (std::uint32_t i = starts()[0]; i < starts()[1]; ++i) up_to[0] += items()[i] <= value;
        std::uint64_t up_to_weight = up_to[0];
        for (std::uint32_t level = 1; level < levels_; ++level) {
            const T* const first = items() + starts()[level];
            up_to[level] = static_cast<std::uint32_t>(
                std::upper_bound(first + ranges[level].begin, first + ranges[level].end, value) -
                first);
            up_to_weight += std::uint64_t{up_to[level]} << level;
        }
        const bool reached = up_to_weight >= weight;
        (reached ? high : low) = reached ? middle : middle + 1;
        candidates = 0;
        for (std::uint32_t level = 0; level < levels_; ++level) {
            (reached ? ranges[level].end : ranges[level].begin) = up_to[level];
            candidates += ranges[level].end - ranges[level].begin;
        }
    }
    for (std::uint32_t level = 1; level < levels_; ++level)
        if (ranges[level].begin < ranges[level].end)
            return items()[starts()[level] + ranges[level].begin];
    for (std::uint32_t i = starts()[0]; i < starts()[1]; ++i)
        if (const auto key = Ordered::key(items()[i]); key >= low && key <= high) return items()[i];
    return max_;
}

template <typename T>
T KllSketch<T>::quantile(double rank) const {
    WEIR_ASSERT(n_ != 0);
    if (!(rank > 0)) return min_;
    if (rank >= 1) return max_;
    const double weight = std::ceil(rank * static_cast<double>(n_));
    return select(std::clamp<std::uint64_t>(static_cast<std::uint64_t>(weight), 1, n_));
}

template <typename T>
double KllSketch<T>::rank_error(RankConfidence confidence) const {
    if (is_exact()) return 0;
    const double error = 2.296 / portable_power(min_k_, 0.9723);
    return confidence == RankConfidence::percent_99 ? error : 0.761 * error;  // 1.96 / 2.576
}

template <typename T>
T KllSketch<T>::quantile_lower_bound(double rank, RankConfidence confidence) const {
    return quantile(rank - rank_error(confidence));
}

template <typename T>
T KllSketch<T>::quantile_upper_bound(double rank, RankConfidence confidence) const {
    return quantile(rank + rank_error(confidence));
}

template class KllSketch<double>;
template class KllSketch<float>;

}  // namespace weir
