#include "agent/replay.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(Replay) {
    TemporaryFolder folder;
    Assembled assembled{small_config};

    std::string run(const std::string& input, ReplayRequest request = {}) { return run(assembled, input, request); }
    std::string run(Assembled & with, const std::string& input, ReplayRequest request = {}) {
        const std::string in = folder.path() + "/in";
        const std::string out = folder.path() + "/out";
        std::ofstream(in) << input;
        request.path = in;
        request.output = ::open(out.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
        Problem problem;
        const Status done = run_replay(with.load.config, request, problem);
        ::close(request.output);
        if (!done.ok()) return "failed: " + problem.what;
        std::ifstream file(out);
        std::stringstream text;
        text << file.rdbuf();
        return text.str();
    }
};

TEST(Replay, prints_one_object_a_result_as_documented) {
    const std::string text = run("city/s1/loop/1\t{\"ts\":60000,\"speed\":50}\ncity/s1/loop/2\t{\"ts\":119999,\"speed\":64.6}\n"
                                 "city/s1/loop/1\t{\"ts\":120000,\"speed\":10}\n");
    STRCMP_EQUAL(
        "{\"window\":\"w\",\"start\":60000,\"end\":120000,\"revision\":0,\"key\":{\"site\":\"s1\"},\"values\":{\"n\":2,\"mean\":57.3}}\n"
        "{\"window\":\"w\",\"start\":120000,\"end\":180000,\"revision\":0,\"key\":{\"site\":\"s1\"},\"values\":{\"n\":1,\"mean\":10}}\n",
        text.c_str());
}

TEST(Replay, aggregates_over_time_and_by_condition_come_out_as_documented) {
    std::string config = small_config;
    const std::size_t at = config.find("select");
    config.replace(at, config.find('\n', at) - at,
                   "select.mean = \"mean(speed)\"\nselect.rate = \"rate(speed)\"\nselect.grown = \"increase(speed)\"\n"
                   "select.held = \"time_mean(speed)\"\nselect.trend = \"slope(speed)\"\n"
                   "select.recent = \"decayed_sum(speed, '1m')\"\nselect.events = \"decayed_count('1m')\"\n"
                   "select.spread = \"histogram(speed, 20, 50)\"\nselect.slow = \"mean(speed).where(speed < 40.0)\"\n"
                   "select.sites = \"distinct(lane, 'theta')\"\n");
    Assembled with(config);
    const std::string text = run(with, "city/s1/loop/1\t{\"ts\":60000,\"speed\":20}\ncity/s1/loop/1\t{\"ts\":80000,\"speed\":50}\n"
                                       "city/s1/loop/2\t{\"ts\":70000,\"speed\":40}\ncity/s1/loop/1\t{\"ts\":90000,\"speed\":30}\n");
    STRCMP_CONTAINS("\"mean\":35,\"rate\":2,\"grown\":60,\"held\":36.666666666666664,\"trend\":0.4,\"recent\":85.1604706", text.c_str());
    STRCMP_CONTAINS("\"events\":2.3982983302886", text.c_str());
    STRCMP_CONTAINS("\"spread\":{\"bounds\":[20,50],\"counts\":[0,3,1]},\"slow\":25,\"sites\":{\"estimate\":2,\"lower\":2,\"upper\":2}}", text.c_str());
}

TEST(Replay, lines_without_a_topic_take_its_columns_from_fields_of_their_names) {
    const std::string text = run("{\"ts\":60000,\"speed\":50,\"site\":\"s9\"}\n{\"ts\":60000,\"speed\":50}\n");
    STRCMP_CONTAINS("\"key\":{\"site\":\"s9\"},\"values\":{\"n\":1", text.c_str());
    STRCMP_CONTAINS("\"key\":{\"site\":null},\"values\":{\"n\":1", text.c_str());
}

TEST(Replay, a_given_topic_serves_all_lines_that_name_none) {
    ReplayRequest request;
    request.topic = "city/s4/loop/7";
    STRCMP_CONTAINS("\"key\":{\"site\":\"s4\"}", run("{\"ts\":60000,\"speed\":50}\n", request).c_str());
}

TEST(Replay, arrivals_make_ticks_that_close_silent_windows_in_order) {
    // s2 is silent from the start; its window closes by idleness before the last event of s1.
    const std::string text = run(
        "60000\tcity/s2/loop/1\t{\"ts\":60000,\"speed\":1}\n"
        "61000\tcity/s1/loop/1\t{\"ts\":61000,\"speed\":1}\n"
        "300000\tcity/s1/loop/1\t{\"ts\":299000,\"speed\":1}\n");
    const std::size_t s2 = text.find("\"site\":\"s2\"");
    const std::size_t last = text.find("\"start\":240000");
    CHECK(s2 != std::string::npos && last != std::string::npos && s2 < last);
}

TEST(Replay, a_window_hops) {
    std::string config = small_config;
    config.replace(config.find("size = \"1m\""), 11, "size = \"1m\"\nevery = \"30s\"");
    Assembled hopping(config);
    const std::string text = run(hopping, "city/s1/loop/1\t{\"ts\":60000,\"speed\":50}\ncity/s1/loop/2\t{\"ts\":95000,\"speed\":70}\n");
    const auto line = [](const char* times, const char* values) {
        return std::string("{\"window\":\"w\",") + times + ",\"revision\":0,\"key\":{\"site\":\"s1\"},\"values\":" + values + "}\n";
    };
    STRCMP_EQUAL((line("\"start\":30000,\"end\":90000", "{\"n\":1,\"mean\":50}") + line("\"start\":60000,\"end\":120000", "{\"n\":2,\"mean\":60}") +
                  line("\"start\":90000,\"end\":150000", "{\"n\":1,\"mean\":70}")).c_str(),
                 text.c_str());
}

TEST(Replay, a_window_of_so_many_events_or_so_long) {
    std::string config = small_config;
    config.replace(config.find("size = \"1m\""), 11, "count = 3\nmax_wait = \"5s\"");
    Assembled adaptive(config);
    const std::string text = run(adaptive,
        "city/s1/loop/1\t[{\"ts\":60000,\"speed\":1},{\"ts\":60500,\"speed\":2},{\"ts\":60400,\"speed\":3},{\"ts\":61000,\"speed\":4}]\n"
        "city/s1/loop/1\t{\"ts\":69000,\"speed\":6}\n"
        "city/s1/loop/1\t{\"ts\":70000,\"speed\":8}\n");
    STRCMP_EQUAL(
        "{\"window\":\"w\",\"start\":60000,\"end\":60501,\"revision\":0,\"key\":{\"site\":\"s1\"},\"values\":{\"n\":3,\"mean\":2}}\n"
        "{\"window\":\"w\",\"start\":61000,\"end\":69001,\"revision\":0,\"key\":{\"site\":\"s1\"},\"values\":{\"n\":2,\"mean\":5}}\n"
        "{\"window\":\"w\",\"start\":70000,\"end\":70001,\"revision\":0,\"key\":{\"site\":\"s1\"},\"values\":{\"n\":1,\"mean\":8}}\n",
        text.c_str());
}

TEST(Replay, a_session_whose_gap_is_an_expression) {
    std::string config = small_config;
    config.replace(config.find("size = \"1m\""), 11, "session = \"speed > 50.0 ? 2 : 10\"");
    Assembled sessions(config);
    const std::string text = run(sessions,
        "city/s1/loop/1\t[{\"ts\":60000,\"speed\":60},{\"ts\":62000,\"speed\":60},{\"ts\":63000,\"speed\":30},{\"ts\":72000,\"speed\":60}]\n"
        "city/s1/loop/1\t{\"ts\":90000}\n");
    STRCMP_EQUAL(
        "{\"window\":\"w\",\"start\":60000,\"end\":62000,\"revision\":0,\"key\":{\"site\":\"s1\"},\"values\":{\"n\":1,\"mean\":60}}\n"
        "{\"window\":\"w\",\"start\":62000,\"end\":74000,\"revision\":0,\"key\":{\"site\":\"s1\"},\"values\":{\"n\":3,\"mean\":50}}\n",
        text.c_str());
}

TEST(Replay, early_results_and_late_records_come_out_marked) {
    std::string config = small_config;
    config.replace(config.find("size = \"1m\""), 11, "size = \"1m\"\nearly = \"20s\"\nlate = { allow = \"1m\", then = \"side\" }");
    Assembled with(config);
    const std::string text = run(with,
                                 "city/s1/loop/1\t{\"ts\":60000,\"speed\":50}\ncity/s1/loop/1\t{\"ts\":100000,\"speed\":60}\n"
                                 "city/s1/loop/1\t{\"ts\":130000,\"speed\":10}\ncity/s1/loop/1\t{\"ts\":61000,\"speed\":20}\n");
    const std::string head = "{\"window\":\"w\",";
    const std::string w = "\"start\":60000,\"end\":120000,\"revision\":0,\"key\":{\"site\":\"s1\"},\"values\":";
    STRCMP_EQUAL((head + w + "{\"n\":2,\"mean\":55},\"provisional\":true,\"early\":1}\n" +
                  head + w + "{\"n\":2,\"mean\":55}}\n" +
                  head + "\"late\":true," + w + "{\"n\":1,\"mean\":20}}\n" +
                  head + "\"start\":120000,\"end\":180000,\"revision\":0,\"key\":{\"site\":\"s1\"},\"values\":{\"n\":1,\"mean\":10}}\n").c_str(),
                 text.c_str());
}

TEST(Replay, csv_takes_its_columns_from_the_first_line) {
    std::string config = small_config;
    config.replace(config.find("columns ="), 9, "format = \"csv\"\ncolumns =");
    Assembled csv(config);
    const std::string text = run(csv, "speed,ts,site\n50,60000,s1\n70,61000,s1\n,62000,s1\n");
    STRCMP_CONTAINS("\"key\":{\"site\":\"s1\"},\"values\":{\"n\":3,\"mean\":60}", text.c_str());
}

TEST(Replay, an_unknown_source_is_named_with_those_there_are) {
    ReplayRequest request;
    request.source = "loop";
    STRCMP_EQUAL("failed: there is no source 'loop'; the configuration has: loops", run("", request).c_str());
}

TEST(Replay, a_source_is_enriched_from_the_file_of_a_table) {
    std::ofstream(folder.path() + "/sites.csv") << "site,limit\ns1,50\n";
    std::string text = small_config;
    text.replace(text.find("[[source]]"), 10,
                 "[[table]]\nname = \"sites\"\nfile = \"" + folder.path() + "/sites.csv\"\nkey = \"site\"\ncolumns = { limit = \"float\" }\n[[source]]\nenrich = [\"sites\"]");
    text.replace(text.find("mean = \"mean(speed)\""), 20, "mean = \"max(speed - sites.limit)\"");
    Assembled enriched(text);
    const std::string input = "city/s1/loop/1\t{\"ts\":60000,\"speed\":57.5}\ncity/s2/loop/2\t{\"ts\":60000,\"speed\":64}\n";
    const std::string results = run(enriched, input);
    STRCMP_CONTAINS("\"key\":{\"site\":\"s1\"},\"values\":{\"n\":1,\"mean\":7.5}", results.c_str());
    STRCMP_CONTAINS("\"key\":{\"site\":\"s2\"},\"values\":{\"n\":1,\"mean\":null}", results.c_str());
    std::ofstream(folder.path() + "/sites.csv") << "site,limit\ns1,fast\n";
    STRCMP_CONTAINS("sites.csv:2: limit: found \"fast\"", run(enriched, input).c_str());
}

TEST(Replay, two_sources_are_joined) {
    std::string text = small_config;
    text.replace(text.find("[[window]]"), 10, R"toml([[source]]
name = "exits"
topics = ["out/{site}"]
columns = { vid = "string" }
time = { field = "ts", lateness = "2s" }
[[join]]
name = "passage"
left = "loops"
right = "exits"
on = ["vid", "site"]
within = "5m"
columns = { travel = "exits.time - loops.time" }
[[window]])toml");
    text.replace(text.find("from = \"loops\""), 14, "from = \"passage\"");
    text.replace(text.find("mean(speed)"), 11, "mean(travel)");
    Assembled joined(text);
    const std::string results = run(joined, "city/s1/loop/1\t{\"ts\":60000,\"speed\":57.5,\"vid\":\"a\"}\ncity/s1/loop/1\t{\"ts\":61000,\"speed\":64,\"vid\":\"b\"}\n"
                                            "out/s1\t{\"ts\":70500,\"vid\":\"a\"}\nout/s2\t{\"ts\":70500,\"vid\":\"b\"}\n");
    STRCMP_EQUAL("{\"window\":\"w\",\"start\":60000,\"end\":120000,\"revision\":0,\"key\":{\"site\":\"s1\"},\"values\":{\"n\":1,\"mean\":10.5}}\n",
                 results.c_str());
}
