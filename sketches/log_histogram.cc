#include "sketches/log_histogram.h"

#include <cmath>

namespace weir {

namespace {

constexpr unsigned mantissa_bits = 52;
constexpr std::int64_t exponent_bias = 1023;

}  // namespace

bool LogHistogram::valid(const Params& params) {
    return params.sub_bits <= 12 && params.lowest_exponent >= -1022 && params.octaves >= 1 &&
           params.lowest_exponent + params.octaves <= 1023;
}

Bytes LogHistogram::need(const Params& params) {
    return sizeof(LogHistogram) + 8 * (1 + (Bytes{params.octaves} << params.sub_bits));
}

LogHistogram::LogHistogram(const Params& params)
    : offset_(((exponent_bias + params.lowest_exponent) << params.sub_bits) - 1),
      shift_(mantissa_bits - params.sub_bits),
      last_(std::uint32_t{params.octaves} << params.sub_bits),
      lowest_exponent_(params.lowest_exponent),
      octaves_(params.octaves),
      sub_bits_(params.sub_bits) {
    reset();
}

LogHistogram* LogHistogram::create(MutableByteSpan memory, const Params& params) {
    WEIR_ASSERT(valid(params));
    WEIR_ASSERT(memory.size() >= need(params));
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory.data()) % alignof(LogHistogram) == 0);
    return new (memory.data()) LogHistogram(params);
}

void LogHistogram::reset() { std::fill_n(counts(), last_ + 1, 0); }

void LogHistogram::update_column(std::span<const double> values) {
    std::uint64_t* const first = counts() + 1;
    const std::uint32_t shift = shift_;
    const std::int64_t offset = offset_ + 1;
    const std::uint64_t buckets = last_;
    for (double value : values) {
        // Below the lowest bucket, and of zeros and negative values, this is negative; of values beyond
        // the highest, and NaN, it is too large.
        const std::int64_t bucket = (std::bit_cast<std::int64_t>(value) >> shift) - offset;
        if (static_cast<std::uint64_t>(bucket) < buckets) [[likely]]
            ++first[bucket];
        else
            update(value);
    }
}

bool LogHistogram::same_shape(const LogHistogram& other) const {
    return shift_ == other.shift_ && offset_ == other.offset_ && last_ == other.last_;
}

Status LogHistogram::merge(const LogHistogram& other) {
    if (!same_shape(other)) return Error::wrong_type;
    for (std::uint32_t i = 0; i <= last_; ++i) counts()[i] += other.counts()[i];
    return Status::success();
}

Status LogHistogram::subtract(const LogHistogram& other) {
    if (!same_shape(other)) return Error::wrong_type;
    for (std::uint32_t i = 0; i <= last_; ++i)
        if (counts()[i] < other.counts()[i]) return Error::invalid;
    for (std::uint32_t i = 0; i <= last_; ++i) counts()[i] -= other.counts()[i];
    return Status::success();
}

std::uint64_t LogHistogram::n() const {
    std::uint64_t sum = 0;
    for (std::uint64_t count : buckets()) sum += count;
    return sum;
}

double LogHistogram::middle_of(std::size_t bucket) const {
    if (bucket == 0) return 0;
    const auto edge = [&](std::size_t of) {
        const auto bits = static_cast<std::uint64_t>(static_cast<std::int64_t>(of) + offset_)
                          << shift_;
        return std::bit_cast<double>(bits);
    };
    return edge(bucket) * 0.5 + edge(bucket + 1) * 0.5;
}

double LogHistogram::quantile(double rank) const {
    const std::uint64_t total = n();
    WEIR_ASSERT(total != 0);
    const double weight = std::ceil(std::clamp(rank, 0.0, 1.0) * static_cast<double>(total));
    const auto wanted = std::clamp<std::uint64_t>(static_cast<std::uint64_t>(weight), 1, total);
    std::size_t bucket = 0;
    for (std::uint64_t sum = counts()[0]; sum < wanted; sum += counts()[bucket]) ++bucket;
    return middle_of(bucket);
}

double LogHistogram::rank(double value) const {
    const std::uint64_t total = n();
    WEIR_ASSERT(total != 0);
    std::uint64_t sum = 0;
    for (std::uint64_t count : buckets().first(bucket_of(value) + 1)) sum += count;
    return static_cast<double>(sum) / static_cast<double>(total);
}

double LogHistogram::relative_error() const {
    return std::bit_cast<double>(static_cast<std::uint64_t>(exponent_bias - 1 - sub_bits_)
                                 << mantissa_bits);
}

}  // namespace weir
