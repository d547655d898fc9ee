#include "agent/config_units.h"

#include <vector>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(ConfigUnits){};

TEST(ConfigUnits, durations_are_a_whole_number_and_a_unit) {
    LONGS_EQUAL(500'000, parse_duration("500ms").value().us());
    LONGS_EQUAL(30'000'000, parse_duration("30s").value().us());
    LONGS_EQUAL(60'000'000, parse_duration("1m").value().us());
    CHECK(parse_duration("1h").value() == Duration::minutes(60));
    CHECK(parse_duration("1d").value() == Duration::minutes(1440));
    LONGS_EQUAL(7, parse_duration("7us").value().us());
}

TEST(ConfigUnits, other_spellings_of_durations_are_refused) {
    for (const char* text :
         {"", "1", "s", "1.5s", "-1s", " 1s", "1s ", "1 s", "1S", "1min", "1s1m", "0x1s", "+1s"}) {
        CHECK_TEXT(!parse_duration(text), text);
    }
    CHECK(parse_duration("99999999999999999999s").error() == Error::out_of_range);
    CHECK(parse_duration("999999999999d").error() == Error::out_of_range);
}

TEST(ConfigUnits, sizes_distinguish_powers_of_two_and_of_ten) {
    CHECK_EQUAL(24ULL << 20, parse_size("24MiB").value());
    CHECK_EQUAL(256ULL << 10, parse_size("256KiB").value());
    CHECK_EQUAL(64'000ULL, parse_size("64KB").value());
    CHECK_EQUAL(3'000'000'000ULL, parse_size("3GB").value());
    CHECK_EQUAL(2ULL << 30, parse_size("2GiB").value());
    CHECK_EQUAL(0ULL, parse_size("0B").value());
    for (const char* text : {"64", "64K", "64kb", "64kB", "1.5MiB", "", "MiB"})
        CHECK_TEXT(!parse_size(text), text);
}

TEST(ConfigUnits, rates_are_converted_to_the_period_asked_for) {
    CHECK_EQUAL(64ULL << 10, parse_rate("64KiB/s", Duration::seconds(1)).value());
    CHECK_EQUAL(200ULL << 20, parse_rate("200MiB/day", Duration::seconds(86'400)).value());
    CHECK_EQUAL(86'400ULL, parse_rate("1B/s", Duration::seconds(86'400)).value());
    CHECK_EQUAL(2ULL, parse_rate("120B/min", Duration::seconds(1)).value());
    for (const char* text : {"64KiB", "64KiB/", "/s", "64/s", "64KiB/m", "64KiB/s/s"}) {
        CHECK_TEXT(!parse_rate(text, Duration::seconds(1)), text);
    }
    CHECK(parse_rate("9000000000GiB/s", Duration::seconds(86'400)).error() == Error::out_of_range);
}

TEST(ConfigUnits, what_is_formatted_is_read_back) {
    for (const std::int64_t us : {1LL, 999LL, 1000LL, 1500LL, 1'000'000LL, 90'000'000LL,
                                  86'400'000'000LL, 604'800'000'000LL}) {
        CHECK(parse_duration(format_duration(Duration::micros(us))).value() ==
              Duration::micros(us));
    }
    for (const std::uint64_t bytes :
         {0ULL, 1ULL, 1000ULL, 1024ULL, 1536ULL, 64'000'000ULL, 24ULL << 20, 3ULL << 30}) {
        CHECK_EQUAL(bytes, parse_size(format_size(bytes)).value());
    }
    STRCMP_EQUAL("24MiB", format_size(24 << 20).c_str());
    STRCMP_EQUAL("90s", format_duration(Duration::seconds(90)).c_str());
    STRCMP_EQUAL("64KiB/s", format_rate(64 << 10, "s").c_str());
}
