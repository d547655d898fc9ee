#include "sketches/count_min.h"

#include <algorithm>
#include <array>
#include <bit>
#include <limits>

namespace weir {

namespace {

constexpr std::uint8_t family = 18;
constexpr std::uint8_t preamble_longs = 2;
constexpr std::uint8_t version = 1;
constexpr std::uint8_t flag_empty = 1;
constexpr Bytes header_bytes = 16;
constexpr std::uint64_t cells_max = std::uint64_t{1} << 26;
constexpr double e = 2.718281828459045;

std::uint16_t seed_hash(std::uint64_t seed) {
    return static_cast<std::uint16_t>(murmur3_word(seed, 0).h1);
}

// The row seeds of datasketches-cpp: minstd_rand0, its outputs in [0, 2^31 - 3], widened to 64 bits
// the way libstdc++'s uniform_int_distribution does it.
class RowSeeds {
public:
    explicit RowSeeds(std::uint64_t seed)
        : state_(seed % modulus == 0 ? 1 : seed % modulus), seed_(seed) {}
    std::uint64_t next() { return draw(~std::uint64_t{0}) + seed_; }

private:
    static constexpr std::uint64_t modulus = 2147483647;
    static constexpr std::uint64_t range = modulus - 1;  // how many outputs there are

    std::uint64_t step() {
        state_ = 16807 * state_ % modulus;
        return state_ - 1;
    }
    // Uniform in [0, last].
    std::uint64_t draw(std::uint64_t last) {
        if (last >= range) {
            for (;;) {
                const std::uint64_t high = range * draw(last / range);
                const std::uint64_t value = high + step();
                if (value >= high && value <= last) return value;
            }
        }
        const std::uint64_t scale = (range - 1) / (last + 1);
        std::uint64_t value = step();
        while (value >= (last + 1) * scale) value = step();
        return value / scale;
    }

    std::uint64_t state_;
    std::uint64_t seed_;
};

}  // namespace

template <typename Weight>
bool CountMin<Weight>::valid(const Params& params) {
    return params.hashes >= 1 && params.buckets >= 3 &&
           std::uint64_t{params.hashes} * params.buckets <= cells_max;
}

template <typename Weight>
Bytes CountMin<Weight>::need(const Params& params) {
    return sizeof(CountMin) + Bytes{8} * params.hashes * (Bytes{params.buckets} + 1);
}

template <typename Weight>
CountMin<Weight>::CountMin(const Params& params)
    : seed_(params.seed),
      buckets_(params.buckets),
      mask_(std::has_single_bit(params.buckets) ? params.buckets - 1 : 0),
      hashes_(params.hashes),
      mode_(params.mode) {
    RowSeeds seeds_of_rows(seed_);
    std::generate_n(seeds(), hashes_, [&] { return seeds_of_rows.next(); });
    std::fill_n(counters(), cells(), Weight{0});
}

template <typename Weight>
CountMin<Weight>* CountMin<Weight>::create(MutableByteSpan memory, const Params& params) {
    static_assert(sizeof(CountMin) == 32);
    WEIR_ASSERT(valid(params));
    WEIR_ASSERT(memory.size() >= need(params));
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory.data()) % alignof(CountMin) == 0);
    return new (memory.data()) CountMin(params);
}

template <typename Weight>
void CountMin<Weight>::reset() {
    total_ = 0;
    std::fill_n(counters(), cells(), Weight{0});
}

template <typename Weight>
std::uint32_t CountMin<Weight>::bucket(std::uint64_t h1) const {
    if (mask_ != 0) return static_cast<std::uint32_t>(h1) & mask_;
    return static_cast<std::uint32_t>(h1 % buckets_);
}

// Row r of the line h1 + r * h2, its 32 bits scaled to the buckets.
template <typename Weight>
std::uint32_t CountMin<Weight>::local_bucket(Hash128 hash, std::uint32_t row) const {
    const std::uint32_t point =
        static_cast<std::uint32_t>(hash.h1) + row * (static_cast<std::uint32_t>(hash.h2) | 1);
    return static_cast<std::uint32_t>(std::uint64_t{point} * buckets_ >> 32);
}

// Whether the weight counts; then it is in the total.
template <typename Weight>
bool CountMin<Weight>::takes(Weight weight) {
    if (!(weight > 0) || weight > std::numeric_limits<Weight>::max() - total_) return false;
    total_ += weight;
    return true;
}

template <typename Weight>
void CountMin<Weight>::update_word(std::uint64_t word, Weight weight) {
    if (mode_ == CountMinMode::local) return update(murmur3_word(word, seed_), weight);
    if (!takes(weight)) return;
    const std::uint64_t mixed = murmur3_detail::mix_k1(word);
    Weight* row = counters();
    for (std::uint32_t i = 0; i < hashes_; ++i, row += buckets_)
        row[bucket(murmur3_detail::half_of_word(mixed, seeds()[i]))] += weight;
}

template <typename Weight>
void CountMin<Weight>::update(std::string_view text, Weight weight) {
    if (text.empty()) return;
    if (mode_ == CountMinMode::local) return update(hash_text(text, seed_), weight);
    if (!takes(weight)) return;
    Weight* row = counters();
    for (std::uint32_t i = 0; i < hashes_; ++i, row += buckets_)
        row[bucket(hash_text(text, seeds()[i]).h1)] += weight;
}

template <typename Weight>
void CountMin<Weight>::update(Hash128 hash, Weight weight) {
    WEIR_ASSERT(mode_ == CountMinMode::local);
    if (!takes(weight)) return;
    Weight* row = counters();
    for (std::uint32_t i = 0; i < hashes_; ++i, row += buckets_)
        row[local_bucket(hash, i)] += weight;
}

// As takes() of so many ones. Where not all of them fit, it is for the caller to add one by one.
template <typename Weight>
bool CountMin<Weight>::takes_all(std::size_t count) {
    if (static_cast<Weight>(count) > std::numeric_limits<Weight>::max() - total_) return false;
    total_ += static_cast<Weight>(count);
    return true;
}

template <typename Weight>
void CountMin<Weight>::update_column(std::span<const Hash128> hashes) {
    WEIR_ASSERT(mode_ == CountMinMode::local);
    if (!takes_all(hashes.size())) {
        for (const Hash128& hash : hashes) update(hash);
        return;
    }
    const auto add = [first = counters(), buckets = buckets_](Hash128 hash, std::uint32_t row) {
        const std::uint32_t point =
            static_cast<std::uint32_t>(hash.h1) + row * (static_cast<std::uint32_t>(hash.h2) | 1);
        first[std::size_t{row} * buckets + (std::uint64_t{point} * buckets >> 32)] += 1;
    };
    if (hashes_ == 4) {  // the usual number, without a loop over rows
        for (const Hash128 hash : hashes) {
            add(hash, 0);
            add(hash, 1);
            add(hash, 2);
            add(hash, 3);
        }
        return;
    }
    for (const Hash128 hash : hashes)
        for (std::uint32_t row = 0; row < hashes_; ++row) add(hash, row);
}

namespace {

// The upper half of the product.
std::uint64_t high_product(std::uint64_t a, std::uint64_t b) {
    const std::uint64_t a_low = static_cast<std::uint32_t>(a);
    const std::uint64_t b_low = static_cast<std::uint32_t>(b);
    const std::uint64_t middle = (a >> 32) * b_low + (a_low * b_low >> 32);
    return (a >> 32) * (b >> 32) + (middle >> 32) + ((a_low * (b >> 32) + static_cast<std::uint32_t>(middle)) >> 32);
}

// The remainder by a number that is not known to the compiler, without a division for each.
class Remainder {
public:
    explicit Remainder(std::uint64_t divisor) : divisor_(divisor), inverse_(~std::uint64_t{0} / divisor) {}

    std::uint64_t operator()(std::uint64_t value) const {
        const std::uint64_t left = value - high_product(value, inverse_) * divisor_;  // or divisor_ more
        return left >= divisor_ ? left - divisor_ : left;
    }
    template <typename Words>
    Words operator()(Words values) const {
        for (std::size_t i = 0; i < sizeof(Words) / 8; ++i) values[i] = (*this)(std::uint64_t{values[i]});
        return values;
    }

private:
    std::uint64_t divisor_;
    std::uint64_t inverse_;
};

// Adds 1 to the bucket of each value of 8 bytes. mixed: what murmur3_detail::mix_column() gave;
// bucket: from halves of hashes, as many as go side by side, to buckets.
template <typename Weight, typename Bucket>
void add_to_row(Weight* row, std::span<const std::uint64_t> mixed, std::uint64_t seed, Bucket bucket) {
    using murmur3_detail::lanes;
    using murmur3_detail::Words;
    std::size_t i = 0;
    if constexpr (lanes > 1)
        for (; i + lanes <= mixed.size(); i += lanes) {
            const auto words = load_le<Words>(&mixed[i]);
            std::array<std::uint64_t, lanes> at;
            store_le(at.data(), bucket(murmur3_detail::half_of_word(words, seed)));
            for (const std::uint64_t place : at) row[place] += 1;
        }
    for (; i < mixed.size(); ++i) row[bucket(murmur3_detail::half_of_word(mixed[i], seed))] += 1;
}

}  // namespace

// A block at a time: what the rows share is computed once, then row after row, so that its seed and
// counters stay at hand.
template <typename Weight>
template <typename Value>
void CountMin<Weight>::update_words(std::span<const Value> values) {
    std::array<std::uint64_t, 256> block;
    while (!values.empty()) {
        const auto mixed = std::span(block).first(std::min(block.size(), values.size()));
        murmur3_detail::mix_column(values.first(mixed.size()), mixed.data());
        values = values.subspan(mixed.size());
        Weight* row = counters();
        for (std::uint32_t i = 0; i < hashes_; ++i, row += buckets_) {
            const std::uint64_t seed = seeds()[i];
            if (mask_ != 0)
                add_to_row(row, mixed, seed, [mask = std::uint64_t{mask_}](auto halves) { return halves & mask; });
            else
                add_to_row(row, mixed, seed, Remainder(buckets_));
        }
    }
}

template <typename Weight>
template <typename Value>
void CountMin<Weight>::update_values(std::span<const Value> values) {
    if (mode_ == CountMinMode::local) {
        in_hashed_blocks(values, seed_, [this](std::span<const Hash128> hashes) {
            update_column(hashes);
            return hashes.size();
        });
        return;
    }
    if constexpr (!std::same_as<Value, std::string_view>)
        if (takes_all(values.size())) return update_words(values);
    for (const Value& value : values) update(value);
}

template <typename Weight>
void CountMin<Weight>::update_column(std::span<const std::int64_t> values) {
    update_values(values);
}

template <typename Weight>
void CountMin<Weight>::update_column(std::span<const double> values) {
    update_values(values);
}

template <typename Weight>
void CountMin<Weight>::update_column(std::span<const std::string_view> texts) {
    update_values(texts);
}

template <typename Weight>
Weight CountMin<Weight>::estimate_hash(Hash128 hash) const {
    Weight least = total_;
    const Weight* row = counters();
    for (std::uint32_t i = 0; i < hashes_; ++i, row += buckets_)
        least = std::min(least, row[local_bucket(hash, i)]);
    return least;
}

template <typename Weight>
Weight CountMin<Weight>::estimate_word(std::uint64_t word) const {
    if (mode_ == CountMinMode::local) return estimate_hash(murmur3_word(word, seed_));
    const std::uint64_t mixed = murmur3_detail::mix_k1(word);
    const Weight* row = counters();
    Weight least = std::numeric_limits<Weight>::max();
    for (std::uint32_t i = 0; i < hashes_; ++i, row += buckets_)
        least = std::min(least, row[bucket(murmur3_detail::half_of_word(mixed, seeds()[i]))]);
    return least;
}

template <typename Weight>
Weight CountMin<Weight>::estimate(std::string_view text) const {
    if (text.empty()) return 0;
    if (mode_ == CountMinMode::local) return estimate_hash(hash_text(text, seed_));
    const Weight* row = counters();
    Weight least = std::numeric_limits<Weight>::max();
    for (std::uint32_t i = 0; i < hashes_; ++i, row += buckets_)
        least = std::min(least, row[bucket(hash_text(text, seeds()[i]).h1)]);
    return least;
}

template <typename Weight>
double CountMin<Weight>::error_bound() const {
    return e / buckets_ * static_cast<double>(total_);
}

template <typename Weight>
bool CountMin<Weight>::same_shape(const CountMin& other) const {
    return hashes_ == other.hashes_ && buckets_ == other.buckets_ && seed_ == other.seed_ &&
           mode_ == other.mode_;
}

template <typename Weight>
Status CountMin<Weight>::merge(const CountMin& other) {
    if (!same_shape(other)) return Error::wrong_type;
    if (other.total_ > std::numeric_limits<Weight>::max() - total_) return Error::out_of_range;
    total_ += other.total_;
    for (std::size_t i = 0; i < cells(); ++i) counters()[i] += other.counters()[i];
    return Status::success();
}

template <typename Weight>
Status CountMin<Weight>::subtract(
    const CountMin& other) requires std::is_same_v<Weight, std::uint64_t> {
    if (!same_shape(other)) return Error::wrong_type;
    if (total_ < other.total_) return Error::invalid;
    for (std::size_t i = 0; i < cells(); ++i)
        if (counters()[i] < other.counters()[i]) return Error::invalid;
    total_ -= other.total_;
    for (std::size_t i = 0; i < cells(); ++i) counters()[i] -= other.counters()[i];
    return Status::success();
}

template <typename Weight>
Bytes CountMin<Weight>::serialized_size() const {
    if (mode_ == CountMinMode::local) return 0;
    return empty() ? header_bytes : header_bytes + 8 * (1 + cells());
}

template <typename Weight>
Bytes CountMin<Weight>::serialized_size_max(const Params& params) {
    return header_bytes + 8 * (1 + Bytes{params.hashes} * params.buckets);
}

template <typename Weight>
Status CountMin<Weight>::serialize(ByteWriter& out) const {
    if (mode_ == CountMinMode::local) return Error::unsupported;
    const MutableByteSpan place = out.reserve(serialized_size());
    if (place.empty()) return Error::full;
    ByteWriter to(place);
    to.write(preamble_longs);
    to.write(version);
    to.write(family);
    to.write<std::uint8_t>(empty() ? flag_empty : 0);
    to.write<std::uint32_t>(0);
    to.write(buckets_);
    to.write(hashes_);
    to.write(seed_hash(seed_));
    to.write<std::uint8_t>(0);
    if (empty()) return Status::success();
    to.write(total_);
    to.bytes(std::as_bytes(std::span(counters(), cells())));
    return Status::success();
}

namespace {

struct CountMinHeader {
    std::uint32_t buckets;
    std::uint8_t hashes;
    std::uint16_t seed_hash;
    bool empty;
};

Result<CountMinHeader> read_header(ByteReader& in) {
    const auto preamble = in.read<std::uint8_t>();
    const auto version_id = in.read<std::uint8_t>();
    const auto family_id = in.read<std::uint8_t>();
    const auto flags = in.read<std::uint8_t>();
    in.read<std::uint32_t>();
    CountMinHeader header{};
    header.buckets = in.read<std::uint32_t>();
    header.hashes = in.read<std::uint8_t>();
    header.seed_hash = in.read<std::uint16_t>();
    in.read<std::uint8_t>();
    if (!in.ok()) return Error::truncated;
    if (family_id != family || preamble != preamble_longs) return Error::invalid;
    if (version_id != version) return Error::unsupported;
    header.empty = flags & flag_empty;
    return header;
}

}  // namespace

template <typename Weight>
Result<typename CountMin<Weight>::Params> CountMin<Weight>::params_of(ByteSpan bytes) {
    ByteReader in(bytes);
    const Result<CountMinHeader> header = read_header(in);
    if (!header) return header.error();
    const Params params{.hashes = header->hashes, .buckets = header->buckets};
    if (header->seed_hash != seed_hash(params.seed)) return Error::unsupported;
    if (header->hashes == 0 || header->buckets < 3) return Error::invalid;
    if (!valid(params)) return Error::out_of_range;
    return params;
}

template <typename Weight>
Status CountMin<Weight>::load(ByteSpan bytes) {
    reset();
    const Status status = load_checked(bytes);
    if (!status) reset();
    return status;
}

// Of integers every row has to add up to the total. Of reals no sum of some is above that of all,
// even rounded.
template <typename Weight>
Status CountMin<Weight>::load_checked(ByteSpan bytes) {
    if (mode_ == CountMinMode::local) return Error::unsupported;
    ByteReader in(bytes);
    const Result<CountMinHeader> header = read_header(in);
    if (!header) return header.error();
    if (header->hashes != hashes_ || header->buckets != buckets_ ||
        header->seed_hash != seed_hash(seed_))
        return Error::wrong_type;
    const Bytes body = header->empty ? 0 : 8 * (1 + cells());
    if (in.remaining() != body) return in.remaining() < body ? Error::truncated : Error::invalid;
    if (header->empty) return Status::success();
    total_ = in.read<Weight>();
    if (!(total_ > 0) || total_ > std::numeric_limits<Weight>::max()) return Error::invalid;
    for (std::uint32_t row = 0; row < hashes_; ++row) {
        Weight left = total_;
        for (std::uint32_t i = 0; i < buckets_; ++i) {
            const auto weight = in.read<Weight>();
            if (!(weight >= 0 && weight <= left)) return Error::invalid;
            if constexpr (std::is_same_v<Weight, std::uint64_t>) left -= weight;
            counters()[std::size_t{row} * buckets_ + i] = weight;
        }
        if (std::is_same_v<Weight, std::uint64_t> && left != 0) return Error::invalid;
    }
    return Status::success();
}

template class CountMin<std::uint64_t>;
template class CountMin<double>;

}  // namespace weir
