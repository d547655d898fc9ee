#include "agent/base/time.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(Time){};

TEST(Time, units_agree) {
    CHECK(Duration::seconds(1) == Duration::millis(1000));
    CHECK(Duration::minutes(1) == Duration::seconds(60));
    CHECK(Timestamp::seconds(2) == Timestamp::micros(2000000));
    CHECK(Timestamp::seconds(3) - Timestamp::seconds(1) == Duration::seconds(2));
    CHECK(Timestamp::seconds(3) + Duration::seconds(1) == Timestamp::seconds(4));
    CHECK(Duration::seconds(3) * 2 == Duration::seconds(6));
    DOUBLES_EQUAL(1.5, Duration::millis(1500).as_seconds(), 0);
}

TEST(Time, arithmetic_stops_at_the_ends_of_the_range) {
    CHECK(Timestamp::max() + Duration::seconds(1) == Timestamp::max());
    CHECK(Timestamp::min() - Duration::seconds(1) == Timestamp::min());
    CHECK(Timestamp::max() - Timestamp::min() == Duration::max());
    CHECK(Timestamp::seconds(std::numeric_limits<std::int64_t>::max()) == Timestamp::max());
    CHECK(Timestamp::seconds(std::numeric_limits<std::int64_t>::min()) == Timestamp::min());
    CHECK(Timestamp::millis(std::numeric_limits<std::int64_t>::max() / 2) == Timestamp::max());
    CHECK(Duration::max() * 2 == Duration::max());
    CHECK(Duration::max() * -2 < Duration());
}

TEST(Time, milliseconds_round_toward_minus_infinity) {
    CHECK(Timestamp::micros(1999).ms() == 1);
    CHECK(Timestamp::micros(-1).ms() == -1);
    CHECK(Timestamp::micros(-1000).ms() == -1);
    CHECK(Timestamp::micros(-1001).ms() == -2);
    CHECK(Timestamp::min().ms() < 0);
}

TEST(Time, align_down_finds_the_interval_that_holds_the_time) {
    const Duration minute = Duration::minutes(1);
    CHECK(align_down(Timestamp::seconds(60), minute) == Timestamp::seconds(60));
    CHECK(align_down(Timestamp::seconds(119), minute) == Timestamp::seconds(60));
    CHECK(align_down(Timestamp::micros(-1), minute) == Timestamp::seconds(-60));
    CHECK(align_down(Timestamp::seconds(-60), minute) == Timestamp::seconds(-60));
    CHECK(align_down(Timestamp::min(), minute) == Timestamp::min());  // and does not wrap round
}
