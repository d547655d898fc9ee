// What a flush writes: the pieces of the state that changed since the one before, and little else.
#include <cstdio>

#include "tests/unit/agent/gateway.h"
#include "uplink/flash_vfs.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(FlashIncrements) {
    static constexpr int sites = 400;
    static constexpr std::uint64_t page = 4096;
    TemporaryFolder folder;

    static void events(Gateway & gateway, int from, int to, int at_ms) {
        for (int site = from; site < to; ++site) {
            const std::string topic = "city/t" + std::to_string(site) + "/loop/1";
            const std::string payload = event(Gateway::first_ms + at_ms, 50 + site % 9);
            JournalEntry entry;
            entry.arrival = Timestamp::millis(Gateway::first_ms + at_ms);
            entry.clock_trusted = true;
            entry.topic = topic;
            entry.payload = as_byte_span(payload);
            CHECK(gateway.journal().append(entry).ok());
        }
        gateway.pipeline->catch_up();
    }
    // Bytes that a flush writes to the log, pages with their headers.
    static std::uint64_t flush(Gateway & gateway) {
        const std::uint64_t before = flash_counters().written_bytes;
        gateway.pipeline->request_flash();
        CHECK(gateway.pipeline->checkpoint().ok());
        gateway.store();
        return flash_counters().written_bytes - before;
    }
};

TEST(FlashIncrements, an_unchanged_state_costs_a_few_pages_and_a_changed_group_its_own) {
    std::string config = Gateway::config_in(folder.path());
    config.replace(config.find("max_groups = 8"), 14, "max_groups = 400");
    config.replace(config.find("partition = \"site\"\n"), 19, "");
    Gateway gateway(config);
    events(gateway, 0, sites, 1000);
    const std::uint64_t all = flush(gateway);
    const std::uint64_t unchanged = flush(gateway);
    events(gateway, 200, 201, 1000);
    const std::uint64_t one = flush(gateway);
    events(gateway, 0, sites, 2000);
    const std::uint64_t every = flush(gateway);
    std::printf("\nflush of %llu bytes of state: first %llu, unchanged %llu, one of %d groups changed %llu, all %llu bytes to flash\n",
                static_cast<unsigned long long>(gateway.outbox->checkpoint_info()->size), static_cast<unsigned long long>(all),
                static_cast<unsigned long long>(unchanged), sites, static_cast<unsigned long long>(one),
                static_cast<unsigned long long>(every));
    CHECK(unchanged <= 6 * (page + 24));
    CHECK(one <= unchanged + 6 * (page + 24));
    CHECK(every > 3 * one);
    CHECK(every <= Outbox::flash_bytes({.commits = 1, .rows = 0, .row_bytes = 0, .checkpoint_bytes = gateway.outbox->checkpoint_info()->size}));
}
