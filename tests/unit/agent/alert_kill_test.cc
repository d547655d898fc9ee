// Killed at any moment, the agent says each change of an alert once: the same words, ids and sequences as without a kill.
#include <array>

#include "agent/journal_control.h"
#include "agent/status.h"

#include "tests/unit/agent/gateway.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

constexpr const char* more_alerts = R"toml(
hold = "90s"
[[alert]]
name = "fast"
from = "loops"
by = ["site"]
when = "speed > 100.0"
clear = "speed < 60.0"
flap = { raises = 3, within = "5m" }
[[alert]]
name = "silent"
from = "loops"
absent = "30s"
expect = ["s1", "s9"]
)toml";

}  // namespace

TEST_GROUP(AlertKill) {
    std::uint64_t mark = 0;
    std::vector<std::string> alerts;

    void append(Gateway& gateway, EntryKind kind, std::int64_t second, const std::string& topic, const std::string& payload) {
        JournalEntry entry;
        entry.kind = kind;
        entry.arrival = Timestamp::millis(Gateway::first_ms + second * 1000);
        entry.clock_trusted = true;
        entry.topic = topic;
        entry.payload = as_byte_span(payload);
        CHECK(gateway.journal().append(entry).ok());
    }
    // Two sites, slow and fast in turn, each silent for a while.
    void play(Gateway& gateway, std::int64_t second) {
        if (second % 5 == 0) append(gateway, EntryKind::tick, second, "", "");
        if (second % 240 > 180) return;
        const double speed = second / 200 % 2 ? 10 : second % 50 < 25 ? 120 : 50;
        append(gateway, EntryKind::message, second, second % 2 ? "city/s1/loop/1" : "city/s2/loop/1", event(Gateway::first_ms + second * 1000, speed));
        if (second == 640) {
            std::array<std::byte, acknowledgement_bytes> bytes;
            ByteWriter out(bytes);
            write_acknowledgement(out, {gateway.assembled.assembly->alerts()[2].definition, 0});
            append(gateway, EntryKind::control, second, "", std::string(as_text(out.written())));
        }
        if (second % 7 == 0) gateway.pipeline->catch_up();
    }
    void deliver(Gateway& gateway) {
        gateway.pipeline->catch_up();
        gateway.ship(mark);
        alerts.insert(alerts.end(), gateway.alerts.begin(), gateway.alerts.end());
        gateway.alerts.clear();
    }
    std::vector<std::string> run(std::uint64_t seed) {
        TemporaryFolder folder;
        const std::string config = Gateway::config_in(folder.path()) + more_alerts;
        mark = 0;
        alerts.clear();
        SeededEntropy random(seed);
        auto gateway = std::make_unique<Gateway>(config);
        for (std::int64_t second = 0; second < 1500; ++second) {
            play(*gateway, second);
            if (seed == 0) continue;
            const std::uint64_t dice = random.word() % 100;
            if (dice == 0) CHECK(gateway->pipeline->checkpoint().ok());
            if (dice == 1) deliver(*gateway);
            if (dice == 2) {  // killed: what was staged and not committed is gone from memory
                gateway.reset();
                gateway = std::make_unique<Gateway>(config);
            }
        }
        deliver(*gateway);
        return alerts;
    }
};

TEST(AlertKill, no_raise_and_no_clear_is_lost_or_said_anew) {
    const std::vector<std::string> whole = run(0);
    CHECK(whole.size() > 20);
    std::string words;
    for (const std::string& alert : whole) words += alert + "\n";
    for (const char* word : {"flapping", "acknowledged", "\"reason\":\"held\",\"n\":30,\"mean\":10,", "\"came\"", "\"absent\"", "\"key\":{\"site\":\"s9\"}"})
        STRCMP_CONTAINS(word, words.c_str());
    for (std::uint64_t seed = 1; seed <= 12; ++seed) {
        const std::vector<std::string> again = run(seed);
        std::string others;
        for (const std::string& alert : again) others += alert + "\n";
        STRCMP_EQUAL(words.c_str(), others.c_str());
    }
}

TEST(AlertKill, what_stands_is_shown_and_acknowledged_through_the_journal) {
    TemporaryFolder folder;
    const std::string config = Gateway::config_in(folder.path()) + more_alerts;
    auto gateway = std::make_unique<Gateway>(config);
    std::vector<char> buffer(1 << 18);
    const auto ask = [&](const char* request) {
        StatusBoard board(*gateway->assembled.assembly);
        board.take(*gateway->pipeline);
        StatusParts parts;
        parts.config = &gateway->assembled.load.config;
        parts.journal = gateway->recovered.journal.get();
        parts.outbox = gateway->outbox.get();
        parts.actions = gateway->actions.get();
        parts.clock = &gateway->clock;
        return std::string(board.answer(request, parts, buffer));
    };
    append(*gateway, EntryKind::message, 0, "city/s1/loop/1", event(Gateway::first_ms, 150));
    append(*gateway, EntryKind::message, 0, "city/s2/loop/1", event(Gateway::first_ms, 150));
    gateway->pipeline->catch_up();
    STRCMP_CONTAINS("{\"alert\":\"fast\",\"key\":\"s1\",\"state\":\"raised\",\"severity\":\"warning\",\"since\":2000000000000,\"id\":\"",
                    ask("status json").c_str());
    STRCMP_CONTAINS("raised fast s2 since 2033-05-18T03:33:20Z", ask("status").c_str());
    STRCMP_CONTAINS("error: there is no alert 'fats'", ask("ack fats").c_str());
    STRCMP_CONTAINS("error: fast does not stand for 's3'; it stands for: s1, s2", ask("ack fast s3").c_str());
    STRCMP_CONTAINS("error: silent does not stand", ask("ack silent").c_str());
    STRCMP_EQUAL("acknowledged: fast for s1\n", ask("ack fast s1").c_str());
    gateway.reset();  // before the engine has heard of it
    gateway = std::make_unique<Gateway>(config);
    STRCMP_CONTAINS("acknowledged fast s1", ask("status").c_str());
    STRCMP_CONTAINS("raised fast s2", ask("status").c_str());
    STRCMP_EQUAL("acknowledged: fast for s1, s2\n", ask("ack fast").c_str());
    gateway->pipeline->catch_up();
    STRCMP_CONTAINS("acknowledged fast s2", ask("status").c_str());
}
