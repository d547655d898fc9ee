#include "agent/zones.h"

#include <algorithm>

#include "tests/unit/windows/places.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// The library keeps what it has read for good.
bool asked() {
    for (const std::string& name : test::Places().names())
        if (!system_zones().find(name)) return false;
    return true;
}
const bool warm = asked();

}  // namespace

TEST_GROUP(SystemZones) {};

TEST(SystemZones, summer_time_comes_and_goes) {
    CHECK(warm);
    const auto zone = system_zones().find("Europe/Amsterdam");
    CHECK(zone.has_value());
    const Timestamp spring = Timestamp::seconds(1774746000);  // 2026-03-29T01:00:00Z
    CHECK_EQUAL(Duration::minutes(60).us(), zone->offset(spring - Duration::micros(1)).us());
    CHECK_EQUAL(Duration::minutes(120).us(), zone->offset(spring).us());
    CHECK_EQUAL(Duration::minutes(23 * 60).us(), (zone->day_end(spring) - zone->day_start(spring)).us());
    CHECK_EQUAL(Duration::minutes(60).us(), zone->offset(Timestamp()).us());
}

TEST(SystemZones, agree_with_the_changes_written_out_in_tests) {
    const test::Places places;
    for (const std::string& name : places.names()) {
        const auto found = system_zones().find(name);
        const auto written = places.find(name);
        CHECK(found.has_value());
        for (const ZoneTable::Change& change : written->changes())
            for (std::int64_t hours = -100; hours <= 100; ++hours) {
                const Timestamp at = change.at + Duration::minutes(60 * hours);
                CHECK_EQUAL(written->offset(at).us(), found->offset(at).us());
                CHECK_EQUAL(written->day_start(at).us(), found->day_start(at).us());
                CHECK_EQUAL(written->day_end(at).us(), found->day_end(at).us());
            }
    }
}

TEST(SystemZones, their_names_are_known) {
    const auto names = system_zones().names();
    CHECK(std::find(names.begin(), names.end(), "Europe/Amsterdam") != names.end());
}

TEST(SystemZones, names_that_nobody_knows_are_none) {
    for (const char* name : {"", "Europe/Asterdam", "../etc/passwd", "Nowhere"}) CHECK_FALSE(system_zones().find(name).has_value());
}
