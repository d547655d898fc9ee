// The log-histogram against all values, sorted: its error is certain, so every quantile is checked.
#include "sketches/log_histogram.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

TEST_GROUP(LogHistogramModel) {};

TEST(LogHistogramModel, random_operations_agree_with_the_twin) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Random random(seed);
        const LogHistogram::Params params{.sub_bits = static_cast<std::uint8_t>(random.below(9)),
                                          .lowest_exponent = -10,
                                          .octaves = 30};
        std::vector<Owned<LogHistogram>> histograms;
        std::vector<std::vector<double>> twins(2);
        for (int i = 0; i < 2; ++i) histograms.emplace_back(params);
        for (int step = 0; step < 30; ++step) {
            const std::size_t at = random.below(2);
            auto& histogram = *histograms[at];
            auto& twin = twins[at];
            if (random.below(8) == 0 && twin.size() < 20000) {
                CHECK(histogram.merge(*histograms[1 - at]).ok());
                if (random.below(2))
                    CHECK(histogram.subtract(*histograms[1 - at]).ok());
                else
                    twin.insert(twin.end(), twins[1 - at].begin(), twins[1 - at].end());
            } else {
                for (std::uint64_t n = random.below(300); n > 0; --n) {
                    const double value = random.below(10) == 0 ? 0 : std::ldexp(1 + random.unit(), static_cast<int>(random.below(30)) - 10);
                    histogram.update(value);
                    twin.push_back(value);
                }
            }
            CHECK_EQUAL(twin.size(), histogram.n());
            if (twin.empty()) continue;
            std::sort(twin.begin(), twin.end());
            for (double rank : {0.0, 0.01, 0.3, 0.5, 0.9, 0.999, 1.0}) {
                const double wanted = std::ceil(rank * static_cast<double>(twin.size()));
                const double truth = twin[static_cast<std::size_t>(std::max(1.0, wanted)) - 1];
                DOUBLES_EQUAL(truth, histogram.quantile(rank), truth * histogram.relative_error());
                const auto below = std::upper_bound(twin.begin(), twin.end(), truth) - twin.begin();
                CHECK(histogram.rank(truth) >= static_cast<double>(below) / static_cast<double>(twin.size()));
            }
        }
    }
}
