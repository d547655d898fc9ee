// `weir replay --lanes N`: the same results as one lane, the same bytes every time.
#include "agent/replay.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

constexpr const char* spanning = R"toml(
[agent]
id = "a1"
memory = "64MiB"
[mqtt]
url = "mqtt://127.0.0.1"
[[source]]
name = "loops"
topics = ["north/{site}/{lane:int}", "south/{site}/{lane:int}", "west/{site}/{lane:int}"]
columns = { n = "int" }
time = { field = "ts", lateness = "2s" }
[[source]]
name = "doors"
topics = ["door/{site}/a", "door/{site}/b"]
columns = { open = "bool" }
time = { field = "ts", lateness = "2s" }
[[window]]
name = "by_lane"
from = "loops"
by = ["lane"]
size = "10s"
max_groups = 16
select = { n = "count()", sum = "sum(n)", low = "min(n)", high = "max(n)", sites = "distinct(site)" }
[[window]]
name = "all"
from = "loops"
size = "30s"
select = { n = "count()" }
[[window]]
name = "visits"
from = "doors"
by = ["site"]
session = "5s"
select = { n = "count()" }
[[alert]]
name = "busy"
from = "by_lane"
when = "n > 20"
)toml";

std::string input(bool arrivals) {
    std::string text;
    const char* const places[] = {"north", "south", "west"};
    for (int i = 0; i < 4000; ++i) {
        const long long ts = 1'700'000'000'000LL + i * 50 - (i * 37) % 1500;
        if (arrivals) text += std::to_string(1'700'000'000'000LL + i * 50) + "\t";
        if (i % 10 == 9)
            text += "door/s" + std::to_string(i % 4) + (i % 20 == 9 ? "/a" : "/b") + "\t{\"ts\":" + std::to_string(ts) + ",\"open\":true}\n";
        else
            text += std::string(places[i % 7 % 3]) + "/s" + std::to_string(i % 11) + "/" + std::to_string(i % 5) + "\t{\"ts\":" + std::to_string(ts) +
                    ",\"n\":" + std::to_string(i * 7919 % 1000) + "}\n";
    }
    return text;
}

std::vector<std::string> lines_of(const std::string& text) {
    std::istringstream in(text);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

}  // namespace

TEST_GROUP(ReplayLanes) {
    TemporaryFolder folder;
    Assembled assembled{spanning};

    std::string run(const std::string& text, std::size_t lanes, const std::string& path = "") { return run(assembled, text, lanes, path); }
    std::string run(const Assembled& with, const std::string& text, std::size_t lanes, const std::string& path = "") {
        const std::string in = folder.path() + "/in";
        const std::string out = folder.path() + "/out";
        std::ofstream(in) << text;
        ReplayRequest request;
        request.path = path.empty() ? in : path;
        request.lanes = lanes;
        request.output = ::open(out.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
        Problem problem;
        const Status done = run_replay(with.load.config, request, problem);
        ::close(request.output);
        if (!done.ok()) return "failed: " + problem.what;
        std::ifstream file(out);
        std::stringstream all;
        all << file.rdbuf();
        return all.str();
    }
};

TEST(ReplayLanes, give_the_results_of_one_lane) {
    for (bool arrivals : {true, false}) {
        std::vector<std::string> one = lines_of(run(input(arrivals), 1));
        CHECK(one.size() > 100);
        std::sort(one.begin(), one.end());
        for (std::size_t lanes : {2, 3, 8}) {
            std::vector<std::string> many = lines_of(run(input(arrivals), lanes));
            std::sort(many.begin(), many.end());
            LONGS_EQUAL(one.size(), many.size());
            for (std::size_t i = 0; i < one.size(); ++i) STRCMP_EQUAL(one[i].c_str(), many[i].c_str());
        }
    }
}

TEST(ReplayLanes, carry_early_results_and_late_records_and_keep_aligned_sources_together) {
    std::string config = spanning;
    config.replace(config.find("session = \"5s\""), 14, "session = \"5s\"\nearly = \"2s\"\nlate = { allow = \"20s\", then = \"side\" }");
    Assembled early(config);
    std::vector<std::string> one = lines_of(run(early, input(true), 1));
    std::vector<std::string> two = lines_of(run(early, input(true), 2));
    std::sort(one.begin(), one.end());
    std::sort(two.begin(), two.end());
    CHECK(one == two);
    CHECK(std::any_of(one.begin(), one.end(), [](const std::string& line) { return line.find("\"provisional\":true,\"early\":") != std::string::npos; }));

    for (std::size_t at = 0; (at = config.find("lateness = \"2s\"", at)) != std::string::npos; at += 40)
        config.insert(at, "align = \"g\", ");
    Assembled aligned(config);
    std::vector<ConfigProblem> problems;
    const auto assembly = Assembly::make(aligned.load.config, problems, 2);
    CHECK(!assembly->is_split(0));
    LONGS_EQUAL(0, assembly->lane_of(0, 1));
    LONGS_EQUAL(0, assembly->lane_of(1, 0));
}

TEST(ReplayLanes, print_the_same_bytes_every_time) {
    const std::string text = input(true);
    const std::string first = run(text, 3);
    for (int i = 0; i < 20; ++i) CHECK(run(text, 3) == first);
}

TEST(ReplayLanes, what_cannot_be_put_together_stays_in_one_lane) {
    std::vector<ConfigProblem> problems;
    const auto assembly = Assembly::make(assembled.load.config, problems, 2);
    CHECK(assembly->is_split(0));
    CHECK(!assembly->is_split(1));
    LONGS_EQUAL(0, assembly->lane_of(0, 0));
    LONGS_EQUAL(1, assembly->lane_of(0, 1));
    LONGS_EQUAL(0, assembly->lane_of(0, 2));
    LONGS_EQUAL(1, assembly->lane_of(1, 0));
    const auto one = Assembly::make(assembled.load.config, problems);
    CHECK(!one->is_split(0));
    CHECK(one->fingerprint() != assembly->fingerprint());
}

TEST(ReplayLanes, a_pipe_is_refused_with_the_reason) {
    STRCMP_CONTAINS("--lanes needs a file", run("", 2, "-").c_str());
}
