#include "uplink/staging_ring.h"

#include <deque>
#include <string>
#include <vector>

#include "agent/base/entropy.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

StagedRecord entry(std::uint64_t sequence, ByteSpan bytes, RecordKind kind = RecordKind::result) {
    StagedRecord record;
    record.kind = kind;
    record.epoch = 1;
    record.sequence = sequence;
    record.definition = sequence * 3;
    record.end = Timestamp::millis(static_cast<std::int64_t>(sequence));
    record.bytes = bytes;
    return record;
}

}  // namespace

TEST_GROUP(StagingRing) {
    static constexpr Bytes capacity = 4096;
    ArenaBlock memory{StagingRing::need(capacity)};
    Arena arena{memory.memory()};
    StagingRing ring{arena, capacity};
    std::uint64_t oversize = 0;
    std::vector<std::byte> payload = std::vector<std::byte>(500, std::byte{7});
};

TEST(StagingRing, gives_back_what_was_pushed_in_order_across_the_end) {
    SeededEntropy random(1);
    std::deque<std::pair<std::uint64_t, Bytes>> expected;
    std::uint64_t sequence = 0;
    for (int round = 0; round < 5000; ++round) {
        if (random.word() % 2 == 0) {
            const Bytes size = random.word() % payload.size();
            payload[0] = static_cast<std::byte>(sequence + 1);
            if (ring.push(entry(sequence + 1, ByteSpan(payload).first(size))).ok()) expected.push_back({++sequence, size});
        } else if (!expected.empty()) {
            const StagingRing::Range range = ring.peek();
            std::uint64_t position = range.begin;
            for (std::uint64_t n = 1 + random.word() % expected.size(); n-- > 0;) {
                const StagedRecord record = ring.read(position);
                CHECK_EQUAL(expected.front().first, record.sequence);
                CHECK_EQUAL(expected.front().second, record.bytes.size());
                if (!record.bytes.empty()) CHECK_TRUE(record.bytes[0] == static_cast<std::byte>(record.sequence));
                CHECK_TRUE(record.end == Timestamp::millis(static_cast<std::int64_t>(record.sequence)));
                expected.pop_front();
            }
            ring.release(position);
        }
    }
    CHECK_TRUE(sequence > 1000);
}

TEST(StagingRing, a_full_ring_refuses_results_but_keeps_room_for_alerts) {
    std::uint64_t sequence = 0;
    while (ring.push(entry(sequence + 1, payload)).ok()) ++sequence;
    CHECK_TRUE(sequence >= 5);
    CHECK_TRUE(ring.push(entry(sequence + 1, ByteSpan(payload).first(200), RecordKind::alert)).ok());
    while (ring.push(entry(++sequence, ByteSpan(payload).first(200), RecordKind::alert)).ok()) {
    }
    CHECK_TRUE(ring.used_bytes() <= capacity);
}

TEST(StagingRing, a_snapshot_restores_all_that_was_not_released) {
    for (std::uint64_t i = 1; i <= 5; ++i) CHECK_TRUE(ring.push(entry(i, ByteSpan(payload).first(100 + i))).ok());
    std::uint64_t position = ring.peek().begin;
    (void)ring.read(position);
    ring.release(position);
    std::vector<std::byte> bytes(ring.snapshot_bytes_max());
    ByteWriter out(bytes);
    ring.snapshot(out);
    CHECK_TRUE(out.ok());
    ArenaBlock memory2{StagingRing::need(capacity)};
    Arena arena2{memory2.memory()};
    StagingRing other{arena2, capacity};
    CHECK_TRUE(other.restore(out.written(), oversize).ok());
    const StagingRing::Range range = other.peek();
    std::uint64_t at = range.begin;
    for (std::uint64_t i = 2; i <= 5; ++i) {
        const StagedRecord record = other.read(at);
        CHECK_EQUAL(i, record.sequence);
        CHECK_EQUAL(100 + i, record.bytes.size());
    }
    CHECK_EQUAL(range.end, at);
    for (Bytes cut = 1; cut < 60; ++cut) CHECK_FALSE(cut != 8 && other.restore(out.written().first(cut), oversize).ok());
}

TEST(StagingRing, a_snapshot_keeps_how_far_it_is_sealed_and_says_its_version) {
    std::vector<std::byte> bytes(ring.snapshot_bytes_max());
    ByteWriter nothing(bytes);
    ring.snapshot(nothing);
    CHECK_EQUAL(0, nothing.size());
    CHECK_TRUE(ring.restore(nothing.written(), oversize).ok());
    const std::uint64_t epoch = entry(1, payload).epoch;
    for (std::uint64_t i = 1; i <= 3; ++i) {
        StagedRecord row = entry(i, payload);
        row.closes = false;
        CHECK_TRUE(ring.push(row).ok());
    }
    CHECK_TRUE(ring.seal({epoch, 2}));
    CHECK_FALSE(ring.seal({epoch, 2}));
    ByteWriter out(bytes);
    ring.snapshot(out);
    ArenaBlock memory2{StagingRing::need(capacity)};
    Arena arena2{memory2.memory()};
    StagingRing other{arena2, capacity};
    CHECK_TRUE(other.restore(out.written(), oversize).ok());
    std::uint64_t at = other.peek().begin;
    CHECK_FALSE(other.read(at).closes);  // the last one that is sealed says it for all
    CHECK_TRUE(other.read(at).closes);
    CHECK_FALSE(other.read(at).closes);
    CHECK_TRUE((other.peek().sealed == OutputPosition{epoch, 2}));
    store_le(bytes.data() + 4, std::uint32_t{1});
    CHECK_TRUE(other.restore(ByteSpan(bytes).first(out.size()), oversize).error() == Error::unsupported);
    CHECK_TRUE(other.restore(ByteSpan(bytes).subspan(8, out.size() - 8), oversize).error() == Error::invalid);  // version 1 was bare
}

TEST(StagingRing, a_full_ring_fits_the_snapshot_room) {
    for (std::uint64_t i = 1; ring.push(entry(i, ByteSpan(payload).first(16), RecordKind::alert)).ok();) ++i;
    CHECK_EQUAL(capacity, ring.used_bytes());
    std::vector<std::byte> bytes(ring.snapshot_bytes_max());
    ByteWriter out(bytes);
    ring.snapshot(out);
    CHECK_TRUE(out.ok());
}

TEST(StagingRing, the_largest_record_fits_an_empty_ring_wherever_it_was_emptied) {
    const std::vector<std::byte> large(capacity * 7 / 8 - 48);
    CHECK_TRUE(ring.fits_empty(large.size()));
    CHECK_FALSE(ring.fits_empty(large.size() + 1));
    for (std::uint64_t i = 1; i <= 100; i += 2) {
        CHECK_TRUE(ring.push(entry(i, ByteSpan(payload).first(i * 3))).ok());
        ring.release(ring.peek().end);
        const StagingRing::Range nothing = ring.peek();
        CHECK_TRUE(ring.push(entry(i + 1, large)).ok());
        ring.release(nothing.end);  // what a commit of nothing meanwhile says
        std::uint64_t position = ring.peek().begin;
        CHECK_EQUAL(large.size(), ring.read(position).bytes.size());
        ring.release(position);
        CHECK_EQUAL(0, ring.used_bytes());
    }
}

TEST(StagingRing, the_capacity_for_so_many_results_holds_them_wherever_the_ring_is) {
    for (const Bytes size : {Bytes{1}, Bytes{100}, Bytes{333}, Bytes{5000}}) {
        constexpr std::size_t records = 37;
        const Bytes wanted = StagingRing::capacity_for(records, size) / 8 * 8;
        ArenaBlock memory2{StagingRing::need(wanted)};
        Arena arena2{memory2.memory()};
        StagingRing exact{arena2, wanted};
        const std::vector<std::byte> bytes(size);
        std::uint64_t sequence = 0;
        for (std::size_t i = 0; i < records; ++i) CHECK_TRUE(exact.push(entry(++sequence, bytes)).ok());
        for (int round = 0; round < 500; ++round) {  // always full, one out, one in
            std::uint64_t position = exact.peek().begin;
            (void)exact.read(position);
            exact.release(position);
            CHECK_TRUE(exact.push(entry(++sequence, bytes)).ok());
        }
        CHECK_TRUE(wanted < (records + 2) * (size + 56) * 8 / 7);  // and not much more than that
    }
}

TEST(StagingRing, a_snapshot_of_a_larger_ring_is_taken_piece_by_piece) {
    ArenaBlock memory2{StagingRing::need(4 * capacity)};
    Arena arena2{memory2.memory()};
    StagingRing large{arena2, 4 * capacity};
    const std::vector<std::byte> never(capacity);
    for (std::uint64_t i = 1; i <= 18; ++i) CHECK_TRUE(large.push(entry(i, i == 7 ? ByteSpan(never) : ByteSpan(payload))).ok());
    std::vector<std::byte> bytes(large.snapshot_bytes_max());
    ByteWriter out(bytes);
    large.snapshot(out);
    std::uint64_t expected = 1;
    int rounds = 0;
    for (bool all = false; !all; ++rounds) {
        const Status restored = ring.restore(out.written(), oversize);
        all = restored.ok();
        if (!all) CHECK_TRUE(restored.error() == Error::full);
        const StagingRing::Range range = ring.peek();
        CHECK_FALSE(range.empty());
        for (std::uint64_t position = range.begin; position != range.end; ++expected) {
            if (expected == 7) ++expected;
            CHECK_EQUAL(expected, ring.read(position).sequence);
        }
        ring.release(range.end);
    }
    CHECK_EQUAL(19, expected);
    CHECK_EQUAL(1, oversize);
    CHECK_TRUE(rounds > 2);
    CHECK_TRUE(ring.restore(out.written(), oversize).ok());
    CHECK_EQUAL(0, ring.used_bytes());
}
