// Log-histogram: counts of numbers in buckets that grow with the number; quantiles with a relative
// error. For local use: it has no format of others.
// Memory: need(params) = 40 + 8 * octaves * 2^sub_bits bytes, given by the owner; by default, 1.6 %
// from 2^-20 to 2^44, 16,424. No pointers inside: the need() bytes at `this` may be copied
// elsewhere and used there (same architecture).
// Cost: update O(1); quantile, rank, n, merge and subtract O(buckets).
// Accuracy: a quantile is off by at most relative_error() = 2^-(sub_bits + 1) of itself, for values
// from 2^lowest_exponent to below 2^(lowest_exponent + octaves); what is below counts in the lowest
// bucket, what is above in the highest; zero and negative values and NaN count as 0. n is exact.
// Threads: one owner, no locks. Errors: merge and subtract of another shape, or of what is not in
// it. Source: the idea of HdrHistogram (Tene) and DDSketch (Masson, Rim, Lee, VLDB 2019), on the
// bits of doubles.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

#include "agent/base/bytes.h"
#include "agent/base/result.h"

namespace weir {

class LogHistogram {
public:
    struct Params {
        std::uint8_t sub_bits = 5;           // 0 to 12: 2^sub_bits buckets for each doubling
        std::int16_t lowest_exponent = -20;  // -1022 to 1022
        std::uint16_t octaves = 64;          // 1 and more; up to 2^1023
    };
    static bool valid(const Params& params);
    static Bytes need(const Params& params);
    // An empty histogram at the start of memory.
    // REQUIRES: valid(params), memory of need(params) bytes or more, aligned to 8.
    static LogHistogram* create(MutableByteSpan memory, const Params& params);
    // The histogram whose bytes were copied to memory. REQUIRES: they were; memory is aligned to 8.
    static LogHistogram* at(void* memory) { return static_cast<LogHistogram*>(memory); }
    LogHistogram(const LogHistogram&) = delete;
    LogHistogram& operator=(const LogHistogram&) = delete;

    // NaN counts as 0 does.
    void update(double value) { ++counts()[bucket_of(value)]; }
    void update_column(std::span<const double> values);

    // Error::wrong_type, and nothing changed, for another shape.
    Status merge(const LogHistogram& other);
    // Takes out what was merged: a pane leaves a window. Error::invalid, and nothing changed, when
    // other was not part of this.
    Status subtract(const LogHistogram& other);
    void reset();

    std::uint64_t n() const;
    bool empty() const { return n() == 0; }
    // The middle of the bucket where the smallest value of this rank or more lies; rank is brought
    // into [0, 1]. REQUIRES: !empty(), as rank() does.
    double quantile(double rank) const;
    // Share of values up to the end of value's bucket.
    double rank(double value) const;
    double relative_error() const;
    Bytes memory_bytes() const { return need({sub_bits_, lowest_exponent_, octaves_}); }

private:
    explicit LogHistogram(const Params& params);

    std::uint64_t* counts() { return reinterpret_cast<std::uint64_t*>(this + 1); }
    const std::uint64_t* counts() const { return reinterpret_cast<const std::uint64_t*>(this + 1); }
    std::span<const std::uint64_t> buckets() const { return {counts(), last_ + 1}; }

    // Bits of positive doubles ascend as they do; those of negative ones are negative. Bucket 0 is
    // for 0.
    std::size_t bucket_of(double value) const {
        const auto bits =
            static_cast<std::int64_t>(value > 0 ? std::bit_cast<std::uint64_t>(value) : 0);
        const std::int64_t bucket = (bits >> shift_) - offset_;
        const std::int64_t least = bits != 0;
        return static_cast<std::size_t>(std::clamp<std::int64_t>(bucket, least, last_));
    }
    double middle_of(std::size_t bucket) const;
    bool same_shape(const LogHistogram& other) const;

    std::int64_t offset_;  // of the bits above shift_ that are bucket 0
    std::uint32_t shift_;
    std::uint32_t last_;  // bucket
    std::int16_t lowest_exponent_;
    std::uint16_t octaves_;
    std::uint8_t sub_bits_;
    std::uint8_t spare_[11] = {};
};
static_assert(sizeof(LogHistogram) == 32);

}  // namespace weir
