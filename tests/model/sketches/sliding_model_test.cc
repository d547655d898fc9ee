// Sliding windows of every kind of sketch against a merge of all their panes, done again each time.
#include "sketches/sliding.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "sketches/count_min.h"
#include "sketches/frequent_items.h"
#include "sketches/hll.h"
#include "sketches/kll.h"
#include "sketches/log_histogram.h"
#include "sketches/theta.h"
#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

template <typename S>
struct Pane {
    explicit Pane(const typename S::Params& params) : sketch(params) {}
    Owned<S> sketch;
    std::vector<std::int64_t> items;
};

// check(answer of the window, merge of all panes, panes) after every step.
template <typename S, typename Check>
void slide(const typename S::Params& params, std::uint32_t panes, std::uint64_t seed, Check check) {
    Random random(seed);
    std::vector<std::byte> memory(SlidingWindow<S>::need({params, panes}));
    auto* window = SlidingWindow<S>::create(memory, {params, panes});
    std::deque<std::unique_ptr<Pane<S>>> twin;
    bool growing = true;
    for (int step = 0; step < 300; ++step) {
        if (random.below(60) == 0) growing = !growing;
        if (twin.empty() || (twin.size() < panes && random.below(10) < (growing ? 8U : 3U))) {
            typename S::Params own = params;
            if constexpr (requires { own.seed; own.n_max; }) own.seed = random.next();
            auto pane = std::make_unique<Pane<S>>(own);
            for (std::uint64_t n = random.below(4) == 0 ? random.below(2000) : random.below(40); n > 0; --n) {
                const std::int64_t item = skewed_item(random.below(20000));
                if constexpr (std::is_same_v<S, KllSketch<double>> || std::is_same_v<S, LogHistogram>)
                    pane->sketch->update(static_cast<double>(item));
                else
                    pane->sketch->update(item);
                pane->items.push_back(item);
            }
            CHECK(window->insert(*pane->sketch).ok());
            twin.push_back(std::move(pane));
        } else {
            CHECK(window->evict().ok());
            twin.pop_front();
        }
        if (random.below(20) == 0) {
            std::vector<std::byte> copy = memory;
            std::fill(memory.begin(), memory.end(), std::byte{0x5A});
            memory.swap(copy);
            window = SlidingWindow<S>::at(memory.data());
        }
        LONGS_EQUAL(twin.size(), window->size());
        Owned<S> answer(params);
        CHECK(window->query(*answer).ok());
        Owned<S> again(params);
        for (const auto& pane : twin) (void)again->merge(*pane->sketch);
        check(*answer, *again, twin);
    }
}

template <typename Twin>
std::vector<std::int64_t> items_of(const Twin& twin) {
    std::vector<std::int64_t> items;
    for (const auto& pane : twin) items.insert(items.end(), pane->items.begin(), pane->items.end());
    return items;
}

constexpr std::uint32_t windows[] = {1, 3, 16, 17, 50};

}  // namespace

TEST_GROUP(SlidingModel) {};

TEST(SlidingModel, invertible_sketches_are_equal_to_a_merge_of_all_panes) {
    for (std::uint32_t panes : windows) {
        slide<CountMinIntegers>({4, 128}, panes, panes, [](auto& answer, auto& again, const auto&) { CHECK(bytes_of(answer) == bytes_of(again)); });
        slide<LogHistogram>({.sub_bits = 2}, panes, panes, [](auto& answer, auto& again, const auto&) {
            MEMCMP_EQUAL(&again, &answer, LogHistogram::need({.sub_bits = 2}));
        });
    }
}

TEST(SlidingModel, hll_and_theta_count_what_is_in_the_panes) {
    std::uint64_t asked = 0, hll = 0, theta = 0;
    const auto different = [](const auto& twin) {
        const auto items = items_of(twin);
        return static_cast<double>(std::set<std::int64_t>(items.begin(), items.end()).size());
    };
    for (std::uint32_t panes : windows) {
        slide<HllSketch>({10}, panes, panes, [&](const HllSketch& answer, const HllSketch& again, const auto& twin) {
            // Registers are the same in whatever order they were merged; HIP, where only one pane has any, is not.
            if (answer.merged() && again.merged()) DOUBLES_EQUAL(again.estimate(), answer.estimate(), 0);
            const double truth = different(twin);
            ++asked;
            hll += answer.lower_bound(2) <= truth && truth <= answer.upper_bound(2);
        });
        slide<ThetaSketch>({.lg_k = 9}, panes, panes, [&](ThetaSketch& answer, ThetaSketch&, const auto& twin) {
            const double truth = different(twin);
            theta += answer.lower_bound(2) <= truth && truth <= answer.upper_bound(2);
        });
    }
    const auto share = [&](std::uint64_t within) { return 100.0 * static_cast<double>(within) / static_cast<double>(asked); };
    std::printf("\nsliding HLL: %.2f %%, Theta: %.2f %% of %llu counts within two sigmas (95 %%)\n", share(hll), share(theta),
                static_cast<unsigned long long>(asked));
    CHECK(share(hll) >= 93 && share(theta) >= 93);
}

TEST(SlidingModel, kll_stays_within_its_error) {
    std::uint64_t asked = 0, within = 0;
    for (std::uint32_t panes : windows) {
        slide<KllSketch<double>>({.k = 50, .n_max = 1 << 30, .seed = panes}, panes, panes, [&](auto& answer, auto&, const auto& twin) {
            std::vector<std::int64_t> items = items_of(twin);
            LONGS_EQUAL(items.size(), answer.n());
            if (items.empty()) return;
            std::sort(items.begin(), items.end());
            DOUBLES_EQUAL(static_cast<double>(items.front()), answer.min(), 0);
            DOUBLES_EQUAL(static_cast<double>(items.back()), answer.max(), 0);
            for (std::int64_t value : {items[items.size() / 4], items[items.size() / 2], items[items.size() * 9 / 10]}) {
                const auto below = std::upper_bound(items.begin(), items.end(), value) - items.begin();
                const double truth = static_cast<double>(below) / static_cast<double>(items.size());
                ++asked;
                within += std::fabs(answer.rank(static_cast<double>(value)) - truth) <= answer.rank_error();
            }
        });
    }
    std::printf("\nsliding KLL: %.2f %% of %llu ranks within the stated error (99 %%)\n", 100.0 * static_cast<double>(within) / static_cast<double>(asked),
                static_cast<unsigned long long>(asked));
    CHECK(within * 100 >= asked * 98);
}

TEST(SlidingModel, frequent_items_enclose_the_truth) {
    for (std::uint32_t panes : windows) {
        slide<FrequentIntegers>({.lg_max = 6}, panes, panes, [](auto& answer, auto&, const auto& twin) {
            std::map<std::int64_t, std::uint64_t> weights;
            const auto items = items_of(twin);
            for (std::int64_t item : items) ++weights[item];
            LONGS_EQUAL(items.size(), answer.total_weight());
            for (const auto& [item, weight] : weights) {
                CHECK(answer.lower_bound(item) <= weight);
                CHECK(answer.upper_bound(item) >= weight);
            }
            CHECK(static_cast<double>(answer.maximum_error()) <= 3.5 / 64 * static_cast<double>(items.size()));
        });
    }
}
