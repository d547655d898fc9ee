#include "windows/civil.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

bool leap(std::int64_t year) { return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0); }

}  // namespace

TEST_GROUP(Civil) {};

TEST(Civil, every_day_of_ten_thousand_years_is_the_next_of_the_one_before) {
    const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    CivilDate expected{1, 1, 1};
    for (std::int64_t day = timestamp_least_us / day_us; day <= timestamp_greatest_us / day_us; ++day) {
        const CivilDate date = civil_date(day);
        if (date.year != expected.year || date.month != expected.month || date.day != expected.day) FAIL("another date");
        if (days_of(date) != day) FAIL("not the day it came from");
        const int length = lengths[expected.month - 1] + (expected.month == 2 && leap(expected.year) ? 1 : 0);
        if (++expected.day <= length) continue;
        expected.day = 1;
        if (++expected.month <= 12) continue;
        expected.month = 1;
        ++expected.year;
    }
    LONGS_EQUAL(10000, expected.year);
}

TEST(Civil, weekdays_begin_with_sunday) {
    LONGS_EQUAL(4, weekday(0));  // Thursday, 1 January 1970
    LONGS_EQUAL(3, weekday(-1));
    LONGS_EQUAL(0, weekday(days_of({2026, 11, 22})));
}

TEST(Civil, timestamps_are_read) {
    CHECK_EQUAL(1234567890123456, *parse_timestamp("2009-02-13T23:31:30.123456789Z"));
    CHECK_EQUAL(1234567890000000, *parse_timestamp("2009-02-14T01:31:30+02:00"));
    CHECK_EQUAL(1234567890000000, *parse_timestamp("2009-02-13t18:01:30-05:30"));
    CHECK_EQUAL(timestamp_least_us, *parse_timestamp("0001-01-01T00:00:00Z"));
    CHECK_EQUAL(timestamp_greatest_us, *parse_timestamp("9999-12-31T23:59:59.999999999Z"));
    CHECK_EQUAL(-1, *parse_timestamp("1969-12-31T23:59:59.999999Z"));
}

TEST(Civil, what_is_no_timestamp_is_not_read) {
    for (const char* text : {"", "2009", "2009-02-13", "2009-02-13T23:31:30", "2009-02-13T23:31Z", "2009-02-29T00:00:00Z", "2009-13-01T00:00:00Z",
                             "2009-02-13T24:00:00Z", "2009-02-13T23:60:00Z", "2009-02-13T23:31:60Z", "2009-02-13T23:31:30.Z", "2009-02-13T23:31:30UTC",
                             "2009-02-13 23:31:30Z", "0000-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00", "12009-01-01T00:00:00Z"})
        CHECK_FALSE(parse_timestamp(text).has_value());
}

TEST(Civil, durations_are_read) {
    CHECK_EQUAL(90 * second_us, *parse_span("90s"));
    CHECK_EQUAL(90 * minute_us, *parse_span("1h30m"));
    CHECK_EQUAL(-90 * minute_us, *parse_span("-1.5h"));
    CHECK_EQUAL(250'000, *parse_span("+250ms"));
    CHECK_EQUAL(1, *parse_span("1us"));
    CHECK_EQUAL(1, *parse_span("1\xc2\xb5s"));
    CHECK_EQUAL(0, *parse_span("999ns"));
    CHECK_EQUAL(1, *parse_span("500ns500ns"));
    CHECK_EQUAL(2, *parse_span("1.5us500ns"));
    CHECK_EQUAL(0, *parse_span("0"));
    CHECK_EQUAL(500'000, *parse_span(".5s"));
    CHECK_EQUAL(duration_greatest_us, *parse_span("315576000000s"));
}

TEST(Civil, what_is_no_duration_is_not_read) {
    for (const char* text : {"", "-", "s", "90", "1.s.", "90 s", "1d", "s1", "315576000001s", "99999999999999999999s", "9223372036854775807h", ".s",
                             "315576000000s315576000000s315576000000s"})
        CHECK_FALSE(parse_span(text).has_value());
}

TEST(Civil, offsets_are_read) {
    CHECK_EQUAL(0, *parse_offset("UTC"));
    CHECK_EQUAL(0, *parse_offset("-00:00"));
    CHECK_EQUAL(2 * hour_us, *parse_offset("02:00"));
    CHECK_EQUAL(-(2 * hour_us + 30 * minute_us), *parse_offset("-02:30"));
    for (const char* text : {"", "2:00", "+2", "+24:00", "+02:60", "+02:00x", "CET"}) CHECK_FALSE(parse_offset(text).has_value());
}
