#include "agent/thinning.h"

#include "tests/unit/agent/gateway.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// What a connection's receiver does with a message.
struct Flood {
    Gateway& gateway;
    Thinning thinning;
    std::uint16_t packet_id = 0;
    unsigned kept = 0;
    unsigned shed = 0;

    Flood(Gateway& of, bool enabled)
        : gateway(of), thinning(of.journal(), 0, of.pipeline->analysis().sampling_level(0), enabled) {}

    // False: the journal is full.
    bool send(std::int64_t at_ms, bool dup = false, std::uint16_t again = 0) {
        const std::string payload = event(at_ms, 50);
        JournalEntry entry;
        entry.arrival = Timestamp::millis(at_ms);
        entry.clock_trusted = true;
        entry.qos = 1;
        entry.packet_id = dup ? again : ++packet_id;
        entry.dup = dup;
        entry.topic = "city/s1/loop/1";
        entry.payload = as_byte_span(payload);
        const bool keep = thinning.keep(entry.arrival, true);
        if (!keep) entry.kind = EntryKind::shed;
        const Result<Journal::Appended> appended = gateway.journal().append(entry);
        if (!appended.ok()) return false;
        if (!appended->duplicate) ++(keep ? kept : shed);
        return true;
    }
};

std::uint64_t shed_of(const Gateway& gateway) {
    const LinkAccounting& link = gateway.pipeline->intake().links()[0];
    CHECK_TRUE(link.sum_ok());
    return link.dropped[static_cast<std::size_t>(IntakeDrop::shed)];
}

std::int64_t number_in(const std::string& json, const std::string& name) {
    const std::size_t at = json.find("\"" + name + "\":");
    return at == std::string::npos ? -1 : std::stoll(json.substr(at + name.size() + 3));
}

}  // namespace

TEST_GROUP(Thinning) {
    TemporaryFolder folder;
    std::string config = Gateway::config_in(folder.path());
};

TEST(Thinning, the_share_halves_as_room_goes_and_comes_back_with_hysteresis) {
    LONGS_EQUAL(0, Thinning::next_level(0, 0.5));
    LONGS_EQUAL(1, Thinning::next_level(0, 0.51));
    LONGS_EQUAL(1, Thinning::next_level(1, 0.26));
    LONGS_EQUAL(0, Thinning::next_level(1, 0.24));
    LONGS_EQUAL(2, Thinning::next_level(1, 0.76));
    LONGS_EQUAL(3, Thinning::next_level(0, 0.9));
    LONGS_EQUAL(8, Thinning::next_level(0, 1.0));
    LONGS_EQUAL(0, Thinning::next_level(8, 0.0));
}

TEST(Thinning, a_flood_is_thinned_out_before_the_journal_is_full_and_results_say_so) {
    Gateway gateway(config);
    Flood flood(gateway, true);
    constexpr std::int64_t minute = 60'000;
    CHECK_TRUE(flood.send(Gateway::first_ms));
    gateway.pipeline->catch_up();
    // The engine does nothing while more than the ring holds arrives.
    unsigned sent = 1;
    for (; sent < 200'000 && !gateway.journal().above_high_mark(); ++sent) CHECK_TRUE(flood.send(Gateway::first_ms + 2 * minute));
    CHECK_EQUAL(sent, flood.kept + flood.shed);
    LONGS_EQUAL(8, flood.thinning.level());
    CHECK(flood.shed > flood.kept / 10);
    gateway.pipeline->catch_up();
    CHECK_TRUE(gateway.pipeline->checkpoint().ok());
    CHECK_EQUAL(flood.shed, shed_of(gateway));

    CHECK_TRUE(flood.send(Gateway::first_ms + 4 * minute));
    LONGS_EQUAL(0, flood.thinning.level());
    CHECK_TRUE(flood.send(Gateway::first_ms + 6 * minute));
    gateway.pipeline->catch_up();
    std::uint64_t mark = 0;
    const std::vector<std::string> results = gateway.ship(mark);
    CHECK_EQUAL(3U, results.size());
    LONGS_EQUAL(1, number_in(results[0], "n"));               
    CHECK(results[1].find("\"sampled\":0.00390625") != std::string::npos);
    LONGS_EQUAL(flood.kept - 3, number_in(results[1], "n"));
    CHECK(results[2].find("sampled") == std::string::npos);
}

TEST(Thinning, a_crash_in_a_flood_changes_no_count) {
    std::string config_text = config;
    std::uint64_t mark = 0;
    unsigned kept = 0;
    unsigned shed = 0;
    {
        Gateway gateway(config_text);
        Flood flood(gateway, true);
        for (int i = 0; i < 20'000; ++i) CHECK_TRUE(flood.send(Gateway::first_ms));
        kept = flood.kept;
        shed = flood.shed;
        CHECK(shed > 0);
    }
    Gateway gateway(config_text);
    CHECK_EQUAL(shed, shed_of(gateway));
    CHECK(gateway.pipeline->analysis().sampling_level(0) > 0);
    // The last one was not acknowledged: it comes again, whether it was kept or not.
    Flood flood(gateway, true);
    CHECK_TRUE(flood.send(Gateway::first_ms, true, 20'000));
    CHECK_EQUAL(1U, gateway.journal().stats().duplicates);
    CHECK_TRUE(flood.send(Gateway::first_ms + 300'000));
    LONGS_EQUAL(0, flood.thinning.level());
    gateway.pipeline->catch_up();
    const std::vector<std::string> results = gateway.ship(mark);
    CHECK_EQUAL(1U, results.size());
    LONGS_EQUAL(kept, number_in(results[0], "n"));
    CHECK(results[0].find("\"sampled\":") != std::string::npos);
}

TEST(Thinning, without_the_policy_every_message_is_kept_and_an_earlier_share_ends) {
    {
        Gateway gateway(config);
        Flood flood(gateway, true);
        for (int i = 0; i < 20'000; ++i) CHECK_TRUE(flood.send(Gateway::first_ms));
    }
    Gateway gateway(config);
    Flood flood(gateway, false);
    CHECK_TRUE(flood.send(Gateway::first_ms + 1));
    gateway.pipeline->catch_up();
    LONGS_EQUAL(0, gateway.pipeline->analysis().sampling_level(0));
    int sent = 0;
    while (flood.send(Gateway::first_ms + 1)) ++sent;  // until the journal is full
    CHECK(sent > 1000);
    CHECK_EQUAL(0U, flood.shed);
}
