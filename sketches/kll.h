// KLL: quantiles and ranks of numbers, in DataSketches' KLL format (doubles or floats).
// Memory: need(params): 72 bytes, 8 a level and sizeof(T) an item, for as many levels as n_max values
// fill: k 200 and n_max 2^32 take 5.9 KiB of doubles, 3.1 KiB of floats. Given by the owner. No
// pointers inside: the need() bytes at `this` may be copied elsewhere and used there (same architecture).
// Cost: update O(1) amortised, at worst O(items held); merge, serialize, load, rank O(items held);
// quantile at most 64 ranks, about 15 on data without many equal values.
// Accuracy: a rank, and the rank of a quantile, is within rank_error() of the truth; min, max and n
// are exact, and so is everything until more than k values have come.
// Coins come from a seed: give sketches that will be merged different ones, or their errors add up
// in the same direction when their values repeat.
// Threads: one owner, no locks. Errors: only from bytes of others, too small output, and beyond n_max.
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
    // An empty sketch at the start of memory.
    // REQUIRES: valid(params), memory of need(params) bytes or more, aligned to 8.
    static KllSketch* create(MutableByteSpan memory, const Params& params);
    // The sketch whose bytes were copied to memory. REQUIRES: they were; memory is aligned to 8.
    static KllSketch* at(void* memory) { return static_cast<KllSketch*>(memory); }
    // What create() needs so that load(bytes) loses nothing.
    static Result<Params> params_of(ByteSpan bytes);
    KllSketch(const KllSketch&) = delete;
    KllSketch& operator=(const KllSketch&) = delete;

    // NaN is ignored. Beyond n_max, once no level is left, values are refused and counted.
    void update(T value);
    void update_column(std::span<const T> values);
    std::uint64_t refused() const { return refused_; }

    // Afterwards as if this had also seen what other saw. Error::full, and nothing changed, when
    // that is beyond n_max. REQUIRES: &other != this.
    Status merge(const KllSketch& other);
    void reset();  // empty; the coins go on from where they were
    void reset(std::uint64_t seed);

    std::uint64_t n() const { return n_; }
    bool empty() const { return n_ == 0; }
    bool is_exact() const { return levels_ == 1; }
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

    std::uint16_t k() const { return k_; }
    std::uint32_t retained() const;  // items held
    Bytes memory_bytes() const;

    Bytes serialized_size() const;
    // The most that serialized_size() can be.
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

    // After this: where each level starts [levels_max + 1]; capacities by depth [levels_max]; items. Items
    // fill their array to its end, level 0 first, and begin_ moves down as levels are added.
    std::uint32_t* starts() { return reinterpret_cast<std::uint32_t*>(this + 1); }
    const std::uint32_t* starts() const { return reinterpret_cast<const std::uint32_t*>(this + 1); }
    std::uint32_t* capacities() { return starts() + levels_max_ + 1; }
    T* items() { return reinterpret_cast<T*>(reinterpret_cast<std::byte*>(this) + items_at_); }
    const T* items() const {
        return reinterpret_cast<const T*>(reinterpret_cast<const std::byte*>(this) + items_at_);
    }
    std::uint32_t level_size(std::uint32_t level) const { return starts()[level + 1] - starts()[level]; }

    bool coin();
    void set_levels(std::uint32_t levels);
    bool compress();
    void compact(std::uint32_t level);
    void absorb(std::uint32_t level, ByteSpan from);
    void merge_run(std::uint32_t level, ByteSpan from);
    std::uint64_t weight_up_to(T value) const;
    T select(std::uint64_t weight) const;
    static Result<Header> read_header(ByteReader& in);
    Status load_checked(ByteSpan bytes);

    std::uint64_t n_ = 0;
    std::uint64_t n_capacity_;     // up to this a level is certain to be left
    std::uint64_t coins_;
    std::uint64_t refused_ = 0;
    T min_ = 0;
    T max_ = 0;
    std::uint32_t levels_ = 1;
    std::uint32_t levels_max_;
    std::uint32_t begin_ = 0;      // items before this one are beyond the capacity for levels_
    std::uint32_t end_;            // one past the last item
    std::uint32_t items_at_;       // bytes from this
    std::uint16_t k_;
    std::uint16_t min_k_;          // the smallest k ever merged; the error follows from it
};

template <typename T>
inline void KllSketch<T>::update(T value) {
    if (value != value) return;
    if (starts()[0] == begin_ && !compress()) {
        ++refused_;
        return;
    }
    if (n_ == 0) min_ = max_ = value;
    if (value < min_) min_ = value;
    if (value > max_) max_ = value;
    items()[--starts()[0]] = value;
    ++n_;
}

extern template class KllSketch<double>;
extern template class KllSketch<float>;

}  // namespace weir
