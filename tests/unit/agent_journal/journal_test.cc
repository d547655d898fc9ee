#include "agent/journal.h"

#include <cstring>
#include <string>
#include <vector>

#include "agent/base/entropy.h"
#include "agent/journal_format.h"
#include "tests/unit/agent_journal/memory_files.h"

#include <CppUTest/TestHarness.h>

using namespace weir;
using namespace weir::test;

namespace {

const std::string path = "journal";

JournalParams small() {
    JournalParams params;
    params.message_bytes_max = 200;
    params.read_ahead_bytes = 70;
    params.control_bytes = 128;
    params.horizon_rows = 8;
    params.ring_bytes = Journal::ring_bytes_min(params);
    return params;
}

JournalEntry message(std::string_view topic, std::string_view payload) {
    JournalEntry entry;
    entry.topic = topic;
    entry.payload = as_byte_span(payload);
    return entry;
}

JournalEntry qos1(std::uint16_t packet_id, std::string_view payload, bool dup) {
    JournalEntry entry = message("t", payload);
    entry.qos = 1;
    entry.packet_id = packet_id;
    entry.dup = dup;
    return entry;
}

}  // namespace

TEST_GROUP(Journal) {
    MemoryFiles files;
    SeededEntropy entropy{1};
    JournalOpenReport report;

    std::unique_ptr<Journal> open(const JournalParams& params = small()) {
        auto journal = Journal::open(files, entropy, path, params, report);
        CHECK(journal.ok());
        return std::move(journal).value();
    }
    static std::vector<std::string> payloads(const Journal& journal) {
        std::vector<std::string> found;
        JournalCursor cursor = journal.seek(0);
        for (JournalEntry entry; journal.next(cursor, entry);) found.emplace_back(as_text(entry.payload));
        return found;
    }
    // Messages until one is refused; how many were taken.
    static unsigned fill(Journal & journal) {
        for (unsigned count = 0;; ++count)
            if (!journal.append(message("t", std::string(100, 'x')))) return count;
    }
};

TEST(Journal, entry_comes_back_as_it_went_in) {
    auto journal = open();
    JournalEntry in = message("city/1/loop", "{\"speed\":3}");
    in.arrival = Timestamp::micros(-17);
    in.clock_trusted = true;
    in.source = 65535;
    in.connection = 4000000000u;
    in.packet_id = 65535;
    in.qos = 1;
    in.dup = true;
    in.retained = true;
    const auto appended = journal->append(in);
    CHECK(appended.ok());
    CHECK(appended->sequence == 1);
    JournalCursor cursor = journal->seek(0);
    JournalEntry out;
    CHECK(journal->next(cursor, out));
    CHECK(out.sequence == 1);
    CHECK(out.arrival == in.arrival);
    CHECK(out.clock_trusted && out.dup && out.retained);
    CHECK(out.kind == EntryKind::message);
    CHECK(out.source == in.source && out.connection == in.connection && out.packet_id == in.packet_id && out.qos == 1);
    CHECK(out.topic == in.topic);
    CHECK(as_text(out.payload) == as_text(in.payload));
    CHECK_FALSE(journal->next(cursor, out));
}

TEST(Journal, every_kind_and_empty_ones_come_back) {
    auto journal = open();
    for (const EntryKind kind : {EntryKind::tick, EntryKind::control, EntryKind::connection, EntryKind::message}) {
        JournalEntry in;
        in.kind = kind;
        CHECK(journal->append(in).ok());
    }
    journal = open();
    JournalCursor cursor = journal->seek(0);
    JournalEntry out;
    for (const EntryKind kind : {EntryKind::tick, EntryKind::control, EntryKind::connection, EntryKind::message}) {
        CHECK(journal->next(cursor, out));
        CHECK(out.kind == kind);
        CHECK(out.topic.empty() && out.payload.empty() && !out.dup && !out.clock_trusted);
    }
}

TEST(Journal, need_is_the_size_of_the_file) {
    open();
    UNSIGNED_LONGS_EQUAL(Journal::need(small()), files.at(path).size());
    CHECK(report.kind == JournalOpenReport::Kind::created);
    CHECK(report.newest == 0 && report.oldest == 1 && report.entries == 0);
}

TEST(Journal, payload_is_followed_by_readable_bytes_even_at_the_end_of_the_ring) {
    auto journal = open();
    const std::byte* end = files.at(path).data() + files.at(path).size();
    JournalCursor cursor = journal->seek(0);
    for (int i = 0; i < 500; ++i) {
        CHECK(journal->append(message("t", std::string(static_cast<std::size_t>(i * 7 % 190), 'x'))).ok());
        JournalEntry entry;
        CHECK(journal->next(cursor, entry));
        CHECK(entry.payload.data() + entry.payload.size() + Journal::readable_behind <= end);
        journal->release_to(entry.sequence);
    }
}

TEST(Journal, ring_too_small_or_senseless_parameters_are_refused) {
    JournalParams params = small();
    params.ring_bytes = Journal::ring_bytes_min(params) - 64;
    CHECK(Journal::open(files, entropy, path, params, report).error() == Error::out_of_range);
    params = small();
    params.links = 0;
    CHECK(Journal::open(files, entropy, path, params, report).error() == Error::out_of_range);
    params.links = 256;
    CHECK(Journal::open(files, entropy, path, params, report).error() == Error::out_of_range);
    params = small();
    params.horizon_rows = 0;
    CHECK(Journal::open(files, entropy, path, params, report).error() == Error::out_of_range);
    CHECK_FALSE(files.has(path));
}

TEST(Journal, message_longer_than_declared_is_refused) {
    auto journal = open();
    CHECK(journal->append(message("", std::string(200, 'x'))).ok());
    CHECK(journal->append(message("t", std::string(200, 'x'))).error() == Error::out_of_range);
}

TEST(Journal, full_ring_refuses_messages_but_has_room_for_control) {
    auto journal = open();
    CHECK(fill(*journal) > 2);
    CHECK(journal->stats().full == 1);
    JournalEntry control;
    control.kind = EntryKind::control;
    control.payload = as_byte_span("x");
    CHECK(journal->append(control).ok());
    control.kind = EntryKind::tick;
    CHECK(journal->append(control).ok());
    while (journal->append(control)) {
    }
    CHECK(journal->append(control).error() == Error::full);
    const std::uint64_t newest = journal->newest_sequence();
    journal->release_to(newest);
    CHECK(journal->append(message("t", "again")).ok());
    CHECK(journal->newest_sequence() == newest + 1);
}

TEST(Journal, below_the_high_mark_a_message_of_any_length_and_all_that_was_read_ahead_fit) {
    JournalParams params = small();
    params.ring_bytes *= 2;
    auto journal = open(params);
    SeededEntropy random(7);
    unsigned tried = 0;
    for (int round = 0; round < 5000; ++round) {
        for (std::uint64_t count = random.word() % 40; count > 0 && !journal->above_high_mark(); --count)
            CHECK(journal->append(message("t", std::string(random.word() % 50, 'x'))).ok());
        if (!journal->above_high_mark()) {
            ++tried;  // 70 bytes on the wire, and one message behind them
            for (int i = 0; i < 10; ++i) CHECK(journal->append(message("t", "")).ok());
            CHECK(journal->append(message("", std::string(200, 'x'))).ok());
        }
        journal->release_to(journal->newest_sequence());
    }
    CHECK(tried > 1000);
}

TEST(Journal, high_mark_ends_below_the_low_mark) {
    JournalParams params = small();
    params.ring_bytes *= 4;
    auto journal = open(params);
    CHECK_FALSE(journal->above_high_mark());
    while (!journal->above_high_mark()) CHECK(journal->append(message("t", "x")).ok());
    const std::uint64_t newest = journal->newest_sequence();
    journal->release_to(1);
    CHECK(journal->above_high_mark());
    journal->release_to(newest / 4);
    CHECK(journal->above_high_mark());
    journal->release_to(newest);
    CHECK_FALSE(journal->above_high_mark());
}

TEST(Journal, high_mark_is_found_again_by_recovery) {
    auto journal = open();
    while (!journal->above_high_mark()) CHECK(journal->append(message("t", "x")).ok());
    CHECK(open()->above_high_mark());
}

TEST(Journal, wants_a_checkpoint_when_half_was_read_and_not_covered) {
    JournalParams params = small();
    params.ring_bytes *= 4;
    auto journal = open(params);
    JournalCursor cursor = journal->seek(0);
    while (!journal->above_high_mark()) CHECK(journal->append(message("t", "x")).ok());
    CHECK_FALSE(journal->wants_checkpoint(cursor));  // nothing read: a checkpoint would free nothing
    JournalEntry entry;
    while (journal->next(cursor, entry)) {
    }
    CHECK(journal->wants_checkpoint(cursor));
    journal->release_to(entry.sequence);
    CHECK_FALSE(journal->wants_checkpoint(cursor));
}

TEST(Journal, entries_stay_until_released_and_are_found_by_sequence) {
    auto journal = open();
    for (const char* payload : {"a", "b", "c", "d"}) CHECK(journal->append(message("t", payload)).ok());
    journal->release_to(2);
    CHECK(journal->oldest_sequence() == 3);
    CHECK(payloads(*journal) == std::vector<std::string>({"c", "d"}));
    CHECK(journal->seek(0).sequence == 3);
    CHECK(journal->seek(4).sequence == 4);
    CHECK(journal->seek(99).sequence == 5);
    journal->release_to(1);  // an older checkpoint takes nothing back
    CHECK(journal->oldest_sequence() == 3);
    journal->release_to(99);
    CHECK(journal->oldest_sequence() == 5);
    journal = open();
    CHECK(report.kind == JournalOpenReport::Kind::recovered);
    CHECK(report.oldest == 5 && report.newest == 4 && report.entries == 0);
    CHECK(journal->append(message("t", "e"))->sequence == 5);
    CHECK(payloads(*journal) == std::vector<std::string>({"e"}));
}

TEST(Journal, waiting_reader_gets_what_is_there_and_gives_up_in_time) {
    auto journal = open();
    JournalCursor cursor = journal->seek(0);
    CHECK_FALSE(journal->wait_for_more(cursor, Duration::micros(1)));
    journal->wake();
    CHECK_FALSE(journal->wait_for_more(cursor, Duration::max()));
    CHECK(journal->append(message("t", "x")).ok());
    CHECK(journal->wait_for_more(cursor, Duration::max()));
}

TEST(Journal, redelivered_message_is_skipped_once_journaled) {
    auto journal = open();
    CHECK(journal->append(qos1(1, "a", false))->sequence == 1);
    CHECK(journal->append(qos1(2, "b", true))->sequence == 2);  // DUP, but never seen here
    const auto again = journal->append(qos1(1, "a", true));
    CHECK(again.ok());
    CHECK(again->duplicate && again->sequence == 0);
    CHECK(journal->append(qos1(2, "b", true))->duplicate);
    CHECK_FALSE(journal->append(qos1(1, "other", true))->duplicate);
    CHECK_FALSE(journal->append(qos1(2, "b", false))->duplicate);  // without DUP it is a new message
    CHECK(journal->stats().duplicates == 2);
    CHECK(journal->newest_sequence() == 4);
}

TEST(Journal, redelivery_is_known_after_a_crash_even_if_the_entry_was_released) {
    auto journal = open();
    CHECK(journal->append(qos1(1, "a", false)).ok());
    CHECK(journal->append(qos1(2, "b", false)).ok());
    journal->release_to(2);
    journal = open();
    CHECK(journal->append(qos1(1, "a", true))->duplicate);
    journal = open();  // and after a connection that broke before redelivery was over
    CHECK(journal->append(qos1(1, "a", true))->duplicate);
    CHECK(journal->append(qos1(2, "b", true))->duplicate);
    journal->forget_session(0);
    CHECK_FALSE(journal->append(qos1(1, "a", true))->duplicate);
}

TEST(Journal, horizon_is_rebuilt_from_entries_whose_rows_are_gone) {
    auto journal = open();
    CHECK(journal->append(qos1(1, "a", false)).ok());
    CHECK(journal->append(qos1(2, "b", false)).ok());
    const Bytes horizon = DuplicateHorizon::need(1, small().horizon_rows);
    std::memset(files.at(path).data() + journal_format::page_bytes, 0xAB, horizon);
    std::memset(files.at(path).data() + journal_format::page_bytes, 0, 16);
    journal = open();
    CHECK(journal->append(qos1(1, "a", true))->duplicate);
    CHECK(journal->append(qos1(2, "b", true))->duplicate);
}

TEST(Journal, file_that_is_no_journal_is_set_aside_and_said) {
    const std::string garbage(Journal::need(small()), 'g');
    files.put(path, as_byte_span(garbage));
    auto journal = open();
    CHECK(report.kind == JournalOpenReport::Kind::set_aside);
    CHECK(report.reason == "it is not a journal");
    CHECK(report.aside_path == path + ".aside");
    CHECK(as_text(files.at(path + ".aside")) == garbage);
    CHECK(journal->append(message("t", "x"))->sequence == 1);
    CHECK(payloads(*open()).size() == 1);
}

TEST(Journal, truncated_or_resized_file_is_set_aside) {
    CHECK(open()->append(message("t", "x")).ok());
    JournalParams params = small();
    params.ring_bytes *= 2;
    CHECK(payloads(*open(params)).empty());
    CHECK(report.kind == JournalOpenReport::Kind::set_aside);
    files.put(path, files.at(path).first(files.at(path).size() - 1));
    CHECK(payloads(*open(params)).empty());
    CHECK(report.kind == JournalOpenReport::Kind::set_aside);
    // The same file size, cut otherwise.
    params.horizon_rows = 100;
    auto other = params;
    other.horizon_rows = 101;
    UNSIGNED_LONGS_EQUAL(Journal::need(params), Journal::need(other));
    CHECK(files.remove(path).ok());
    open(params);
    open(other);
    CHECK(report.reason == "it was made with other sizes");
}

TEST(Journal, newer_version_is_set_aside_unharmed) {
    CHECK(open()->append(message("t", "x")).ok());
    store_le<std::uint32_t>(files.at(path).data() + 8, 2);
    const std::string newer(as_text(files.at(path)));
    open();
    CHECK(report.reason == "it is of another version");
    CHECK(as_text(files.at(path + ".aside")) == newer);
}

TEST(Journal, damaged_header_and_release_marks_are_set_aside) {
    open();
    store_le<std::uint64_t>(files.at(path).data() + 24, 1);
    open();
    CHECK(report.reason == "its header is damaged");
    for (const Bytes slot : journal_format::release_slot_offset) store_le<std::uint64_t>(files.at(path).data() + slot + 8, 77);
    open();
    CHECK(report.reason == "its release marks are damaged");
}

TEST(Journal, one_torn_release_mark_gives_the_one_before) {
    auto journal = open();
    for (const char* payload : {"a", "b", "c"}) CHECK(journal->append(message("t", payload)).ok());
    journal->release_to(1);
    journal->release_to(2);
    const auto first = load_le<journal_format::ReleaseSlot>(files.at(path).data() + 1024);
    const auto second = load_le<journal_format::ReleaseSlot>(files.at(path).data() + 2048);
    const Bytes newer = first.generation > second.generation ? 1024 : 2048;
    files.at(path)[newer + 16] ^= std::byte{1};
    journal = open();
    CHECK(journal->oldest_sequence() == 2);
    CHECK(payloads(*journal) == std::vector<std::string>({"b", "c"}));
}

TEST(Journal, crash_while_it_was_made_leaves_a_new_one) {
    files.put(path, as_byte_span(std::string(Journal::need(small()), '\0')));
    open();
    CHECK(report.kind == JournalOpenReport::Kind::created);
    files.put(path, {});
    open();
    CHECK(report.kind == JournalOpenReport::Kind::created);
    CHECK_FALSE(files.has(path + ".aside"));
}

TEST(Journal, goes_on_where_the_checkpoint_needs_it_or_is_set_aside) {
    auto journal = open();
    for (const char* payload : {"a", "b", "c"}) CHECK(journal->append(message("t", payload)).ok());
    journal->release_to(1);
    JournalParams params = small();
    for (params.first_sequence = 2; params.first_sequence <= 4; ++params.first_sequence) {
        open(params);
        CHECK(report.kind == JournalOpenReport::Kind::recovered);
    }
    params.first_sequence = 5;
    journal = open(params);
    CHECK(report.reason == "it ends before the checkpoint");
    CHECK(journal->oldest_sequence() == 5 && journal->newest_sequence() == 4);
    CHECK(journal->append(message("t", "x"))->sequence == 5);
    params.first_sequence = 1;
    open(params);
    CHECK(report.reason == "it begins after the checkpoint");
}

TEST(Journal, inspect_tells_how_a_file_was_made) {
    CHECK(Journal::inspect(files, path).error() == Error::missing);
    JournalParams params = small();
    params.links = 3;
    CHECK(open(params)->append(message("t", "x")).ok());
    const auto found = Journal::inspect(files, path);
    CHECK(found.ok());
    CHECK(found->links == 3 && found->horizon_rows == 8);
    UNSIGNED_LONGS_EQUAL(Journal::need(params), Journal::need(*found));
    CHECK(payloads(*open(*found)) == std::vector<std::string>({"x"}));  // however small its ring
    store_le<std::uint32_t>(files.at(path).data() + 8, 2);
    CHECK(Journal::inspect(files, path).error() == Error::corrupt);
    files.put(path, as_byte_span("x"));
    CHECK(Journal::inspect(files, path).error() == Error::corrupt);
}

TEST(Journal, durable_room_is_used_again_only_after_a_sync) {
    JournalParams params = small();
    params.durable = true;
    auto journal = open(params);
    fill(*journal);
    journal->release_to(journal->newest_sequence());
    CHECK_FALSE(journal->append(message("t", std::string(100, 'x'))).ok());
    files.sync_fails = true;
    CHECK(journal->sync().error() == Error::io);
    CHECK_FALSE(journal->append(message("t", std::string(100, 'x'))).ok());
    files.sync_fails = false;
    CHECK(journal->sync().ok());
    CHECK(journal->append(message("t", std::string(100, 'x'))).ok());
}
