#include "agent/status.h"

#include "tests/unit/agent/gateway.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(Status) {
    TemporaryFolder folder;
    std::string config = Gateway::config_in(folder.path());
    std::vector<char> buffer = std::vector<char>(1 << 18);

    std::string ask(Gateway & gateway, const char* request) {
        StatusBoard board(*gateway.assembled.assembly);
        board.take(*gateway.pipeline);
        StatusParts parts;
        parts.config = &gateway.assembled.load.config;
        parts.journal = gateway.recovered.journal.get();
        parts.outbox = gateway.outbox.get();
        parts.actions = gateway.actions.get();
        parts.clock = &gateway.clock;
        return std::string(board.answer(request, parts, buffer));
    }
    void send_raw(Gateway & gateway, const std::string& topic, const std::string& payload) {
        JournalEntry entry;
        entry.arrival = gateway.clock.wall();
        entry.clock_trusted = true;
        entry.topic = topic;
        entry.payload = as_byte_span(payload);
        CHECK(gateway.journal().append(entry).ok());
        gateway.pipeline->catch_up();
    }
};

TEST(Status, json_counts_every_row_by_what_became_of_it) {
    Gateway gateway(config);
    gateway.send(0, 100);
    send_raw(gateway, "city/s1/loop/1", event(Gateway::first_ms, 50));  // late
    send_raw(gateway, "city/s1/loop/1", "{\"ts\":");
    send_raw(gateway, "city/s1/loop/1", "{\"speed\":1}");
    send_raw(gateway, "nowhere", "x");
    const std::string text = ask(gateway, "status json");
    STRCMP_CONTAINS("\"counted\":100", text.c_str());
    STRCMP_CONTAINS("\"late\":1,", text.c_str());
    STRCMP_CONTAINS("\"malformed\":1", text.c_str());
    STRCMP_CONTAINS("\"missing_time\":1", text.c_str());
    STRCMP_CONTAINS("\"unknown_topic\":1", text.c_str());
    STRCMP_CONTAINS("\"payload\":\"{\\\"ts\\\":\"", text.c_str());
}

TEST(Status, text_fits_and_names_every_part) {
    Gateway gateway(config);
    gateway.send(0, 100);
    const std::string text = ask(gateway, "status");
    for (const char* word : {"agent a1", "memory", "journal", "source    loops", "window    w", "alert     slow", "uplink"})
        STRCMP_CONTAINS(word, text.c_str());
}

TEST(Status, why_names_the_first_stage_at_which_events_end) {
    {
        Gateway gateway(config);
        STRCMP_CONTAINS("=> nothing has come for 'loops'", ask(gateway, "why w").c_str());
        send_raw(gateway, "city/s1/loop/1", "no json");
        STRCMP_CONTAINS("=> no message could be decoded", ask(gateway, "why w").c_str());
    }
    TemporaryFolder other;
    Gateway filtered(Gateway::config_in(other.path(), "", "speed > 1000.0"));
    filtered.send(0, 10);
    STRCMP_CONTAINS("=> `where` lets nothing through", ask(filtered, "why w").c_str());
    STRCMP_CONTAINS("error: there is no window 'v'; there are: w", ask(filtered, "why v").c_str());
}

TEST(Status, why_sees_seconds_taken_for_milliseconds) {
    Gateway gateway(config);
    send_raw(gateway, "city/s1/loop/1", event(1763712000, 50));
    STRCMP_CONTAINS("ts looks like seconds, time.unit is \"ms\"", ask(gateway, "why w").c_str());
}
