#include "agent/alert_list.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "agent/replay.h"
#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(AlertList) {
    TemporaryFolder folder;
    Assembled assembled{small_config};

    std::string run(const std::string& input, bool json = false, std::size_t lanes = 1) {
        const std::string in = folder.path() + "/in";
        const std::string out = folder.path() + "/out";
        std::ofstream(in) << input;
        ReplayRequest request;
        request.path = in;
        request.alerts = true;
        request.json = json;
        request.lanes = lanes;
        request.output = ::open(out.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
        Problem problem;
        const Status done = run_replay(assembled.load.config, request, problem);
        ::close(request.output);
        if (!done.ok()) return "failed: " + problem.what;
        std::ifstream file(out);
        std::stringstream text;
        text << file.rdbuf();
        return text.str();
    }
    // An event a minute from 1970-01-01T00:01:00Z on.
    static std::string minutes(const std::string& site, std::initializer_list<int> speeds) {
        std::string lines;
        int minute = 1;
        for (const int speed : speeds)
            lines += "city/" + site + "/loop/1\t{\"ts\":" + std::to_string(60000 * minute++) + ",\"speed\":" + std::to_string(speed) + "}\n";
        return lines;
    }
};

TEST(AlertList, says_when_an_alert_would_have_been_raised_and_cleared) {
    STRCMP_EQUAL(
        "1970-01-01T00:03:00Z  raised   slow  site=s1  n=1 mean=10\n"
        "1970-01-01T00:05:00Z  cleared  slow  site=s1  after 2 min  n=1 mean=40\n"
        "\n"
        "slow: fired once, median 2 min, longest 2 min\n",
        run(minutes("s1", {50, 10, 25, 40})).c_str());
}

TEST(AlertList, sums_up_the_median_the_longest_and_what_still_stands) {
    const std::string text = run(minutes("s1", {10, 40, 10, 10, 40, 10, 10, 10, 10, 40, 5}));
    STRCMP_CONTAINS("\nslow: fired 4 times, median 2 min, longest 4 min, still raised: 1\n", text.c_str());
}

TEST(AlertList, the_median_of_an_even_number_lies_between_the_two_in_the_middle) {
    STRCMP_CONTAINS("\nslow: fired twice, median 2 min, longest 3 min\n", run(minutes("s1", {10, 40, 10, 10, 10, 40})).c_str());
}

TEST(AlertList, an_alert_that_stays_quiet_is_named_too) { STRCMP_EQUAL("slow: did not fire\n", run(minutes("s1", {50, 40})).c_str()); }

TEST(AlertList, keys_stand_for_themselves) {
    const std::string text = run(minutes("s1", {10, 10}) + minutes("s2", {10, 40}));
    STRCMP_CONTAINS("raised   slow  site=s1  n=1 mean=10\n", text.c_str());
    STRCMP_CONTAINS("00:03:00Z  cleared  slow  site=s2  after 1 min", text.c_str());
    STRCMP_CONTAINS("slow: fired twice, median 1 min, longest 1 min, still raised: 1\n", text.c_str());
}

TEST(AlertList, as_json_an_object_a_line) {
    std::string text = run(minutes("s1", {50, 10, 25, 40}), true);
    // One id for both.
    const std::size_t first = text.find("\"id\":\"") + 6;
    const std::string id = text.substr(first, 16);
    for (std::size_t at = text.find(id); at != std::string::npos; at = text.find(id)) text.replace(at, 16, "ID");
    STRCMP_EQUAL(
        "{\"alert\":\"slow\",\"state\":\"raised\",\"time\":180000,\"reason\":\"condition\",\"id\":\"ID\",\"sequence\":1,\"severity\":\"warning\","
        "\"key\":{\"site\":\"s1\"},\"values\":{\"n\":1,\"mean\":10}}\n"
        "{\"alert\":\"slow\",\"state\":\"cleared\",\"time\":300000,\"raised\":180000,\"duration_ms\":120000,\"reason\":\"condition\",\"id\":\"ID\","
        "\"sequence\":2,\"severity\":\"warning\",\"key\":{\"site\":\"s1\"},\"values\":{\"n\":1,\"mean\":40}}\n"
        "{\"alert\":\"slow\",\"fired\":1,\"cleared\":1,\"raised\":0,\"median_ms\":120000,\"longest_ms\":120000}\n",
        text.c_str());
    STRCMP_EQUAL("{\"alert\":\"slow\",\"fired\":0,\"cleared\":0,\"raised\":0,\"median_ms\":null,\"longest_ms\":null}\n",
                 run(minutes("s1", {50}), true).c_str());
}

TEST(AlertList, time_that_decided_is_told_and_the_message_follows) {
    std::string config = small_config;
    config += "hold = \"2m\"\nmessage = \"{site} is slow: {mean}\"\n";
    Assembled with(config);
    assembled.load = std::move(with.load);
    const std::string text = run(minutes("s1", {10, 10, 10, 10, 40}));
    STRCMP_CONTAINS("raised   slow  site=s1", text.c_str());
    STRCMP_CONTAINS("n=1 mean=10  s1 is slow: 10\n", text.c_str());
}

TEST(AlertList, is_the_same_in_several_lanes) {
    const std::string input = minutes("s1", {50, 10, 25, 40, 10, 50});
    STRCMP_EQUAL(run(input).c_str(), run(input, false, 3).c_str());
}

TEST(AlertList, what_a_terminal_would_act_on_becomes_a_dot) {
    STRCMP_CONTAINS("slow  site=s.1  n=1", run(minutes("s\x1b" "1", {10})).c_str());
}

TEST_GROUP(ProseOfTimes) {};

TEST(ProseOfTimes, spans_say_their_two_greatest_units) {
    STRCMP_EQUAL("0 s", text_of(Duration()).c_str());
    STRCMP_EQUAL("500 ms", text_of(Duration::millis(500)).c_str());
    STRCMP_EQUAL("45 s", text_of(Duration::seconds(45)).c_str());
    STRCMP_EQUAL("3 min", text_of(Duration::minutes(3)).c_str());
    STRCMP_EQUAL("1 h 5 min", text_of(Duration::minutes(65)).c_str());
    STRCMP_EQUAL("2 d", text_of(Duration::minutes(2 * 1440 + 5)).c_str());
    STRCMP_EQUAL("-1 s 20 ms", text_of(Duration::millis(-1020)).c_str());
}

TEST(ProseOfTimes, times_are_in_utc_with_milliseconds_where_there_are_some) {
    STRCMP_EQUAL("2026-01-05T08:03:00Z", text_of(Timestamp::seconds(1767600180)).c_str());
    STRCMP_EQUAL("1970-01-01T00:00:00.007Z", text_of(Timestamp::millis(7)).c_str());
    STRCMP_EQUAL("1969-12-31T23:59:59.999Z", text_of(Timestamp::millis(-1)).c_str());
}
