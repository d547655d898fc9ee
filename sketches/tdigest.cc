#include "sketches/tdigest.h"

#include <algorithm>
#include <limits>
#include <type_traits>

#include "sketches/portable_math.h"

namespace weir {

namespace {

constexpr std::uint64_t n_limit = std::uint64_t{1} << 53;  // doubles count exactly up to here
constexpr double infinite = std::numeric_limits<double>::infinity();

std::uint32_t centroids_for(std::uint16_t k) { return 2U * k + (k < 30 ? 30 : 10); }

std::uint32_t buffer_for(const TDigest::Params& params) {
    return params.buffer_values ? params.buffer_values : 4 * centroids_for(params.k);
}

// Where value lies between low and high, as a share. REQUIRES: low <= value <= high, low < high.
double share_between(double low, double value, double high) {
    if (high - low < infinite) return (value - low) / (high - low);
    return (value * 0.5 - low * 0.5) / (high * 0.5 - low * 0.5);
}

}  // namespace

bool TDigest::valid(const Params& params) {
    return params.k >= 10 && (params.buffer_values == 0 ||
                              (params.buffer_values >= 16 && params.buffer_values <= 1U << 20));
}

Bytes TDigest::need(const Params& params) {
    return sizeof(TDigest) + 2 * sizeof(Centroid) * centroids_for(params.k) +
           sizeof(double) * buffer_for(params);
}

TDigest::TDigest(const Params& params)
    : centroids_max_(centroids_for(params.k)), buffer_max_(buffer_for(params)), k_(params.k) {
    reset();
}

TDigest* TDigest::create(MutableByteSpan memory, const Params& params) {
    WEIR_ASSERT(valid(params));
    WEIR_ASSERT(memory.size() >= need(params));
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory.data()) % alignof(TDigest) == 0);
    std::memset(memory.data(), 0, need(params));
    return new (memory.data()) TDigest(params);
}

void TDigest::reset() {
    n_ = 0;
    min_ = infinite;
    max_ = -infinite;
    buffered_ = array_ = first_ = count_ = 0;
    reverse_ = false;
}

void TDigest::update_column(std::span<const double> column) {
    while (!column.empty()) {
        const std::size_t count = std::min<std::size_t>(column.size(), buffer_max_ - buffered_);
        double* const first = values() + buffered_;
        double* to = first;
        double low = min_;
        double high = max_;
        for (double value : column.first(count)) {
            if (value - value != 0) continue;
            value += 0.0;
            low = value < low ? value : low;
            high = value > high ? value : high;
            *to++ = value;
        }
        min_ = low;
        max_ = high;
        n_ += static_cast<std::uint64_t>(to - first);
        buffered_ += static_cast<std::uint32_t>(to - first);
        if (buffered_ == buffer_max_) compress();
        column = column.subspan(count);
    }
}

void TDigest::compress() {
    if (buffered_ > 0) compact({});
}

Status TDigest::merge(const TDigest& other) {
    WEIR_ASSERT(&other != this);
    if (other.n_ > n_limit - n_) return Error::full;
    update_column(other.buffered());
    if (other.count_ == 0) return Status::success();
    compress();
    min_ = std::min(min_, other.min_);
    max_ = std::max(max_, other.max_);
    n_ += other.n_ - other.buffered_;
    compact(other.held());
    return Status::success();
}

// Three sorted runs read as one, from the smallest or (reverse) from the largest. Equal ones come in
// the order of the members, or the other way round. REQUIRES: not all are empty.
template <bool reverse>
struct TDigest::Inputs {
    // A run, and the mean that is next in it: beyond all others when there is none.
    template <typename Item>
    struct Run {
        explicit Run(std::span<const Item> run)
            : at(reverse ? run.data() + run.size() : run.data()),
              end(reverse ? run.data() : run.data() + run.size()) {
            look();
        }
        const Item& item() const { return reverse ? at[-1] : *at; }
        void look() {
            mean = reverse ? -infinite : infinite;
            if (at == end) return;
            if constexpr (std::is_same_v<Item, double>)
                mean = item();
            else
                mean = item().mean;
        }
        Item next() {
            const Item found = item();
            at += reverse ? -1 : 1;
            look();
            return found;
        }
        template <typename Other>
        bool is_before(const Run<Other>& other) const {
            return reverse ? mean > other.mean : mean <= other.mean;
        }

        const Item* at;
        const Item* end;
        double mean;
    };

    Centroid next() {
        if (values.is_before(others) && values.is_before(own)) return {values.next(), 1};
        return others.is_before(own) ? others.next() : own.next();
    }

    Run<double> values;
    Run<Centroid> others;
    Run<Centroid> own;
};

void TDigest::compact(std::span<const Centroid> others) {
    std::sort(values(), values() + buffered_);
    reverse_ ? join<true>(others) : join<false>(others);
}

// Everything into the other array, neighbours joined as far as the scale function lets them: a
// centroid around rank q may have q (1 - q) / normalizer of all weight. The second is never joined
// to the first, so that the extreme stays alone. REQUIRES: something to merge; n_ counts all of it.
template <bool reverse>
void TDigest::join(std::span<const Centroid> others) {
    using Source = Inputs<reverse>;
    Source inputs{typename Source::template Run<double>(buffered()),
                  typename Source::template Run<Centroid>(others),
                  typename Source::template Run<Centroid>(held())};
    const double total = static_cast<double>(n_);
    const double compression = 2.0 * k_;
    const double normalizer = compression / (4 * portable_log(total / compression) + 24);
    const auto share_max = [&](double q) { return q * (1 - q) / normalizer; };
    Centroid* const to = array(1 - array_);
    std::uint32_t at = reverse ? centroids_max_ - 1 : 0;
    std::uint32_t count = 1;
    Centroid current = inputs.next();
    double before = 0;  // weight of the finished ones
    double before_max = share_max(0);
    std::size_t left = buffered_ + others.size() + count_ - 1;
    for (bool second = true; left > 0; second = false, --left) {
        const Centroid next = inputs.next();
        const double proposed =
            static_cast<double>(current.weight) + static_cast<double>(next.weight);
        const double after_max = share_max((before + proposed) / total);
        const bool fits = !second && proposed <= total * std::min(before_max, after_max);
        if (fits || count == centroids_max_) {
            current.weight += next.weight;
            const double mean = current.mean + (next.mean - current.mean) *
                                                   static_cast<double>(next.weight) /
                                                   static_cast<double>(current.weight);
            // Not beyond either, whatever was rounded or overflowed: order depends on it.
            current.mean = reverse ? std::clamp(mean, next.mean, current.mean)
                                   : std::clamp(mean, current.mean, next.mean);
        } else {
            before += static_cast<double>(current.weight);
            before_max = share_max(before / total);
            to[at] = current;
            at = reverse ? at - 1 : at + 1;
            ++count;
            current = next;
        }
    }
    to[at] = current;
    array_ = 1 - array_;
    first_ = reverse ? at : 0;
    count_ = count;
    buffered_ = 0;
    reverse_ = !reverse;
}

double TDigest::min() const {
    WEIR_ASSERT(n_ != 0);
    return min_;
}

double TDigest::max() const {
    WEIR_ASSERT(n_ != 0);
    return max_;
}

std::uint32_t TDigest::centroids() {
    compress();
    return count_;
}

// The corners of the curve of values over weight, both ascending; visit returns whether to stop. A
// single value is a step of its own; a centroid of more has its mean in its middle, and at both
// ends are min and max.
template <typename Visit>
void TDigest::walk(Visit visit) const {
    const double total = static_cast<double>(n_);
    double before = 0;
    for (std::uint32_t i = 0; i < count_; ++i) {
        const Centroid& centroid = held()[i];
        const double weight = static_cast<double>(centroid.weight);
        if (centroid.weight == 1) {
            if (visit(before, centroid.mean) || visit(before + 1, centroid.mean)) return;
        } else {
            if (i == 0 && (visit(0.0, min_) || visit(1.0, min_))) return;
            if (visit(before + weight / 2, centroid.mean)) return;
            if (i + 1 == count_ && (visit(total - 1, max_) || visit(total, max_))) return;
        }
        before += weight;
    }
}

double TDigest::quantile(double rank) {
    WEIR_ASSERT(n_ != 0);
    compress();
    if (!(rank > 0)) return min_;
    if (rank >= 1) return max_;
    const double wanted = rank * static_cast<double>(n_);
    double from = 0;
    double low = min_;
    double found = max_;
    walk([&](double to, double high) {
        if (wanted < to) {
            const double share = (wanted - from) / (to - from);
            // Each step ascends with the rank, so the quantiles do; the halves cannot overflow.
            found = std::clamp(2 * (low / 2 + (high / 2 - low / 2) * share), low, high);
            return true;
        }
        from = to;
        low = high;
        return false;
    });
    return found;
}

double TDigest::rank(double value) {
    WEIR_ASSERT(n_ != 0);
    compress();
    const double total = static_cast<double>(n_);
    double below = 0;          // weight up to which the curve is below value
    double not_above = total;  // and up to which it is not above
    double from = 0;
    double low = min_;
    if (value < min_) return 0;
    walk([&](double to, double high) {
        const auto reached = [&] { return from + share_between(low, value, high) * (to - from); };
        if (high < value) below = to;
        if (low < value && high >= value) below = reached();
        const bool passed = high > value;
        if (passed) not_above = low > value ? from : reached();
        from = to;
        low = high;
        return passed;
    });
    return std::min(1.0, (below + not_above) / 2 / total);
}

// The bytes.

namespace {

constexpr std::uint8_t family = 20;
constexpr std::uint8_t version = 1;
constexpr std::uint8_t flag_empty = 1;
constexpr std::uint8_t flag_single = 2;
constexpr std::uint8_t flag_reverse = 4;
constexpr Bytes header_bytes = 8;
constexpr Bytes preamble_bytes = 32;  // min and max included

}  // namespace

struct TDigest::Header {
    std::uint16_t k = 0;
    std::uint8_t flags = 0;
    bool floats = false;
    std::uint32_t centroids = 0;
    std::uint32_t buffered = 0;
};

Bytes TDigest::serialized_size() {
    compress();
    if (n_ <= 1) return n_ == 0 ? header_bytes : header_bytes + sizeof(double);
    return preamble_bytes + count_ * sizeof(Centroid);
}

Bytes TDigest::serialized_size_max(const Params& params) {
    return preamble_bytes + centroids_for(params.k) * sizeof(Centroid);
}

Status TDigest::serialize(ByteWriter& out) {
    const MutableByteSpan place = out.reserve(serialized_size());
    if (place.empty()) return Error::full;
    ByteWriter to(place);
    const int flags =
        (n_ == 0 ? flag_empty : 0) | (n_ == 1 ? flag_single : 0) | (reverse_ ? flag_reverse : 0);
    to.write<std::uint8_t>(n_ <= 1 ? 1 : 2);
    to.write(version);
    to.write(family);
    to.write(k_);
    to.write(static_cast<std::uint8_t>(flags));
    to.write<std::uint16_t>(0);
    if (n_ == 1) to.write(min_);
    if (n_ <= 1) return Status::success();
    to.write(count_);
    to.write<std::uint32_t>(0);  // values not merged
    to.write(min_);
    to.write(max_);
    to.bytes(std::as_bytes(held()));
    return Status::success();
}

Result<TDigest::Header> TDigest::read_header(ByteReader& in) {
    const Bytes size = in.remaining();
    const auto preamble = in.read<std::uint8_t>();
    const auto version_id = in.read<std::uint8_t>();
    const auto family_id = in.read<std::uint8_t>();
    Header header;
    header.k = in.read<std::uint16_t>();
    header.flags = in.read<std::uint8_t>();
    in.read<std::uint16_t>();
    if (!in.ok()) return Error::truncated;
    if (family_id != family || header.k < 10) return Error::invalid;
    if (version_id != version) return Error::unsupported;
    const bool empty = header.flags & flag_empty;
    const bool single = header.flags & flag_single;
    if (preamble != (empty || single ? 1 : 2) || (empty && single)) return Error::invalid;
    std::uint64_t doubles = header_bytes + (single ? sizeof(double) : 0);
    std::uint64_t floats = header_bytes + (single ? sizeof(float) : 0);
    if (single) header.centroids = 1;
    if (preamble == 2) {
        header.centroids = in.read<std::uint32_t>();
        header.buffered = in.read<std::uint32_t>();
        if (!in.ok()) return Error::truncated;
        doubles = 32 + std::uint64_t{header.centroids} * 16 + std::uint64_t{header.buffered} * 8;
        floats = 24 + std::uint64_t{header.centroids} * 8 + std::uint64_t{header.buffered} * 4;
        if (header.centroids == 0 && header.buffered == 0) return Error::invalid;
    }
    header.floats = size == floats && !empty;
    if (!header.floats && size != doubles)
        return size < doubles ? Error::truncated : Error::invalid;
    return header;
}

Result<TDigest::Params> TDigest::params_of(ByteSpan bytes) {
    ByteReader in(bytes);
    const Result<Header> header = read_header(in);
    if (!header) return header.error();
    return Params{.k = header->k};
}

Status TDigest::load(ByteSpan bytes) {
    reset();
    const Status status = load_checked(bytes);
    if (!status) reset();
    return status;
}

Status TDigest::load_checked(ByteSpan bytes) {
    ByteReader in(bytes);
    const Result<Header> header = read_header(in);
    if (!header) return header.error();
    if (header->flags & flag_empty) return Status::success();
    if (header->centroids > centroids_max_) return Error::out_of_range;
    const bool floats = header->floats;
    const auto real = [&] { return floats ? in.read<float>() : in.read<double>(); };
    const bool single = header->flags & flag_single;
    const double min = real();
    const double max = single ? min : real();
    if (!(min - min == 0) || !(max - max == 0) || min > max) return Error::invalid;
    double before = min;
    for (std::uint32_t i = 0; i < header->centroids; ++i) {
        Centroid& centroid = array(0)[i];
        centroid.mean = single ? min : real();
        centroid.weight = single ? 1 : floats ? in.read<std::uint32_t>() : in.read<std::uint64_t>();
        if (!(centroid.mean >= before && centroid.mean <= max) || centroid.weight == 0)
            return Error::invalid;
        if (centroid.weight > n_limit - n_) return Error::out_of_range;
        n_ += centroid.weight;
        before = centroid.mean;
    }
    count_ = header->centroids;
    min_ = min;
    max_ = max;
    reverse_ = header->flags & flag_reverse;
    if (header->buffered > n_limit - n_) return Error::out_of_range;
    for (std::uint32_t i = 0; i < header->buffered; ++i) {
        const double value = real();
        if (!(value >= min && value <= max)) return Error::invalid;
        update(value);
    }
    return Status::success();
}

}  // namespace weir
