#include "agent/journal_tail.h"

#include <random>
#include <string>
#include <vector>

#include "agent/journal_format.h"
#include "tests/unit/agent_journal/memory_files.h"

#include <CppUTest/TestHarness.h>

using namespace weir;
using namespace weir::test;

TEST_GROUP(JournalTail) {
    MemoryFiles files;
    SeededEntropy entropy{1};
    std::unique_ptr<Journal> journal;
    std::uint64_t appended = 0;

    void setup() override { open(); }
    static JournalParams params() {
        JournalParams params;
        params.message_bytes_max = 200;
        params.read_ahead_bytes = 70;
        params.control_bytes = 128;
        params.horizon_rows = 8;
        params.ring_bytes = 16 * 1024;
        return params;
    }
    void open() {
        JournalOpenReport report;
        journal = std::move(Journal::open(files, entropy, "j", params(), report)).value();
    }
    // Payloads "1", "2" ... padded to a length.
    void append(int count, std::size_t length = 20) {
        for (int i = 0; i < count; ++i) {
            std::string payload = std::to_string(++appended);
            payload.resize(std::max(payload.size(), length), ' ');
            JournalEntry entry;
            entry.arrival = Timestamp::seconds(static_cast<std::int64_t>(appended));
            entry.topic = "t";
            entry.payload = as_byte_span(payload);
            CHECK(journal->append(entry).ok());
        }
    }
    std::string bytes() { return std::string(as_text(files.at("j"))); }
    // First and last payload, and how many; "broken" where a number is missing.
    static std::string span_of(const JournalTail& tail) {
        if (tail.size() == 0) return "none";
        const auto number = [&](std::size_t i) { return std::atoi(std::string(as_text(tail.entry(i).payload)).c_str()); };
        for (std::size_t i = 1; i < tail.size(); ++i)
            if (number(i) != number(i - 1) + 1) return "broken at " + std::to_string(number(i));
        return std::to_string(number(0)) + " to " + std::to_string(number(tail.size() - 1));
    }
    std::string span() {
        const Result<JournalTail> tail = JournalTail::read(bytes());
        return tail.ok() ? span_of(*tail) : std::string(name(tail.error()));
    }
};

TEST(JournalTail, what_is_not_released_is_there) {
    STRCMP_EQUAL("none", span().c_str());
    append(5);
    STRCMP_EQUAL("1 to 5", span().c_str());
    const JournalTail tail = *JournalTail::read(bytes());
    CHECK(tail.from_its_beginning());
    LONGS_EQUAL(3, tail.entry(2).arrival.us() / 1'000'000);
    CHECK(tail.entry(2).topic == "t");
}

TEST(JournalTail, what_is_released_is_there_until_it_is_overwritten) {
    append(10);
    journal->release_to(10);
    STRCMP_EQUAL("1 to 10", span().c_str());
    append(3);
    STRCMP_EQUAL("1 to 13", span().c_str());
    journal->release_to(12);
    STRCMP_EQUAL("1 to 13", span().c_str());
}

TEST(JournalTail, after_many_laps_it_reaches_back_nearly_a_lap) {
    for (int i = 0; i < 500; ++i) {
        append(7, static_cast<std::size_t>(5 + i % 90));
        journal->release_to(appended - static_cast<std::uint64_t>(i % 5));
    }
    const JournalTail tail = *JournalTail::read(bytes());
    CHECK_FALSE(tail.from_its_beginning());
    const std::string found = span_of(tail);
    STRCMP_CONTAINS((" to " + std::to_string(appended)).c_str(), found.c_str());
    // Some 100 bytes an entry at most.
    CHECK(tail.size() > 16 * 1024 / 140);
}

TEST(JournalTail, at_each_step_of_many_laps_the_end_is_the_newest_and_nothing_is_missing) {
    std::mt19937 random(7);
    for (int i = 0; i < 3000; ++i) {
        append(1, 1 + random() % 190);
        if (random() % 3 == 0) journal->release_to(appended - random() % 8);
        if (journal->stats().used > 8 * 1024) journal->release_to(appended);
        const std::string found = span();
        STRCMP_CONTAINS((" to " + std::to_string(appended)).c_str(), (" " + found).c_str());
    }
}

TEST(JournalTail, a_reopened_journal_goes_on_in_the_same_ring) {
    append(10);
    journal->release_to(4);
    journal.reset();
    open();
    append(2);
    STRCMP_EQUAL("1 to 12", span().c_str());
}

TEST(JournalTail, a_payload_that_looks_like_entries_is_none) {
    // Chained entries within a payload, with the sequences that would fit: they cannot arrive at the mark.
    append(20);
    journal->release_to(20);
    using namespace journal_format;
    std::string payload(160, '\0');
    std::uint32_t chain = 12345;
    for (std::uint64_t i = 0; i < 4; ++i) {
        EntryHeader header{};
        header.length = sizeof header;
        header.sequence = 18 + i;
        header.kind_flags = 1;
        header.crc = checksum(header, {}, chain);
        chain = header.crc;
        std::memcpy(payload.data() + i * sizeof header, &header, sizeof header);
    }
    for (int i = 0; i < 200; ++i) {
        JournalEntry entry;
        entry.topic = "1234567890123456";  // payloads begin at a multiple of 8
        entry.payload = as_byte_span(payload);
        entry.arrival = Timestamp::seconds(99);
        CHECK(journal->append(entry).ok());
        journal->release_to(journal->newest_sequence());
    }
    const JournalTail tail = *JournalTail::read(bytes());
    CHECK(tail.size() > 50);
    for (std::size_t i = 0; i < tail.size(); ++i) LONGS_EQUAL(160, tail.entry(i).payload.size());
}

TEST(JournalTail, hostile_bytes_give_errors_or_whole_entries_never_a_crash) {
    append(60, 100);
    journal->release_to(40);
    const std::string good = bytes();
    std::mt19937 random(3);
    for (int i = 0; i < 3000; ++i) {
        std::string bad = good;
        for (unsigned n = 1 + random() % 8; n > 0; --n) {
            const std::size_t at = random() % 2 ? random() % bad.size() : random() % 3000;
            bad[at] = static_cast<char>(random());
        }
        const Result<JournalTail> tail = JournalTail::read(bad);
        if (!tail.ok()) continue;
        for (std::size_t e = 0; e < tail->size(); ++e) CHECK(tail->entry(e).payload.size() <= 200);
    }
    for (std::size_t size = 0; size + 4096 < good.size(); size += 97) CHECK_FALSE(JournalTail::read(good.substr(0, size)).ok());
    CHECK(JournalTail::read(std::string(good.size(), '\0')).error() == Error::corrupt);
}
