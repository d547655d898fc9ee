// Windows of civil days and hours.
#include "tests/unit/windows/harness.h"
#include "tests/unit/windows/places.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

const Places places;

EngineSpec counted_by(CalendarUnit unit, const char* zone, std::vector<std::string> by = {}) {
    WindowSpec window = minute({{"n", "count()"}}, std::move(by));
    window.size = Duration();
    window.calendar = unit;
    window.zone = zone;
    EngineSpec spec = engine_of(window);
    spec.zones = &places;
    return spec;
}

std::int64_t ms(const char* text) { return utc(text).ms(); }

void every_half_hour(Harness& h, const char* from, const char* to) {
    for (std::int64_t at = ms(from); at < ms(to); at += 1'800'000) h.send(at, car("a", 50));
}

void check_result(const Emitted& result, const char* start, const char* end, std::int64_t n) {
    LONGS_EQUAL(ms(start), result.start_ms);
    LONGS_EQUAL(ms(end), result.end_ms);
    LONGS_EQUAL(n, result.integer("n"));
}

SpecProblem problem_of(EngineSpec spec) {
    SpecProblem problem;
    CHECK_FALSE(EnginePlan::compile(std::move(spec), problem).has_value());
    return problem;
}

}  // namespace

TEST_GROUP(EngineCalendar) {};

TEST(EngineCalendar, the_day_on_which_clocks_go_forward_has_23_hours) {
    Harness h(counted_by(CalendarUnit::day, "Europe/Amsterdam"));
    every_half_hour(h, "2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z");
    h.close();
    LONGS_EQUAL(3, h.out.results.size());
    check_result(h.out.results[0], "2026-03-27T23:00:00Z", "2026-03-28T23:00:00Z", 48);
    check_result(h.out.results[1], "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 46);
    check_result(h.out.results[2], "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z", 48);
    CHECK(h.adds_up());
}

TEST(EngineCalendar, the_day_on_which_clocks_go_back_has_25_hours) {
    Harness h(counted_by(CalendarUnit::day, "Europe/Amsterdam"));
    every_half_hour(h, "2026-10-24T22:00:00Z", "2026-10-26T23:00:00Z");
    h.close();
    LONGS_EQUAL(2, h.out.results.size());
    check_result(h.out.results[0], "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", 50);
    check_result(h.out.results[1], "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z", 48);
}

TEST(EngineCalendar, an_hour_that_comes_twice_is_two_windows) {
    Harness h(counted_by(CalendarUnit::hour, "Europe/Amsterdam"));
    every_half_hour(h, "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z");
    h.close();
    LONGS_EQUAL(2, h.out.results.size());
    check_result(h.out.results[0], "2026-10-25T00:00:00Z", "2026-10-25T01:00:00Z", 2);
    check_result(h.out.results[1], "2026-10-25T01:00:00Z", "2026-10-25T02:00:00Z", 2);
}

TEST(EngineCalendar, a_day_of_lord_howe_is_half_an_hour_longer_and_one_of_its_hours_is_half_an_hour) {
    Harness days(counted_by(CalendarUnit::day, "Australia/Lord_Howe"));
    every_half_hour(days, "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z");
    days.close();
    LONGS_EQUAL(1, days.out.results.size());
    check_result(days.out.results[0], "2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", 49);

    Harness hours(counted_by(CalendarUnit::hour, "Australia/Lord_Howe"));
    every_half_hour(hours, "2026-04-04T14:00:00Z", "2026-04-04T16:30:00Z");
    hours.close();
    LONGS_EQUAL(3, hours.out.results.size());
    check_result(hours.out.results[1], "2026-04-04T15:00:00Z", "2026-04-04T15:30:00Z", 1);
    check_result(hours.out.results[2], "2026-04-04T15:30:00Z", "2026-04-04T16:30:00Z", 2);
}

TEST(EngineCalendar, a_day_that_was_skipped_has_no_window) {
    Harness h(counted_by(CalendarUnit::day, "Pacific/Apia"));
    every_half_hour(h, "2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z");
    h.close();
    LONGS_EQUAL(2, h.out.results.size());
    check_result(h.out.results[0], "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z", 48);
    check_result(h.out.results[1], "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z", 48);
}

TEST(EngineCalendar, without_a_zone_days_are_those_of_utc) {
    Harness h(counted_by(CalendarUnit::day, "UTC"));
    every_half_hour(h, "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z");
    h.close();
    check_result(h.out.results[0], "2026-03-29T00:00:00Z", "2026-03-30T00:00:00Z", 48);
}

TEST(EngineCalendar, a_day_closes_when_the_watermark_reaches_its_end_by_local_clocks) {
    Harness h(counted_by(CalendarUnit::day, "Europe/Amsterdam", {"site"}));
    h.send(ms("2026-03-29T12:00:00Z"), car("a", 50));
    h.send(ms("2026-03-29T22:00:01Z"), car("a", 50));  // two seconds of lateness
    h.flush_all();
    LONGS_EQUAL(0, h.out.results.size());
    h.send(ms("2026-03-29T22:00:02Z"), car("a", 50));
    h.flush_all();
    LONGS_EQUAL(1, h.out.results.size());
    h.send(ms("2026-03-29T21:59:59Z"), car("a", 50));
    LONGS_EQUAL(1, h.count(WindowCounter::late));
}

TEST(EngineCalendar, late_rows_revise_a_day_as_long_as_is_allowed) {
    EngineSpec spec = counted_by(CalendarUnit::day, "Europe/Amsterdam", {"site"});
    spec.windows[0].late_allow = Duration::minutes(60);
    spec.windows[0].late_then = LateThen::revise;
    Harness h(spec);
    h.send(ms("2026-03-29T12:00:00Z"), car("a", 50));
    h.send(ms("2026-03-29T22:30:00Z"), car("a", 50));
    h.send(ms("2026-03-29T21:00:00Z"), car("a", 50));
    h.flush_all();
    LONGS_EQUAL(2, h.out.results.size());
    LONGS_EQUAL(1, h.out.results[1].revision);
    LONGS_EQUAL(2, h.out.results[1].integer("n"));
    h.send(ms("2026-03-29T23:00:02Z"), car("a", 50));
    h.send(ms("2026-03-29T21:00:00Z"), car("a", 50));
    LONGS_EQUAL(1, h.count(WindowCounter::late));
}

TEST(EngineCalendar, open_days_survive_save_and_load) {
    const EngineSpec spec = counted_by(CalendarUnit::day, "Europe/Amsterdam", {"site"});
    Harness first(spec);
    every_half_hour(first, "2026-03-28T23:00:00Z", "2026-03-29T12:00:00Z");
    first.flush_all();
    Harness second(spec);
    CHECK(second.load(first.save()).ok());
    every_half_hour(second, "2026-03-29T12:00:00Z", "2026-03-29T23:00:00Z");
    second.close();
    check_result(second.out.results[0], "2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", 46);
}

TEST(EngineCalendar, the_definition_holds_unit_and_zone) {
    const auto definition = [](const EngineSpec& spec) { return compiled(spec).definition(0); };
    const std::uint64_t days = definition(counted_by(CalendarUnit::day, "Europe/Amsterdam"));
    CHECK(days == definition(counted_by(CalendarUnit::day, "Europe/Amsterdam")));
    CHECK(days != definition(counted_by(CalendarUnit::hour, "Europe/Amsterdam")));
    CHECK(days != definition(counted_by(CalendarUnit::day, "Australia/Lord_Howe")));
}

TEST(EngineCalendar, an_unknown_zone_is_refused_with_the_nearest_name) {
    const SpecProblem problem = problem_of(counted_by(CalendarUnit::day, "Europe/Amsterdan"));
    STRCMP_EQUAL("zone", problem.key.c_str());
    STRCMP_CONTAINS("Europe/Amsterdam", problem.problem.what.c_str());
    STRCMP_CONTAINS("no time zone is called Europe/Amsterdan", problem.problem.what.c_str());
}

TEST(EngineCalendar, a_size_beside_it_is_refused) {
    EngineSpec spec = counted_by(CalendarUnit::day, "UTC");
    spec.windows[0].size = Duration::minutes(1);
    STRCMP_EQUAL("calendar", problem_of(spec).key.c_str());
}

TEST(EngineCalendar, its_zone_counts_as_memory) {
    CHECK(compiled(counted_by(CalendarUnit::day, "Europe/Amsterdam")).expression_memory() >
          compiled(counted_by(CalendarUnit::day, "UTC")).expression_memory());
}
