#include "agent/pipeline.h"

#include "agent/memory_plan.h"
#include "agent/recovery.h"
#include "tests/unit/agent/fixture.h"
#include "tests/unit/agent/gateway.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(Pipeline) {
    TemporaryFolder folder;
    std::string config = Gateway::config_in(folder.path());
};

TEST(Pipeline, takes_exactly_the_memory_it_said) {
    Gateway gateway(config);
    LONGS_EQUAL(arena_need(*gateway.assembled.assembly, gateway.options), gateway.arena.used());
}

TEST(Pipeline, a_checkpoint_frees_the_journal) {
    Gateway gateway(config);
    gateway.send(0, 50);
    CHECK(gateway.journal().stats().used > 0);
    CHECK(gateway.pipeline->checkpoint().ok());
    LONGS_EQUAL(0, gateway.journal().stats().used);
}

TEST(Pipeline, on_disk_the_journal_is_kept_until_the_flash_has_the_state) {
    Gateway gateway(Gateway::config_in(folder.path(), "journal = { on = \"disk\" }\n"));
    gateway.send(0, 50);
    CHECK(gateway.pipeline->checkpoint().ok());
    CHECK(gateway.journal().stats().used > 0);
    gateway.pipeline->request_flash();
    CHECK(gateway.pipeline->checkpoint().ok());
    gateway.store();
    CHECK(gateway.pipeline->checkpoint().ok());
    CHECK(gateway.journal().sync().ok());  // on disk, room is free when the medium knows it
    LONGS_EQUAL(0, gateway.journal().stats().used);
}

TEST(Pipeline, a_flash_checkpoint_stays_readable_while_it_is_being_written) {
    Gateway gateway(config);
    gateway.send(0, 50);
    gateway.pipeline->request_flash();
    CHECK(gateway.pipeline->checkpoint().ok());
    const std::optional<FlashCheckpoint> due = gateway.pipeline->flash_due();
    CHECK(due.has_value());
    const std::vector<std::byte> before(due->bytes.begin(), due->bytes.end());
    // Whatever becomes due meanwhile: the slot is not touched.
    for (int i = 50; i < 500; i += 50) {
        gateway.send(i, i + 50);
        gateway.clock.advance(Duration::seconds(20));
        gateway.pipeline->step({});
    }
    CHECK(std::equal(before.begin(), before.end(), due->bytes.begin()));
}

TEST(Pipeline, early_results_are_counted_and_never_go_to_the_outbox) {
    std::string early = config;
    early.replace(early.find("size = \"1m\""), 11, "size = \"1m\"\nearly = \"10s\"");
    std::uint64_t mark = 0;
    std::vector<std::string> without;
    {
        Gateway gateway(config);
        gateway.send(0, 300);
        without = gateway.ship(mark);
    }
    TemporaryFolder other;
    early.replace(early.find(folder.path()), folder.path().size(), other.path());
    early.replace(early.find(folder.path()), folder.path().size(), other.path());
    Gateway gateway(early);
    gateway.send(0, 300);
    CHECK(gateway.pipeline->counters().provisional > 20);
    mark = 0;
    CHECK(gateway.ship(mark) == without);
    LONGS_EQUAL(gateway.pipeline->counters().results + gateway.pipeline->counters().alerts, gateway.pipeline->analysis().last_sequence());
}

TEST(Pipeline, ticks_are_journal_entries_and_close_silent_windows) {
    Gateway gateway(config);
    gateway.send(0, 30);
    const std::uint64_t before = gateway.pipeline->counters().results;
    for (int i = 0; i < 200; ++i) {
        gateway.clock.advance(Duration::seconds(1));
        gateway.pipeline->step({});
    }
    CHECK(gateway.pipeline->counters().ticks >= 200);
    CHECK(gateway.pipeline->counters().results > before);
}
