// KLL: quantiles and ranks of numbers, in DataSketches' KLL format (doubles or floats).
// Memory: need(params): 88 bytes (floats: 80), 4 a level and sizeof(T) an item, for as many levels as
// n_max values fill: k 200 and n_max 2^32 take 5.8 KiB of doubles, 3.0 KiB of floats. Given by the
// owner; need_min(params), 368 and 280 bytes there, will do to start in: see Growth. No pointers
// inside: the room() bytes at `this` may be copied elsewhere and used there (same architecture).
// Cost: update O(1) amortised, at worst O(items held); merge, serialize, load, rank O(items held);
// quantile at most 64 ranks, about 15 on data without many equal values.
// Accuracy: a rank, and the rank of a quantile, is within rank_error() of the truth; min, max and n
// are exact, and so is everything until more than k values have come.
// Growth: in a block smaller than need(), offer() says when the items it holds no longer fit; the
// owner gives a larger one (move_to) or none (settle). A sketch that grew is the same, coin for coin,
// as one that had need() bytes from the start. settle() lowers k to the largest whose levels, down to
// a capacity of 2, fit the room; below them one value is drawn at random for each 2^h that come. The
// same happens beyond n_max values. The error is that of effective_k().
// Coins come from a seed: give sketches that will be merged different ones, or their errors add up
// in the same direction when their values repeat.
// Threads: one owner, no locks. Errors: only from bytes of others, too small output, and merges beyond
// n_max.
// Source: Karnin, Lang, Liberty, Optimal Quantile Approximation in Streams, FOCS 2016; the error is
// the reference's empirical fit.
#pragma once

#include <cstdint>
#include <span>
#include <type_traits>

#include "agent/base/bytes.h"
#include "agent/base/result.h"

namespace weir {

enum class RankConfidence : std::uint8_t { percent_95, percent_99 };

template <typename T>
class KllSketch {
    static_assert(std::is_same_v<T, double> || std::is_same_v<T, float>);

public:
    struct Params {
        std::uint16_t k = 200;                        // 8 to 65,535
        std::uint64_t n_max = std::uint64_t{1} << 32; // 1 to 2^56: how many values must fit
        std::uint64_t seed = 0;
    };
    static bool valid(const Params& params);
    static Bytes need(const Params& params);
    // The smallest block to start in.
    static Bytes need_min(const Params& params);
    // An empty sketch at the start of memory, of which it uses room() bytes.
    // REQUIRES: valid(params), memory of need_min(params) bytes or more, aligned to 8.
    static KllSketch* create(MutableByteSpan memory, const Params& params);
    // The sketch whose bytes were copied to memory. REQUIRES: they were; memory is aligned to 8.
    static KllSketch* at(void* memory) { return static_cast<KllSketch*>(memory); }
    // What create() needs so that load(bytes) loses nothing.
    static Result<Params> params_of(ByteSpan bytes);
    KllSketch(const KllSketch&) = delete;
    KllSketch& operator=(const KllSketch&) = delete;

    // NaN is ignored. Settles when the value does not fit.
    void update(T value);
    void update_column(std::span<const T> values);

    // As update(), but false, and nothing changed, when more room is needed.
    bool offer(T value);
    // How many were taken, from the front; fewer than all when more room is needed.
    std::size_t offer_column(std::span<const T> values);
    Bytes room() const;    // bytes in use of the block it was given
    Bytes wanted() const;  // the block to go on in after a refused offer; room(): settle() is all that is left
    Bytes wanted(const KllSketch& other) const;  // the block in which merge(other) need not settle, as above
    // The same sketch in another block, of memory.size() bytes; the bytes at `this` are used no more.
    // REQUIRES: memory.size() >= room(), aligned to 8, not overlapping.
    KllSketch* move_to(MutableByteSpan memory) const;
    // No more room will come: the error grows instead, until reset(). Then every offer is taken.
    void settle();
    bool settled() const { return settled_; }

    // Afterwards as if this had also seen what other saw; settles when that does not fit. Error::full,
    // and nothing changed, when it is beyond n_max. REQUIRES: &other != this.
    Status merge(const KllSketch& other);
    // To a smaller k, for good: what is held is compacted. Settles if even that does not fit the room.
    // REQUIRES: 8 <= k <= this->k().
    void shrink(std::uint16_t k);
    // As created in room() bytes, but for the coins, which go on from where they were.
    void reset();
    void reset(std::uint64_t seed);
    // Other coins for a copy of an empty sketch. REQUIRES: empty().
    void seed(std::uint64_t seed) { coins_ = seed; }

    std::uint64_t n() const { return n_; }
    bool empty() const { return n_ == 0; }
    bool is_exact() const { return levels_ == 1 && lowest_ == 0; }
    // REQUIRES: !empty(), as quantile() and rank() do.
    T min() const;
    T max() const;
    // The smallest value held whose rank is rank or more; rank is brought into [0, 1]. 0 gives min(),
    // 1 gives max().
    T quantile(double rank) const;
    // Share of values <= value.
    double rank(T value) const;
    // What rank() may be off by, for one question; 0 when is_exact(). 99 %: the reference's
    // 2.296 / k^0.9723; 95 %: 0.761 of that, the errors being close to normal.
    double rank_error(RankConfidence confidence = RankConfidence::percent_99) const;
    // Between these the true quantile lies, with that confidence.
    T quantile_lower_bound(double rank, RankConfidence confidence = RankConfidence::percent_99) const;
    T quantile_upper_bound(double rank, RankConfidence confidence = RankConfidence::percent_99) const;
    struct Bounded {
        T value;
        T lower;
        T upper;
    };
    // quantile() and its two bounds, at about the cost of one of them.
    Bounded quantile_with_bounds(double rank, RankConfidence confidence = RankConfidence::percent_99) const;

    std::uint16_t k() const { return k_; }
    std::uint16_t effective_k() const { return min_k_; }  // the smallest it had, or was merged with
    std::uint32_t retained() const;                       // items held
    Bytes memory_bytes() const { return room(); }

    Bytes serialized_size() const;
    // The most that serialized_size() can be with up to n_max values.
    static Bytes serialized_size_max(const Params& params);
    // Error::full, with nothing of use written, when out is too small.
    Status serialize(ByteWriter& out) const;
    // Replaces the content. Bytes of another k are compacted to this one's, at the error of the smaller.
    // On an error (invalid, unsupported, truncated; out_of_range: more than n_max) the sketch is empty.
    Status load(ByteSpan bytes);

private:
    struct Layout;
    struct Header;  // of bytes, checked

    KllSketch(const Params& params, const Layout& layout);

    // After this: where each level starts [levels_max_ + 1]; items. Items fill their array to its
    // end, the lowest level first, and begin_ moves down as levels are added. Levels are counted from
    // the lowest that is held, whose items weigh 2^lowest_; what is lighter waits in the candidate.
    std::uint32_t* starts() { return reinterpret_cast<std::uint32_t*>(this + 1); }
    const std::uint32_t* starts() const { return reinterpret_cast<const std::uint32_t*>(this + 1); }
    T* items() { return reinterpret_cast<T*>(reinterpret_cast<std::byte*>(this) + items_at_); }
    const T* items() const {
        return reinterpret_cast<const T*>(reinterpret_cast<const std::byte*>(this) + items_at_);
    }
    std::uint32_t level_size(std::uint32_t level) const { return starts()[level + 1] - starts()[level]; }

    std::uint32_t capacity(std::uint32_t depth) const;
    std::uint32_t capacity_of(std::uint32_t levels) const;
    Bytes block_of(std::uint32_t items) const;
    bool is_room_for(std::uint32_t levels) const;
    std::uint32_t items_in(Bytes size) const;
    std::uint32_t items_for(std::uint64_t n, std::uint32_t levels) const;
    std::uint32_t items_with(const KllSketch& other) const;
    std::uint32_t held() const { return end_ - starts()[0]; }
    bool is_sorted(std::uint32_t level) const { return level + lowest_ > 0; }
    std::uint32_t top() const { return lowest_ + levels_; }
    // Up to this n_levels_ are certain to do.
    std::uint64_t n_capacity() const { return (std::uint64_t{k_max_} << (n_levels_ - 1)) - 1; }
    std::uint32_t low_levels() const { return levels_ > high_levels_ ? levels_ - high_levels_ : 0; }
    std::uint64_t random();
    void set_levels(std::uint32_t levels);
    void reach(std::uint32_t top);
    bool compress();
    void compress_to_capacity();
    void set_high_levels();
    void append(std::span<const T> values);
    std::uint32_t level_to_compact() const;
    bool is_any_full() const;
    void compact(std::uint32_t level);
    void sweep();
    std::uint32_t pass_runs(std::uint32_t level, T* runs, std::uint32_t count);
    void move_below(std::uint32_t level, std::int32_t by);
    void insert_run(std::uint32_t level, const T* run);
    void raise();
    void sample(T value, std::uint64_t weight);
    bool offer_to_full(T value);
    void count(T value);
    void absorb(std::uint32_t level, ByteSpan from);
    void merge_run(std::uint32_t level, ByteSpan from);
    std::uint64_t weight_up_to(T value) const;
    T select(std::uint64_t weight, const T* sorted_0 = nullptr) const;
    std::uint64_t weight_of(double rank) const;
    T quantile(double rank, const T* sorted_0) const;
    static Result<Header> read_header(ByteReader& in);
    Status load_checked(ByteSpan bytes);

    std::uint64_t n_ = 0;
    std::uint64_t coins_;
    std::uint64_t pending_ = 0;    // weight that the candidate stands for, below 2^lowest_
    T min_ = 0;
    T max_ = 0;
    T candidate_ = 0;              // drawn from the values that came since the lowest level got one
    std::uint32_t levels_ = 1;
    std::uint32_t levels_max_;     // that there are starts for
    std::uint32_t begin_ = 0;      // items before this one are beyond the capacity for levels_
    std::uint32_t full_at_ = 0;    // an item may be put before the first one while that is after this
    std::uint32_t end_;            // one past the last item
    std::uint32_t items_at_;       // bytes from this
    std::uint32_t items_max_;      // that end_ is with need() bytes
    std::uint16_t k_;
    std::uint16_t min_k_;          // the smallest k ever merged; the error follows from it
    std::uint16_t k_max_;          // of Params
    std::uint8_t n_levels_;        // enough for n_max values
    std::uint8_t high_levels_ = 1; // of a capacity above that of a block; those below get whole blocks
    std::uint8_t lowest_ = 0;
    bool settled_ = false;
};

template <typename T>
inline void KllSketch<T>::count(T value) {
    if (n_ == 0) min_ = max_ = value;
    if (value < min_) min_ = value;
    if (value > max_) max_ = value;
    ++n_;
}

template <typename T>
inline bool KllSketch<T>::offer(T value) {
    if (value != value) return true;
    if (starts()[0] <= full_at_) return offer_to_full(value);
    count(value);
    items()[--starts()[0]] = value;
    return true;
}

template <typename T>
inline void KllSketch<T>::update(T value) {
    if (offer(value)) return;
    settle();
    offer(value);
}

extern template class KllSketch<double>;
extern template class KllSketch<float>;

}  // namespace weir
