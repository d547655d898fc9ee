// The journal against a deque, fed the same random operations: wraps, full rings, restarts, torn tails,
// flipped bits, power cuts.
#include <cstring>
#include <deque>
#include <string>

#include "agent/base/entropy.h"
#include "agent/journal.h"
#include "agent/journal_format.h"
#include "tests/unit/agent_journal/memory_files.h"

#include <CppUTest/TestHarness.h>

using namespace weir;
using namespace weir::test;

namespace {

const std::string path = "journal";

struct TwinEntry {
    std::uint64_t sequence;
    EntryKind kind;
    std::string topic;
    std::string payload;
    std::uint16_t packet_id;
};

class Twins {
public:
    Twins(std::uint64_t seed, bool durable) : random_(seed) {
        params_.message_bytes_max = 1 + below(400);
        params_.read_ahead_bytes = below(100);
        params_.control_bytes = 100 + below(200);
        params_.horizon_rows = 4;
        params_.durable = durable;
        params_.ring_bytes = Journal::ring_bytes_min(params_) + below(2000);
        open();
    }

    std::uint64_t below(std::uint64_t bound) { return random_.word() % bound; }

    void open() {
        journal_.reset();
        auto opened = Journal::open(files_, random_, path, params_, report_);
        CHECK(opened.ok());
        journal_ = std::move(opened).value();
        cursor_ = journal_->seek(0);
    }

    void append() {
        TwinEntry entry;
        entry.kind = static_cast<EntryKind>(1 + (below(4) ? 0 : below(4)));
        entry.packet_id = static_cast<std::uint16_t>(below(65536));
        const Bytes content = below(3) ? below(params_.message_bytes_max / 4 + 1) : below(params_.message_bytes_max + 1);
        for (Bytes i = 0; i < content; ++i)
            (i < content / 3 ? entry.topic : entry.payload).push_back(static_cast<char>(below(256)));
        JournalEntry in;
        in.kind = entry.kind;
        in.packet_id = entry.packet_id;
        in.qos = 1;
        in.topic = entry.topic;
        in.payload = as_byte_span(entry.payload);

        const Bytes used = journal_->stats().used;
        const Bytes bytes = align_up(sizeof(journal_format::EntryHeader) + content, 8);
        const bool from_outside = entry.kind == EntryKind::message || entry.kind == EntryKind::connection;
        const Bytes usable = static_cast<Bytes>(ring()) - (from_outside ? params_.control_bytes : 0);
        const bool low = !journal_->above_high_mark();
        const auto appended = journal_->append(in);
        if (!appended) {
            CHECK(appended.error() == Error::full);
            CHECK(used + 2 * bytes > usable);  // it did not fit, or only without the wrap
            CHECK_FALSE(low);
            return;
        }
        CHECK(used + bytes <= usable);
        entry.sequence = appended->sequence;
        CHECK(entry.sequence == next_sequence_++);
        twin_.push_back(entry);
    }

    void read() {
        for (std::uint64_t count = below(20); count > 0; --count) {
            JournalEntry entry;
            const bool more = cursor_.sequence < next_sequence_;
            const bool given = journal_->next(cursor_, entry);
            CHECK_EQUAL(more, given);
            if (!more) return;
            check(entry, twin_.at(entry.sequence - twin_.front().sequence));
        }
    }

    void release() {
        if (cursor_.sequence < 6) return;
        const std::uint64_t to = cursor_.sequence - 1 - (below(2) ? 0 : below(5));
        journal_->release_to(to);
        while (!twin_.empty() && twin_.front().sequence <= to) twin_.pop_front();
    }

    void seek() {
        if (twin_.empty()) return;
        cursor_ = journal_->seek(twin_.front().sequence + below(twin_.size()));
    }

    // As after SIGKILL: the same bytes, a new object.
    void crash() {
        open();
        check_all();
    }

    // Everything that is not a valid entry may be anything: a torn entry, old laps, hostile bytes.
    void crash_with_garbage() {
        const auto [begin, end] = run();
        for (std::uint64_t offset = end; offset < begin + ring(); ++offset)
            files_.at(path)[ring_at(offset)] = static_cast<std::byte>(below(256));
        crash();
    }

    // The last entry unfinished: its length was not stored, the rest is as it happens to be.
    void crash_in_append() {
        if (twin_.empty()) return;
        JournalCursor before = journal_->seek(twin_.back().sequence);
        JournalEntry entry;
        CHECK(journal_->next(before, entry));
        const Bytes place = static_cast<Bytes>(as_byte_span(entry.topic).data() - files_.at(path).data()) -
                            sizeof(journal_format::EntryHeader);
        std::memset(files_.at(path).data() + place, 0, 4);
        const Bytes rest = sizeof(journal_format::EntryHeader) - 4 + entry.topic.size() + entry.payload.size();
        for (Bytes i = 0; i < rest; ++i)
            if (below(2)) files_.at(path)[place + 4 + i] = static_cast<std::byte>(below(256));
        twin_.pop_back();
        --next_sequence_;
        crash();
    }

    // A flipped bit anywhere in the run: what is recovered is a prefix.
    void crash_with_flipped_bit() {
        const auto [begin, end] = run();
        if (begin == end) return;
        const std::uint64_t offset = begin + below(end - begin);
        files_.at(path)[ring_at(offset)] ^= static_cast<std::byte>(1u << below(8));
        open();
        CHECK(report_.kind == JournalOpenReport::Kind::recovered);
        keep_prefix();
    }

    void power_cut(std::uint64_t synced_newest) {
        journal_.reset();
        files_.power_cut(random_);
        open();
        CHECK(report_.kind == JournalOpenReport::Kind::recovered);
        CHECK(report_.newest >= synced_newest);
        CHECK(report_.oldest <= next_sequence_);
        // A release mark newer than the last sync may have been lost: older entries are back.
        while (!twin_.empty() && twin_.front().sequence < report_.oldest) twin_.pop_front();
        keep_prefix();
    }

    std::uint64_t sync() {
        CHECK(journal_->sync().ok());
        return journal_->newest_sequence();
    }

    void check_all() {
        JournalCursor cursor = journal_->seek(0);
        JournalEntry entry;
        for (const TwinEntry& twin : twin_) {
            CHECK(journal_->next(cursor, entry));
            check(entry, twin);
        }
        CHECK_FALSE(journal_->next(cursor, entry));
        CHECK(journal_->newest_sequence() == next_sequence_ - 1);
    }

private:
    static void check(const JournalEntry& entry, const TwinEntry& twin) {
        CHECK(entry.sequence == twin.sequence);
        CHECK(entry.kind == twin.kind);
        CHECK(entry.packet_id == twin.packet_id);
        CHECK(entry.topic == twin.topic);
        CHECK(as_text(entry.payload) == twin.payload);
    }

    // Takes over where the journal ends now, after checking that it is the twin's beginning.
    void keep_prefix() {
        const std::uint64_t newest = journal_->newest_sequence();
        CHECK(newest < next_sequence_);
        while (!twin_.empty() && twin_.back().sequence > newest) twin_.pop_back();
        next_sequence_ = newest + 1;
        JournalCursor cursor = journal_->seek(twin_.empty() ? next_sequence_ : twin_.front().sequence);
        JournalEntry entry;
        for (const TwinEntry& twin : twin_) {
            CHECK(journal_->next(cursor, entry));
            check(entry, twin);
        }
        CHECK_FALSE(journal_->next(cursor, entry));
        journal_->release_to(twin_.empty() ? newest : twin_.front().sequence - 1);
        cursor_ = journal_->seek(0);
    }

    std::pair<std::uint64_t, std::uint64_t> run() const {
        JournalCursor cursor = journal_->seek(0);
        const std::uint64_t begin = cursor.offset;
        for (JournalEntry entry; journal_->next(cursor, entry);) {
        }
        return {begin, cursor.offset};
    }
    std::uint64_t ring() const { return align_up(params_.ring_bytes, 64); }
    Bytes ring_at(std::uint64_t offset) const {
        return journal_format::ring_offset(params_) + static_cast<Bytes>(offset % ring());
    }

    SeededEntropy random_;
    MemoryFiles files_;
    JournalParams params_;
    JournalOpenReport report_;
    std::unique_ptr<Journal> journal_;
    std::deque<TwinEntry> twin_;
    std::uint64_t next_sequence_ = 1;
    JournalCursor cursor_;
};

}  // namespace

TEST_GROUP(JournalModel){};

TEST(JournalModel, agrees_with_a_deque_through_wraps_full_rings_and_crashes) {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        Twins twins(seed, false);
        for (int step = 0; step < 600; ++step) {
            const std::uint64_t what = twins.below(100);
            if (what < 55) twins.append();
            else if (what < 75) twins.read();
            else if (what < 90) twins.release();
            else if (what < 94) twins.seek();
            else if (what < 96) twins.crash();
            else if (what < 98) twins.crash_with_garbage();
            else twins.crash_in_append();
        }
        twins.check_all();
    }
}

TEST(JournalModel, flipped_bits_leave_a_prefix) {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        Twins twins(seed, false);
        for (int step = 0; step < 300; ++step) {
            const std::uint64_t what = twins.below(100);
            if (what < 60) twins.append();
            else if (what < 80) twins.read();
            else if (what < 92) twins.release();
            else twins.crash_with_flipped_bit();
        }
    }
}

TEST(JournalModel, power_cut_loses_nothing_that_was_synced_and_leaves_no_hole) {
    for (std::uint64_t seed = 1; seed <= 500; ++seed) {
        Twins twins(seed, true);
        std::uint64_t synced = 0;
        for (int step = 0; step < 400; ++step) {
            const std::uint64_t what = twins.below(100);
            if (what < 60) twins.append();
            else if (what < 75) twins.read();
            else if (what < 85) twins.release();
            else if (what < 93) synced = twins.sync();
            else twins.power_cut(synced);
        }
    }
}
