#include "sketches/sliding.h"

#include <cmath>
#include <cstring>
#include <deque>
#include <memory>
#include <vector>

#include "sketches/count_min.h"
#include "sketches/hll.h"
#include "sketches/kll.h"
#include "sketches/log_histogram.h"
#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

// What panes it holds, first to last: merging others than neighbours in their order is refused. Counts merges.
struct Range {
    struct Params {};
    static bool valid(const Params&) { return true; }
    static Bytes need(const Params&) { return sizeof(Range); }
    static Range* create(MutableByteSpan memory, const Params&) { return std::construct_at(at(memory.data())); }
    static Range* at(void* memory) { return static_cast<Range*>(memory); }
    Status merge(const Range& other) {
        ++merges;
        if (other.first == other.end) return {};
        if (first == end) first = end = other.first;
        if (end != other.first) return Error::invalid;
        end = other.end;
        return {};
    }
    void reset() { first = end = 0; }

    std::uint64_t first = 0;
    std::uint64_t end = 0;
    static inline std::uint64_t merges = 0;
};

struct Total {
    struct Params {};
    static bool valid(const Params&) { return true; }
    static Bytes need(const Params&) { return sizeof(Total); }
    static Total* create(MutableByteSpan memory, const Params&) { return std::construct_at(at(memory.data())); }
    static Total* at(void* memory) { return static_cast<Total*>(memory); }
    void merge(const Total& other) { sum += other.sum; }
    Status subtract(const Total& other) {
        sum -= other.sum;
        return {};
    }
    void reset() { sum = 0; }
    std::int64_t sum = 0;
};

template <typename S>
class Sliding {
public:
    Sliding(const typename S::Params& sketch, std::uint32_t panes)
        : memory_(SlidingWindow<S>::need({sketch, panes})),
          window_(SlidingWindow<S>::create(memory_, {sketch, panes})) {}
    SlidingWindow<S>* operator->() { return window_; }
    void move() {
        std::vector<std::byte> copy = memory_;
        std::fill(memory_.begin(), memory_.end(), std::byte{0x5A});
        memory_.swap(copy);
        window_ = SlidingWindow<S>::at(memory_.data());
    }

private:
    std::vector<std::byte> memory_;
    SlidingWindow<S>* window_;
};

}  // namespace

TEST_GROUP(SlidingWindow) {};

TEST(SlidingWindow, the_form_follows_from_the_sketch_and_the_panes) {
    CHECK(SlidingWindow<LogHistogram>::form(1000) == SlidingForm::subtract);
    CHECK(SlidingWindow<CountMinIntegers>::form(2) == SlidingForm::subtract);
    CHECK(SlidingWindow<CountMinReals>::form(16) == SlidingForm::merge_all);
    CHECK(SlidingWindow<HllSketch>::form(16) == SlidingForm::merge_all);
    CHECK(SlidingWindow<HllSketch>::form(17) == SlidingForm::daba_lite);
    CHECK_FALSE(SlidingWindow<HllSketch>::valid({{12}, 0}));
}

TEST(SlidingWindow, daba_lite_holds_the_panes_in_their_order_with_few_merges_each) {
    for (std::uint32_t panes : {17U, 18U, 40U, 1000U}) {
        Sliding<Range> window({}, panes);
        CHECK(window->form() == SlidingForm::daba_lite);
        Random random(panes);
        std::uint64_t begin = 1, end = 1;
        bool growing = true;
        for (int i = 0; i < 20000; ++i) {
            if (random.below(400) == 0) growing = !growing;
            const bool in = begin == end || (end - begin < panes && random.below(10) < (growing ? 8U : 2U));
            Range::merges = 0;
            if (in) {
                Range pane;
                pane.first = end;
                pane.end = ++end;
                CHECK(window->insert(pane).ok());
                CHECK(Range::merges <= 4);
            } else {
                ++begin;
                CHECK(window->evict().ok());
                CHECK(Range::merges <= 2);
            }
            if (i % 999 == 0) window.move();
            LONGS_EQUAL(end - begin, window->size());
            Range all;
            Range::merges = 0;
            CHECK(window->query(all).ok());
            CHECK(Range::merges <= 2);
            LONGS_EQUAL(end - begin, all.end - all.first);
            if (begin != end) LONGS_EQUAL(begin, all.first);
        }
    }
}

TEST(SlidingWindow, few_panes_are_merged_when_somebody_asks) {
    Sliding<Range> window({}, 16);
    for (std::uint64_t i = 1; i <= 40; ++i) {
        if (window->size() == 16) CHECK(window->evict().ok());
        Range pane;
        pane.first = i;
        pane.end = i + 1;
        CHECK(window->insert(pane).ok());
        Range all;
        Range::merges = 0;
        CHECK(window->query(all).ok());
        LONGS_EQUAL(window->size(), Range::merges);
        LONGS_EQUAL(i + 1, all.end);
        LONGS_EQUAL(i < 16 ? 1 : i - 15, all.first);
    }
}

TEST(SlidingWindow, what_can_be_subtracted_is) {
    Sliding<Total> window({}, 100);
    for (std::int64_t i = 0; i < 1000; ++i) {
        if (window->size() == 100) CHECK(window->evict().ok());
        Total pane;
        pane.sum = i * i;
        CHECK(window->insert(pane).ok());
        Total all;
        CHECK(window->query(all).ok());
        std::int64_t expected = 0;
        for (std::int64_t j = std::max<std::int64_t>(0, i - 99); j <= i; ++j) expected += j * j;
        LONGS_EQUAL(expected, all.sum);
    }
}

TEST(SlidingWindow, a_window_can_run_empty_and_start_again) {
    for (std::uint32_t panes : {1U, 16U, 17U}) {
        Sliding<Range> window({}, panes);
        Range all;
        CHECK(window->query(all).ok());
        LONGS_EQUAL(0, all.end - all.first);
        for (std::uint64_t i = 1; i < 50; ++i) {
            Range pane;
            pane.first = i;
            pane.end = i + 1;
            CHECK(window->insert(pane).ok());
            CHECK(window->query(all).ok());
            LONGS_EQUAL(i, all.first);
            LONGS_EQUAL(i + 1, all.end);
            CHECK(window->evict().ok());
            CHECK(window->query(all).ok());
            LONGS_EQUAL(0, all.end - all.first);
        }
    }
}

TEST(SlidingWindow, a_pane_that_does_not_fit_the_others_is_an_error_and_leaves_it_empty) {
    for (std::uint32_t panes : {16U, 17U}) {
        Sliding<LogHistogram> window({}, panes);
        Owned<LogHistogram> pane;
        CHECK(window->insert(*pane).ok());
        Owned<LogHistogram> other({.octaves = 3});
        CHECK(window->insert(*other).error() == Error::wrong_type);
        LONGS_EQUAL(0, window->size());
    }
}

TEST(SlidingWindow, hll_of_many_panes_is_the_union_without_hip) {
    Sliding<HllSketch> window({10}, 30);
    std::deque<std::uint64_t> starts;
    for (std::uint64_t i = 0; i < 100; ++i) {
        if (window->size() == 30) CHECK(window->evict().ok());
        Owned<HllSketch> pane(HllSketch::Params{10});
        for (std::uint64_t j = 0; j < 500; ++j) pane->update(static_cast<std::int64_t>(i * 250 + j));  // half of them in the next, too
        CHECK(window->insert(*pane).ok());
    }
    Owned<HllSketch> all(HllSketch::Params{10});
    CHECK(window->query(*all).ok());
    CHECK(all->merged());
    const double truth = 31 * 250;
    CHECK(std::fabs(all->estimate() - truth) < 3 * 1.04 / 32 * truth);
    CHECK(all->lower_bound(3) <= truth && truth <= all->upper_bound(3));
}

TEST(SlidingWindow, the_sketches_of_kll_toss_different_coins) {
    // All panes hold the same values: with equal coins the window would be as far off as one of them.
    Sliding<KllSketch<double>> window({.k = 20, .n_max = 1 << 30, .seed = 7}, 64);
    Owned<KllSketch<double>> all(KllSketch<double>::Params{.k = 20, .n_max = 1 << 30, .seed = 7});
    for (std::uint64_t i = 0; i < 64; ++i) {
        Owned<KllSketch<double>> pane(KllSketch<double>::Params{.k = 20, .n_max = 1 << 30, .seed = 1000 + i});
        for (int j = 0; j < 1000; ++j) pane->update(j);
        CHECK(window->insert(*pane).ok());
    }
    CHECK(window->query(*all).ok());
    LONGS_EQUAL(64000, all->n());
    for (double rank : {0.1, 0.5, 0.9}) CHECK(std::fabs(all->rank(rank * 1000) - rank) <= all->rank_error());
}
