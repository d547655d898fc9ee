#include "windows/detector_season.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

constexpr Duration day = Duration::seconds(86400);
constexpr Timestamp hour(int n) { return Timestamp::seconds(3600 * static_cast<std::int64_t>(n)); }

}  // namespace

TEST_GROUP(DetectorSeason) {};

TEST(DetectorSeason, parts_are_of_equal_length_before_and_after_the_epoch) {
    CHECK_EQUAL(0, season_part(hour(1), day, 12));
    CHECK_EQUAL(1, season_part(hour(2), day, 12));
    CHECK_EQUAL(-1, season_part(hour(-1), day, 12));
    CHECK_EQUAL(-1, season_part(hour(-2), day, 12));
    CHECK_EQUAL(-2, season_part(hour(-3), day, 12));
}

TEST(DetectorSeason, a_value_outside_what_its_hour_saw_is_told_though_others_saw_it) {
    DayEnvelope envelope;
    for (int i = 0; i < 5 * 24; ++i) envelope.outside(hour(i), day, i % 24 < 12 ? 50 : 150);
    CHECK_EQUAL(0.0, envelope.outside(hour(5 * 24 + 5), day, 50));
    CHECK_EQUAL(100.0, envelope.outside(hour(6 * 24 + 5), day, 150));
    CHECK_EQUAL(100.0, envelope.outside(hour(6 * 24 + 18), day, 50));
}

TEST(DetectorSeason, neighbouring_parts_excuse_a_value) {
    DayEnvelope envelope;
    for (int i = 0; i < 5 * 24; ++i) envelope.outside(hour(i), day, i % 24 < 12 ? 50 : 150);
    CHECK_EQUAL(0.0, envelope.outside(hour(5 * 24 + 11), day, 150));
}

TEST(DetectorSeason, nothing_is_told_of_a_part_never_visited) {
    WeekEnvelope envelope;
    CHECK_EQUAL(0.0, envelope.outside(hour(0), day, 10));
    CHECK_EQUAL(0.0, envelope.outside(hour(0), day, 200));
    CHECK_EQUAL(0.0, envelope.outside(hour(5), day, 100));
}

TEST(DetectorSeason, an_anomaly_does_not_excuse_itself) {
    DayEnvelope envelope;
    for (int i = 0; i < 3 * 24; ++i) envelope.outside(hour(i), day, 50);
    for (int i = 0; i < 3; ++i) CHECK_EQUAL(100.0, envelope.outside(hour(3 * 24 + i), day, 150));
}

TEST(DetectorSeason, extremes_shrink_visit_by_visit) {
    DayEnvelope envelope;
    envelope.outside(hour(0), day, 0);
    envelope.outside(hour(0), day, 200);
    for (int i = 1; i < 100; ++i) envelope.outside(hour(24 * i), day, 100);
    CHECK(envelope.outside(hour(2400), day, 200) > 80);
}

TEST(DetectorSeason, moves_with_the_grid) {
    DayEnvelope envelope;
    for (int i = 0; i < 3 * 24; ++i) envelope.outside(hour(i), day, 100);
    envelope.move({0, 0.5});
    CHECK_EQUAL(0.0, envelope.outside(hour(3 * 24), day, 50));
    CHECK_EQUAL(50.0, envelope.outside(hour(3 * 24 + 4), day, 100));
}

TEST(DetectorSeason, a_profile_reads_straight_lines_between_the_means_of_parts) {
    SeasonProfile profile;
    for (int round = 0; round < 200; ++round)
        for (int i = 0; i < 24; ++i) profile.learn(hour(round * 24 + i), day, 100 + i);
    DOUBLES_EQUAL(105, profile.at(hour(5) + Duration::minutes(30), day), 0.1);
    DOUBLES_EQUAL(105.5, profile.at(hour(6), day), 0.1);
    DOUBLES_EQUAL(105.25, profile.at(hour(-24 + 5) + Duration::minutes(45), day), 0.1);
}

TEST(DetectorSeason, a_profile_knows_what_it_does_not_know) {
    SeasonProfile profile;
    profile.learn(hour(5), day, 100);
    CHECK(profile.at(hour(5), day) < 0);
    profile.learn(hour(6), day, 100);
    DOUBLES_EQUAL(100, profile.at(hour(6), day), 0.01);
}

TEST(DetectorSeason, the_ends_of_time_are_parts_too) {
    DayEnvelope envelope;
    SeasonProfile profile;
    for (const Timestamp time : {Timestamp::min(), Timestamp::max()}) {
        envelope.outside(time, day, 5);
        profile.learn(time, day, 5);
        profile.at(time, day);
    }
    CHECK(envelope.sound());
}
