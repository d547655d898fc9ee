// HLL against a slow twin that keeps everything, and its errors against their stated confidence.
#include "sketches/hll.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <set>
#include <vector>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

// All hashes ever seen; the registers follow from them.
class Twin {
public:
    void update(Hash128 hash) { hashes_.insert({hash.h1, hash.h2}); }
    void merge(const Twin& other) { hashes_.insert(other.hashes_.begin(), other.hashes_.end()); }
    double distinct() const { return static_cast<double>(hashes_.size()); }

    std::vector<std::uint8_t> registers(std::uint8_t lg_k) const {
        std::vector<std::uint8_t> registers(std::size_t{1} << lg_k);
        for (const auto& [h1, h2] : hashes_) {
            int zeros = 0;
            while (zeros < 62 && !(h2 >> (63 - zeros) & 1)) ++zeros;
            std::uint8_t& held = registers[h1 % registers.size()];
            held = std::max(held, static_cast<std::uint8_t>(zeros + 1));
        }
        return registers;
    }

private:
    std::set<std::pair<std::uint64_t, std::uint64_t>> hashes_;
};

void check_equal(const HllSketch& sketch, const Twin& twin) {
    if (sketch.is_exact()) {
        CHECK_EQUAL(twin.distinct(), static_cast<double>(sketch.coupons()));
        return;
    }
    const auto bytes = bytes_of(sketch);
    const auto registers = twin.registers(sketch.lg_k());
    CHECK(std::memcmp(&bytes[40], registers.data(), registers.size()) == 0);
    double low = 0;
    double high = 0;
    for (std::uint8_t value : registers) (value < 32 ? low : high) += std::ldexp(1.0, -value);
    DOUBLES_EQUAL(low, load_le<double>(&bytes[16]), 0);
    DOUBLES_EQUAL(high, load_le<double>(&bytes[24]), 0);
    CHECK_EQUAL(std::count(registers.begin(), registers.end(), 0), load_le<std::uint32_t>(&bytes[32]));
}

}  // namespace

TEST_GROUP(HllModel) {};

TEST(HllModel, random_operations_agree_with_the_twin) {
    for (std::uint64_t seed = 0; seed < 60; ++seed) {
        Random random(seed);
        constexpr std::size_t count = 3;
        std::vector<Owned<HllSketch>> sketches;
        std::vector<Twin> twins(count);
        std::vector<std::uint8_t> sizes;
        for (std::size_t i = 0; i < count; ++i) {
            sizes.push_back(static_cast<std::uint8_t>(4 + random.below(8)));
            sketches.emplace_back(HllSketch::Params{sizes.back()});
        }
        for (int step = 0; step < 60; ++step) {
            const std::size_t at = random.below(count);
            const std::size_t other = random.below(count);
            switch (random.below(8)) {
                case 0:
                    if (at != other) {
                        sketches[at]->merge(*sketches[other]);
                        twins[at].merge(twins[other]);
                    }
                    break;
                case 1: {
                    const auto bytes = bytes_of(*sketches[at], static_cast<HllType>(random.below(3)));
                    CHECK(sketches[at]->load(bytes).ok());
                    break;
                }
                case 2:
                    if (random.below(8) == 0) {
                        sketches[at]->reset();
                        twins[at] = {};
                    } else if (sketches[at]->lg_k() > 4 && random.below(4) == 0) {
                        sketches[at]->fold(static_cast<std::uint8_t>(sketches[at]->lg_k() - 1));
                    }
                    break;
                default:
                    for (std::uint64_t n = random.below(1 << random.below(10)); n > 0; --n) {
                        // Now and then a hash with many leading zeros, as few items have.
                        Hash128 hash = hash_integer(static_cast<std::int64_t>(random.below(5000)));
                        if (random.below(20) == 0) hash.h2 >>= hash.h1 % 64;
                        sketches[at]->update(hash);
                        twins[at].update(hash);
                    }
            }
            check_equal(*sketches[at], twins[at]);
        }
    }
}

// Operations of a small sketch and of one that had all memory from the start: the same bytes, whenever
// blocks grew, and from a checkpoint.
TEST(HllModel, growth_at_any_time_changes_nothing) {
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        Random random(seed);
        const HllSketch::Params params{static_cast<std::uint8_t>(4 + random.below(seed % 16 == 0 ? 14 : 9))};
        const HllSketch::Params others{static_cast<std::uint8_t>(4 + random.below(12))};
        Growing<HllSketch> small(params);
        Owned<HllSketch> whole(params);
        for (int step = 0; step < 30; ++step) {
            const std::uint64_t action = random.below(12);
            if (action == 0) {
                Growing<HllSketch> other(random.below(2) ? params : others);
                for (std::uint64_t n = random.below(1 << random.below(12)); n > 0; --n) other.update(random.below(9000));
                small.merge(*other);
                whole->merge(*other);
            } else if (action == 1) {
                small.grow(std::min<Bytes>(small->room() + static_cast<Bytes>(random.below(600)), HllSketch::need(params)));
            } else if (action == 2) {
                Growing<HllSketch> copy(params, small->room());
                std::memcpy(copy.memory().data(), small.memory().data(), small->room());
                std::swap(copy, small);
            } else if (action == 3 && random.below(4) == 0) {
                const auto lg_k = static_cast<std::uint8_t>(4 + random.below(small->lg_k() - 3U));
                if (HllSketch::need({lg_k}) > small->room()) small.grow(HllSketch::need({lg_k}));
                small->fold(lg_k);
                whole->fold(lg_k);
            } else {
                for (std::uint64_t n = random.below(1 << random.below(12)); n > 0; --n) {
                    const std::uint64_t item = random.below(9000);
                    small.update(item);
                    whole->update(item);
                }
            }
            CHECK(!small->settled());
            CHECK(bytes_of(*small) == bytes_of(*whole));
        }
    }
}

// 2,000 trials a size. The share within s sigma is at least that of the normal distribution less three
// standard deviations of the share itself, for HIP and after merges.
TEST(HllModel, bounds_hold_as_often_as_stated) {
    constexpr int trials = 2000;
    constexpr double expected[] = {0.6827, 0.9545, 0.9973};
    std::printf("\n HLL: lg_k, n, merged, share within 1, 2, 3 sigma, mean error, rmse / stated\n");
    for (const std::uint8_t lg_k : {4, 7, 10, 12})
        for (const std::int64_t n : {std::int64_t{2} << lg_k, std::int64_t{10} << lg_k})
            for (const bool merged : {false, true}) {
                Owned<HllSketch> sketch({lg_k});
                Owned<HllSketch> other({lg_k});
                int within[3] = {};
                double sum = 0;
                double squares = 0;
                const int rounds = lg_k > 10 ? trials / 4 : trials;
                for (int trial = 0; trial < rounds; ++trial) {
                    sketch->reset();
                    other->reset();
                    for (std::int64_t i = 0; i < n; ++i) {
                        const Hash128 hash = hash_integer(i, static_cast<std::uint64_t>(trial) * 7 + lg_k);
                        (merged && i % 2 == 0 ? *other : *sketch).update(hash);
                    }
                    if (merged) sketch->merge(*other);
                    const auto truth = static_cast<double>(n);
                    for (int s = 1; s <= 3; ++s)
                        within[s - 1] += sketch->lower_bound(s) <= truth && truth <= sketch->upper_bound(s);
                    const double error = sketch->estimate() / truth - 1;
                    sum += error;
                    squares += error * error;
                }
                const double rmse = std::sqrt(squares / rounds);
                std::printf(" %2d %6lld %d  %.4f %.4f %.4f  %+.4f  %.3f\n", lg_k, static_cast<long long>(n), merged,
                            1.0 * within[0] / rounds, 1.0 * within[1] / rounds, 1.0 * within[2] / rounds, sum / rounds,
                            rmse / sketch->relative_error());
                for (int s = 0; s < 3; ++s) {
                    const double slack = 3 * std::sqrt(expected[s] * (1 - expected[s]) / rounds) + 0.002;
                    CHECK(1.0 * within[s] / rounds >= expected[s] - slack);
                }
                CHECK(rmse <= sketch->relative_error() * 1.12);
                CHECK(std::abs(sum / rounds) <= sketch->relative_error() * 0.1);
            }
}
