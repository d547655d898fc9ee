#include "windows/zone.h"

#include "windows/civil.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

Timestamp at(const char* text) { return Timestamp::micros(*parse_timestamp(text)); }
void same(const char* expected, Timestamp found) { CHECK_EQUAL(at(expected).us(), found.us()); }

ZoneTable amsterdam() {
    return *ZoneTable::make("Europe/Amsterdam", Duration::minutes(60),
                            {{at("2026-03-29T01:00:00Z"), Duration::minutes(120)}, {at("2026-10-25T01:00:00Z"), Duration::minutes(60)}});
}
// Clocks went back at one minute past midnight, across the date.
ZoneTable st_johns() {
    return *ZoneTable::make("America/St_Johns", Duration::minutes(-150), {{at("2009-11-01T02:31:00Z"), Duration::minutes(-210)}});
}
// 30 December 2011 was left out.
ZoneTable apia() {
    return *ZoneTable::make("Pacific/Apia", Duration::minutes(-600), {{at("2011-12-30T10:00:00Z"), Duration::minutes(840)}});
}

}  // namespace

TEST_GROUP(Zone) {};

TEST(Zone, offsets_hold_from_their_change_on) {
    const ZoneTable zone = amsterdam();
    CHECK_EQUAL(60 * minute_us, zone.offset(at("2026-03-29T00:59:59.999999Z")).us());
    CHECK_EQUAL(120 * minute_us, zone.offset(at("2026-03-29T01:00:00Z")).us());
    CHECK_EQUAL(60 * minute_us, zone.offset(Timestamp::max()).us());
    CHECK_EQUAL(60 * minute_us, zone.offset(Timestamp::min()).us());
    same("2026-07-01T14:00:00Z", zone.local(at("2026-07-01T12:00:00Z")));
}

TEST(Zone, a_reading_that_comes_twice_is_the_earlier_and_one_that_is_skipped_the_end_of_the_gap) {
    const ZoneTable zone = amsterdam();
    same("2026-10-25T00:30:00Z", zone.utc(at("2026-10-25T02:30:00Z")));
    same("2026-03-29T01:00:00Z", zone.utc(at("2026-03-29T02:30:00Z")));
    same("2026-01-01T11:00:00Z", zone.utc(at("2026-01-01T12:00:00Z")));
}

TEST(Zone, days_have_23_and_25_hours) {
    const ZoneTable zone = amsterdam();
    const Timestamp spring = at("2026-03-29T12:00:00Z");
    same("2026-03-28T23:00:00Z", zone.day_start(spring));
    same("2026-03-29T22:00:00Z", zone.day_end(spring));
    const Timestamp autumn = at("2026-10-25T12:00:00Z");
    same("2026-10-24T22:00:00Z", zone.day_start(autumn));
    same("2026-10-25T23:00:00Z", zone.day_end(autumn));
}

TEST(Zone, an_hour_that_comes_twice_is_two) {
    const ZoneTable zone = amsterdam();
    same("2026-10-25T00:00:00Z", zone.hour_start(at("2026-10-25T00:30:00Z")));
    same("2026-10-25T01:00:00Z", zone.hour_end(at("2026-10-25T00:30:00Z")));
    same("2026-10-25T01:00:00Z", zone.hour_start(at("2026-10-25T01:30:00Z")));
}

TEST(Zone, days_and_hours_follow_each_other_without_gap_or_overlap) {
    for (const ZoneTable& zone : {amsterdam(), st_johns(), apia(), ZoneTable::fixed("+05:45", Duration::minutes(345))}) {
        const Timestamp first = zone.changes().empty() ? Timestamp() : zone.changes()[0].at - Duration::minutes(60 * 72);
        Timestamp day_end = zone.day_end(first);
        Timestamp hour_end = zone.hour_end(first);
        for (Timestamp now = first; now < first + Duration::minutes(60 * 144); now = now + Duration::minutes(5)) {
            CHECK(zone.day_start(now) <= now && now < zone.day_end(now));
            CHECK(zone.hour_start(now) <= now && now < zone.hour_end(now));
            if (now >= day_end) {
                CHECK_EQUAL(day_end.us(), zone.day_start(now).us());
                day_end = zone.day_end(now);
            }
            if (now >= hour_end) {
                // A stretch of less than an hour on either side of a change may lie between two steps.
                CHECK(zone.hour_start(now) >= hour_end);
                hour_end = zone.hour_end(now);
            }
            CHECK_EQUAL(day_end.us(), zone.day_end(now).us());
        }
    }
}

TEST(Zone, disorder_and_absurd_offsets_are_refused) {
    CHECK_FALSE(ZoneTable::make("z", Duration::minutes(60 * 24), {}).has_value());
    CHECK_FALSE(ZoneTable::make("z", {}, {{at("2026-01-01T00:00:00Z"), Duration::minutes(-60 * 24)}}).has_value());
    CHECK_FALSE(ZoneTable::make("z", {}, {{at("2026-01-02T00:00:00Z"), {}}, {at("2026-01-01T00:00:00Z"), {}}}).has_value());
    CHECK(amsterdam().memory() >= 2 * sizeof(ZoneTable::Change));
}
