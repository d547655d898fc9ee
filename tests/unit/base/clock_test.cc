#include "agent/base/clock.h"

#include <set>

#include "agent/base/build_info.h"
#include "agent/base/entropy.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(Clock){};

TEST(Clock, manual_clock_goes_as_it_is_told) {
    ManualClock clock(Timestamp::seconds(100));
    const MonotonicTime before = clock.monotonic();
    clock.advance(Duration::seconds(5));
    CHECK(clock.wall() == Timestamp::seconds(105));
    CHECK(clock.monotonic() - before == Duration::seconds(5));
    clock.step_wall(Timestamp::seconds(1));
    CHECK(clock.wall() == Timestamp::seconds(1));
    CHECK(clock.monotonic() - before == Duration::seconds(5));
}

TEST(Clock, wall_clock_before_the_build_is_not_believed) {
    CHECK_FALSE(ManualClock(Timestamp()).wall_trusted());
    CHECK_FALSE(ManualClock(build_time_floor() - Duration::micros(1)).wall_trusted());
    CHECK(ManualClock(build_time_floor()).wall_trusted());
}

TEST(Clock, systems_monotonic_clock_does_not_go_back) {
    const SystemClock clock;
    MonotonicTime last = clock.monotonic();
    for (int i = 0; i < 1000; ++i) {
        const MonotonicTime now = clock.monotonic();
        CHECK(now >= last);
        last = now;
    }
}

TEST(Clock, version_is_three_numbers) {
    int dots = 0;
    for (const char c : version()) dots += c == '.';
    CHECK_EQUAL(2, dots);
}

TEST_GROUP(Entropy){};

TEST(Entropy, seeded_entropy_repeats_itself_and_differs_by_seed) {
    SeededEntropy first(7), again(7), other(8);
    for (int i = 0; i < 100; ++i) {
        const std::uint64_t word = first.word();
        CHECK(word == again.word());
        CHECK(word != other.word());
    }
    // splitmix64 of 0, as its authors' program prints it.
    CHECK(SeededEntropy(0).word() == 0xe220a8397b1dcdafu);
}

TEST(Entropy, systems_entropy_does_not_repeat_itself) {
    SystemEntropy entropy;
    std::set<std::uint64_t> seen;
    for (int i = 0; i < 100; ++i) seen.insert(entropy.word());
    UNSIGNED_LONGS_EQUAL(100, seen.size());
}

TEST(Entropy, unit_is_below_one) {
    SeededEntropy entropy(1);
    double least = 1, greatest = 0;
    for (int i = 0; i < 10000; ++i) {
        const double unit = entropy.unit();
        CHECK(unit >= 0 && unit < 1);
        least = unit < least ? unit : least;
        greatest = unit > greatest ? unit : greatest;
    }
    CHECK(least < 0.01 && greatest > 0.99);
}
