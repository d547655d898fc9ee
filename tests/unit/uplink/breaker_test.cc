#include "uplink/breaker.h"

#include <algorithm>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(CircuitBreaker) {
    SeededEntropy entropy{7};
    CircuitBreaker::Options options;
    MonotonicTime now{};

    // Tries for so long, each failing at once, and when.
    std::vector<MonotonicTime> tries(CircuitBreaker& breaker, Duration length) {
        std::vector<MonotonicTime> when;
        for (const MonotonicTime end = now + length; now < end; now = breaker.next_try()) {
            breaker.tried();
            when.push_back(now);
            breaker.failed(now, false);
        }
        return when;
    }
    static int most_in_an_hour(const std::vector<MonotonicTime>& when) {
        int most = 0;
        for (std::size_t first = 0, last = 0; last < when.size(); ++last) {
            while (when[last] - when[first] >= Duration::minutes(60)) ++first;
            most = std::max(most, static_cast<int>(last - first) + 1);
        }
        return most;
    }
};

TEST(CircuitBreaker, a_bridge_that_is_away_for_a_week_is_tried_at_most_60_times_in_any_hour) {
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        SeededEntropy own(seed);
        CircuitBreaker breaker(options, own);
        now = MonotonicTime{};
        const auto when = tries(breaker, Duration::minutes(7 * 24 * 60));
        const int most = most_in_an_hour(when);
        CHECK_TRUE(most <= 40);
        CHECK_TRUE(when.size() > 7 * 24 * 12);  // and at least every five minutes
    }
}

TEST(CircuitBreaker, pauses_double_within_their_jitter) {
    CircuitBreaker breaker(options, entropy);
    for (std::int64_t expected = 1; expected <= 300; expected *= 2) {
        const Duration pause = breaker.failed(now, false);
        CHECK_TRUE(pause >= Duration::millis(expected * 500) && pause <= Duration::seconds(expected));
        CHECK_TRUE(breaker.next_try() == now + pause);
        CHECK_FALSE(breaker.may_try(now));
        CHECK_TRUE(breaker.may_try(now + pause));
    }
    for (int i = 0; i < 100; ++i) CHECK_TRUE(breaker.failed(now, false) <= options.pause_max);
}

TEST(CircuitBreaker, agents_that_lost_their_bridge_together_do_not_return_together) {
    std::vector<std::vector<MonotonicTime>> all;
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        SeededEntropy own(seed);
        CircuitBreaker breaker(options, own);
        now = MonotonicTime{};
        all.push_back(tries(breaker, Duration::minutes(60)));
    }
    // After an hour no second holds the tries of more than a few.
    int together = 0;
    for (const auto& one : all)
        for (const auto& other : all) {
            const Duration apart = one.back() - other.back();
            together += &one != &other && apart < Duration::seconds(1) && apart > Duration::seconds(-1);
        }
    CHECK_TRUE(together <= 12);
}

TEST(CircuitBreaker, opens_after_so_many_failures_probes_and_closes) {
    CircuitBreaker breaker(options, entropy);
    for (std::uint32_t i = 1; i < options.open_after; ++i) {
        breaker.tried();
        breaker.failed(now, false);
        CHECK_TRUE(breaker.state() == CircuitState::closed);
    }
    breaker.tried();
    breaker.failed(now, false);
    CHECK_TRUE(breaker.state() == CircuitState::open);
    breaker.tried();
    CHECK_TRUE(breaker.state() == CircuitState::half_open);
    breaker.failed(now, false);
    CHECK_TRUE(breaker.state() == CircuitState::open);
    breaker.tried();
    breaker.succeeded();
    CHECK_TRUE(breaker.state() == CircuitState::closed);
    CHECK_EQUAL(0, breaker.failures_in_a_row());
    CHECK_TRUE(breaker.failed(now, false) <= options.pause_min);
}

TEST(CircuitBreaker, what_only_a_person_mends_waits_for_as_long_as_there_is) {
    CircuitBreaker breaker(options, entropy);
    const Duration pause = breaker.failed(now, true);
    CHECK_TRUE(pause >= Duration::seconds(150) && pause <= Duration::minutes(5));
    CHECK_TRUE(breaker.state() == CircuitState::open);
    breaker.try_at_once(now);
    CHECK_TRUE(breaker.may_try(now));
}
