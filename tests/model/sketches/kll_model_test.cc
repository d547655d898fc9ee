// KLL against all values, sorted; its rank errors against their stated confidence.
#include "sketches/kll.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

struct Retained {
    std::uint64_t weight = 0;
    bool sorted = true;
    bool known = true;  // all items are values that came
};

// Reads the bytes by hand: the total weight, order within levels, and that no item was made up.
Retained retained(const std::vector<std::byte>& bytes, const std::vector<double>& values) {
    Retained found;
    const std::uint32_t levels = std::to_integer<std::uint32_t>(bytes[18]);
    std::vector<std::uint32_t> starts;
    for (std::uint32_t i = 0; i < levels; ++i) starts.push_back(load_le<std::uint32_t>(&bytes[20 + 4 * i]));
    const std::size_t items_at = 20 + 4 * levels + 16;
    starts.push_back(starts[0] + static_cast<std::uint32_t>((bytes.size() - items_at) / 8));
    for (std::uint32_t level = 0; level < levels; ++level) {
        double before = -INFINITY;
        for (std::uint32_t i = starts[level]; i < starts[level + 1]; ++i) {
            const auto item = load_le<double>(&bytes[items_at + 8 * (i - starts[0])]);
            if (level > 0 && item < before) found.sorted = false;
            before = item;
            if (!std::binary_search(values.begin(), values.end(), item)) found.known = false;
            found.weight += std::uint64_t{1} << level;
        }
    }
    return found;
}

double true_rank(const std::vector<double>& sorted, double value) {
    return static_cast<double>(std::upper_bound(sorted.begin(), sorted.end(), value) - sorted.begin()) /
           static_cast<double>(sorted.size());
}

}  // namespace

TEST_GROUP(KllModel) {};

TEST(KllModel, random_operations_agree_with_the_twin) {
    for (std::uint64_t seed = 0; seed < 150; ++seed) {
        Random random(seed);
        constexpr std::size_t count = 3;
        std::vector<Owned<KllSketch<double>>> sketches;
        std::vector<std::vector<double>> twins(count);
        for (std::size_t i = 0; i < count; ++i)
            sketches.emplace_back(KllSketch<double>::Params{
                .k = static_cast<std::uint16_t>(8 + random.below(120)), .n_max = 1 << 20, .seed = random.next()});
        for (int step = 0; step < 40; ++step) {
            const std::size_t at = random.below(count);
            const std::size_t other = random.below(count);
            auto& sketch = *sketches[at];
            auto& twin = twins[at];
            const std::uint64_t action = random.below(8);
            if (action == 0 && at != other && twin.size() + twins[other].size() < 100000) {
                const auto merged = sketch.merge(*sketches[other]);
                // A sketch of a smaller k may have levels that this one has no memory for.
                if (merged.ok()) twin.insert(twin.end(), twins[other].begin(), twins[other].end());
            } else if (action == 1) {
                const auto bytes = bytes_of(sketch);
                CHECK(sketch.load(bytes).ok());
                CHECK(bytes_of(sketch) == bytes);
            } else {
                for (std::uint64_t n = random.below(1 << random.below(11)); n > 0; --n) {
                    const double value = random.below(3) == 0 ? static_cast<double>(random.below(9)) : random.unit() * 8;
                    sketch.update(value);
                    twin.push_back(value);
                }
            }
            CHECK_EQUAL(twin.size(), sketch.n());
            if (twin.size() < 2) continue;
            std::sort(twin.begin(), twin.end());
            DOUBLES_EQUAL(twin.front(), sketch.min(), 0);
            DOUBLES_EQUAL(twin.back(), sketch.max(), 0);
            const Retained found = retained(bytes_of(sketch), twin);
            CHECK_EQUAL(twin.size(), found.weight);
            CHECK(found.sorted && found.known);
            for (double rank : {0.05, 0.5, 0.95}) {
                const double value = sketch.quantile(rank);
                CHECK(sketch.rank(value) >= rank);
                if (sketch.is_exact()) DOUBLES_EQUAL(true_rank(twin, value), sketch.rank(value), 1e-12);
                DOUBLES_EQUAL(true_rank(twin, value), sketch.rank(value), 3 * sketch.rank_error() + 1e-12);
            }
        }
    }
}

// One sketch grows, by random blocks, when it must and when it need not; the other has all from the start.
TEST(KllModel, grown_sketches_have_the_bytes_of_full_ones) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        Random random(seed);
        const KllSketch<float>::Params params{
            .k = static_cast<std::uint16_t>(8 + random.below(300)), .n_max = 1 << 16, .seed = seed};
        Owned<KllSketch<float>> full(params);
        Growing<KllSketch<float>> growing(params, KllSketch<float>::need_min(params) + random.below(100));
        for (std::uint64_t left = random.below(60000); left > 0; --left) {
            const auto value = static_cast<float>(random.unit());
            full->update(value);
            if (random.below(500) == 0) growing.grow(growing->room() + random.below(64));
            growing.update(value);
            if (random.below(1000) == 0) CHECK(bytes_of(*growing) == bytes_of(*full));
        }
        CHECK(bytes_of(*growing) == bytes_of(*full));
        CHECK(!growing->settled());
    }
}

// As random_operations, in blocks that are too small: nothing is lost, and errors are as told.
TEST(KllModel, settled_sketches_agree_with_the_twin_within_their_error) {
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
        Random random(seed);
        constexpr std::size_t count = 3;
        const KllSketch<double>::Params params{.n_max = 1 << 20, .seed = seed};
        std::vector<std::vector<std::byte>> blocks;
        std::vector<KllSketch<double>*> sketches;
        std::vector<std::vector<double>> twins(count);
        for (std::size_t i = 0; i < count; ++i) {
            blocks.emplace_back(KllSketch<double>::need_min(params) + random.below(2000));
            sketches.push_back(KllSketch<double>::create(blocks.back(), params));
        }
        for (int step = 0; step < 40; ++step) {
            const std::size_t at = random.below(count);
            const std::size_t other = random.below(count);
            auto& sketch = *sketches[at];
            auto& twin = twins[at];
            const std::uint64_t action = random.below(10);
            if (action == 0 && at != other && twin.size() + twins[other].size() < 100000) {
                CHECK(sketch.merge(*sketches[other]).ok());
                twin.insert(twin.end(), twins[other].begin(), twins[other].end());
            } else if (action == 1) {
                std::vector<std::byte> larger(sketch.room() + random.below(200));
                sketches[at] = sketch.move_to(larger);
                blocks[at].swap(larger);
            } else if (action == 2) {
                const auto bytes = bytes_of(sketch);
                CHECK(sketch.load(bytes).ok());
            } else if (action == 3 && sketch.k() > 8) {
                if (random.below(4) == 0)
                    sketch.shrink(static_cast<std::uint16_t>(sketch.k() - random.below(sketch.k() - 7U)));
            } else {
                for (std::uint64_t n = random.below(1 << random.below(13)); n > 0; --n) {
                    const double value = random.below(3) == 0 ? static_cast<double>(random.below(9)) : random.unit() * 8;
                    sketch.update(value);
                    twin.push_back(value);
                }
            }
            const auto& now = *sketches[at];
            CHECK_EQUAL(twin.size(), now.n());
            if (twin.size() < 2) continue;
            std::sort(twin.begin(), twin.end());
            DOUBLES_EQUAL(twin.front(), now.min(), 0);
            DOUBLES_EQUAL(twin.back(), now.max(), 0);
            const Retained found = retained(bytes_of(now), twin);
            CHECK_EQUAL(twin.size(), found.weight);
            CHECK(found.sorted && found.known);
            for (double rank : {0.05, 0.5, 0.95}) {
                const double value = now.quantile(rank);
                CHECK(now.rank(value) >= rank);
                DOUBLES_EQUAL(true_rank(twin, value), now.rank(value), 2.5 * now.rank_error() + 1e-12);
            }
        }
    }
}

// 600 seeds a row; ranks as the truth has them, asked one at a time.
TEST(KllModel, settled_rank_errors_hold_as_often_as_stated) {
    constexpr int trials = 600;
    constexpr int n = 10000;
    std::printf("\n KLL settled: block, k, worst share within 95 %%, within 99 %% over ranks 0.1 to 0.9\n");
    for (const Bytes block : {368, 480, 1000, 2000, 4000}) {
        std::vector<std::byte> memory(block);
        KllSketch<double>* sketch = KllSketch<double>::create(memory, {});
        Random random(block);
        int within_95[9] = {};
        int within_99[9] = {};
        for (int trial = 0; trial < trials; ++trial) {
            sketch->reset(random.next());
            int below[9] = {};
            for (int i = 0; i < n; ++i) {
                const double value = random.unit();
                sketch->update(value);
                for (int r = 1; r <= 9; ++r) below[r - 1] += value <= r / 10.0;
            }
            for (int r = 1; r <= 9; ++r) {
                const double error = std::abs(sketch->rank(r / 10.0) - 1.0 * below[r - 1] / n);
                within_95[r - 1] += error <= sketch->rank_error(RankConfidence::percent_95);
                within_99[r - 1] += error <= sketch->rank_error(RankConfidence::percent_99);
            }
        }
        const double worst_95 = 1.0 * *std::min_element(within_95, within_95 + 9) / trials;
        const double worst_99 = 1.0 * *std::min_element(within_99, within_99 + 9) / trials;
        std::printf(" %4zu %3d  %.4f %.4f\n", block, sketch->effective_k(), worst_95, worst_99);
        CHECK(worst_95 >= 0.95);
        CHECK(worst_99 >= 0.99);
    }
}

// 1,500 seeds a row, ranks asked one at a time; for one sketch and for one merged from 16.
TEST(KllModel, rank_errors_hold_as_often_as_stated) {
    constexpr int trials = 1500;
    std::printf("\n KLL: k, n, parts, worst share within 95 %%, within 99 %% over ranks 0.1 to 0.9\n");
    for (const std::uint16_t k : {50, 200})
        for (const int n : {5000, 30000})
            for (const int parts : {1, 16}) {
                int within_95[9] = {};
                int within_99[9] = {};
                Owned<KllSketch<double>> part({.k = k});
                Owned<KllSketch<double>> sketch({.k = k});
                Random random(static_cast<std::uint64_t>(n) + k);
                for (int trial = 0; trial < trials; ++trial) {
                    sketch->reset(random.next());
                    int below[9] = {};
                    for (int p = 0; p < parts; ++p) {
                        KllSketch<double>& into = parts == 1 ? *sketch : *part;
                        if (parts > 1) part->reset(random.next());
                        for (int i = p; i < n; i += parts) {
                            const double value = random.unit();
                            into.update(value);
                            for (int r = 1; r <= 9; ++r) below[r - 1] += value <= r / 10.0;
                        }
                        if (parts > 1) CHECK(sketch->merge(*part).ok());
                    }
                    for (int r = 1; r <= 9; ++r) {
                        const double error = std::abs(sketch->rank(r / 10.0) - 1.0 * below[r - 1] / n);
                        within_95[r - 1] += error <= sketch->rank_error(RankConfidence::percent_95);
                        within_99[r - 1] += error <= sketch->rank_error(RankConfidence::percent_99);
                    }
                }
                const double worst_95 = 1.0 * *std::min_element(within_95, within_95 + 9) / trials;
                const double worst_99 = 1.0 * *std::min_element(within_99, within_99 + 9) / trials;
                std::printf(" %3d %5d %2d  %.4f %.4f\n", k, n, parts, worst_95, worst_99);
                CHECK(worst_95 >= 0.95 - 0.018);
                CHECK(worst_99 >= 0.99 - 0.008);
            }
}
