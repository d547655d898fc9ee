// t-digest, the merging form: quantiles and ranks of numbers, sharpest at both ends, in
// DataSketches' t-digest format (doubles).
// Memory: need(params) = 64 + 32 * c + 8 * buffer bytes, c = 2 k + 10 (2 k + 30 below k 30), given
// by the owner; k 100 with the reference's buffer of 4 c values: 13,504. No pointers inside: the
// need() bytes at `this` may be copied elsewhere and used there (same architecture).
// Cost: update O(1), once a buffer O(buffer log buffer); whoever asks merges the buffer first, then
// quantile and rank O(c).
// Accuracy: no worst case is guaranteed. At rank q the error is about a centroid's share at most,
// q (1 - q) 4 (ln(n / 2k) + 6) / 2k: k 100, n 10^6: 7.3 % of rank in the middle, 0.29 % at q 0.01.
// Between centroids values are interpolated, so smooth data do far better. min, max and n are
// exact, and so are all values until they are merged.
// Threads: one owner, no locks. Errors: only from bytes of others, too small output, and merges
// beyond 2^53 values.
// Source: Dunning, Ertl, Computing Extremely Accurate Quantiles Using t-Digests, arXiv 1902.04023.
#pragma once

#include <cstdint>
#include <span>

#include "agent/base/bytes.h"
#include "agent/base/result.h"

namespace weir {

class TDigest {
public:
    struct Params {
        std::uint16_t k = 100;            // 10 to 65,535
        std::uint32_t buffer_values = 0;  // 16 to 2^20, or 0: the reference's, and its bytes
    };
    static bool valid(const Params& params);
    static Bytes need(const Params& params);
    // An empty sketch at the start of memory.
    // REQUIRES: valid(params), memory of need(params) bytes or more, aligned to 8.
    static TDigest* create(MutableByteSpan memory, const Params& params);
    // The sketch whose bytes were copied to memory. REQUIRES: they were; memory is aligned to 8.
    static TDigest* at(void* memory) { return static_cast<TDigest*>(memory); }
    // What create() needs for load(bytes).
    static Result<Params> params_of(ByteSpan bytes);
    TDigest(const TDigest&) = delete;
    TDigest& operator=(const TDigest&) = delete;

    // NaN and infinities are ignored; -0.0 counts as 0.0.
    void update(double value) {
        if (value - value != 0) return;
        value += 0.0;
        if (value < min_) min_ = value;
        if (value > max_) max_ = value;
        values()[buffered_] = value;
        ++n_;
        if (++buffered_ == buffer_max_) compress();
    }
    void update_column(std::span<const double> column);

    // Afterwards as if this had also seen what other saw. Error::full, and nothing changed, when
    // that is beyond 2^53 values. REQUIRES: &other != this.
    Status merge(const TDigest& other);
    // Merges the buffer into the centroids. All that follows does it first; asking changes the
    // sketch.
    void compress();
    void reset();

    std::uint64_t n() const { return n_; }
    bool empty() const { return n_ == 0; }
    std::uint16_t k() const { return k_; }
    // REQUIRES: !empty(), as quantile() and rank() do.
    double min() const;
    double max() const;
    // The value below which rank of the weight lies, interpolated; rank is brought into [0, 1].
    double quantile(double rank);
    // Share of values < value, and half of those equal to it.
    double rank(double value);
    std::uint32_t centroids();
    Bytes memory_bytes() const { return need({k_, buffer_max_}); }

    Bytes serialized_size();
    // The most that serialized_size() can be.
    static Bytes serialized_size_max(const Params& params);
    // Error::full, with nothing of use written, when out is too small.
    Status serialize(ByteWriter& out);
    // Replaces the content; k stays. Floats are told from doubles by the size of the bytes. On an
    // error (invalid, unsupported, truncated; out_of_range: more centroids than fit, or 2^53
    // values) it is empty.
    Status load(ByteSpan bytes);

private:
    struct Centroid {
        double mean;
        std::uint64_t weight;
    };
    struct Header;
    template <bool reverse>
    struct Inputs;

    explicit TDigest(const Params& params);

    // After this: two arrays of centroids, one in use and one to merge into; then the buffer.
    Centroid* array(std::uint32_t which) {
        return reinterpret_cast<Centroid*>(this + 1) + which * centroids_max_;
    }
    std::span<const Centroid> held() const {
        return {reinterpret_cast<const Centroid*>(this + 1) + array_ * centroids_max_ + first_,
                count_};
    }
    double* values() { return reinterpret_cast<double*>(array(2)); }
    std::span<const double> buffered() const {
        return {reinterpret_cast<const double*>(reinterpret_cast<const Centroid*>(this + 1) +
                                                2 * centroids_max_),
                buffered_};
    }

    void compact(std::span<const Centroid> others);
    template <bool reverse>
    void join(std::span<const Centroid> others);
    template <typename Visit>
    void walk(Visit visit) const;
    static Result<Header> read_header(ByteReader& in);
    Status load_checked(ByteSpan bytes);

    std::uint64_t n_ = 0;
    double min_;
    double max_;
    std::uint32_t centroids_max_;
    std::uint32_t buffer_max_;
    std::uint32_t buffered_ = 0;
    std::uint32_t array_ = 0;  // the one in use
    std::uint32_t first_ = 0;  // of it
    std::uint32_t count_ = 0;
    std::uint16_t k_;
    bool reverse_ = false;  // the next merge goes from the largest down
    std::uint8_t spare_[13] = {};
};
static_assert(sizeof(TDigest) == 64);

}  // namespace weir
