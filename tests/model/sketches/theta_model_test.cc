// Theta against all hashes in a std::set; its bounds against their stated confidence.
#include "sketches/theta.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <set>
#include <vector>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

struct Twin {
    explicit Twin(std::uint8_t lg_k) : k(std::size_t{1} << lg_k) {}

    void update(std::uint64_t hash) {
        if (hash >= theta) return;
        kept.insert(hash);
        if (kept.size() > 2 * k * 15 / 16) trim();
    }
    void trim() {
        if (kept.size() > k) lower(*std::next(kept.begin(), static_cast<std::ptrdiff_t>(k)));
    }
    void lower(std::uint64_t to) {
        theta = std::min(theta, to);
        kept.erase(kept.lower_bound(theta), kept.end());
    }
    void intersect(const Twin& other) {
        const bool nothing = empty() || other.empty();
        lower(other.theta);
        std::erase_if(kept, [&](std::uint64_t hash) { return !other.kept.contains(hash); });
        if (nothing) *this = Twin(static_cast<std::uint8_t>(__builtin_ctzll(k)));
    }
    bool empty() const { return kept.empty() && theta == ThetaSketch::theta_max; }

    std::size_t k;
    std::uint64_t theta = ThetaSketch::theta_max;
    std::set<std::uint64_t> kept;
};

std::set<std::uint64_t> kept_in(const std::vector<std::byte>& bytes) {
    std::set<std::uint64_t> found;
    const std::size_t preamble = std::to_integer<std::size_t>(bytes[0]) * 8;
    for (std::size_t at = preamble; at < bytes.size(); at += 8) found.insert(load_le<std::uint64_t>(&bytes[at]));
    return found;
}

}  // namespace

TEST_GROUP(ThetaModel) {};

TEST(ThetaModel, random_operations_agree_with_the_twin) {
    for (std::uint64_t seed = 0; seed < 200; ++seed) {
        Random random(seed);
        constexpr std::size_t count = 3;
        std::vector<Owned<ThetaSketch>> sketches;
        std::vector<Twin> twins;
        for (std::size_t i = 0; i < count; ++i) {
            const auto lg_k = static_cast<std::uint8_t>(5 + random.below(4));
            sketches.emplace_back(ThetaSketch::Params{lg_k});
            twins.emplace_back(lg_k);
        }
        for (int step = 0; step < 60; ++step) {
            const std::size_t at = random.below(count);
            const std::size_t other = random.below(count);
            auto& sketch = *sketches[at];
            Twin& twin = twins[at];
            const std::uint64_t action = random.below(16);
            if (action == 0 && at != other) {
                sketch.merge(*sketches[other]);
                sketch.trim();
                twin.lower(twins[other].theta);
                for (std::uint64_t hash : twins[other].kept)
                    if (hash < twin.theta) twin.kept.insert(hash);
                twin.trim();
            } else if (action == 1 && at != other) {
                sketch.intersect(*sketches[other]);
                twin.intersect(twins[other]);
            } else if (action == 2) {
                auto bytes = bytes_of(sketch);
                if (random.below(2)) bytes.resize(*ThetaSketch::compress(bytes));
                CHECK(sketch.load(bytes).ok());
            } else if (action == 3) {
                sketch.trim();
                twin.trim();
            } else {
                for (std::uint64_t n = random.below(1 << random.below(11)); n > 0; --n) {
                    const auto item = static_cast<std::int64_t>(random.below(3000));
                    sketch.update(item);
                    twin.update(hash_integer(item).h1 >> 1);
                }
            }
            CHECK_EQUAL(twin.theta, sketch.theta());
            CHECK_EQUAL(twin.kept.size(), sketch.retained());
            CHECK(twin.kept == kept_in(bytes_of(sketch)));
        }
    }
}

// Operations of a small sketch and of one that had all memory from the start: the same bytes, whenever
// blocks grew, and from a checkpoint.
TEST(ThetaModel, growth_at_any_time_changes_nothing) {
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
        Random random(seed);
        const ThetaSketch::Params params{static_cast<std::uint8_t>(5 + random.below(7))};
        Growing<ThetaSketch> small(params);
        Owned<ThetaSketch> whole(params);
        for (int step = 0; step < 20; ++step) {
            const std::uint64_t action = random.below(12);
            if (action < 2) {
                Growing<ThetaSketch> other(ThetaSketch::Params{static_cast<std::uint8_t>(5 + random.below(7))});
                for (std::uint64_t n = random.below(1 << random.below(12)); n > 0; --n) other.update(random.below(9000));
                if (action == 0) {
                    small.merge(*other);
                    whole->merge(*other);
                } else {
                    small->intersect(*other);
                    whole->intersect(*other);
                }
            } else if (action == 2) {
                small.grow(std::min<Bytes>(small->room() + static_cast<Bytes>(random.below(3000)), ThetaSketch::need(params)));
            } else if (action == 3) {
                Growing<ThetaSketch> copy(params, small->room());
                std::memcpy(copy.memory().data(), small.memory().data(), small->room());
                std::swap(copy, small);
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

// 1,500 seeds a row: one sketch of n items; a union of two halves; an intersection that has a tenth.
TEST(ThetaModel, bounds_hold_as_often_as_stated) {
    constexpr int trials = 1500;
    constexpr double least[] = {0, 0.683, 0.954, 0.9973};
    std::printf("\n Theta: lg_k, n, form, share within 1, 2, 3 sigma\n");
    for (const std::uint8_t lg_k : {5, 8, 10})
        for (const std::uint64_t n : {std::uint64_t{300}, std::uint64_t{8000}})
            for (const char* form : {"one", "union", "intersection"}) {
                int within[4] = {};
                Owned<ThetaSketch> a({lg_k});
                Owned<ThetaSketch> b({lg_k});
                Random random(n + lg_k);
                for (int trial = 0; trial < trials; ++trial) {
                    a->reset();
                    b->reset();
                    const std::uint64_t base = random.next();
                    std::uint64_t truth = n;
                    if (form[0] == 'o') {
                        for (std::uint64_t i = 0; i < n; ++i) a->update(base + i);
                    } else {
                        const std::uint64_t shared = form[0] == 'i' ? n / 10 : 0;
                        for (std::uint64_t i = 0; i < n / 2; ++i) a->update(base + i);
                        for (std::uint64_t i = n / 2 - shared; i < n; ++i) b->update(base + i);
                        if (shared) {
                            a->intersect(*b);
                            truth = shared;
                        } else {
                            a->merge(*b);
                        }
                    }
                    for (int sigmas = 1; sigmas <= 3; ++sigmas)
                        within[sigmas] += a->lower_bound(sigmas) <= static_cast<double>(truth) &&
                                          a->upper_bound(sigmas) >= static_cast<double>(truth);
                }
                std::printf(" %2d %5d %-12s %.4f %.4f %.4f\n", lg_k, static_cast<int>(n), form,
                            1.0 * within[1] / trials, 1.0 * within[2] / trials, 1.0 * within[3] / trials);
                for (int sigmas = 1; sigmas <= 3; ++sigmas) {
                    const double spread = 3.5 * std::sqrt(least[sigmas] * (1 - least[sigmas]) / trials);
                    CHECK(1.0 * within[sigmas] / trials >= least[sigmas] - spread - 0.001);
                }
            }
}
