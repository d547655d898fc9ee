#include "uplink/outbox.h"

#include <poll.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <algorithm>
#include <fstream>

#include "agent/base/hash.h"
#include "tests/unit/uplink/outbox_fixture.h"
#include "uplink/database.h"
#include "uplink/flash_vfs.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// Fails the operations that it is told to, from the nth on, how many times.
class Fault final : public FlashFault {
public:
    int before(FlashOperation operation) override {
        if (!(sync && operation == FlashOperation::sync) && !(write && operation == FlashOperation::write)) return 0;
        if (after-- > 0 || times <= 0) return 0;
        --times;
        ++hits;
        return code;
    }
    bool sync = false, write = false;
    int after = 0, times = 1, hits = 0, code = SQLITE_IOERR_FSYNC;
};

void spoil(const std::string& path, std::streamoff at, std::size_t count) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(at);
    for (std::size_t i = 0; i < count; ++i) file.put(static_cast<char>(0xA5));
}

}  // namespace

TEST_GROUP(Outbox) {
    OutboxFixture fixture{"outbox-test"};
    Outbox& outbox() { return *fixture.outbox; }
    void setup() override { CHECK_TRUE(fixture.open().ok()); }
    void teardown() override { set_flash_fault(nullptr); }
    void stage(std::uint64_t from, std::uint64_t to, RecordKind kind = RecordKind::result) {
        for (std::uint64_t i = from; i <= to; ++i) CHECK_TRUE(fixture.stage(1, i, kind).ok());
    }
    // Rows of a group that is not complete.
    void stage_open(std::uint64_t from, std::uint64_t to, RecordKind kind = RecordKind::result) {
        for (std::uint64_t i = from; i <= to; ++i) CHECK_TRUE(fixture.stage(1, i, kind, 200, false).ok());
    }
};

TEST(Outbox, takes_exactly_the_memory_it_said) { CHECK_EQUAL(fixture.arena->size(), fixture.arena->used()); }

TEST(Outbox, what_is_committed_is_shipped_in_order_once_and_deleted_when_acknowledged) {
    CHECK_TRUE(fixture.report.fresh);
    stage(1, 30);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_TRUE((outbox().committed_position() == OutputPosition{1, 30}));
    const auto got = fixture.drain(0);
    CHECK_EQUAL(30, got.size());
    for (std::uint64_t i = 0; i < 30; ++i) CHECK_TRUE(got[i] == std::pair(i + 1, i + 1));
    CHECK_EQUAL(30, outbox().counters().rows);
    fixture.acknowledge(30);
    CHECK_TRUE(outbox().close().ok());
    CHECK_TRUE(fixture.open().ok());
    CHECK_FALSE(fixture.report.fresh);
    CHECK_EQUAL(0, fixture.report.rows);
}

TEST(Outbox, a_resend_brings_the_same_rows_under_the_same_numbers) {
    stage(1, 20);
    CHECK_TRUE(outbox().commit().ok());
    const auto first = fixture.drain(0);
    CHECK_TRUE(fixture.drain(0) == first);
    CHECK_TRUE(fixture.open().ok());
    CHECK_TRUE(fixture.drain(0) == first);
    const auto rest = fixture.drain(15);
    CHECK_EQUAL(5, rest.size());
    CHECK_EQUAL(16, rest[0].first);
}

TEST(Outbox, results_at_or_below_the_greatest_position_are_ignored) {
    stage(1, 10);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_TRUE(fixture.open().ok());
    stage(5, 15);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(6, outbox().counters().known);
    CHECK_EQUAL(15, fixture.drain(0).size());
    CHECK_TRUE(fixture.stage(2, 1).ok());  // a new epoch begins below
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(16, fixture.drain(0).size());
}

TEST(Outbox, alerts_overtake_results_that_have_no_number_yet) {
    fixture.options.numbered_bytes_max = 1000;
    CHECK_TRUE(fixture.open().ok());
    stage(1, 20);
    stage(21, 21, RecordKind::alert);
    CHECK_TRUE(outbox().commit().ok());
    auto got = fixture.drain(0);
    CHECK_EQUAL(5, got.size());
    CHECK_EQUAL(21, got[0].second);
    CHECK_EQUAL(1, got[1].second);
    stage(22, 22, RecordKind::alert);
    CHECK_TRUE(outbox().commit().ok());
    fixture.acknowledge(5);
    got = fixture.drain(5);
    CHECK_EQUAL(22, got[0].second);
    CHECK_EQUAL(5, got[1].second);
}

TEST(Outbox, frontiers_move_with_the_rows_and_outlive_them) {
    stage(1, 9);
    CHECK_TRUE(outbox().commit().ok());
    fixture.acknowledge(9);
    CHECK_TRUE(outbox().close().ok());
    CHECK_TRUE(fixture.open().ok());
    const auto frontiers = *outbox().frontiers();
    CHECK_EQUAL(4, frontiers.size());
    CHECK_EQUAL(5, frontiers[1].definition);
    CHECK_EQUAL(1, frontiers[1].partition);
    CHECK_TRUE(frontiers[1].end == Timestamp::seconds(9));
    CHECK_TRUE(frontiers[0].end == Timestamp::seconds(8));
}

// One that says too late a time would hold back what was never emitted.
TEST(Outbox, a_damaged_frontier_is_not_believed_and_makes_room_for_a_sound_one) {
    for (const char* damage : {"end=end+3600000000", "end=end-1000000", "definition=6", "partition=9", "crc=crc+1", "crc=NULL"}) {
        stage(1, 8);
        CHECK_TRUE(outbox().commit().ok());
        CHECK_EQUAL(4, outbox().frontiers()->size());
        fixture.outbox.reset();
        {
            auto database = Database::open({fixture.options.path, 65536, fixture.options.bytes_max});
            CHECK_TRUE((*database)->execute((std::string("UPDATE frontier SET ") + damage + " WHERE partition=1").c_str()).ok());
        }
        CHECK_TRUE(fixture.open().ok());
        const std::vector<Frontier> believed = *outbox().frontiers();
        for (const Frontier& each : believed) CHECK_TRUE(each.definition == 5 && (each.partition == 0 || each.partition == 2 || each.partition == 3));
        CHECK_EQUAL(3, believed.size());
        stage(1, 12);
        CHECK_TRUE(outbox().commit().ok());
        const std::vector<Frontier> frontiers = *outbox().frontiers();
        CHECK_EQUAL(4, frontiers.size());
        CHECK_TRUE(frontiers[1].end == Timestamp::seconds(9));
        CHECK_TRUE(outbox().close().ok());
        std::filesystem::remove(fixture.options.path);
        CHECK_TRUE(fixture.open().ok());
    }
}

TEST(Outbox, a_group_without_its_seal_is_neither_numbered_nor_behind_a_frontier_until_it_has_one) {
    stage_open(1, 3);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(0, fixture.drain(0).size());
    CHECK_EQUAL(0, outbox().frontiers()->size());
    CHECK_EQUAL(3, outbox().counters().rows);
    stage_open(4, 5);
    outbox().seal({1, 5});
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(5, fixture.drain(0).size());
    CHECK_EQUAL(4, outbox().frontiers()->size());
}

TEST(Outbox, a_group_without_its_seal_is_forgotten_by_a_new_epoch) {
    stage(1, 2);
    stage_open(3, 8);
    stage_open(9, 9, RecordKind::alert);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_TRUE(fixture.open().ok());  // a power cut
    const std::uint64_t epoch = *outbox().begin_epoch();
    CHECK_EQUAL(2, outbox().counters().rows);
    CHECK_EQUAL(2, outbox().frontiers()->size());
    CHECK_TRUE(fixture.stage(epoch + 1, 1).ok());
    CHECK_TRUE(outbox().commit().ok());
    const auto got = fixture.drain(0);
    CHECK_EQUAL(3, got.size());
    CHECK_EQUAL(2, got[1].second);
    CHECK_EQUAL(1, got[2].second);
}

TEST(Outbox, a_group_goes_on_after_a_crash_and_is_sealed_though_all_its_rows_are_known) {
    stage_open(1, 4);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_TRUE(fixture.open().ok());  // SIGKILL: the same epoch
    outbox().seal({1, 0});            // what was replayed so far ends before the group
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(0, fixture.drain(0).size());
    stage_open(1, 4);  // the replay makes it again
    outbox().seal({1, 4});
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(4, fixture.drain(0).size());
    CHECK_EQUAL(4, outbox().frontiers()->size());
    CHECK_EQUAL(4, outbox().counters().known);
}

TEST(Outbox, a_seal_alone_completes_a_group_that_was_committed_before_it) {
    stage_open(1, 4);
    CHECK_TRUE(outbox().commit().ok());
    outbox().seal({1, 4});
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(4, fixture.drain(0).size());
}

TEST(Outbox, a_close_that_spans_two_commits_moves_its_frontier_with_its_last_row_only) {
    StagedRecord row;
    row.epoch = 1;
    row.definition = 9;
    row.end = Timestamp::seconds(60);
    row.bytes = as_byte_span("group");
    for (row.sequence = 1; row.sequence <= 3; ++row.sequence) {
        row.closes = row.sequence == 3;
        CHECK_TRUE(outbox().stage(row).ok());
        CHECK_TRUE(outbox().commit().ok());
        CHECK_TRUE(fixture.open().ok());  // a power cut between two commits
        CHECK_EQUAL(row.closes ? 1 : 0, outbox().frontiers()->size());
    }
}

TEST(Outbox, a_close_whose_last_row_is_refused_moves_its_frontier_all_the_same) {
    fixture.options.on_full = OnFull::stop;
    CHECK_TRUE(fixture.open().ok());
    std::uint64_t sequence = 0;
    while (outbox().counters().refused_full < 10) {
        for (int i = 0; i < 10; ++i) CHECK_TRUE(fixture.stage(1, ++sequence, RecordKind::result, 700).ok());
        CHECK_TRUE(outbox().commit().ok());
    }
    Timestamp newest;
    const std::vector<Frontier> frontiers = *outbox().frontiers();
    for (const Frontier& frontier : frontiers) newest = std::max(newest, frontier.end);
    CHECK_TRUE(newest == Timestamp::seconds(static_cast<std::int64_t>(sequence)));
}

TEST(Outbox, a_snapshot_larger_than_the_ring_is_restaged_with_commits_in_between) {
    stage(1, 200);  // of 64 KiB
    std::vector<std::byte> bytes(outbox().staged_snapshot_bytes_max());
    ByteWriter out(bytes);
    outbox().staged_snapshot(out);
    fixture.options.staging_bytes = Bytes{16} << 10;
    CHECK_TRUE(fixture.open().ok());
    int rounds = 0;
    for (Status restaged = outbox().restage(out.written()); !restaged; restaged = outbox().restage(out.written())) {
        CHECK_TRUE(restaged.error() == Error::full);
        CHECK_TRUE(outbox().commit().ok());
        CHECK_TRUE(++rounds < 10);
    }
    CHECK_TRUE(rounds >= 3);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(200, outbox().counters().rows);
    CHECK_EQUAL(0, outbox().counters().known);
}

TEST(Outbox, a_sealed_group_that_is_restaged_in_parts_is_on_flash_whole_or_not_at_all) {
    stage_open(1, 200);
    outbox().seal({1, 200});
    std::vector<std::byte> bytes(outbox().staged_snapshot_bytes_max());
    ByteWriter out(bytes);
    outbox().staged_snapshot(out);
    fixture.options.staging_bytes = Bytes{16} << 10;
    CHECK_TRUE(fixture.open().ok());
    CHECK_TRUE(outbox().restage(out.written()).error() == Error::full);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_TRUE(fixture.open().ok());  // a power cut
    CHECK_EQUAL(0, outbox().frontiers()->size());
    CHECK_EQUAL(0, fixture.drain(0).size());
    CHECK_TRUE(outbox().begin_epoch().ok());
    CHECK_EQUAL(0, outbox().counters().rows);
}

TEST(Outbox, staging_of_the_size_said_takes_so_many_results) {
    fixture.options.staging_bytes = Outbox::staging_need(300, 200);
    CHECK_TRUE(fixture.open().ok());
    for (std::uint64_t first = 1; first < 3000; first += 300) {
        stage(first, first + 299);
        CHECK_TRUE(outbox().commit().ok());
    }
    CHECK_EQUAL(0, outbox().counters().dropped_staging_results);
}

TEST(Outbox, epochs_rise_and_the_incarnation_stays) {
    const Incarnation incarnation = outbox().identity().incarnation;
    CHECK_EQUAL(1, *outbox().begin_epoch());
    CHECK_EQUAL(2, *outbox().begin_epoch());
    CHECK_TRUE(fixture.open().ok());
    CHECK_EQUAL(3, *outbox().begin_epoch());
    CHECK_TRUE(outbox().identity().incarnation == incarnation);
}

TEST(Outbox, a_checkpoint_reads_back_and_only_changed_pieces_are_written) {
    fixture.options.checkpoint_bytes_max = Bytes{256} << 10;
    CHECK_TRUE(fixture.open().ok());
    CHECK_TRUE(outbox().checkpoint_info().error() == Error::missing);
    std::vector<std::byte> state(200000);
    SeededEntropy(4).fill(state);
    FlashCheckpoint checkpoint;
    checkpoint.info = {{3, 70}, 123456, 2, 99, 0};
    checkpoint.bytes = state;
    CHECK_TRUE(outbox().commit(&checkpoint).ok());
    state[50000] ^= std::byte{1};
    const std::uint64_t before = flash_counters().written_bytes;
    CHECK_TRUE(outbox().commit(&checkpoint).ok());
    CHECK_TRUE(flash_counters().written_bytes - before < 8 * 4200);
    CHECK_TRUE(fixture.open().ok());
    const auto info = outbox().checkpoint_info();
    CHECK_EQUAL(200000, info->size);
    CHECK_EQUAL(123456, info->journal_position);
    CHECK_TRUE((info->output == OutputPosition{3, 70}) && info->format == 2 && info->plan == 99);
    std::vector<std::byte> back(info->size);
    CHECK_TRUE(outbox().read_checkpoint(back).ok());
    CHECK_TRUE(back == state);
    checkpoint.bytes = ByteSpan(state).first(9000);
    CHECK_TRUE(outbox().commit(&checkpoint).ok());
    back.resize(9000);
    CHECK_TRUE(outbox().read_checkpoint(back).ok());
    MEMCMP_EQUAL(state.data(), back.data(), 9000);
}

TEST(Outbox, a_checkpoint_may_be_written_over_before_the_sync_once_its_bytes_are_taken) {
    // Spoils the bytes as soon as it may, and knows how many syncs had been by then.
    struct Spoiler final : CheckpointReader {
        explicit Spoiler(std::vector<std::byte>& bytes) : state(bytes) {}
        void bytes_taken() override {
            ++calls;
            syncs = flash_counters().syncs;
            std::fill(state.begin(), state.end(), std::byte{0xEE});
        }
        std::vector<std::byte>& state;
        int calls = 0;
        std::uint64_t syncs = 0;
    };
    fixture.options.checkpoint_bytes_max = Bytes{1} << 20;
    fixture.options.bytes_max = Bytes{8} << 20;
    CHECK_TRUE(fixture.open().ok());
    std::vector<std::byte> state(Bytes{1} << 20);
    SeededEntropy(5).fill(state);
    const std::vector<std::byte> copy = state;
    FlashCheckpoint checkpoint;
    checkpoint.bytes = state;
    Spoiler spoiler(state);
    CHECK_TRUE(outbox().commit(&checkpoint, &spoiler).ok());
    CHECK_EQUAL(1, spoiler.calls);
    CHECK_TRUE(spoiler.syncs < flash_counters().syncs);
    std::vector<std::byte> back(state.size());
    CHECK_TRUE(outbox().read_checkpoint(back).ok());
    CHECK_TRUE(back == copy);
    std::vector<std::byte> too_large((Bytes{1} << 20) + 1);
    checkpoint.bytes = too_large;
    CHECK_FALSE(outbox().commit(&checkpoint, &spoiler).ok());
    CHECK_EQUAL(1, spoiler.calls);
}

TEST(Outbox, a_full_file_drops_the_oldest_results_and_counts_them) {
    std::uint64_t sequence = 0;
    while (outbox().counters().dropped_full_results < 500) {
        for (int i = 0; i < 50; ++i) CHECK_TRUE(fixture.stage(1, ++sequence, RecordKind::result, 700).ok());
        CHECK_TRUE(outbox().commit().ok());
    }
    CHECK_TRUE(fixture.stage(1, ++sequence, RecordKind::alert).ok());
    CHECK_TRUE(outbox().commit().ok());
    CHECK_TRUE(outbox().counters().used_bytes <= fixture.options.bytes_max);
    CHECK_TRUE(std::filesystem::file_size(fixture.options.path) <= fixture.options.bytes_max);
    CHECK_TRUE(outbox().counters().used_bytes > fixture.options.bytes_max * 8 / 10);
    std::uint64_t got = 0, last_result = 0, alerts = 0, after = 0;
    for (auto rows = fixture.drain(after); !rows.empty(); rows = fixture.drain(after)) {
        for (const auto& [ship, number] : rows) {
            CHECK_TRUE(ship > after);
            after = ship;
            ++got;
            if (number == sequence) { ++alerts; continue; }
            CHECK_TRUE(number > last_result);
            last_result = number;
        }
        fixture.acknowledge(after);
        CHECK_TRUE(outbox().commit().ok());
    }
    CHECK_EQUAL(1, alerts);
    CHECK_EQUAL(sequence - 1, last_result);
    CHECK_EQUAL(sequence, got + outbox().counters().dropped_full_results);
}

TEST(Outbox, numbered_rows_are_dropped_last_and_leave_holes) {
    fixture.options.numbered_bytes_max = Bytes{1} << 30;  // everything is numbered at once
    CHECK_TRUE(fixture.open().ok());
    std::uint64_t sequence = 0;
    while (outbox().counters().dropped_full_results < 100) {
        for (int i = 0; i < 50; ++i) CHECK_TRUE(fixture.stage(1, ++sequence, RecordKind::result, 700).ok());
        CHECK_TRUE(outbox().commit().ok());
    }
    const auto got = fixture.drain(0);
    CHECK_EQUAL(outbox().counters().dropped_full_results + 1, got.front().first);
    CHECK_EQUAL(got.front().first, got.front().second);
    CHECK_EQUAL(sequence, got.back().second);
}

TEST(Outbox, stop_refuses_new_results_counts_them_and_takes_alerts) {
    fixture.options.on_full = OnFull::stop;
    CHECK_TRUE(fixture.open().ok());
    std::uint64_t sequence = 0;
    while (outbox().counters().refused_full < 100) {
        for (int i = 0; i < 50; ++i) CHECK_TRUE(fixture.stage(1, ++sequence, RecordKind::result, 700).ok());
        CHECK_TRUE(outbox().commit().ok());
    }
    CHECK_TRUE(fixture.stage(1, ++sequence, RecordKind::alert).ok());
    CHECK_TRUE(outbox().commit().ok());
    const OutboxCounters counters = outbox().counters();
    CHECK_EQUAL(0, counters.dropped_full_results);
    CHECK_EQUAL(0, counters.dropped_full_alerts);
    CHECK_EQUAL(sequence, counters.rows + counters.refused_full);
}

TEST(Outbox, a_record_beyond_the_limit_is_refused_and_counted) {
    CHECK_TRUE(fixture.stage(1, 1, RecordKind::result, 8193).error() == Error::out_of_range);
    CHECK_EQUAL(1, outbox().counters().dropped_oversize);
}

TEST(Outbox, while_the_medium_fails_results_wait_and_then_are_counted_as_dropped) {
    Fault fault;
    fault.write = true;
    fault.times = 1 << 30;
    fault.code = SQLITE_FULL;
    set_flash_fault(&fault);
    std::uint64_t sequence = 0, dropped = 0;
    while (dropped < 20) {
        dropped += !fixture.stage(1, ++sequence).ok();
        if (sequence % 50 == 0) CHECK_FALSE(outbox().commit().ok());
    }
    CHECK_TRUE(fixture.stage(1, ++sequence, RecordKind::alert).ok());
    CHECK_EQUAL(dropped, outbox().counters().dropped_staging_results);
    CHECK_TRUE(outbox().counters().medium_errors > 0);
    set_flash_fault(nullptr);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(sequence - dropped, outbox().counters().rows);
    const auto first = fixture.drain(0, 1);
    CHECK_EQUAL(sequence, first[0].second);  // the alert
}

TEST(Outbox, a_full_staging_ring_says_so_once_and_how_much_results_may_take) {
    fixture.options.staging_bytes = 17000 / 8 * 8;  // a line nobody has said yet
    CHECK_TRUE(fixture.open().ok());
    const std::string log = fixture.folder + "/log";
    const int standard = dup(2);
    CHECK_TRUE(freopen(log.c_str(), "w", stderr) != nullptr);
    std::uint64_t sequence = 0, dropped = 0;
    while (dropped < 5) dropped += !fixture.stage(1, ++sequence).ok();
    fflush(stderr);
    dup2(standard, 2);
    close(standard);
    std::ifstream file(log);
    const std::string said((std::istreambuf_iterator<char>(file)), {});
    STRCMP_CONTAINS("results are dropped", said.c_str());
    CHECK_EQUAL(1, std::count(said.begin(), said.end(), '\n'));
    const OutboxCounters counters = outbox().counters();
    CHECK_TRUE(counters.staged_bytes <= counters.staging_results_bytes);
    CHECK_TRUE(counters.staged_bytes + 248 > counters.staging_results_bytes);
    CHECK_TRUE(counters.staging_results_bytes < fixture.options.staging_bytes);
}

TEST(Outbox, each_write_and_sync_may_fail_once_and_nothing_is_lost_or_repeated) {
    for (int n = 0; n < 60; ++n) {
        std::filesystem::remove_all(fixture.folder);
        std::filesystem::create_directories(fixture.folder);
        CHECK_TRUE(fixture.open().ok());
        Fault fault;
        fault.sync = fault.write = true;
        fault.after = n;
        set_flash_fault(&fault);
        std::uint64_t sequence = 0, after = 0, expected = 1;
        for (int round = 0; round < 6; ++round) {
            for (int i = 0; i < 5; ++i) CHECK_TRUE(fixture.stage(1, ++sequence).ok());
            if (!outbox().commit().ok()) CHECK_TRUE(outbox().commit().ok());
            for (const auto& [ship, number] : fixture.drain(after)) {
                CHECK_EQUAL(expected, number);
                CHECK_EQUAL(expected, ship);
                ++expected;
                after = ship;
            }
            fixture.acknowledge(after);
        }
        set_flash_fault(nullptr);
        CHECK_EQUAL(30, expected - 1);
    }
}

TEST(Outbox, a_damaged_row_is_not_sent_and_is_counted) {
    stage(1, 40);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_TRUE(outbox().close().ok());
    std::ifstream file(fixture.options.path, std::ios::binary);
    const std::string content((std::istreambuf_iterator<char>(file)), {});
    const auto bytes = fixture.body(17);
    const std::size_t at = content.find(std::string(reinterpret_cast<const char*>(bytes.data()), 100));
    CHECK_TRUE(at != std::string::npos);
    spoil(fixture.options.path, static_cast<std::streamoff>(at) + 50, 1);
    CHECK_TRUE(fixture.open().ok());
    const auto got = fixture.drain(0);
    CHECK_EQUAL(39, got.size());
    for (const auto& row : got) CHECK_TRUE(row.second != 17);
    CHECK_EQUAL(1, outbox().counters().corrupt_rows);
    CHECK_EQUAL(39, outbox().counters().rows);  // deleted by the commit after
    CHECK_EQUAL(39, fixture.drain(0).size());
    CHECK_EQUAL(1, outbox().counters().corrupt_rows);
    fixture.acknowledge(40);
    CHECK_TRUE(outbox().close().ok());
}

TEST(Outbox, damaged_rows_beyond_what_may_be_numbered_do_not_block_what_comes_after) {
    fixture.options.numbered_bytes_max = 10000;
    for (const char* damage : {"UPDATE row SET crc=crc+1", "UPDATE ship SET row=row+7", "UPDATE ship SET row=-1, size=1<<40",
                               "DELETE FROM row WHERE id IN (SELECT row FROM ship)"}) {
        std::filesystem::remove_all(fixture.folder);
        std::filesystem::create_directories(fixture.folder);
        CHECK_TRUE(fixture.open().ok());
        stage(1, 200);  // four times what is numbered
        CHECK_TRUE(outbox().commit().ok());
        const std::uint64_t numbered = outbox().identity().last_ship;
        CHECK_EQUAL(50, numbered);
        CHECK_TRUE(outbox().close().ok());
        fixture.outbox.reset();
        CHECK_TRUE((*Database::open({fixture.options.path, 65536, fixture.options.bytes_max}))->execute(damage).ok());
        CHECK_TRUE(fixture.open().ok());
        std::uint64_t after = 0, got = 0, last = 0;
        for (int turns = 0; turns < 20; ++turns) {
            const auto rows = fixture.drain(after);
            got += rows.size();
            if (rows.empty()) continue;
            after = rows.back().first;
            last = rows.back().second;
            fixture.acknowledge(after);
        }
        const std::uint64_t corrupt = outbox().counters().corrupt_rows;
        CHECK_TRUE(corrupt >= numbered);
        CHECK_EQUAL(200, got + corrupt);
        if (corrupt < 200) CHECK_EQUAL(200, last);
        stage(201, 230);
        CHECK_TRUE(outbox().commit().ok());
        CHECK_EQUAL(30, fixture.drain(after).size());
        fixture.acknowledge(outbox().identity().last_ship);
        const FlashCheckpoint none;
        CHECK_TRUE(outbox().commit(&none).ok());
        CHECK_EQUAL(0, outbox().counters().rows);
        fixture.outbox.reset();
        CHECK_EQUAL(0, *(*Database::open({fixture.options.path, 65536, fixture.options.bytes_max}))->number("SELECT count(*) FROM row"));
    }
}

TEST(Outbox, a_backlog_of_larger_records_is_delivered_under_a_configuration_with_smaller_ones) {
    fixture.options.numbered_bytes_max = 50000;
    CHECK_TRUE(fixture.open().ok());
    for (std::uint64_t i = 1; i <= 20; ++i) {
        CHECK_TRUE(fixture.stage(1, i, RecordKind::result, 8000).ok());
        CHECK_TRUE(outbox().commit().ok());
    }
    fixture.options.record_bytes_max = 1000;  // its send buffer still holds 8000
    CHECK_TRUE(fixture.open().ok());
    CHECK_EQUAL(8000, outbox().row_bytes_max());
    std::vector<ShipRow> rows(4);
    std::vector<std::byte> space(8000);
    std::uint64_t after = 0;
    for (int turns = 0; after < 20 && turns < 200; ++turns) {
        const std::size_t count = outbox().next(outbox().identity().incarnation, after, rows, space);
        for (std::size_t i = 0; i < count; ++i) {
            CHECK_EQUAL(8000, rows[i].record.size());
            after = rows[i].ship;
            fixture.acknowledge(after);
        }
        CHECK_TRUE(outbox().commit().ok());
    }
    CHECK_EQUAL(20, after);
    CHECK_EQUAL(0, outbox().counters().oversize_rows + outbox().counters().corrupt_rows);
}

TEST(Outbox, rows_that_no_buffer_holds_any_more_are_deleted_and_counted_by_name) {
    fixture.options.numbered_bytes_max = 50000;
    CHECK_TRUE(fixture.open().ok());
    for (std::uint64_t i = 1; i <= 20; ++i) {
        CHECK_TRUE(fixture.stage(1, i, RecordKind::result, 8000).ok());
        CHECK_TRUE(outbox().commit().ok());
    }
    fixture.options.record_bytes_max = 1000;
    fixture.options.send_bytes = 4096;
    CHECK_TRUE(fixture.open().ok());
    stage(21, 30);
    CHECK_TRUE(outbox().commit().ok());
    for (int i = 0; i < 10 && outbox().counters().oversize_rows < 20; ++i) (void)fixture.drain(0, 1);
    const auto got = fixture.drain(0);
    CHECK_EQUAL(20, outbox().counters().oversize_rows);
    CHECK_EQUAL(0, outbox().counters().corrupt_rows);
    CHECK_EQUAL(10, got.size());
    CHECK_EQUAL(10, outbox().counters().rows);
}

TEST(Outbox, a_row_larger_than_the_space_comes_alone_and_empty_and_can_be_rejected) {
    CHECK_TRUE(fixture.stage(1, 1, RecordKind::result, 100).ok());
    CHECK_TRUE(fixture.stage(1, 2, RecordKind::result, 5000).ok());
    CHECK_TRUE(fixture.stage(1, 3, RecordKind::result, 100).ok());
    const Incarnation incarnation = outbox().identity().incarnation;
    std::vector<ShipRow> rows(4);
    std::vector<std::byte> space(4000);
    (void)outbox().next(incarnation, 0, rows, space);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(1, outbox().next(incarnation, 0, rows, space));
    CHECK_EQUAL(1, outbox().next(incarnation, 1, rows, space));
    CHECK_EQUAL(2, rows[0].ship);
    CHECK_TRUE(rows[0].record.empty());
    CHECK_TRUE(outbox().reject(incarnation, 2));
    CHECK_TRUE(outbox().reject(incarnation, 2));
    CHECK_EQUAL(1, outbox().next(incarnation, 2, rows, space));
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(2, outbox().counters().rows);
    CHECK_EQUAL(1, outbox().counters().rejected_rows);
    CHECK_EQUAL(2, fixture.drain(0).size());
}

TEST(Outbox, rejections_are_taken_as_far_as_the_next_commit_goes_and_none_of_another_incarnation) {
    stage(1, 200);
    CHECK_TRUE(outbox().commit().ok());
    const Incarnation incarnation = outbox().identity().incarnation;
    std::uint64_t ship = 1;
    while (outbox().reject(incarnation, ship)) ++ship;
    CHECK_TRUE(ship > 1 && ship <= 200);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(200 - (ship - 1), outbox().counters().rows);
    CHECK_TRUE(outbox().reject(incarnation, ship));
    CHECK_TRUE(outbox().reject(Incarnation{}, ship + 1));  // of no session of ours: means nothing
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(200 - ship, outbox().counters().rows);
    CHECK_TRUE(outbox().reject(incarnation, ship + 1));
    outbox().renew_incarnation();
    CHECK_TRUE(outbox().commit().ok());
    stage(201, 210);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(10, fixture.drain(0).size());
}

TEST(Outbox, a_file_of_version_1_goes_on_and_learns_how_large_its_rows_are) {
    CHECK_TRUE(fixture.stage(1, 1, RecordKind::result, 3000).ok());
    CHECK_TRUE(outbox().commit().ok());
    const Incarnation before = outbox().identity().incarnation;
    const std::size_t frontiers = outbox().frontiers()->size();
    CHECK_TRUE(frontiers > 0);
    CHECK_TRUE(outbox().close().ok());
    fixture.outbox.reset();
    {
        auto database = std::move(*Database::open({fixture.options.path, 65536, fixture.options.bytes_max}));
        auto select = std::move(*database->prepare("SELECT bytes FROM state"));
        CHECK_TRUE(*select.step());
        const ByteSpan now = select.bytes(0);
        std::vector<std::byte> then(now.begin(), now.end() - 92);  // without record_bytes_max, seals, stretches and checksum
        select.reset();
        store_le(then.data(), std::uint32_t{1});
        const std::uint32_t crc = crc32c(then);
        then.resize(then.size() + 4);
        store_le(then.data() + then.size() - 4, crc);
        auto update = std::move(*database->prepare("UPDATE state SET bytes=?1"));
        CHECK_TRUE(update.bind(1, then).run().ok());
        CHECK_TRUE(database->execute("DROP TABLE pending; ALTER TABLE frontier DROP COLUMN crc; DROP INDEX revised; ALTER TABLE row DROP COLUMN grp; ALTER TABLE row DROP COLUMN start;"
                                      "ALTER TABLE row DROP COLUMN size; ALTER TABLE row DROP COLUMN missing; PRAGMA user_version=1").ok());
    }
    fixture.options.record_bytes_max = 1000;
    for (int opened = 0; opened < 2; ++opened) {
        CHECK_TRUE(fixture.open().ok());
        CHECK_FALSE(fixture.report.set_aside || fixture.report.fresh);
        CHECK_TRUE(outbox().identity().incarnation == before);
        CHECK_EQUAL(3000, outbox().row_bytes_max());
        CHECK_EQUAL(frontiers, outbox().frontiers()->size());
    }
}

// A numbered start, a backlog behind it, and what comes after the Welcome.
TEST(Outbox, after_a_welcome_alerts_go_first_then_fresh_results_then_the_backlog_then_revisions) {
    fixture.options.number_when_welcomed = true;
    fixture.options.numbered_bytes_max = 1500;
    fixture.options.backlog_bytes_max = 600;
    CHECK_TRUE(fixture.open().ok());
    const auto stage_revision = [&](std::uint64_t sequence) {
        const auto bytes = OutboxFixture::body(sequence);
        StagedRecord record;
        record.epoch = 1;
        record.sequence = sequence;
        record.definition = 5;
        record.end = Timestamp::seconds(static_cast<std::int64_t>(sequence));
        record.revises = true;
        record.bytes = bytes;
        CHECK_TRUE(outbox().stage(record).ok());
    };
    stage(1, 40);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(0, outbox().identity().last_ship);
    outbox().welcomed();
    CHECK_TRUE(outbox().commit().ok());
    const std::uint64_t numbered = outbox().identity().last_ship;
    CHECK_TRUE(numbered >= 3 && numbered < 12);
    stage_revision(41);
    stage(42, 43);
    stage(44, 44, RecordKind::alert);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_TRUE(fixture.open().ok());  // the order outlives a crash
    outbox().welcomed();
    std::vector<std::uint64_t> order;
    for (std::uint64_t mark = 0; order.size() < 44;) {
        const auto got = fixture.drain(mark);
        for (const auto& [ship, sequence] : got) order.push_back(sequence);
        if (!got.empty()) mark = got.back().first;
        fixture.acknowledge(mark);
        const FlashCheckpoint none;
        CHECK_TRUE(outbox().commit(&none).ok());
    }
    std::vector<std::uint64_t> wanted;
    for (std::uint64_t i = 1; i <= numbered; ++i) wanted.push_back(i);
    for (const std::uint64_t first : {44, 42, 43}) wanted.push_back(first);
    for (std::uint64_t i = numbered + 1; i <= 40; ++i) wanted.push_back(i);
    wanted.push_back(41);
    for (std::size_t i = 0; i < wanted.size(); ++i) CHECK_EQUAL(wanted[i], order[i]);
    // With no backlog left everything goes in its order again.
    stage_revision(45);
    stage(46, 46);
    CHECK_TRUE(outbox().commit().ok());
    const auto got = fixture.drain(44);
    CHECK_EQUAL(2, got.size());
    CHECK_EQUAL(45, got[0].second);
}

TEST(Outbox, a_damaged_file_is_set_aside_and_a_new_incarnation_begun) {
    const Incarnation before = outbox().identity().incarnation;
    CHECK_TRUE(outbox().close().ok());
    spoil(fixture.options.path, 0, static_cast<Bytes>(std::filesystem::file_size(fixture.options.path)));
    CHECK_TRUE(fixture.open().ok());
    CHECK_TRUE(fixture.report.set_aside && fixture.report.fresh);
    CHECK_TRUE(fixture.report.set_aside_path == fixture.options.path + ".damaged");
    CHECK_TRUE(std::filesystem::exists(fixture.report.set_aside_path));
    CHECK_FALSE(outbox().identity().incarnation == before);
    stage(1, 3);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_EQUAL(3, fixture.drain(0).size());
}

TEST(Outbox, a_damaged_state_row_or_a_foreign_database_is_set_aside_too) {
    for (const char* sql : {"UPDATE state SET bytes=x'0102'", "DELETE FROM state", "PRAGMA application_id=7", "DROP TABLE row"}) {
        fixture.outbox.reset();
        {
            auto database = Database::open({fixture.options.path, 65536, fixture.options.bytes_max});
            CHECK_TRUE((*database)->execute(sql).ok());
        }
        CHECK_TRUE(fixture.open().ok());
        CHECK_TRUE(fixture.report.set_aside);
        CHECK_EQUAL(std::string_view(sql).find("state") != std::string_view::npos, fixture.report.fresh);  // else its identity can be read
    }
}

TEST(Outbox, a_newer_file_is_set_aside_unharmed) {
    CHECK_TRUE(outbox().close().ok());
    fixture.outbox.reset();
    {
        auto database = Database::open({fixture.options.path, 65536, fixture.options.bytes_max});
        CHECK_TRUE((*database)->execute("PRAGMA user_version=99").ok());
    }
    CHECK_TRUE(fixture.open().ok());
    CHECK_TRUE(fixture.report.set_aside_path == fixture.options.path + ".newer");
    STRCMP_CONTAINS("newer version", fixture.report.reason.c_str());
    auto database = Database::open({fixture.report.set_aside_path, 65536, fixture.options.bytes_max});
    CHECK_EQUAL(99, *(*database)->number("PRAGMA user_version"));
}

TEST(Outbox, damage_found_while_running_is_set_aside_and_staging_goes_on) {
    for (std::uint64_t i = 1; i <= 300; ++i) {
        CHECK_TRUE(fixture.stage(1, i, RecordKind::result, 2000).ok());
        if (i % 20 == 0) CHECK_TRUE(outbox().commit().ok());
    }
    CHECK_EQUAL(1, *outbox().begin_epoch());
    CHECK_TRUE(outbox().close().ok());
    const Incarnation before = outbox().identity().incarnation;
    const std::streamoff size = static_cast<std::streamoff>(std::filesystem::file_size(fixture.options.path));
    CHECK_TRUE(fixture.open().ok());
    for (std::streamoff page = 6; page < size / 4096; ++page) spoil(fixture.options.path, page * 4096, 100);
    for (int i = 0; i < 4; ++i) {
        CHECK_TRUE(fixture.stage(1, 301 + static_cast<std::uint64_t>(i)).ok());
        (void)outbox().commit();
        (void)fixture.drain(0);
    }
    CHECK_EQUAL(1, outbox().counters().set_aside);
    CHECK_TRUE(outbox().identity().incarnation == before);  // this process knows it
    CHECK_TRUE((outbox().committed_position() == OutputPosition{1, 304}));
    CHECK_EQUAL(2, *outbox().begin_epoch());
    CHECK_TRUE(!fixture.drain(0).empty());
}

TEST(Outbox, an_old_copy_of_the_state_takes_a_new_incarnation) {
    fixture.options.numbered_bytes_max = 1000;
    CHECK_TRUE(fixture.open().ok());
    stage(1, 20);
    CHECK_TRUE(outbox().commit().ok());
    const Incarnation before = outbox().identity().incarnation;
    CHECK_EQUAL(5, outbox().identity().last_ship);
    outbox().renew_incarnation();
    CHECK_TRUE(outbox().commit().ok());
    CHECK_FALSE(outbox().identity().incarnation == before);
    outbox().acknowledge(before, 5);  // of a session that is over
    const auto got = fixture.drain(0);
    CHECK_EQUAL(5, got.size());
    CHECK_TRUE(got[0] == std::pair(std::uint64_t{1}, std::uint64_t{6}));
    std::vector<ShipRow> rows(4);
    std::vector<std::byte> space(8192);
    CHECK_EQUAL(0, outbox().next(before, 0, rows, space));
}

TEST(Outbox, a_second_agent_with_the_same_state_is_refused) {
    stage(1, 1);
    CHECK_TRUE(outbox().commit().ok());
    const pid_t child = fork();
    if (child == 0) {
        bool busy = false;
        {
            OutboxFixture other("outbox-second");
            other.options.path = fixture.options.path;
            busy = other.open().error() == Error::busy;
        }
        _exit(busy ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK_EQUAL(0, status);
}

TEST(Outbox, the_uplink_is_told_when_rows_are_ready) {
    std::vector<ShipRow> rows(4);
    std::vector<std::byte> space(8192);
    const auto ready = [&] {
        pollfd wanted{outbox().ready_descriptor(), POLLIN, 0};
        return poll(&wanted, 1, 0) == 1;
    };
    CHECK_EQUAL(0, outbox().next(outbox().identity().incarnation, 0, rows, space));
    CHECK_FALSE(ready());
    stage(1, 1);
    CHECK_TRUE(outbox().commit().ok());
    CHECK_TRUE(ready());
    CHECK_EQUAL(1, outbox().next(outbox().identity().incarnation, 0, rows, space));
    CHECK_FALSE(ready());
}

TEST(Outbox, flash_bytes_are_predicted_from_above_and_not_absurdly) {
    const std::uint64_t before = flash_counters().written_bytes;
    FlashLoad load;
    for (std::uint64_t i = 1; i <= 4000; ++i) {
        CHECK_TRUE(fixture.stage(1, i, RecordKind::result, 400).ok());
        if (i % 40 != 0) continue;
        CHECK_TRUE(outbox().commit().ok());
        fixture.acknowledge(i);
        ++load.commits;
    }
    CHECK_TRUE(outbox().close().ok());
    load.rows = 4000;
    load.row_bytes = 4000 * 400;
    const std::uint64_t written = flash_counters().written_bytes - before;
    CHECK_TRUE(written <= Outbox::flash_bytes(load));
    CHECK_TRUE(written >= Outbox::flash_bytes(load) / 4);
}

TEST(Outbox, a_large_checkpoint_and_many_rows_stay_within_the_memory_said) {
    fixture.options.checkpoint_bytes_max = Bytes{4} << 20;
    fixture.options.bytes_max = Bytes{32} << 20;
    CHECK_TRUE(fixture.open().ok());
    sqlite3_memory_highwater(1);
    std::vector<std::byte> state(Bytes{4} << 20);
    FlashCheckpoint checkpoint;
    checkpoint.bytes = state;
    std::uint64_t sequence = 0;
    for (int round = 0; round < 6; ++round) {
        SeededEntropy(static_cast<std::uint64_t>(round)).fill(state);
        for (int i = 0; i < 40; ++i) CHECK_TRUE(fixture.stage(1, ++sequence, RecordKind::result, 1000).ok());
        CHECK_TRUE(outbox().commit(&checkpoint).ok());
        (void)fixture.drain(0);
    }
    CHECK_TRUE(static_cast<Bytes>(sqlite3_memory_highwater(0)) <= Outbox::sqlite_bytes(fixture.options));
    CHECK_TRUE(std::filesystem::file_size(fixture.options.path + "-wal") <= Outbox::wal_bytes(fixture.options));
    UT_PRINT(("SQLite " + std::to_string(sqlite3_memory_highwater(0)) + " of " +
              std::to_string(Outbox::sqlite_bytes(fixture.options)) + " B, log " +
              std::to_string(std::filesystem::file_size(fixture.options.path + "-wal")) + " of " +
              std::to_string(Outbox::wal_bytes(fixture.options)) + " B").c_str());
}

TEST(Outbox, options_that_leave_no_room_for_rows_are_invalid) {
    fixture.options.bytes_max = Bytes{128} << 10;
    fixture.options.checkpoint_bytes_max = Bytes{1} << 20;
    CHECK_TRUE(fixture.open().error() == Error::invalid);
}

// SIGKILL at moments that nothing chooses: what was committed is there, a prefix, each once.
TEST_GROUP(OutboxKills) {
    OutboxFixture fixture{"outbox-kills"};
};

TEST(OutboxKills, after_each_of_300_kills_the_rest_is_a_prefix_and_all_that_was_committed) {
    // Shared with the child: what it saw committed and acknowledged.
    auto* const seen = static_cast<volatile std::uint64_t*>(
        mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    fixture.options.bytes_max = Bytes{256} << 20;  // nothing may be dropped here
    SeededEntropy random(8);
    std::uint64_t delivered = 0;
    for (int kill_number = 0; kill_number < 300; ++kill_number) {
        const std::uint64_t before = seen[0];
        const pid_t child = fork();
        if (child == 0) {
            if (!fixture.open().ok()) _exit(9);
            std::uint64_t sequence = fixture.outbox->committed_position().sequence;
            for (;;) {
                for (int i = 0; i < 7; ++i) (void)fixture.stage(1, ++sequence);
                if (!fixture.outbox->commit().ok()) _exit(8);
                seen[0] = sequence;
                if (sequence % 3 == 0) {
                    fixture.acknowledge(seen[1] + 1);
                    seen[1] = seen[1] + 1;
                }
            }
        }
        // One of three may die while it opens; the others have committed something, however slow the machine is.
        siginfo_t ended{};
        while (kill_number % 3 != 0 && seen[0] == before && ended.si_pid == 0) {
            usleep(200);
            CHECK_EQUAL(0, waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOHANG | WNOWAIT));
        }
        usleep(static_cast<useconds_t>(2000 + random.word() % 9000));
        kill(child, SIGKILL);
        int status = 0;
        waitpid(child, &status, 0);
        CHECK_TRUE(WIFSIGNALED(status));
        if (kill_number % 10 != 9) continue;
        CHECK_TRUE(fixture.open().ok());
        CHECK_FALSE(fixture.report.set_aside);
        CHECK_TRUE(fixture.outbox->committed_position().sequence >= seen[0]);
        std::uint64_t after = seen[1], expected = seen[1] + 1;
        for (auto rows = fixture.drain(after); !rows.empty(); rows = fixture.drain(after)) {
            for (const auto& [ship, number] : rows) {
                CHECK_EQUAL(expected, number);
                CHECK_EQUAL(expected, ship);
                ++expected;
                after = ship;
            }
            fixture.acknowledge(after);
            CHECK_TRUE(fixture.outbox->commit().ok());
        }
        CHECK_EQUAL(fixture.outbox->committed_position().sequence, expected - 1);
        seen[1] = delivered = expected - 1;
        CHECK_TRUE(fixture.outbox->close().ok());
        auto database = std::move(*Database::open({fixture.options.path, 65536, fixture.options.bytes_max}));
        CHECK_TRUE(*database->sound());
        database.reset();
        fixture.outbox.reset();
    }
    CHECK_TRUE(delivered >= 200 * 7);
    munmap(const_cast<std::uint64_t*>(seen), 4096);
}
