#include "agent/scores.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

#include "agent/replay.h"
#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

std::string config(const std::string& alerts) {
    return R"toml(
[agent]
id = "a1"
[[source]]
name = "series"
topics = ["series"]
format = "csv"
columns = { value = "float", site = "string" }
time = { field = "timestamp" }
[[window]]
name = "hour"
from = "series"
size = "1h"
select.n = "count()"
)toml" + alerts;
}
constexpr const char* by_site = "[[alert]]\nname = \"odd\"\nfrom = \"series\"\nby = [\"site\"]\nanomaly = { of = \"value\" }\ndo = []\n";
constexpr const char* per_hour = "[[alert]]\nname = \"busy\"\nfrom = \"hour\"\nanomaly = { of = \"n\" }\ndo = []\n";

struct Loaded {
    explicit Loaded(const std::string& text) {
        ConfigContext context;
        context.files = &files;
        context.need_connections = false;
        load = parse_config(text, "/nowhere/weir.toml", context);
        if (!load.ok()) fputs(render_problems(load.config, load.problems).c_str(), stderr);
        CHECK(load.ok());
    }
    SystemFiles files;
    ConfigLoad load;
};

std::string read(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

}  // namespace

TEST_GROUP(Scores) {
    TemporaryFolder folder;

    // What went wrong; empty: nothing.
    std::string replay(const std::string& alerts, const std::string& input, const std::string& scores) {
        Loaded loaded(config(alerts));
        ReplayRequest request;
        request.path = folder.path() + "/in.csv";
        std::ofstream(request.path) << input;
        request.scores = scores;
        request.output = ::open("/dev/null", O_WRONLY);
        Problem problem;
        const Status done = run_replay(loaded.load.config, request, problem);
        ::close(request.output);
        return done.ok() ? "" : problem.what;
    }
};

TEST(Scores, go_to_the_files_own_path_within_the_folder) {
    STRCMP_EQUAL("out/a/b.csv", scores_path("out", "", "a/b.csv").c_str());
    STRCMP_EQUAL("out/b.csv", scores_path("out", "", "/tmp/a/b.csv").c_str());
    STRCMP_EQUAL("out/b.csv", scores_path("out", "", "../a/b.csv").c_str());
    STRCMP_EQUAL("out/b.csv", scores_path("out", "", "a/../../b.csv").c_str());
    STRCMP_EQUAL("out/odd/b.json.csv", scores_path("out", "odd", "b.json").c_str());
    STRCMP_EQUAL("out/stdin.csv", scores_path("out", "", "-").c_str());
}

TEST(Scores, are_a_line_a_row_with_the_rows_own_time_in_the_files_order) {
    std::string input = "timestamp,value,site\n2014-04-01 00:00:00,20,a\n2014-04-01 00:05:00.25,21,\"b,\"\"c\"\"\"\n2014-03-31 23:55:00,,a\n";
    STRCMP_EQUAL("", replay(by_site, input, folder.path() + "/out").c_str());
    STRCMP_EQUAL("timestamp,anomaly_score,value,expected,low,high,site\n"
                 "2014-04-01 00:00:00,0,20,20,20,20,a\n"
                 "2014-04-01 00:05:00.250000,0,21,21,21,21,\"b,\"\"c\"\"\"\n"
                 "2014-03-31 23:55:00,0,,20,20,20,a\n",
                 read(folder.path() + "/out/in.csv").c_str());
}

TEST(Scores, of_more_alerts_than_one_go_to_a_folder_each) {
    std::string input = "timestamp,value,site\n";
    for (int i = 0; i < 4; ++i) input += "2014-04-01 0" + std::to_string(i) + ":00:00,20,a\n";
    STRCMP_EQUAL("", replay(std::string(by_site) + per_hour, input, folder.path() + "/out").c_str());
    STRCMP_CONTAINS("2014-04-01 03:00:00,0,20,20,20,20,a\n", read(folder.path() + "/out/odd/in.csv").c_str());
    STRCMP_EQUAL("timestamp,anomaly_score,value,expected,low,high\n"
                 "2014-04-01 00:00:00,0,1,1,1,1\n2014-04-01 01:00:00,0,1,1,1,1\n"
                 "2014-04-01 02:00:00,0,1,1,1,1\n2014-04-01 03:00:00,0,1,1,1,1\n",
                 read(folder.path() + "/out/busy/in.csv").c_str());
}

TEST(Scores, never_overwrite_the_input) {
    const std::string input = "timestamp,value,site\n2014-04-01 00:00:00,20,a\n";
    STRCMP_CONTAINS("is the input itself", replay(by_site, input, folder.path()).c_str());
    STRCMP_EQUAL(input.c_str(), read(folder.path() + "/in.csv").c_str());
}

TEST(Scores, want_an_alert_that_has_anomaly_and_a_folder_that_can_be_made) {
    STRCMP_CONTAINS("no [[alert]] of the configuration has anomaly", replay("", "timestamp,value,site\n", folder.path() + "/out").c_str());
    STRCMP_CONTAINS("cannot write", replay(by_site, "timestamp,value,site\n", "/dev/null/x").c_str());
}
