#include "agent/record.h"

#include <fcntl.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <sstream>

#include "agent/recovery.h"
#include "agent/replay.h"
#include "agent/rule_command.h"
#include "tests/unit/agent/gateway.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

std::string content_of(const std::string& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string replayed(const AgentConfig& config, const std::string& path, const std::string& to) {
    ReplayRequest request;
    request.path = path;
    request.output = ::open(to.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
    Problem problem;
    const Status done = run_replay(config, request, problem);
    ::close(request.output);
    return done.ok() ? content_of(to) : "failed: " + problem.what;
}

std::set<std::string> lines_of(const std::string& text) {
    std::set<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.insert(line);
    return lines;
}

}  // namespace

TEST_GROUP(Record) {
    TemporaryFolder folder;
    RecordReport report;
    Problem problem;

    std::string path(const char* name) const { return folder.path() + "/" + name; }
    Status record(const AgentConfig& config, const std::string& to, Duration last = Duration::minutes(10)) {
        SystemFiles files;
        RecordRequest request;
        request.last = last;
        request.output = ::open(to.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
        report = {};
        const Status done = run_record(config, files, request, report, problem);
        ::close(request.output);
        return done;
    }
};

TEST(Record, what_a_gateway_took_in_replays_to_what_it_said) {
    Gateway gateway(Gateway::config_in(folder.path()));
    gateway.send(0, 400);
    CHECK(gateway.pipeline->checkpoint().ok());  // releases: what was recorded lies in the ring all the same
    gateway.send(400, 600);
    gateway.pipeline->analysis_of(0).finish();
    std::uint64_t mark = 0;
    std::vector<std::string> live = gateway.ship(mark);
    CHECK(record(gateway.assembled.load.config, path("all.tsv")).ok());
    LONGS_EQUAL(600, report.messages);
    CHECK(report.reaches_back);
    const std::string again = replayed(gateway.assembled.load.config, path("all.tsv"), path("out"));
    CHECK(lines_of(again) == std::set<std::string>(live.begin(), live.end()));
    CHECK(live.size() >= 20);
}

TEST(Record, the_last_minutes_replay_to_the_same_results_for_windows_that_are_wholly_in_them) {
    Gateway gateway(Gateway::config_in(folder.path()));
    gateway.send(0, 600);
    const AgentConfig& config = gateway.assembled.load.config;
    CHECK(record(config, path("all.tsv")).ok());
    CHECK(record(config, path("some.tsv"), Duration::minutes(3)).ok());
    LONGS_EQUAL(181, report.messages);
    CHECK(report.reaches_back);
    const std::set<std::string> all = lines_of(replayed(config, path("all.tsv"), path("out")));
    const std::set<std::string> some = lines_of(replayed(config, path("some.tsv"), path("out2")));
    std::size_t same = 0;
    for (const std::string& line : some) same += all.count(line);
    LONGS_EQUAL(some.size() - 2, same);  // but for the minute that was cut, of two sites
    CHECK(same >= 4);
}

TEST(Record, test_takes_what_was_recorded) {
    const std::string config = Gateway::config_in(folder.path());
    Gateway gateway(config);
    gateway.send(0, 180);
    CHECK(record(gateway.assembled.load.config, path("now.tsv")).ok());
    std::ofstream(path("weir.toml")) << config;
    std::ofstream(path("rules.toml")) << "config = \"weir.toml\"\n[[case]]\nname = \"c\"\nfile = \"now.tsv\"\n"
                                         "expect = [{ window = \"w\", key = { site = \"s1\" }, within = \"1m\" }]\nexpect_none = true\n";
    LONGS_EQUAL(0, run_rule_command({path("rules.toml")}));
}

TEST(Record, lanes_are_put_together_by_arrival) {
    Assembled assembled(Gateway::config_in(folder.path(), "lanes = 2\n"));
    const RunFiles paths = run_files(assembled.load.config);
    SystemFiles files;
    SeededEntropy entropy{1};
    CHECK(files.make_folders(assembled.load.config.agent.run).ok());
    for (std::size_t lane = 0; lane < 2; ++lane) {
        JournalOpenReport opened;
        auto journal = std::move(Journal::open(files, entropy, paths.journal_of(lane), JournalParams(), opened)).value();
        for (std::size_t i = lane; i < 10; i += 2) {
            JournalEntry entry;
            const std::string topic = "t" + std::to_string(i);
            entry.topic = topic;
            entry.arrival = Timestamp::seconds(static_cast<std::int64_t>(i));
            entry.payload = as_byte_span(std::string_view("x\ny"));
            CHECK(journal->append(entry).ok());
            entry.kind = EntryKind::tick;
            CHECK(journal->append(entry).ok());
        }
    }
    CHECK(record(assembled.load.config, path("lanes.tsv"), Duration::seconds(3)).ok());
    STRCMP_EQUAL(
        "1970-01-01T00:00:06.000000Z#\tt6\tx\\ny\n1970-01-01T00:00:07.000000Z#\tt7\tx\\ny\n"
        "1970-01-01T00:00:08.000000Z#\tt8\tx\\ny\n1970-01-01T00:00:09.000000Z#\tt9\tx\\ny\n",
        content_of(path("lanes.tsv")).c_str());
}

TEST(Record, a_journal_that_does_not_reach_back_says_so) {
    Gateway gateway(Gateway::config_in(folder.path()));
    for (int i = 0; i < 80; ++i) {
        gateway.send(i * 1000, i * 1000 + 1000);
        CHECK(gateway.pipeline->checkpoint().ok());
    }
    CHECK(record(gateway.assembled.load.config, path("out.tsv"), Duration::minutes(6000)).ok());
    CHECK_FALSE(report.reaches_back);
    CHECK(report.messages > 20000);
    CHECK(record(gateway.assembled.load.config, path("out.tsv"), Duration::minutes(1)).ok());
    CHECK(report.reaches_back);
    LONGS_EQUAL(61, report.messages);
}

TEST(Record, without_a_journal_it_says_what_is_missing) {
    Assembled assembled(Gateway::config_in(folder.path()));
    CHECK(record(assembled.load.config, path("out.tsv")).error() == Error::missing);
    STRCMP_CONTAINS("there is no journal: has an agent run with this configuration", problem.what.c_str());
}
