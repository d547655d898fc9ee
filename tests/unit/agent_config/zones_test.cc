#include "agent/zones.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// The library keeps what it has read for good.
const bool warm = system_zones().find("Europe/Amsterdam").has_value();

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

TEST(SystemZones, names_that_nobody_knows_are_none) {
    for (const char* name : {"", "Europe/Asterdam", "../etc/passwd", "Nowhere"}) CHECK_FALSE(system_zones().find(name).has_value());
}
