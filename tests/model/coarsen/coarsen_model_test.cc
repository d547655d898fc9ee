// The outbox with coarsening, fed by engines of random windows with late rows and revisions, under outages, crashes and
// slow drains: what arrives adds up to what was emitted, nothing is said of one time twice, and the file keeps its size.

#include <algorithm>
#include <cstdio>

#include "tests/model/coarsen/gateway.h"

#include <CppUTest/TestHarness.h>

using namespace weir;
using namespace weir::test;

namespace {

struct Tally {
    std::uint64_t rows = 0, revisions = 0, merged = 0, delivered = 0, crashes = 0, outages = 0;
};

// Takes what has numbers, as a reader; the bridge has it then.
std::uint64_t drain(Outbox& outbox, Heard& arrived, std::uint64_t& mark, std::size_t most) {
    auto storage = std::make_unique<RecordStorage>();
    std::vector<ShipRow> rows(64);
    std::vector<std::byte> space(64 << 10);
    const Incarnation incarnation = outbox.identity().incarnation;
    std::uint64_t got = 0;
    for (int idle = 0; idle < 3 && got < most;) {
        const std::size_t count = outbox.next(incarnation, mark, rows, space);
        for (std::size_t i = 0; i < count; ++i) {
            const Result<Record> record = decode_record(rows[i].record, *storage);
            CHECK(record.ok());
            CHECK(rows[i].ship > mark);
            mark = rows[i].ship;
            CHECK_TEXT(hear(arrived, *record, rows[i].epoch), "a result that had come before");
        }
        got += count;
        idle = count == 0 ? idle + 1 : 0;
        outbox.acknowledge(incarnation, mark);
        CHECK(outbox.commit().ok());
    }
    return got;
}

void play(std::uint64_t seed, Tally& tally) {
    SeededEntropy random(seed);
    const auto chance = [&](unsigned of_100) { return random.word() % 100 < of_100; };
    std::vector<WindowSpec> windows;
    const std::size_t groups = 2 + random.word() % 6;
    windows.push_back(Gateway::window_of("a", Duration::seconds(static_cast<std::int64_t>(1 + random.word() % 4)), groups, chance(60) ? Duration::seconds(20) : Duration()));
    windows.push_back(Gateway::window_of("b", Duration::seconds(7), groups, chance(30) ? Duration::seconds(9) : Duration()));
    Gateway gateway(Gateway::spec_of(std::move(windows)));
    OutboxFixture fixture("coarsen-model");
    fixture.options.bytes_max = Bytes{260 + random.word() % 4 * 40} << 10;
    fixture.options.record_bytes_max = 2048;
    fixture.options.staging_bytes = Bytes{16} << 10;
    fixture.options.frontiers_max = 64;
    fixture.options.numbered_bytes_max = 500 + random.word() % 4000;
    fixture.options.backlog_bytes_max = 256 + random.word() % 2000;
    fixture.options.number_when_welcomed = true;
    fixture.options.coarsen = true;
    fixture.options.merger = &gateway.merger;
    fixture.options.groups_max = chance(70) ? ResultMerger::groups_max(gateway.plan) : 1;
    Heard arrived;
    std::uint64_t mark = 0;
    const auto open = [&] {
        CHECK(fixture.open().ok());
        gateway.attach(*fixture.outbox, 1);
    };
    open();
    bool connected = false;
    std::int64_t now = 1'700'000'000'000;
    for (int step = 0; step < 5000; ++step) {
        now += static_cast<std::int64_t>(random.word() % 700);
        const std::int64_t late = chance(8) ? static_cast<std::int64_t>(random.word() % 15'000) : 0;
        gateway.send(now - late, "k" + std::to_string(random.word() % 8), static_cast<std::int64_t>(random.word() % 1000));
        if (chance(12)) CHECK(fixture.outbox->commit().ok());
        if (chance(1) && random.word() % 3 == 0) {  // SIGKILL
            gateway.forget_committed();
            tally.merged += fixture.outbox->counters().merged;
            open();
            tally.merged -= fixture.outbox->counters().merged;
            connected = false;
            ++tally.crashes;
        }
        if (chance(1) && random.word() % 5 == 0) {
            connected = !connected;
            tally.outages += !connected;
            if (connected) fixture.outbox->welcomed();
        }
        if (connected && chance(20)) tally.delivered += drain(*fixture.outbox, arrived, mark, 1 + random.word() % 40);
        CHECK(std::filesystem::file_size(fixture.options.path) <= fixture.options.bytes_max);
    }
    gateway.close();
    for (int i = 0; i < 3; ++i) CHECK(fixture.outbox->commit().ok());
    fixture.outbox->welcomed();
    tally.delivered += drain(*fixture.outbox, arrived, mark, SIZE_MAX);
    const FlashCheckpoint none;  // forces the transaction that acknowledgements alone would put off
    CHECK(fixture.outbox->commit(&none).ok());
    CHECK_EQUAL(0, fixture.outbox->counters().rows);
    CHECK_EQUAL(0, gateway.refused);
    CHECK_EQUAL(0, fixture.outbox->counters().dropped_full_results);
    tally.merged += fixture.outbox->counters().merged;
    tally.rows += gateway.rows;
    tally.revisions += gateway.revisions;
    const std::string wrong = difference(arrived, gateway.emitted, gateway.plan);
    if (!wrong.empty()) FAIL(("seed " + std::to_string(seed) + ": " + wrong).c_str());
}

}  // namespace

TEST_GROUP(CoarsenModel){};

TEST(CoarsenModel, what_arrives_adds_up_over_outages_crashes_and_revisions) {
    const char* const wanted = getenv("WEIR_MODEL_STREAMS");
    const std::uint64_t seeds = wanted != nullptr ? strtoull(wanted, nullptr, 10) : 60;
    Tally tally;
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) play(seed, tally);
    printf("%llu rows (%llu revisions), %llu merged, %llu delivered, %llu crashes, %llu outages\n",
           static_cast<unsigned long long>(tally.rows), static_cast<unsigned long long>(tally.revisions),
           static_cast<unsigned long long>(tally.merged), static_cast<unsigned long long>(tally.delivered),
           static_cast<unsigned long long>(tally.crashes), static_cast<unsigned long long>(tally.outages));
    CHECK(tally.rows > 5000 * seeds / 2 && tally.revisions > 50 * seeds && tally.merged > 500 * seeds && tally.crashes > 5 * seeds);
}
