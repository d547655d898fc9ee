#include "agent/trial.h"

#include <cstdlib>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

MonotonicTime at(std::int64_t seconds) { return {Duration::seconds(seconds)}; }

}  // namespace

TEST_GROUP(Trial) {
    SystemFiles files;
    std::string folder;
    Trial trial{0xFFFF'FFFF'FFFF'FFFFULL, 2, false, true, true, "", "[agent]\nid = \"a\"\n"};

    void setup() override {
        char name[] = "/tmp/weir-trial-XXXXXX";
        folder = mkdtemp(name);
    }
    void teardown() override {
        (void)files.remove(folder + "/trial");
        (void)std::system(("rmdir " + folder).c_str());
    }
};

TEST(Trial, is_read_as_it_was_written) {
    TrialFile file(files, folder);
    CHECK_FALSE(file.read().has_value());
    trial.refused = true;
    trial.reason = "two\nlines";
    CHECK_TRUE(file.write(trial).ok());
    const std::optional<Trial> found = file.read();
    CHECK_TRUE(found.has_value());
    CHECK_TRUE(found->configuration == trial.configuration);
    CHECK_EQUAL(2, found->starts);
    CHECK_TRUE(found->refused && found->mqtt && found->uplink);
    STRCMP_EQUAL("two lines", found->reason.c_str());
    STRCMP_EQUAL(trial.previous.c_str(), found->previous.c_str());
    file.end();
    CHECK_FALSE(file.read().has_value());
}

TEST(Trial, damaged_bytes_are_no_trial) {
    TrialFile file(files, folder);
    CHECK_TRUE(file.write(trial).ok());
    const std::string good = *files.read(folder + "/trial", 10000);
    for (std::size_t i = 0; i < good.size(); ++i) {
        std::string bad = good;
        bad[i] = static_cast<char>(bad[i] ^ 4);
        CHECK_TRUE(files.replace(folder + "/trial", as_byte_span(bad), false).ok());
        CHECK_FALSE(file.read().has_value());
        CHECK_TRUE(files.replace(folder + "/trial", as_byte_span(good.substr(0, i)), false).ok());
        CHECK_FALSE(file.read().has_value());
    }
}

TEST(Trial, is_healthy_when_what_was_connected_has_been_for_some_seconds) {
    TrialWatch watch(trial, Duration::minutes(2), at(100));
    const Health well;
    CHECK_TRUE(watch.look({true, false, true}, at(101)) == TrialWatch::Verdict::open);
    STRCMP_CONTAINS("MQTT broker", watch.complaint().c_str());
    CHECK_TRUE(watch.look(well, at(102)) == TrialWatch::Verdict::open);
    CHECK_TRUE(watch.look({true, true, false}, at(105)) == TrialWatch::Verdict::open);  // begins again
    STRCMP_CONTAINS("bridge", watch.complaint().c_str());
    CHECK_TRUE(watch.look(well, at(106)) == TrialWatch::Verdict::open);
    CHECK_TRUE(watch.look(well, at(110)) == TrialWatch::Verdict::open);
    CHECK_TRUE(watch.look(well, at(111)) == TrialWatch::Verdict::healthy);
}

TEST(Trial, fails_at_its_end_and_says_why) {
    TrialWatch watch(trial, Duration::seconds(10), at(0));
    CHECK_TRUE(watch.look({false, true, true}, at(9)) == TrialWatch::Verdict::open);
    CHECK_TRUE(watch.look({false, true, true}, at(10)) == TrialWatch::Verdict::failed);
    STRCMP_CONTAINS("engine", watch.complaint().c_str());
    TrialWatch flaps(trial, Duration::seconds(10), at(0));
    CHECK_TRUE(flaps.look({}, at(10)) == TrialWatch::Verdict::failed);
    STRCMP_CONTAINS("did not stay", flaps.complaint().c_str());
}

TEST(Trial, asks_for_no_more_than_there_was_before) {
    trial.mqtt = trial.uplink = false;
    TrialWatch watch(trial, Duration::seconds(20), at(0));
    CHECK_TRUE(watch.look({true, false, false}, at(1)) == TrialWatch::Verdict::open);
    CHECK_TRUE(watch.look({true, false, false}, at(6)) == TrialWatch::Verdict::healthy);
    TrialWatch stands(trial, Duration::seconds(20), at(0));
    CHECK_TRUE(stands.look({false, false, false}, at(20)) == TrialWatch::Verdict::failed);
}
