// Bytes that somebody made up: every load gives a sketch that keeps its promises, or an error and an
// empty sketch. Meant for a build with the address sanitizer; sketches live in exactly need() bytes.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <optional>
#include <string>

#include "sketches/count_min.h"
#include "sketches/frequent_items.h"
#include "sketches/hll.h"
#include "sketches/kll.h"
#include "sketches/tdigest.h"
#include "sketches/theta.h"
#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

using Vectors = std::vector<std::vector<std::byte>>;

Vectors vectors() {
    std::vector<std::string> paths;
    for (const char* folder : {"tests/golden/sketches", "../shared/sketch-vectors"}) {
        if (!std::filesystem::is_directory(folder)) continue;
        for (const auto& entry : std::filesystem::directory_iterator(folder))
            if (entry.path().extension() == ".sk" && entry.file_size() <= 20000) paths.push_back(entry.path().string());
    }
    std::sort(paths.begin(), paths.end());
    Vectors found;
    for (const std::string& path : paths) found.push_back(read_file(path));
    return found;
}

bool is_ours(int family) { return family == 3 || family == 7 || family == 10 || family == 15 || family == 18 || family == 20; }

// Most damage goes to the front, where sizes and counts are.
std::vector<std::byte> damaged(std::vector<std::byte> bytes, Random& random) {
    const std::uint64_t kind = random.below(8);
    if (kind == 0) bytes.resize(random.below(bytes.size() + 1));
    if (kind == 1) bytes.resize(bytes.size() + random.below(64));
    for (std::uint64_t count = random.below(4) + (kind > 1); count > 0 && !bytes.empty(); --count) {
        const std::size_t reach = random.below(3) == 0 ? bytes.size() : std::min<std::size_t>(bytes.size(), 48);
        const std::size_t at = random.below(reach);
        switch (random.below(3)) {
            case 0: bytes[at] ^= static_cast<std::byte>(1 << random.below(8)); break;
            case 1: bytes[at] = static_cast<std::byte>(random.next()); break;
            default: bytes[at] = random.below(2) ? std::byte{0xFF} : std::byte{0};
        }
    }
    return bytes;
}

void use(HllSketch& sketch) {
    Owned<HllSketch> other({12});
    for (int i = 0; i < 500; ++i) other->update(i);
    for (int sigmas = 1; sigmas <= 3; ++sigmas) {
        CHECK(sketch.estimate() >= 0);
        CHECK(sketch.upper_bound(sigmas) >= sketch.estimate());
    }
    for (HllType type : {HllType::hll4, HllType::hll6, HllType::hll8}) {
        Owned<HllSketch> again({sketch.lg_k()});
        CHECK(again->load(bytes_of(sketch, type)).ok());
        DOUBLES_EQUAL(sketch.estimate(), again->estimate(), 0);
    }
    other->merge(sketch);
    sketch.merge(*other);
    for (int i = 0; i < 1000; ++i) sketch.update(i);
}

template <typename T>
void use(KllSketch<T>& sketch) {
    Owned<KllSketch<T>> other({.k = 100, .n_max = std::uint64_t{1} << 40});
    for (int i = 0; i < 500; ++i) other->update(static_cast<T>(i));
    if (!sketch.empty()) {
        CHECK(sketch.quantile(0.5) >= sketch.min() && sketch.quantile(0.5) <= sketch.max());
        DOUBLES_EQUAL(1, sketch.rank(sketch.max()), 0);
    }
    Owned<KllSketch<T>> again({.k = sketch.k(), .n_max = std::uint64_t{1} << 40});
    CHECK(again->load(bytes_of(sketch)).ok());
    CHECK(bytes_of(*again) == bytes_of(sketch));
    if (other->merge(sketch).ok()) CHECK_EQUAL(500 + sketch.n(), other->n());
    for (int i = 0; i < 1000; ++i) sketch.update(static_cast<T>(i));
}

template <typename Item>
void use(FrequentItems<Item>& sketch) {
    std::vector<typename FrequentItems<Item>::Row> rows(5);
    rows.resize(sketch.top(rows));
    for (const auto& row : rows) CHECK(row.lower <= row.upper && row.estimate == row.upper);
    Owned<FrequentItems<Item>> other({.lg_max = 4, .item_bytes_max = 9});
    other->merge(sketch);
    CHECK_EQUAL(sketch.total_weight(), other->total_weight());
    sketch.merge(*other);
    CHECK(!bytes_of(sketch).empty());
}

void use(ThetaSketch& sketch) {
    for (int sigmas = 1; sigmas <= 3; ++sigmas) {
        CHECK(sketch.lower_bound(sigmas) <= sketch.estimate());
        CHECK(sketch.upper_bound(sigmas) >= sketch.estimate());
    }
    auto bytes = bytes_of(sketch);
    Owned<ThetaSketch> again({sketch.lg_k()});
    CHECK(again->load(bytes).ok());
    CHECK(bytes_of(*again) == bytes);
    auto packed = bytes;
    packed.resize(*ThetaSketch::compress(packed));
    CHECK(again->load(packed).ok());
    CHECK(bytes_of(*again) == bytes);
    Owned<ThetaSketch> other({6});
    for (int i = 0; i < 500; ++i) other->update(i);
    again->intersect(*other);
    CHECK(again->retained() <= other->retained());
    other->merge(sketch);
    sketch.merge(*other);
    for (int i = 0; i < 1000; ++i) sketch.update(i);
}

template <typename Weight>
void use(CountMin<Weight>& sketch) {
    for (int i = 0; i < 20; ++i) CHECK(sketch.estimate(i) >= 0);
    CHECK(std::isfinite(sketch.error_bound()));
    Owned<CountMin<Weight>> again({sketch.hashes(), sketch.buckets()});
    CHECK(again->load(bytes_of(sketch)).ok());
    CHECK(bytes_of(*again) == bytes_of(sketch));
    const auto merged = sketch.merge(*again);
    CHECK(merged.ok() || merged.error() == Error::out_of_range);
    CHECK(std::isfinite(static_cast<double>(sketch.total_weight())));
}

void use(TDigest& sketch) {
    if (!sketch.empty()) {
        double before = sketch.min();
        for (int i = 0; i <= 20; ++i) {
            const double value = sketch.quantile(i / 20.0);
            CHECK(value >= before && value <= sketch.max());
            CHECK(sketch.rank(value) >= 0 && sketch.rank(value) <= 1);
            before = value;
        }
    }
    Owned<TDigest> again({.k = sketch.k(), .buffer_values = 16});
    const std::uint64_t n = sketch.n();
    CHECK(again->load(bytes_of(sketch)).ok());
    CHECK_EQUAL(n, again->n());
    if (again->merge(sketch).ok()) CHECK_EQUAL(2 * n, again->n());
    for (int i = 0; i < 1000; ++i) sketch.update(i);
    CHECK(sketch.centroids() <= 2U * sketch.k() + 30);
}

template <typename Sketch>
void try_load(ByteSpan bytes, const typename Sketch::Params& params) {
    Owned<Sketch> sketch(params);
    if (sketch->load(bytes).ok())
        use(*sketch);
    else
        CHECK(sketch->empty());
}

template <typename Sketch>
void try_fitted(ByteSpan bytes) {
    const auto params = Sketch::params_of(bytes);
    if (params.ok() && Sketch::need(*params) < (1 << 22)) try_load<Sketch>(bytes, *params);
}

void try_all(ByteSpan bytes) {
    try_load<HllSketch>(bytes, {12});
    try_load<KllSketch<double>>(bytes, {.k = 200});
    try_load<KllSketch<float>>(bytes, {.k = 60});
    try_load<FrequentStrings>(bytes, {.lg_max = 9, .item_bytes_max = 24});
    try_load<FrequentIntegers>(bytes, {.lg_max = 9});
    try_load<FrequentReals>(bytes, {.lg_max = 10});
    try_load<ThetaSketch>(bytes, {7});
    try_load<TDigest>(bytes, {.k = 50});
    try_fitted<TDigest>(bytes);
    try_load<CountMinIntegers>(bytes, {.hashes = 3, .buckets = 32});
    try_load<CountMinReals>(bytes, {.hashes = 3, .buckets = 32});
    try_fitted<CountMinIntegers>(bytes);
    try_fitted<CountMinReals>(bytes);
    try_fitted<ThetaSketch>(bytes);
    std::vector<std::byte> copy(bytes.begin(), bytes.end());
    (void)ThetaSketch::compress(copy);
    try_fitted<HllSketch>(bytes);
    try_fitted<KllSketch<double>>(bytes);
    try_fitted<KllSketch<float>>(bytes);
    try_fitted<FrequentStrings>(bytes);
    try_fitted<FrequentIntegers>(bytes);
}

}  // namespace

TEST_GROUP(HostileBytes) {};

TEST(HostileBytes, every_prefix_is_refused_or_a_sketch) {
    for (const auto& vector : vectors())
        for (std::size_t length = 0; length < std::min<std::size_t>(vector.size(), 128); ++length)
            try_all(ByteSpan(vector).first(length));
}

TEST(HostileBytes, damage_is_refused_or_a_sketch) {
    const Vectors all = vectors();
    Random random(2026);
    for (int round = 0; round < 100; ++round)
        for (const auto& vector : all)
            if (vector.size() > 2 && is_ours(std::to_integer<int>(vector[2]))) try_all(damaged(vector, random));
}

TEST(HostileBytes, noise_with_a_true_family_is_refused_or_a_sketch) {
    Random random(77);
    for (int round = 0; round < 20000; ++round) {
        std::vector<std::byte> bytes(random.below(200));
        for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next() & (random.below(2) ? 0xFF : 3));
        constexpr std::uint8_t heads[][2] = {{1, 20}, {2, 20}, {2, 18}, {1, 3}, {2, 3}, {3, 3}, {2, 7}, {3, 7}, {10, 7}, {2, 15}, {5, 15}, {1, 10}, {4, 10}};
        const auto& head = heads[random.below(std::size(heads))];
        if (bytes.size() > 8) {
            bytes[0] = std::byte{head[0]};
            bytes[1] = head[1] == 3 ? std::byte{3} : std::byte{1};
            bytes[2] = std::byte{head[1]};
        }
        try_all(bytes);
    }
}
