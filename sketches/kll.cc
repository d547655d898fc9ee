#include "sketches/kll.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "sketches/kll_detail.h"
#include "sketches/portable_math.h"
#include "sketches/sort_detail.h"

namespace weir {

using namespace kll_detail;
using namespace sort_detail;

namespace {

constexpr std::uint32_t sweep_items = 64;  // are sorted together, in blocks
constexpr std::uint32_t sweep_block = 16;
constexpr std::uint32_t sweep_run = sweep_block / 2;
constexpr std::uint32_t sorted_on_stack_max = 512;  // of a level 0 that is to answer more than one question

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
        : n_levels(levels_for(params.k, params.n_max)),
          levels_max(std::max(n_levels, settled_levels(params.k))),
          items(std::max(total_capacity(params.k, n_levels), settled_items(kll_detail::m))),
          items_at(static_cast<std::uint32_t>(
              align_up(sizeof(KllSketch) + (levels_max + 1) * sizeof(std::uint32_t), 8))) {}

    Bytes bytes(std::uint32_t count) const { return align_up(items_at + count * sizeof(T), 8); }

    std::uint32_t n_levels;
    std::uint32_t levels_max;
    std::uint32_t items;
    std::uint32_t items_at;
};

template <typename T>
bool KllSketch<T>::valid(const Params& params) {
    return params.k >= kll_detail::m && params.n_max >= 1 && params.n_max <= n_max_limit;
}

template <typename T>
Bytes KllSketch<T>::need(const Params& params) {
    const Layout layout(params);
    return layout.bytes(layout.items);
}

template <typename T>
Bytes KllSketch<T>::need_min(const Params& params) {
    return Layout(params).bytes(settled_items(kll_detail::m));
}

template <typename T>
KllSketch<T>::KllSketch(const Params& params, const Layout& layout)
    : coins_(params.seed),
      levels_max_(layout.levels_max),
      end_(layout.items),
      items_at_(layout.items_at),
      items_max_(layout.items),
      k_(params.k),
      min_k_(params.k),
      k_max_(params.k),
      n_levels_(static_cast<std::uint8_t>(layout.n_levels)) {}

template <typename T>
KllSketch<T>* KllSketch<T>::create(MutableByteSpan memory, const Params& params) {
    WEIR_ASSERT(valid(params));
    const Layout layout(params);
    WEIR_ASSERT(memory.size() >= layout.bytes(settled_items(kll_detail::m)));
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory.data()) % 8 == 0);
    std::memset(memory.data(), 0, std::min(memory.size(), layout.bytes(layout.items)));
    auto* sketch = new (memory.data()) KllSketch(params, layout);
    sketch->end_ = sketch->items_in(memory.size());
    sketch->reset();
    return sketch;
}

template <typename T>
std::uint32_t KllSketch<T>::items_in(Bytes size) const {
    const Bytes items = (size / 8 * 8 - items_at_) / sizeof(T);
    return static_cast<std::uint32_t>(std::min<Bytes>(items, items_max_));
}

template <typename T>
Bytes KllSketch<T>::block_of(std::uint32_t items) const {
    return align_up(items_at_ + std::min(items, items_max_) * sizeof(T), 8);
}

template <typename T>
Bytes KllSketch<T>::room() const {
    return block_of(end_);
}

template <typename T>
KllSketch<T>* KllSketch<T>::move_to(MutableByteSpan memory) const {
    WEIR_ASSERT(memory.size() >= room());
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory.data()) % 8 == 0);
    std::memcpy(memory.data(), this, items_at_);
    KllSketch& moved = *at(memory.data());
    moved.end_ = moved.items_in(memory.size());
    const std::uint32_t by = moved.end_ - end_;
    for (std::uint32_t level = 0; level <= levels_; ++level) moved.starts()[level] += by;
    std::memset(static_cast<void*>(moved.items()), 0, moved.starts()[0] * sizeof(T));
    std::memcpy(moved.items() + moved.starts()[0], items() + starts()[0], held() * sizeof(T));
    moved.set_levels(levels_);
    return &moved;
}

template <typename T>
void KllSketch<T>::reset() {
    n_ = pending_ = 0;
    min_ = max_ = candidate_ = 0;
    k_ = min_k_ = k_max_;
    lowest_ = 0;
    settled_ = false;
    set_high_levels();
    levels_ = 1;
    starts()[0] = starts()[1] = end_;
    set_levels(1);
}

template <typename T>
void KllSketch<T>::reset(std::uint64_t seed) {
    reset();
    coins_ = seed;
}

template <typename T>
std::size_t KllSketch<T>::offer_column(std::span<const T> values) {
    std::size_t taken = 0;
    while (taken < values.size()) {
        const std::uint32_t room = starts()[0] - std::min(starts()[0], full_at_);
        if (room == 0) {
            if (!offer(values[taken])) break;
            ++taken;
            continue;
        }
        append(values.subspan(taken, std::min<std::size_t>(room, values.size() - taken)));
        taken += std::min<std::size_t>(room, values.size() - taken);
    }
    return taken;
}

// REQUIRES: there is room for them.
template <typename T>
void KllSketch<T>::append(std::span<const T> values) {
    constexpr T infinite = std::numeric_limits<T>::infinity();
    T low = n_ == 0 ? infinite : min_;
    T high = n_ == 0 ? -infinite : max_;
    T* const end = items() + starts()[0];
    T* to = end;
    for (const T value : values) {
        if (value != value) continue;
        low = value < low ? value : low;
        high = value > high ? value : high;
        *--to = value;
    }
    const auto count = static_cast<std::uint32_t>(end - to);
    if (count == 0) return;
    min_ = low;
    max_ = high;
    n_ += count;
    starts()[0] -= count;
}

template <typename T>
void KllSketch<T>::update_column(std::span<const T> values) {
    const std::size_t taken = offer_column(values);
    if (taken == values.size()) return;
    settle();
    offer_column(values.subspan(taken));
}

// SplitMix64 (Steele, Lea, Flood 2014).
template <typename T>
std::uint64_t KllSketch<T>::random() {
    std::uint64_t z = coins_ += 0x9E3779B97F4A7C15ULL;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ z >> 27) * 0x94D049BB133111EBULL;
    return z ^ z >> 31;
}

template <typename T>
std::uint32_t KllSketch<T>::capacity(std::uint32_t depth) const {
    return level_capacity(k_, depth, settled_ ? m_settled : kll_detail::m);
}

template <typename T>
std::uint32_t KllSketch<T>::capacity_of(std::uint32_t levels) const {
    return total_capacity(k_, levels, settled_ ? m_settled : kll_detail::m);
}

// Whether so many levels may be filled to their capacity, and be handled at all.
template <typename T>
bool KllSketch<T>::is_room_for(std::uint32_t levels) const {
    return levels <= levels_max_ && capacity_of(levels) <= end_;
}

// New levels are empty and on top.
template <typename T>
void KllSketch<T>::set_levels(std::uint32_t levels) {
    WEIR_ASSERT(levels <= levels_max_);
    for (std::uint32_t level = levels_; level <= levels; ++level) starts()[level] = end_;
    levels_ = levels;
    // The only level there is may have less room than capacity: it is not compacted, it waits for more.
    begin_ = end_ - std::min(end_, capacity_of(levels));
    full_at_ = lowest_ > 0 ? end_ : begin_;
}

// Adds levels until there are so many, those below the lowest included.
template <typename T>
void KllSketch<T>::reach(std::uint32_t top) {
    while (lowest_ + levels_ < top) {
        if (!is_room_for(levels_ + 1)) raise();
        set_levels(levels_ + 1);
    }
}

// Levels that a sweep leaves alone, as a block would be less than their capacity.
template <typename T>
void KllSketch<T>::set_high_levels() {
    high_levels_ = 1;
    while (capacity(high_levels_) > sweep_block) ++high_levels_;
}

// Makes room for an item or more. False, with nothing changed, when that needs another level, and
// so more room.
template <typename T>
bool KllSketch<T>::compress() {
    if (!settled_ && low_levels() > 0 && level_size(0) >= sweep_items) {
        sweep();
        return true;
    }
    std::uint32_t level = level_to_compact();
    if (level >= levels_ - 1) {
        if (!is_room_for(levels_ + 1)) {
            if (!settled_) return false;
            raise();
        }
        set_levels(levels_ + 1);
        level = levels_ - 2;
    }
    compact(level);
    return true;
}

// The lowest full one, but low ones only when no other but the top is: what is freed above them they use
// in larger blocks. levels_ when none is full, for lack of room.
template <typename T>
std::uint32_t KllSketch<T>::level_to_compact() const {
    const auto first_full = [this](std::uint32_t level, std::uint32_t end) {
        while (level < end && level_size(level) < capacity(levels_ - 1 - level)) ++level;
        return level;
    };
    const std::uint32_t low = settled_ ? 0 : low_levels();
    const std::uint32_t high = first_full(low, levels_ - 1);
    if (high < levels_ - 1) return high;
    const std::uint32_t other = first_full(0, low);
    return other < low ? other : levels_ - 1;
}

template <typename T>
bool KllSketch<T>::is_any_full() const {
    return level_to_compact() < levels_ - 1;
}

template <typename T>
void KllSketch<T>::compress_to_capacity() {
    while (starts()[0] < begin_)
        if (!compress()) settle();
}

// Items that so many levels of n values take, at most.
template <typename T>
std::uint32_t KllSketch<T>::items_for(std::uint64_t n, std::uint32_t levels) const {
    if (levels == 1) return static_cast<std::uint32_t>(n);
    return levels > levels_max_ ? items_max_ + 1 : capacity_of(levels);
}

template <typename T>
Bytes KllSketch<T>::wanted() const {
    if (settled_ || end_ == items_max_) return room();
    if (end_ < k_) return block_of(std::min<std::uint32_t>(2 * end_, k_));
    std::uint32_t levels = 2;
    while (capacity_of(levels) <= end_ && levels < levels_max_) ++levels;
    return capacity_of(levels) <= end_ ? room() : block_of(capacity_of(levels));
}

template <typename T>
Bytes KllSketch<T>::wanted(const KllSketch& other) const {
    if (settled_) return room();
    return std::max(room(), block_of(items_with(other)));
}

// Items that the merged sketch takes, at most: the top level of one that no merge made holds k.
template <typename T>
std::uint32_t KllSketch<T>::items_with(const KllSketch& other) const {
    const std::uint64_t n = n_ + other.n_;
    return items_for(n, std::max({levels_for(k_, n), top(), other.top()}));
}

template <typename T>
void KllSketch<T>::settle() {
    if (settled_) return;
    settled_ = true;
    std::uint16_t low = kll_detail::m;
    for (std::uint16_t high = k_; low < high;) {
        const auto middle = static_cast<std::uint16_t>(high - (high - low) / 2);
        const bool fits = settled_items(middle) <= end_;
        (fits ? low : high) = static_cast<std::uint16_t>(fits ? middle : middle - 1);
    }
    k_ = low;
    set_high_levels();
    min_k_ = std::min(min_k_, k_);
    set_levels(levels_);
    compress_to_capacity();
}

template <typename T>
void KllSketch<T>::shrink(std::uint16_t k) {
    WEIR_ASSERT(k >= kll_detail::m && k <= k_);
    k_ = k;
    set_high_levels();
    min_k_ = std::min(min_k_, k);
    set_levels(levels_);
    compress_to_capacity();
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
    if (!is_sorted(level)) std::sort(pairs, above);
    const auto from = static_cast<std::uint32_t>(random() >> 63);
    for (std::uint32_t i = 0; i < half; ++i) pairs[i] = pairs[2 * i + from];
    merge_sorted(pairs, half, above, static_cast<std::uint32_t>(above_end - above), pairs + half);
    if (odd) pairs[half - 1] = stays;
    T* const lowest = items() + starts()[0];
    std::move_backward(lowest, first, first + half);
    for (std::uint32_t i = 0; i <= level; ++i) starts()[i] += half;
    starts()[level + 1] -= half;
}

// Level 0, 64 items at a time: each of four blocks is sorted, halved and passed up level by level, where
// such runs meet in pairs and are halved again. The space that it leaves, between levels 0 and 1, is
// closed last.
template <typename T>
void KllSketch<T>::sweep() {
    T* const first = items() + starts()[0];
    T* end = items() + starts()[1];
    while (static_cast<std::size_t>(end - first) >= sweep_items) {
        end -= sweep_items;
        std::array<T, sweep_items / 2> runs;
        std::uint32_t count = sweep_items / sweep_block;
        sort_and_halve(end, random(), runs.data());
        for (std::uint32_t level = 1; level < low_levels() && count > 0; ++level)
            count = pass_runs(level, runs.data(), count);
        for (std::uint32_t i = 0; i < count; ++i) insert_run(low_levels(), &runs[i * sweep_run]);
    }
    T* const level_1 = items() + starts()[1];
    std::move_backward(first, end, level_1);
    starts()[0] = static_cast<std::uint32_t>(level_1 - (end - first) - items());
}

// Sorted runs of 8 for a level: pairs of them, and one of what is left and what the level holds, are
// halved to runs for the level above, the number of which is returned.
template <typename T>
std::uint32_t KllSketch<T>::pass_runs(std::uint32_t level, T* runs, std::uint32_t count) {
    std::uint64_t coins = random();
    const std::uint32_t pairs = count / 2;
    for (std::uint32_t i = 0; i < pairs; ++i, coins >>= 1)
        merge_and_halve(runs + 2 * i * sweep_run, runs + (2 * i + 1) * sweep_run, coins & 1,
                        runs + i * sweep_run);
    if (count % 2 == 0) return pairs;
    const T* const last = runs + (count - 1) * sweep_run;
    if (level_size(level) < sweep_run) {
        insert_run(level, last);
        return pairs;
    }
    merge_and_halve(last, items() + starts()[level], coins & 1, runs + pairs * sweep_run);
    move_below(level, sweep_run);
    return pairs + 1;
}

// Moves the levels from 1 to the one below, and the start of this one, which loses or gets places.
template <typename T>
void KllSketch<T>::move_below(std::uint32_t level, std::int32_t by) {
    T* const from = items() + starts()[1];
    std::memmove(from + by, from, (starts()[level] - starts()[1]) * sizeof(T));
    for (std::uint32_t i = 1; i <= level; ++i) starts()[i] += static_cast<std::uint32_t>(by);
}

// REQUIRES: 8 places are free between levels 0 and 1.
template <typename T>
void KllSketch<T>::insert_run(std::uint32_t level, const T* run) {
    const std::uint32_t size = level_size(level);
    move_below(level, -static_cast<std::int32_t>(sweep_run));
    T* const first = items() + starts()[level];
    merge_sorted(run, sweep_run, first + sweep_run, size, first);
}

// The lowest level goes up into the next, and an item that is left over to the candidate. REQUIRES:
// settled. The caller adds a level.
template <typename T>
void KllSketch<T>::raise() {
    WEIR_ASSERT(settled_ && levels_ >= 2);
    if (level_size(0) >= 2) compact(0);
    const bool left_over = level_size(0) == 1;
    if (left_over) ++starts()[0];
    const T item = left_over ? items()[starts()[0] - 1] : T{0};
    std::copy(starts() + 1, starts() + levels_ + 1, starts());
    --levels_;
    ++lowest_;
    if (left_over) sample(item, std::uint64_t{1} << (lowest_ - 1));
}

// The candidate is one of the values that came since the lowest level got an item, drawn by weight;
// when they weigh as much as such an item it becomes one.
template <typename T>
void KllSketch<T>::sample(T value, std::uint64_t weight) {
    if (pending_ + weight >= std::uint64_t{1} << lowest_ && starts()[0] <= begin_) compress();
    const std::uint64_t full = std::uint64_t{1} << lowest_;
    if (pending_ + weight < full) {
        pending_ += weight;
        if (random() % pending_ < weight) candidate_ = value;
        return;
    }
    const std::uint64_t part = full - pending_;
    const T drawn = random() % full < part ? value : candidate_;
    merge_run(0, std::as_bytes(std::span<const T>(&drawn, 1)));
    pending_ = weight - part;
    candidate_ = value;
}

// REQUIRES: no space is left before the first item, or values are sampled.
template <typename T>
bool KllSketch<T>::offer_to_full(T value) {
    if (lowest_ == 0 && !compress()) return false;
    count(value);
    if (lowest_ == 0)
        items()[--starts()[0]] = value;
    else
        sample(value, 1);
    return true;
}

template <typename T>
Status KllSketch<T>::merge(const KllSketch& other) {
    WEIR_ASSERT(&other != this);
    if (other.n_ == 0) return Status::success();
    if (other.n_ > n_capacity() || n_ > n_capacity() - other.n_) return Error::full;
    if (items_with(other) > end_) settle();
    if (!other.is_exact()) min_k_ = std::min(min_k_, other.min_k_);
    min_ = n_ == 0 ? other.min_ : std::min(min_, other.min_);
    max_ = n_ == 0 ? other.max_ : std::max(max_, other.max_);
    coins_ += std::rotl(other.coins_, 32);
    reach(other.top());
    for (std::uint32_t level = other.levels_; level-- > 0;)
        absorb(other.lowest_ + level,
               std::as_bytes(std::span<const T>(other.items() + other.starts()[level],
                                                other.level_size(level))));
    for (std::uint32_t level = other.lowest_; level-- > 0;)
        if (other.pending_ >> level & 1)
            absorb(level, std::as_bytes(std::span<const T>(&other.candidate_, 1)));
    n_ += other.n_;
    return Status::success();
}

// Adds items of weight 2^level, from the last to the first; sorted ones unless the level is 0.
template <typename T>
void KllSketch<T>::absorb(std::uint32_t level, ByteSpan from) {
    while (!from.empty()) {
        if (level >= lowest_ && starts()[0] <= begin_) {
            if (!compress()) settle();
            continue;
        }
        // In one piece where full levels can give the room: each piece is merged with all of the level.
        if (level >= lowest_ && starts()[0] - begin_ < from.size() / sizeof(T) && is_any_full()) {
            if (!compress()) settle();
            continue;
        }
        Bytes run = sizeof(T);
        if (level < lowest_) {
            sample(load_le<T>(&from[from.size() - run]), std::uint64_t{1} << level);
        } else {
            run = std::min<Bytes>(from.size(), (starts()[0] - begin_) * sizeof(T));
            merge_run(level - lowest_, from.last(run));
        }
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
    if (!is_sorted(level))
        std::memcpy(first - count, from.data(), from.size());
    else
        merge_sorted(from.data(), count, first, starts()[level + 1] - starts()[level] - count,
                     first - count);
}

template <typename T>
std::uint32_t KllSketch<T>::retained() const {
    return held() + (pending_ > 0);
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
    return (weight << lowest_) + (candidate_ <= value ? pending_ : 0);
}

template <typename T>
double KllSketch<T>::rank(T value) const {
    WEIR_ASSERT(n_ != 0);
    return static_cast<double>(weight_up_to(value)) / static_cast<double>(n_);
}

// The smallest item up to which the items weigh at least weight: halves the range of values until
// one item, or one value, is left in it. sorted_0: the items of level 0, if somebody has sorted them.
template <typename T>
T KllSketch<T>::select(std::uint64_t weight, const T* sorted_0) const {
    using Ordered = Order<T>;
    struct Range {  // of a level's items that are still in the range of values; of a level 0 that is
                    // not sorted only counts
        std::uint32_t begin;
        std::uint32_t end;
    };
    std::array<Range, levels_limit> ranges;
    for (std::uint32_t level = 0; level < levels_; ++level) ranges[level] = {0, level_size(level)};
    std::uint32_t left = retained();
    auto low = Ordered::key(min_);
    auto high = Ordered::key(max_);
    const std::uint32_t first_sorted = sorted_0 != nullptr ? 0 : 1;
    const auto sorted = [&](std::uint32_t level) { return level == 0 ? sorted_0 : items() + starts()[level]; };
    const auto is_candidate_left = [&] {
        const auto key = Ordered::key(candidate_);
        return pending_ > 0 && key >= low && key <= high;
    };
    while (low < high && left > 1) {
        const auto middle = low + (high - low) / 2;
        const T value = Ordered::value(middle);
        std::array<std::uint32_t, levels_limit> up_to;
        std::uint64_t up_to_weight = 0;
        if (sorted_0 == nullptr) {
            up_to[0] = 0;
            for (std::uint32_t i = starts()[0]; i < starts()[1]; ++i) up_to[0] += items()[i] <= value;
            up_to_weight = up_to[0];
        }
        for (std::uint32_t level = first_sorted; level < levels_; ++level) {
            const T* const first = sorted(level);
            up_to[level] = static_cast<std::uint32_t>(
                std::upper_bound(first + ranges[level].begin, first + ranges[level].end, value) -
                first);
            up_to_weight += std::uint64_t{up_to[level]} << level;
        }
        up_to_weight = (up_to_weight << lowest_) + (candidate_ <= value ? pending_ : 0);
        const bool reached = up_to_weight >= weight;
        (reached ? high : low) = reached ? middle : middle + 1;
        left = is_candidate_left();
        for (std::uint32_t level = 0; level < levels_; ++level) {
            (reached ? ranges[level].end : ranges[level].begin) = up_to[level];
            left += ranges[level].end - ranges[level].begin;
        }
    }
    for (std::uint32_t level = first_sorted; level < levels_; ++level)
        if (ranges[level].begin < ranges[level].end) return sorted(level)[ranges[level].begin];
    for (std::uint32_t i = starts()[0]; i < starts()[1]; ++i)
        if (const auto key = Ordered::key(items()[i]); key >= low && key <= high) return items()[i];
    return is_candidate_left() ? candidate_ : max_;
}

// REQUIRES: 0 < rank < 1.
template <typename T>
std::uint64_t KllSketch<T>::weight_of(double rank) const {
    const double weight = std::ceil(rank * static_cast<double>(n_));
    return std::clamp<std::uint64_t>(static_cast<std::uint64_t>(weight), 1, n_);
}

template <typename T>
T KllSketch<T>::quantile(double rank, const T* sorted_0) const {
    if (!(rank > 0)) return min_;
    return rank >= 1 ? max_ : select(weight_of(rank), sorted_0);
}

template <typename T>
T KllSketch<T>::quantile(double rank) const {
    WEIR_ASSERT(n_ != 0);
    return quantile(rank, nullptr);
}

template <typename T>
typename KllSketch<T>::Bounded KllSketch<T>::quantile_with_bounds(double rank, RankConfidence confidence) const {
    WEIR_ASSERT(n_ != 0);
    std::array<T, sorted_on_stack_max> low;
    const std::uint32_t count = level_size(0);
    const bool fits = lowest_ == 0 && count <= low.size();
    if (fits) std::copy_n(items() + starts()[0], count, low.begin());
    if (is_exact()) {
        if (!fits || !(rank > 0) || rank >= 1) return {quantile(rank), quantile(rank), quantile(rank)};
        auto* const found = low.data() + (weight_of(rank) - 1);
        std::nth_element(low.data(), found, low.data() + count);
        return {*found, *found, *found};
    }
    if (fits) std::sort(low.data(), low.data() + count);
    const T* const sorted_0 = fits ? low.data() : nullptr;
    const double error = rank_error(confidence);
    return {quantile(rank, sorted_0), quantile(rank - error, sorted_0), quantile(rank + error, sorted_0)};
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
