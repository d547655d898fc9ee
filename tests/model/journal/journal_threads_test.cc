// Receiver, ticker, reader and checkpoints at once; built with the thread sanitizer it finds races.
#include <atomic>
#include <string>
#include <thread>

#include "agent/base/entropy.h"
#include "agent/journal.h"
#include "tests/unit/agent_journal/memory_files.h"

#include <CppUTest/TestHarness.h>

using namespace weir;
using namespace weir::test;

TEST_GROUP(JournalThreads){};

TEST(JournalThreads, every_entry_arrives_once_and_in_the_order_of_its_thread) {
    constexpr std::uint32_t messages = 20000;
    constexpr std::uint32_t ticks = 2000;
    MemoryFiles files;
    SeededEntropy entropy(1);
    JournalParams params;
    params.message_bytes_max = 100;
    params.read_ahead_bytes = 100;
    params.ring_bytes = Journal::ring_bytes_min(params) + 20000;
    JournalOpenReport report;
    auto opened = Journal::open(files, entropy, "journal", params, report);
    CHECK(opened.ok());
    Journal& journal = **opened;

    const auto append_all = [&](EntryKind kind, std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::string payload(i % 90, static_cast<char>('a' + i % 26));
            JournalEntry entry;
            entry.kind = kind;
            entry.connection = i;
            entry.payload = as_byte_span(payload);
            // The gate that back-pressure is: nothing more is read above the high mark.
            while (kind == EntryKind::message && journal.above_high_mark()) std::this_thread::yield();
            while (!journal.append(entry)) std::this_thread::yield();
        }
    };
    std::thread receiver(append_all, EntryKind::message, messages);
    std::thread ticker(append_all, EntryKind::tick, ticks);
    std::atomic<std::uint64_t> covered{0};
    std::atomic<bool> over{false};
    std::thread store([&] {
        while (!over) {
            journal.release_to(covered);
            std::this_thread::yield();
        }
    });

    JournalCursor cursor = journal.seek(0);
    std::uint32_t next_message = 0;
    std::uint32_t next_tick = 0;
    bool right = true;
    while (next_message < messages || next_tick < ticks) {
        if (!journal.wait_for_more(cursor, Duration::seconds(60))) break;
        JournalEntry entry;
        while (journal.next(cursor, entry)) {
            std::uint32_t& expected = entry.kind == EntryKind::message ? next_message : next_tick;
            right = right && entry.connection == expected && entry.payload.size() == expected % 90;
            if (!entry.payload.empty())
                right = right && entry.payload.back() == static_cast<std::byte>('a' + expected % 26);
            ++expected;
            if (journal.wants_checkpoint(cursor)) covered = entry.sequence;
        }
        covered = cursor.sequence - 1;
    }
    over = true;
    receiver.join();
    ticker.join();
    store.join();
    CHECK(right);
    CHECK_EQUAL(messages, next_message);
    CHECK_EQUAL(ticks, next_tick);
    CHECK(journal.newest_sequence() == messages + ticks);
}

TEST(JournalThreads, sleeping_reader_is_woken) {
    MemoryFiles files;
    SeededEntropy entropy(1);
    JournalParams params;
    JournalOpenReport report;
    auto opened = Journal::open(files, entropy, "journal", params, report);
    CHECK(opened.ok());
    Journal& journal = **opened;
    std::atomic<std::uint64_t> seen{0};
    std::thread reader([&] {
        JournalCursor cursor = journal.seek(0);
        JournalEntry entry;
        while (seen < 500 && journal.wait_for_more(cursor, Duration::minutes(10)))
            while (journal.next(cursor, entry)) ++seen;
    });
    // Ping-pong, so that the reader sleeps before almost every entry.
    for (std::uint64_t i = 0; i < 500; ++i) {
        CHECK(journal.append({}).ok());
        while (seen <= i) std::this_thread::yield();
    }
    reader.join();
    CHECK(seen == 500);
}
