// A start finds what it needs without reading what waits: its work does not grow with the outbox.
#include <chrono>
#include <cstdio>
#include <filesystem>

#include "tests/unit/uplink/outbox_fixture.h"
#include "uplink/database.h"
#include "uplink/flash_vfs.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(OutboxRestart) {
    static constexpr Bytes checkpoint_bytes = Bytes{256} << 10;

    struct Opened {
        std::uint64_t rows = 0;
        std::uint64_t reads = 0;
        long long microseconds = 0;
    };
    // killed: with the log as a SIGKILL leaves it. Else it went into the file.
    static Opened open_again(OutboxFixture & fixture, bool killed) {
        const std::string path = fixture.options.path;
        const std::string copy = path + ".copy";
        if (!killed) CHECK(fixture.outbox->close().ok());
        for (const char* part : {"", "-wal"})
            if (std::filesystem::exists(path + part)) std::filesystem::copy_file(path + part, copy + part);
        fixture.outbox.reset();
        std::filesystem::remove(path + "-wal");
        for (const char* part : {"", "-wal"})
            if (std::filesystem::exists(copy + part)) std::filesystem::rename(copy + part, path + part);
        const std::uint64_t before = flash_counters().reads;
        const auto begin = std::chrono::steady_clock::now();
        CHECK(fixture.open().ok());
        const auto took = std::chrono::steady_clock::now() - begin;
        CHECK_FALSE(fixture.report.set_aside || fixture.report.fresh);
        return {fixture.report.rows, flash_counters().reads - before,
                std::chrono::duration_cast<std::chrono::microseconds>(took).count()};
    }
    static void fill(OutboxFixture & fixture, std::uint64_t from, std::uint64_t to) {
        for (std::uint64_t i = from; i <= to; ++i) {
            CHECK(fixture.stage(1, i, RecordKind::result, 4000).ok());
            if (i % 12 == 0) CHECK(fixture.outbox->commit().ok());
        }
        const std::vector<std::byte> state(checkpoint_bytes, std::byte{3});
        FlashCheckpoint flash;
        flash.bytes = state;
        CHECK(fixture.outbox->commit(&flash).ok());
    }
};

TEST(OutboxRestart, reads_no_more_of_a_full_file_than_of_a_small_one) {
    for (const bool killed : {false, true}) {
        OutboxFixture fixture("restart");
        fixture.options.bytes_max = Bytes{32} << 20;
        fixture.options.checkpoint_bytes_max = checkpoint_bytes;
        CHECK(fixture.open().ok());
        fill(fixture, 1, 60);
        const Opened small = open_again(fixture, killed);
        fill(fixture, 61, 9000);
        CHECK(fixture.outbox->counters().dropped_full_results > 0);
        const Opened full = open_again(fixture, killed);
        CHECK(std::filesystem::file_size(fixture.options.path) > fixture.options.bytes_max * 9 / 10);
        std::printf("\nopen %s: %llu rows, %llu reads, %lld us; full: %llu rows, %llu reads, %lld us\n",
                    killed ? "after a kill" : "after a stop", static_cast<unsigned long long>(small.rows),
                    static_cast<unsigned long long>(small.reads), small.microseconds,
                    static_cast<unsigned long long>(full.rows), static_cast<unsigned long long>(full.reads), full.microseconds);
        CHECK(full.rows > 100 * small.rows);
        // The log is read once, twice a frame; beyond it a few inner pages.
        const std::uint64_t log = killed ? 2 * (Outbox::wal_bytes(fixture.options) / Database::page_bytes + 2) : 0;
        CHECK(full.reads <= small.reads + 24 + log);
    }
}
