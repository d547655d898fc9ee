#include "drivers/timestamps.h"

#include <ctime>
#include <cstdio>
#include <string>

#include "agent/base/entropy.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

std::int64_t iso_us(std::string_view text) {
    const auto t = parse_iso8601(text);
    return t.ok() ? t->us() : -1;
}
std::int64_t decimal_us(std::string_view text, TimeUnit unit) {
    const auto t = parse_decimal_time(text, unit);
    return t.ok() ? t->us() : -1;
}

}  // namespace

TEST_GROUP(Timestamps){};

TEST(Timestamps, iso_forms_that_sensors_send) {
    const std::int64_t us = 1441107000LL * 1000000;
    LONGLONGS_EQUAL(us, iso_us("2015-09-01 11:30:00"));
    LONGLONGS_EQUAL(us, iso_us("2015-09-01T11:30:00Z"));
    LONGLONGS_EQUAL(us, iso_us("2015-09-01t11:30:00z"));
    LONGLONGS_EQUAL(us, iso_us("2015-09-01T11:30"));
    LONGLONGS_EQUAL(us, iso_us("2015-09-01T13:30:00+02:00"));
    LONGLONGS_EQUAL(us, iso_us("2015-09-01T13:30:00+0200"));
    LONGLONGS_EQUAL(us, iso_us("2015-09-01T13:30:00 +02"));
    LONGLONGS_EQUAL(us, iso_us("2015-09-01T06:00:00-05:30"));
    LONGLONGS_EQUAL(us + 123456, iso_us("2015-09-01T11:30:00.123456789Z"));
    LONGLONGS_EQUAL(us + 500000, iso_us("2015-09-01T11:30:00,5"));
    LONGLONGS_EQUAL(1441065600LL * 1000000, iso_us("2015-09-01"));
    LONGLONGS_EQUAL(iso_us("2017-01-01T00:00:00Z"), iso_us("2016-12-31T23:59:60Z"));
}

TEST(Timestamps, iso_texts_that_are_none) {
    for (const char* bad : {"", "x", "2015", "2015-13-01", "2015-00-01", "2015-02-29", "2015-09-31", "2015-09-01T", "2015-09-01T24:00:00",
                            "2015-09-01T11:60:00", "2015-09-01T11:30:61", "2015-09-01T11:30:00.", "2015-09-01T11:30:00X",
                            "2015-09-01T11:30:00+", "2015-09-01T11:30:00+1", "2015-09-01T11:30:00+24:00", "2015-09-01T11:30:00Zx",
                            "2015-9-1", "1441107000", "-015-09-01"})
        CHECK(parse_iso8601(bad).error() == Error::invalid);
}

TEST(Timestamps, times_before_1970_and_after_2199_are_refused) {
    CHECK(parse_iso8601("1969-12-31T23:59:59Z").error() == Error::out_of_range);
    CHECK(parse_iso8601("2200-01-01").error() == Error::out_of_range);
    CHECK(parse_iso8601("2199-12-31T23:59:59.999999Z").ok());
    CHECK(parse_iso8601("1970-01-01T00:30:00+01:00").error() == Error::out_of_range);
    CHECK(parse_decimal_time("-1", TimeUnit::milliseconds).error() == Error::out_of_range);
    CHECK(parse_decimal_time("1441107000000", TimeUnit::seconds).error() == Error::out_of_range);
    CHECK(parse_decimal_time("7258118400", TimeUnit::seconds).error() == Error::out_of_range);
    CHECK(parse_decimal_time("7258118399.999999", TimeUnit::seconds).ok());
    CHECK(parse_decimal_time("1e999999999999", TimeUnit::nanoseconds).error() == Error::out_of_range);
    CHECK(parse_decimal_time("18446744073709551616", TimeUnit::microseconds).error() == Error::out_of_range);
}

TEST(Timestamps, decimals_are_exact_in_every_unit) {
    LONGLONGS_EQUAL(1441107000LL * 1000000, decimal_us("1441107000", TimeUnit::seconds));
    LONGLONGS_EQUAL(1441107000123456LL, decimal_us("1441107000.1234569", TimeUnit::seconds));
    LONGLONGS_EQUAL(1441107000123000LL, decimal_us("1441107000123", TimeUnit::milliseconds));
    LONGLONGS_EQUAL(1441107000123456LL, decimal_us("1441107000123.456", TimeUnit::milliseconds));
    LONGLONGS_EQUAL(1441107000123456LL, decimal_us("1441107000123456", TimeUnit::microseconds));
    LONGLONGS_EQUAL(1441107000123456LL, decimal_us("1441107000123456789", TimeUnit::nanoseconds));
    LONGLONGS_EQUAL(1441107000000000LL, decimal_us("1.441107e9", TimeUnit::seconds));
    LONGLONGS_EQUAL(1441107000000000LL, decimal_us("14411070000000000000000000000000000e-25", TimeUnit::seconds));
    LONGLONGS_EQUAL(0, decimal_us("0", TimeUnit::seconds));
    LONGLONGS_EQUAL(0, decimal_us("-0", TimeUnit::seconds));
    LONGLONGS_EQUAL(0, decimal_us("1e-999999999999", TimeUnit::seconds));
    for (const char* bad : {"", "-", "1.", ".5", "01", "1e", "0x10", " 1", "1 ", "nan"})
        CHECK(parse_decimal_time(bad, TimeUnit::seconds).error() == Error::invalid);
}

TEST(Timestamps, every_day_agrees_with_the_c_library) {
    for (std::int64_t seconds = 0; seconds < 7258118400; seconds += 86400 * 3 + 3661) {
        const auto t = static_cast<std::time_t>(seconds);
        if (t != seconds) break;  // the C library itself ends in 2038 where time_t has 32 bits
        std::tm parts{};
        gmtime_r(&t, &parts);
        char text[40];
        std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
        LONGLONGS_EQUAL(seconds * 1000000, iso_us(text));
    }
}
