// Bytes of strangers: every load gives a sketch that keeps its promises, or an error and an empty
// sketch.
#include <cmath>

#include "sketches/count_min.h"
#include "sketches/frequent_items.h"
#include "sketches/hll.h"
#include "sketches/kll.h"
#include "sketches/tdigest.h"
#include "sketches/theta.h"
#include "tests/fuzz/fuzz.h"

namespace weir::fuzz {

namespace {

constexpr Bytes memory_max =
    1 << 20;  // of one sketch; larger ones are refused by whoever owns memory

void use(HllSketch& sketch, const HllSketch::Params& params) {
    FUZZ_CHECK(sketch.lg_k() <= params.lg_k);
    FUZZ_CHECK(sketch.estimate() >= 0 && std::isfinite(sketch.estimate()));
    for (int sigmas = 1; sigmas <= 3; ++sigmas) {
        FUZZ_CHECK(sketch.lower_bound(sigmas) <= sketch.estimate());
        FUZZ_CHECK(sketch.upper_bound(sigmas) >= sketch.estimate());
    }
    FUZZ_CHECK(sketch.relative_error() > 0);
    for (HllType type : {HllType::hll4, HllType::hll6, HllType::hll8}) {
        Owned<HllSketch> again(params);
        FUZZ_CHECK(again->load(check_round_trip(sketch, params, type)).ok());
        FUZZ_CHECK(again->estimate() == sketch.estimate());
    }
    Owned<HllSketch> other({12});
    for (int i = 0; i < 500; ++i) other->update(i);
    other->merge(sketch);
    sketch.merge(*other);
    for (int i = 0; i < 1000; ++i) sketch.update(i);
    sketch.fold(4);
    FUZZ_CHECK(std::isfinite(sketch.estimate()));
    check_round_trip(sketch, params);
    sketch.reset();
    FUZZ_CHECK(sketch.empty() && sketch.lg_k() == params.lg_k);
}

void use(ThetaSketch& sketch, const ThetaSketch::Params& params) {
    FUZZ_CHECK(std::isfinite(sketch.estimate()) && sketch.estimate() >= sketch.retained());
    for (int sigmas = 1; sigmas <= 3; ++sigmas) {
        FUZZ_CHECK(sketch.lower_bound(sigmas) <= sketch.estimate());
        FUZZ_CHECK(sketch.upper_bound(sigmas) >= sketch.estimate());
    }
    const auto bytes = check_round_trip(sketch, params);
    auto packed = bytes;
    const auto size = ThetaSketch::compress(packed);
    FUZZ_CHECK(size.ok());
    packed.resize(*size);
    Owned<ThetaSketch> again(params);
    FUZZ_CHECK(again->load(packed).ok());
    FUZZ_CHECK(bytes_of(*again) == bytes);
    Owned<ThetaSketch> other({6});
    for (int i = 0; i < 500; ++i) other->update(i);
    again->intersect(*other);
    FUZZ_CHECK(again->retained() <= other->retained() && again->theta() <= sketch.theta());
    check_round_trip(*again, params);
    other->merge(sketch);
    sketch.merge(*other);
    for (int i = 0; i < 1000; ++i) sketch.update(i);
    sketch.trim();
    FUZZ_CHECK(sketch.retained() <= std::uint32_t{1} << params.lg_k);
    check_round_trip(sketch, params);
}

template <typename T>
void use(KllSketch<T>& sketch, typename KllSketch<T>::Params params) {
    params.n_max = std::uint64_t{1}
                   << 40;  // it goes on beyond n_max, but then needs more to be loaded again
    const auto bytes = check_round_trip(sketch, params);
    const std::uint64_t n = sketch.n();
    if (!sketch.empty()) {
        T before = sketch.min();
        for (int i = 0; i <= 16; ++i) {
            const T value = sketch.quantile(i / 16.0);
            FUZZ_CHECK(value >= before && value <= sketch.max());
            FUZZ_CHECK(sketch.rank(value) >= i / 16.0);
            FUZZ_CHECK(sketch.quantile_lower_bound(i / 16.0) <= value);
            FUZZ_CHECK(sketch.quantile_upper_bound(i / 16.0) >= value);
            before = value;
        }
        FUZZ_CHECK(sketch.rank(sketch.max()) == 1);
    }
    Owned<KllSketch<T>> other({.k = 100, .n_max = std::uint64_t{1} << 40});
    for (int i = 0; i < 500; ++i) other->update(static_cast<T>(i));
    if (other->merge(sketch).ok()) FUZZ_CHECK(other->n() == 500 + n);
    for (int i = 0; i < 500; ++i) sketch.update(static_cast<T>(i));
    FUZZ_CHECK(bytes.size() > 8 || n == 0);
    params.k = sketch.k();  // smaller if it had to settle
    check_round_trip(sketch, params);
}

template <typename Item>
Item some_item();
template <>
std::string_view some_item() {
    return "some item";
}
template <>
std::int64_t some_item() {
    return 77;
}
template <>
double some_item() {
    return 7.7;
}

template <typename Item>
void use(FrequentItems<Item>& sketch, const typename FrequentItems<Item>::Params& params) {
    std::vector<typename FrequentItems<Item>::Row> rows(sketch.size() + 1);
    FUZZ_CHECK(sketch.top(rows) == sketch.size());
    for (std::uint32_t i = 0; i < sketch.size(); ++i) {
        FUZZ_CHECK(rows[i].lower <= rows[i].upper && rows[i].estimate == rows[i].upper);
        FUZZ_CHECK(i == 0 || rows[i].estimate <= rows[i - 1].estimate);
        FUZZ_CHECK(sketch.lower_bound(rows[i].item) == rows[i].lower);
        FUZZ_CHECK(sketch.upper_bound(rows[i].item) == rows[i].upper);
    }
    check_round_trip(sketch, params);
    Owned<FrequentItems<Item>> other({.lg_max = 4, .item_bytes_max = 9});
    other->merge(sketch);
    FUZZ_CHECK(sketch.total_weight() == other->total_weight());
    sketch.merge(*other);
    sketch.update(some_item<Item>(), 5);
    check_round_trip(sketch, params);
}

template <typename Weight>
void use(CountMin<Weight>& sketch, const typename CountMin<Weight>::Params& params) {
    FUZZ_CHECK(std::isfinite(static_cast<double>(sketch.total_weight())) &&
               sketch.total_weight() >= 0);
    for (int i = 0; i < 20; ++i) FUZZ_CHECK(sketch.estimate(i) >= 0);
    FUZZ_CHECK(std::isfinite(sketch.error_bound()));
    Owned<CountMin<Weight>> again(params);
    FUZZ_CHECK(again->load(check_round_trip(sketch, params)).ok());
    const auto merged = sketch.merge(*again);
    FUZZ_CHECK(merged.ok() || merged.error() == Error::out_of_range);
    if constexpr (std::is_same_v<Weight, std::uint64_t>)
        if (merged.ok()) {
            FUZZ_CHECK(sketch.subtract(*again).ok());
            FUZZ_CHECK(sketch.total_weight() == again->total_weight());
        }
    sketch.update(std::int64_t{7}, Weight{3});
    FUZZ_CHECK(std::isfinite(static_cast<double>(sketch.total_weight())));
    check_round_trip(sketch, params);
}

void use(TDigest& sketch, const TDigest::Params& params) {
    if (!sketch.empty()) {
        double before = sketch.min();
        for (int i = 0; i <= 20; ++i) {
            const double value = sketch.quantile(i / 20.0);
            FUZZ_CHECK(value >= before && value <= sketch.max());
            FUZZ_CHECK(sketch.rank(value) >= 0 && sketch.rank(value) <= 1);
            before = value;
        }
    }
    check_round_trip(sketch, params);
    const std::uint64_t n = sketch.n();
    Owned<TDigest> again({.k = params.k, .buffer_values = 16});
    FUZZ_CHECK(again->load(bytes_of(sketch)).ok());
    FUZZ_CHECK(n == again->n());
    if (again->merge(sketch).ok()) FUZZ_CHECK(again->n() == 2 * n);
    if (n > (std::uint64_t{1} << 53) - 1000) return;  // more cannot be loaded again
    for (int i = 0; i < 1000; ++i) sketch.update(i);
    FUZZ_CHECK(sketch.centroids() <= 2U * sketch.k() + 30);
    check_round_trip(sketch, params);
}

template <typename Sketch>
void load_into(ByteSpan bytes, const typename Sketch::Params& params) {
    Owned<Sketch> sketch(params);
    if (sketch->load(bytes).ok())
        use(*sketch, params);
    else
        FUZZ_CHECK(sketch->empty());
}

// A sketch that has less room than its parameters allow takes bytes that fit it, or none, and goes
// on either way.
template <typename Sketch, typename Item>
void load_into_small(ByteSpan bytes, const typename Sketch::Params& params, Item item) {
    if constexpr (Grows<Sketch>)
        for (const Bytes first : {Bytes{0}, Sketch::need(params) / 2}) {
            Growing<Sketch> sketch(params, first, Sketch::need(params) / 2);
            FUZZ_CHECK(sketch->load(bytes).ok() || sketch->empty());
            sketch.update(item);
            FUZZ_CHECK(!bytes_of(*sketch).empty());
        }
}

template <typename Sketch>
void load_fitted(ByteSpan bytes) {
    const auto params = Sketch::params_of(bytes);
    if (!params.ok()) return;
    FUZZ_CHECK(Sketch::valid(*params));
    if (Sketch::need(*params) <= memory_max) load_into<Sketch>(bytes, *params);
}

}  // namespace

void load_hll(ByteSpan bytes) {
    load_into<HllSketch>(bytes, {12});
    load_into_small<HllSketch>(bytes, {10}, std::int64_t{1});
    load_fitted<HllSketch>(bytes);
}

void load_theta(ByteSpan bytes) {
    load_into<ThetaSketch>(bytes, {7});
    load_into_small<ThetaSketch>(bytes, {7}, std::int64_t{1});
    load_fitted<ThetaSketch>(bytes);
    std::vector<std::byte> copy(bytes.begin(), bytes.end());
    (void)ThetaSketch::compress(copy);
}

void load_kll(ByteSpan bytes) {
    load_into<KllSketch<double>>(bytes, {.k = 200});
    load_into<KllSketch<float>>(bytes, {.k = 60});
    load_into_small<KllSketch<double>>(bytes, {.k = 60}, 1.5);
    load_into_small<KllSketch<float>>(bytes, {.k = 200}, 1.5F);
    load_fitted<KllSketch<double>>(bytes);
    load_fitted<KllSketch<float>>(bytes);
}

void load_frequent_items(ByteSpan bytes) {
    load_into<FrequentStrings>(bytes, {.lg_max = 9, .item_bytes_max = 24});
    load_into<FrequentIntegers>(bytes, {.lg_max = 7});
    load_into<FrequentReals>(bytes, {.lg_max = 7});
    load_into_small<FrequentStrings>(bytes, {.lg_max = 7}, std::string_view("an item"));
    load_into_small<FrequentIntegers>(bytes, {.lg_max = 7}, std::int64_t{1});
    load_fitted<FrequentStrings>(bytes);
    load_fitted<FrequentIntegers>(bytes);
    load_fitted<FrequentReals>(bytes);
}

void load_count_min(ByteSpan bytes) {
    load_into<CountMinIntegers>(bytes, {.hashes = 3, .buckets = 32});
    load_into<CountMinReals>(bytes, {.hashes = 3, .buckets = 32});
    load_fitted<CountMinIntegers>(bytes);
    load_fitted<CountMinReals>(bytes);
}

void load_tdigest(ByteSpan bytes) {
    load_into<TDigest>(bytes, {.k = 50});
    load_fitted<TDigest>(bytes);
}

}  // namespace weir::fuzz
