// A message whose PUBACK did not reach the broker comes again. What it is known by has to outlive whatever ended the
// agent: a kill, a power cut, an edit.
#include <stdlib.h>

#include "tests/unit/agent/gateway.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(Repetitions) {
    TemporaryFolder folder;
    std::string config = Gateway::config_in(folder.path());

    void cut_power() { (void)!system(("rm -rf '" + folder.path() + "/run'").c_str()); }
    std::string journal_on_disk() const { return folder.path() + "/state/journal"; }

    // Messages i = from .. to - 1 with packet ids of their own; again: as the broker repeats them.
    static void send(Gateway & gateway, int from, int to, bool again = false, std::uint16_t link = 0) {
        for (int i = from; i < to; ++i) {
            const std::string payload = event(Gateway::first_ms + std::int64_t{i} * 100, 50);
            JournalEntry entry;
            entry.arrival = Timestamp::millis(Gateway::first_ms + std::int64_t{i} * 100);
            entry.clock_trusted = true;
            entry.link = link;
            entry.qos = 1;
            entry.packet_id = static_cast<std::uint16_t>(i + 1);
            entry.dup = again;
            entry.topic = "city/s1/loop/1";
            entry.payload = as_byte_span(payload);
            CHECK(gateway.journal().append(entry).ok());
        }
    }
    static void flush(Gateway & gateway) {
        gateway.pipeline->request_flash();
        CHECK(gateway.pipeline->checkpoint().ok());
        gateway.store();
    }
    static int counted(Gateway & gateway) {
        gateway.pipeline->catch_up();
        gateway.pipeline->analysis().finish();
        std::uint64_t mark = 0;
        int total = 0;
        for (const std::string& json : gateway.ship(mark)) total += atoi(json.c_str() + json.find("\"n\":") + 4);
        return total;
    }
    static void replace(std::string & text, const std::string& what, const std::string& by) {
        CHECK(text.find(what) != std::string::npos);
        text.replace(text.find(what), what.size(), by);
    }
    static std::string edited(std::string text) {
        replace(text, "[[alert]]", "[[window]]\nname = \"other\"\nfrom = \"loops\"\nsize = \"1m\"\nselect = { m = \"max(speed)\" }\n[[alert]]");
        return text;
    }
};

TEST(Repetitions, of_what_a_flash_checkpoint_holds_do_not_count_after_a_power_cut) {
    {
        Gateway first(config);
        send(first, 0, 10);
        first.pipeline->catch_up();
        flush(first);
    }
    cut_power();
    Gateway second(config);
    send(second, 0, 10, true);
    send(second, 10, 15);
    LONGS_EQUAL(15, counted(second));
    LONGS_EQUAL(10, second.journal().stats().duplicates);
}

TEST(Repetitions, of_what_came_behind_the_flash_checkpoint_count_after_a_power_cut) {
    {
        Gateway first(config);
        send(first, 0, 10);
        first.pipeline->catch_up();
        send(first, 10, 15);  // in the journal; the engine, and so the checkpoint, has not come so far
        flush(first);
    }
    cut_power();
    Gateway second(config);
    send(second, 0, 15, true);
    LONGS_EQUAL(15, counted(second));
    LONGS_EQUAL(10, second.journal().stats().duplicates);
}

TEST(Repetitions, are_known_after_a_second_power_cut_and_after_a_kill_behind_the_first) {
    {
        Gateway first(config);
        send(first, 0, 10);
        first.pipeline->catch_up();
        flush(first);
    }
    cut_power();
    {
        Gateway second(config);
        send(second, 10, 12);
    }
    {
        Gateway killed(config);
        killed.pipeline->catch_up();
        send(killed, 0, 12, true);
        LONGS_EQUAL(12, killed.journal().stats().duplicates);
        flush(killed);
    }
    cut_power();
    Gateway last(config);
    send(last, 0, 12, true);
    LONGS_EQUAL(12, counted(last));
}

TEST(Repetitions, are_known_though_the_journal_on_disk_ends_before_the_checkpoint) {
    config = Gateway::config_in(folder.path(), "journal = { on = \"disk\" }\n");
    const std::string earlier = folder.path() + "/earlier";
    {
        Gateway first(config);
        CHECK(system(("cp '" + journal_on_disk() + "' '" + earlier + "'").c_str()) == 0);
        send(first, 0, 10);
        first.pipeline->catch_up();
        flush(first);
    }
    cut_power();
    CHECK(system(("cp '" + earlier + "' '" + journal_on_disk() + "'").c_str()) == 0);  // nothing of it was synced
    Gateway second(config);
    send(second, 0, 10, true);
    LONGS_EQUAL(10, counted(second));
}

TEST(Repetitions, are_known_by_checkpoint_and_entries_of_a_journal_on_disk) {
    config = Gateway::config_in(folder.path(), "journal = { on = \"disk\" }\n");
    {
        Gateway first(config);
        send(first, 0, 10);
        first.pipeline->catch_up();
        flush(first);
        CHECK(first.pipeline->checkpoint().ok());  // releases what is on flash
        send(first, 10, 15);
    }
    cut_power();
    // Of the file's own rows nothing had reached the medium.
    CHECK(system(("dd if=/dev/zero of='" + journal_on_disk() + "' bs=4096 seek=1 count=1 conv=notrunc 2>/dev/null").c_str()) == 0);
    Gateway second(config);
    send(second, 0, 15, true);
    LONGS_EQUAL(15, counted(second));
    LONGS_EQUAL(15, second.journal().stats().duplicates);
}

TEST(Repetitions, are_known_under_another_configuration) {
    for (const bool power_cut : {false, true}) {
        for (const bool same_journal : {false, true}) {
            TemporaryFolder other;
            const std::string before = Gateway::config_in(other.path());
            {
                Gateway first(before);
                send(first, 0, 10);
                first.pipeline->catch_up();
                flush(first);
            }
            if (power_cut) (void)!system(("rm -rf '" + other.path() + "/run'").c_str());
            Gateway second(edited(Gateway::config_in(other.path(), same_journal ? "" : "journal = { size = \"2MiB\" }\n")));
            send(second, 0, 10, true);
            LONGS_EQUAL(10, second.journal().stats().duplicates);
        }
    }
}

TEST(Repetitions, are_known_in_a_journal_of_another_size_or_place) {
    for (const char* keys : {"journal = { size = \"2MiB\" }\n", "journal = { on = \"disk\" }\n"}) {
        TemporaryFolder other;
        {
            Gateway first(Gateway::config_in(other.path()));
            send(first, 0, 10);
            first.pipeline->catch_up();
            CHECK(first.pipeline->checkpoint().ok());
        }
        Gateway second(Gateway::config_in(other.path(), keys));
        send(second, 0, 10, true);
        LONGS_EQUAL(10, second.journal().stats().duplicates);
        LONGS_EQUAL(10, counted(second));
    }
}

TEST(Repetitions, go_with_their_connection_when_others_come_before_it) {
    std::string two = config;
    replace(two, "[[source]]", "[mqtt.aa]\nurl = \"mqtt://other:1883\"\n\n[[source]]");
    {
        Gateway first(config);
        send(first, 0, 10);
        first.pipeline->catch_up();
        flush(first);
    }
    for (const bool power_cut : {true, false}) {
        if (power_cut) cut_power();
        Gateway second(two);
        std::uint16_t link = 0;
        while (!second.assembled.load.config.mqtt[link].name.empty()) ++link;
        send(second, 0, 10, true, link);
        LONGS_EQUAL(10, second.journal().stats().duplicates);
        if (power_cut) continue;
        send(second, 0, 10, true, static_cast<std::uint16_t>(1 - link));
        LONGS_EQUAL(10, second.journal().stats().duplicates);
    }
}

TEST(Repetitions, of_a_session_that_the_broker_forgot_are_not_brought_back) {
    {
        Gateway first(config);
        send(first, 0, 10);
        first.pipeline->catch_up();
        CHECK(first.pipeline->checkpoint().ok());
        first.journal().forget_session(0);
    }
    {
        Gateway second(Gateway::config_in(folder.path(), "journal = { size = \"2MiB\" }\n"));  // the crash checkpoint has the rows
        send(second, 0, 5, true);
        LONGS_EQUAL(0, second.journal().stats().duplicates);
        second.pipeline->catch_up();
        second.journal().forget_session(0);
        flush(second);
    }
    cut_power();
    Gateway third(Gateway::config_in(folder.path(), "journal = { size = \"2MiB\" }\n"));
    send(third, 0, 5, true);
    LONGS_EQUAL(0, third.journal().stats().duplicates);
}
