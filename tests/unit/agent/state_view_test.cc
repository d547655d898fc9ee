#include "agent/state_view.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "tests/unit/agent/gateway.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(StateView) {
    TemporaryFolder folder;
    std::string config = Gateway::config_in(folder.path());
    std::vector<std::string> lines;

    // What an agent leaves that is killed with rows in its outbox and a window open.
    void leave(bool stopped = false) {
        const std::string copy = folder.path() + ".copy";
        {
            Gateway gateway(config);
            gateway.send(0, 100);
            gateway.pipeline->request_flash();
            CHECK(gateway.pipeline->checkpoint().ok());
            gateway.store();
            gateway.send(100, 130);
            if (stopped) CHECK(gateway.outbox->close().ok());
            CHECK(system(("cp -r '" + folder.path() + "' '" + copy + "'").c_str()) == 0);
        }
        CHECK(system(("rm -r '" + folder.path() + "' && mv '" + copy + "' '" + folder.path() + "'").c_str()) == 0);
    }
    StateView look() {
        lines.clear();
        const Assembled assembled(config);
        return look_at_state(assembled.load.config, [&](const OutboxReader::Row& row) {
            RecordStorage storage;
            lines.push_back(json_of(*decode_record(row.record, storage)));
            return Status();
        });
    }
    std::map<std::string, std::string> files() const {
        std::map<std::string, std::string> all;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(folder.path())) {
            if (!entry.is_regular_file()) continue;
            std::ifstream in(entry.path(), std::ios::binary);
            all[entry.path().string()] = std::string(std::istreambuf_iterator<char>(in), {});
        }
        return all;
    }
    void damage(const std::string& name, std::size_t offset) const {
        const std::string path = folder.path() + name;
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekg(static_cast<std::streamoff>(offset));
        const char was = static_cast<char>(file.get());
        file.seekp(static_cast<std::streamoff>(offset));
        file.put(static_cast<char>(was ^ 0x40));
    }
    static std::string said(const StateView& view) {
        std::string all;
        for (const StateProblem& problem : view.problems) all += problem.what + ": " + problem.then + "\n";
        return all;
    }
};

TEST(StateView, tells_what_a_killed_agent_left_and_touches_nothing) {
    leave();
    const auto before = files();
    const StateView view = look();
    CHECK(before == files());
    STRCMP_EQUAL("", said(view).c_str());
    LONGS_EQUAL(1, view.journals.size());
    LONGS_EQUAL(101, view.journals[0].oldest);
    LONGS_EQUAL(130, view.journals[0].newest);
    LONGS_EQUAL(30, view.journals[0].messages);
    CHECK(view.crash.whole);
    LONGS_EQUAL(100, view.crash.journal_position);
    CHECK(view.database.log_bytes > 0);
    LONGS_EQUAL(view.database.state->rows, view.database.results + view.database.alerts);
    CHECK(view.database.results > 0);
    LONGS_EQUAL(view.database.results + view.database.alerts, lines.size());
    LONGS_EQUAL(100, view.database.state->checkpoint.journal_position);
    CHECK(view.analysis && view.analysis->from_crash_checkpoint && !view.analysis->other_program);
    LONGS_EQUAL(1, view.analysis->windows[0].open_intervals);
    LONGS_EQUAL(2, view.analysis->windows[0].groups);
    CHECK(view.analysis->sources[0].watermark.has_value());
}

TEST(StateView, an_orderly_end_leaves_no_log_and_is_read_too) {
    leave(true);
    const auto before = files();
    const StateView view = look();
    CHECK(before == files());
    STRCMP_EQUAL("", said(view).c_str());
    LONGS_EQUAL(0, view.database.log_bytes);
    CHECK(view.database.results > 0);
}

TEST(StateView, after_a_power_cut_the_flash_checkpoint_is_what_there_is) {
    leave();
    (void)!system(("rm -rf '" + folder.path() + "/run'").c_str());
    const StateView view = look();
    STRCMP_EQUAL("", said(view).c_str());
    CHECK(view.analysis && !view.analysis->from_crash_checkpoint);
    LONGS_EQUAL(2, view.analysis->windows[0].groups);
    LONGS_EQUAL(0, view.journals[0].bytes);
}

TEST(StateView, nothing_at_all_is_no_problem) {
    const StateView view = look();
    STRCMP_EQUAL("", said(view).c_str());
    LONGS_EQUAL(0, view.database.bytes);
    CHECK_FALSE(view.analysis.has_value());
}

TEST(StateView, a_running_agent_keeps_its_database) {
    Gateway gateway(config);
    gateway.send(0, 100);
    gateway.store();
    const StateView view = look();
    CHECK(view.database.busy);
    CHECK(lines.empty());
    LONGS_EQUAL(100, view.journals[0].newest);
    STRCMP_EQUAL("", said(view).c_str());
    gateway.send(100, 200);
    gateway.store();
    LONGS_EQUAL(0, gateway.outbox->counters().medium_errors);
}

TEST(StateView, damage_is_found_wherever_it_is) {
    leave(true);
    const auto whole = files();
    const auto restore = [&] {
        for (const auto& [path, content] : whole) std::ofstream(path, std::ios::binary) << content;
    };
    const std::string& database = whole.at(folder.path() + "/state/weir.db");
    const std::size_t row = database.find("mean");  // a record has its names
    CHECK(row != std::string::npos);
    const std::string& journal = whole.at(folder.path() + "/run/journal");
    const std::string& checkpoint = whole.at(folder.path() + "/run/checkpoint");
    const struct {
        const char* file;
        std::size_t offset;
        const char* words;
    } all[] = {
        {"/run/journal", 8, "header"},
        {"/run/journal", journal.rfind("city/s1/loop/1") - 400, "damaged"},
        {"/run/checkpoint", checkpoint.rfind("[agent]"), "slots are damaged"},
        {"/state/weir.db", row, "rows are damaged"},
        {"/state/weir.db", 3, "damaged"},
    };
    for (const auto& each : all) {
        damage(each.file, each.offset);
        const StateView view = look();
        STRCMP_CONTAINS(each.words, said(view).c_str());
        CHECK(view.problems.size() >= 1 && !view.problems[0].then.empty());
        restore();
    }
    STRCMP_EQUAL("", said(look()).c_str());
}

TEST(StateView, flips_anywhere_do_no_harm_to_who_looks) {
    leave(true);
    const auto whole = files();
    std::uint64_t random = 1;
    unsigned found = 0;
    for (int round = 0; round < 40; ++round) {
        const std::string path = folder.path() + "/state/weir.db";
        std::string content = whole.at(path);
        for (int flips = 0; flips < 3; ++flips) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            content[(random >> 20) % content.size()] ^= static_cast<char>(1u << (random >> 60 & 7));
        }
        std::ofstream(path, std::ios::binary) << content;
        found += !look().problems.empty();
    }
    CHECK(found > 4);  // the others hit free space
}
