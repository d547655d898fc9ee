// t-digest against all values, sorted. It has no guarantee to hold: the table says how far ranks were off, and the
// checks that this is about a centroid's share.
#include "sketches/tdigest.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

// How far rank is from the ranks that value has in sorted.
double off_by(const std::vector<double>& sorted, double value, double rank) {
    const auto n = static_cast<double>(sorted.size());
    const auto low = static_cast<double>(std::lower_bound(sorted.begin(), sorted.end(), value) - sorted.begin()) / n;
    const auto high = static_cast<double>(std::upper_bound(sorted.begin(), sorted.end(), value) - sorted.begin()) / n;
    return std::max({0.0, low - rank, rank - high});
}

double centroid_share(double q, double n, double k) {
    return q * (1 - q) * 4 * std::max(1.0, std::log(n / (2 * k)) + 6) / (2 * k);
}

}  // namespace

TEST_GROUP(TDigestModel) {};

TEST(TDigestModel, random_operations_agree_with_the_twin) {
    for (std::uint64_t seed = 0; seed < 150; ++seed) {
        Random random(seed);
        std::vector<Owned<TDigest>> sketches;
        std::vector<std::vector<double>> twins(3);
        for (int i = 0; i < 3; ++i)
            sketches.emplace_back(TDigest::Params{.k = static_cast<std::uint16_t>(10 + random.below(100)),
                                                  .buffer_values = static_cast<std::uint32_t>(random.below(2) ? 0 : 16 + random.below(500))});
        for (int step = 0; step < 40; ++step) {
            const std::size_t at = random.below(3);
            const std::size_t other = random.below(3);
            auto& sketch = *sketches[at];
            auto& twin = twins[at];
            const std::uint64_t action = random.below(8);
            if (action == 0 && at != other && twin.size() + twins[other].size() < 100000) {
                CHECK(sketch.merge(*sketches[other]).ok());
                twin.insert(twin.end(), twins[other].begin(), twins[other].end());
            } else if (action == 1) {
                std::vector<std::byte> bytes(sketch.serialized_size());
                ByteWriter out(bytes);
                CHECK(sketch.serialize(out).ok());
                CHECK(sketch.load(bytes).ok());
            } else {
                for (std::uint64_t n = random.below(1 << random.below(11)); n > 0; --n) {
                    const double value = random.below(3) == 0 ? static_cast<double>(random.below(9)) : random.unit() * 8;
                    sketch.update(value);
                    twin.push_back(value);
                }
            }
            CHECK_EQUAL(twin.size(), sketch.n());
            if (twin.empty()) continue;
            std::sort(twin.begin(), twin.end());
            DOUBLES_EQUAL(twin.front(), sketch.quantile(0), 0);
            DOUBLES_EQUAL(twin.back(), sketch.quantile(1), 0);
            const auto n = static_cast<double>(twin.size());
            for (double rank : {0.01, 0.1, 0.5, 0.8, 0.99}) {
                const double value = sketch.quantile(rank);
                CHECK(off_by(twin, value, rank) <= 3 * centroid_share(rank, n, 10) + 2 / n);
                if (sketch.centroids() == twin.size()) DOUBLES_EQUAL(0, off_by(twin, value, rank), 1e-12);
            }
            std::uint64_t weight = 0;
            double before = twin.front();
            std::vector<std::byte> bytes(sketch.serialized_size());
            ByteWriter out(bytes);
            CHECK(sketch.serialize(out).ok());
            for (std::size_t i = 32; i < bytes.size(); i += 16) {
                CHECK(load_le<double>(&bytes[i]) >= before);
                before = load_le<double>(&bytes[i]);
                weight += load_le<std::uint64_t>(&bytes[i + 8]);
            }
            if (twin.size() > 1) CHECK_EQUAL(twin.size(), weight);
        }
    }
}

// 1,000 seeds a row; for one sketch and for one merged from 16.
TEST(TDigestModel, rank_errors_are_about_a_centroid) {
    constexpr int trials = 1000;
    constexpr double ranks[] = {0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999};
    std::printf("\n t-digest: k, parts, largest rank error in %% of %d trials of 10,000 values at", trials);
    for (double rank : ranks) std::printf(" %g", rank);
    std::printf("\n");
    for (const std::uint16_t k : {50, 100, 200})
        for (const int parts : {1, 16}) {
            double worst[std::size(ranks)] = {};
            Random random(k);
            Owned<TDigest> sketch({.k = k});
            Owned<TDigest> part({.k = k});
            std::vector<double> values(10000);
            for (int trial = 0; trial < trials; ++trial) {
                sketch->reset();
                for (double& value : values) value = -std::log(1 - random.unit());
                const std::size_t run = values.size() / static_cast<std::size_t>(parts);
                for (std::size_t begin = 0; begin < values.size(); begin += run) {
                    TDigest& into = parts == 1 ? *sketch : *part;
                    part->reset();
                    into.update_column(std::span<const double>(values).subspan(begin, std::min(run, values.size() - begin)));
                    if (parts > 1) CHECK(sketch->merge(*part).ok());
                }
                std::sort(values.begin(), values.end());
                for (std::size_t i = 0; i < std::size(ranks); ++i)
                    worst[i] = std::max(worst[i], off_by(values, sketch->quantile(ranks[i]), ranks[i]));
            }
            std::printf(" %3d %2d ", k, parts);
            for (std::size_t i = 0; i < std::size(ranks); ++i) {
                std::printf(" %.3f", 100 * worst[i]);
                CHECK(worst[i] <= centroid_share(ranks[i], 10000, k) + 2e-4);
            }
            std::printf("\n");
        }
}
