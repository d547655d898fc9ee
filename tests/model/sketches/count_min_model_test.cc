// Count-Min against a std::map; its error against its stated confidence.
#include "sketches/count_min.h"

#include <cmath>
#include <cstdio>
#include <map>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

constexpr CountMinMode modes[] = {CountMinMode::compatible, CountMinMode::local};

struct Twin {
    std::map<std::int64_t, std::uint64_t> weights;
    std::uint64_t total = 0;

    void add(std::int64_t item, std::uint64_t weight) {
        weights[item] += weight;
        total += weight;
    }
};

}  // namespace

TEST_GROUP(CountMinModel) {};

TEST(CountMinModel, random_operations_agree_with_the_twin) {
    for (std::uint64_t seed = 0; seed < 150; ++seed) {
        Random random(seed);
        const CountMinIntegers::Params params{.hashes = static_cast<std::uint8_t>(1 + random.below(6)),
                                              .buckets = static_cast<std::uint32_t>(3 + random.below(200)),
                                              .seed = random.below(2) ? 9001 : random.next(),
                                              .mode = modes[random.below(2)]};
        std::vector<Owned<CountMinIntegers>> sketches;
        std::vector<Twin> twins(3);
        for (int i = 0; i < 3; ++i) sketches.emplace_back(params);
        for (int step = 0; step < 40; ++step) {
            const std::size_t at = random.below(3);
            const std::size_t other = random.below(3);
            auto& sketch = *sketches[at];
            Twin& twin = twins[at];
            const std::uint64_t action = random.below(8);
            if (action == 0 && at != other && twin.total < 1000000) {
                CHECK(sketch.merge(*sketches[other]).ok());
                for (const auto& [item, weight] : twins[other].weights) twin.add(item, weight);
                if (random.below(2)) {
                    CHECK(sketch.subtract(*sketches[other]).ok());
                    for (const auto& [item, weight] : twins[other].weights) twin.weights[item] -= weight;
                    twin.total -= twins[other].total;
                }
            } else if (action == 1 && params.mode == CountMinMode::compatible) {
                const auto bytes = bytes_of(sketch);
                CHECK(sketch.load(bytes).ok());
                CHECK(bytes_of(sketch) == bytes);
            } else {
                for (std::uint64_t n = random.below(1 << random.below(9)); n > 0; --n) {
                    const auto item = static_cast<std::int64_t>(random.below(200));
                    const std::uint64_t weight = random.below(5);
                    sketch.update(item, weight);
                    twin.add(item, weight);
                }
            }
            CHECK_EQUAL(twin.total, sketch.total_weight());
            for (std::int64_t item = 0; item < 200; ++item) {
                const auto found = twin.weights.find(item);
                CHECK(sketch.estimate(item) >= (found == twin.weights.end() ? 0 : found->second));
                CHECK(sketch.estimate(item) <= twin.total);
            }
        }
    }
}

// 1,500 seeds a row; the item asked for is one of many, of equal weight.
TEST(CountMinModel, errors_hold_as_often_as_stated) {
    constexpr int trials = 1500;
    std::printf("\n Count-Min: mode, rows, buckets, items, share within e / buckets, stated\n");
    for (CountMinMode mode : modes)
        for (const std::uint8_t hashes : {1, 2, 4})
            for (const std::uint32_t buckets : {50U, 256U})
                for (const std::uint64_t items : {std::uint64_t{1000}, std::uint64_t{5000}}) {
                    int within = 0;
                    Random random(hashes + buckets + items);
                    Owned<CountMinIntegers> sketch({.hashes = hashes, .buckets = buckets, .mode = mode});
                    for (int trial = 0; trial < trials; ++trial) {
                        sketch->reset();
                        const std::uint64_t base = random.next();
                        for (std::uint64_t i = 0; i < items; ++i) sketch->update(base + i * i, i % 50 == 0 ? 50 : 1);
                        within += static_cast<double>(sketch->estimate(base + 1)) <= 1 + sketch->error_bound();
                    }
                    const double stated = 1 - std::exp(-1.0 * hashes);
                    std::printf(" %-10s %d %3u %5d  %.4f %.4f\n", mode == CountMinMode::local ? "local" : "compatible",
                                hashes, buckets, static_cast<int>(items), 1.0 * within / trials, stated);
                    CHECK(1.0 * within / trials >= stated - 3.5 * std::sqrt(stated * (1 - stated) / trials));
                }
}
