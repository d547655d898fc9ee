#include "windows/calendar.h"

#include "tests/unit/windows/places.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

Calendar calendar(CalendarUnit unit, const char* zone) { return {unit, *Places().find(zone)}; }

void check_interval(const Calendar& of, const char* start, const char* end) {
    for (const std::int64_t at : {utc(start).us(), utc(end).us() - 1}) {
        LONGS_EQUAL(utc(start).us(), of.start(at));
        LONGS_EQUAL(utc(end).us(), of.end(at));
    }
}

}  // namespace

TEST_GROUP(Calendar) {};

TEST(Calendar, days_of_amsterdam_have_23_24_and_25_hours) {
    const Calendar days = calendar(CalendarUnit::day, "Europe/Amsterdam");
    check_interval(days, "2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z");
    check_interval(days, "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");
    check_interval(days, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
}

TEST(Calendar, an_hour_that_comes_twice_is_two_and_one_that_is_skipped_is_none) {
    const Calendar hours = calendar(CalendarUnit::hour, "Europe/Amsterdam");
    check_interval(hours, "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z");
    check_interval(hours, "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z");
    check_interval(hours, "2026-03-29T00:00:00Z", "2026-03-29T01:00:00Z");
    check_interval(hours, "2026-03-29T01:00:00Z", "2026-03-29T02:00:00Z");
}

TEST(Calendar, lord_howe_moves_its_clocks_by_half_an_hour) {
    const Calendar days = calendar(CalendarUnit::day, "Australia/Lord_Howe");
    check_interval(days, "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z");
    check_interval(days, "2026-10-03T13:30:00Z", "2026-10-04T13:00:00Z");
    const Calendar hours = calendar(CalendarUnit::hour, "Australia/Lord_Howe");
    check_interval(hours, "2026-04-04T14:00:00Z", "2026-04-04T15:00:00Z");
    check_interval(hours, "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z");
    check_interval(hours, "2026-04-04T15:30:00Z", "2026-04-04T16:30:00Z");
}

TEST(Calendar, apia_went_from_the_29th_to_the_31st) {
    const Calendar days = calendar(CalendarUnit::day, "Pacific/Apia");
    check_interval(days, "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z");
    check_interval(days, "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z");
}

TEST(Calendar, a_date_that_is_left_and_come_back_to_is_one_day) {
    check_interval(calendar(CalendarUnit::day, "America/St_Johns"), "2009-10-31T02:30:00Z", "2009-11-01T02:30:00Z");
    check_interval(calendar(CalendarUnit::day, "America/St_Johns"), "2009-11-01T02:30:00Z", "2009-11-02T03:30:00Z");
}

TEST(Calendar, a_fixed_size_is_cut_at_its_multiples) {
    const Cut cut{10, nullptr};
    LONGS_EQUAL(-10, cut.start(-1));
    LONGS_EQUAL(0, cut.end(-1));
    LONGS_EQUAL(20, cut.start(20));
    LONGS_EQUAL(30, cut.end(20));
    LONGS_EQUAL(-20, floor_to(-11, 10));
}

TEST(Calendar, its_memory_is_that_of_the_zone) {
    CHECK(calendar(CalendarUnit::day, "Europe/Amsterdam").memory() >= sizeof(Calendar) + 2 * sizeof(ZoneTable::Change));
}
