// The outbox against a slow, obvious twin in memory, over random operations with crashes in between.

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "tests/unit/uplink/outbox_fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// What the outbox must do, written down without a disk, a buffer or a lock.
struct Twin {
    struct Row {
        std::uint64_t sequence;
        RecordKind kind;
        Bytes size;
    };
    std::vector<Row> staged;                     // not on flash
    std::deque<Row> alerts, results;             // on flash, without a number
    std::map<std::uint64_t, Row> numbered;       // on flash, with one, not acknowledged
    std::map<std::uint64_t, Timestamp> frontier; // by partition
    std::uint64_t last_sequence = 0;             // committed
    std::uint64_t last_ship = 0;
    std::uint64_t acknowledged = 0;              // said by the uplink
    std::uint64_t deleted = 0;                   // of those, gone from flash
    Bytes numbered_bytes_max = 0;

    void commit() {
        while (!numbered.empty() && numbered.begin()->first <= acknowledged) numbered.erase(numbered.begin());
        deleted = std::min(acknowledged, last_ship);
        for (const Row& row : staged) {
            if (row.sequence <= last_sequence) continue;
            last_sequence = row.sequence;
            (row.kind == RecordKind::alert ? alerts : results).push_back(row);
            if (row.kind == RecordKind::alert) continue;
            Timestamp& end = frontier[row.sequence % 4];
            end = std::max(end, Timestamp::seconds(static_cast<std::int64_t>(row.sequence)));
        }
        staged.clear();
        Bytes bytes = 0;
        for (const auto& [ship, row] : numbered) bytes += row.size;
        while (bytes < numbered_bytes_max && !(alerts.empty() && results.empty())) {
            auto& from = alerts.empty() ? results : alerts;
            bytes += from.front().size;
            numbered[++last_ship] = from.front();
            from.pop_front();
        }
    }
    std::size_t rows() const { return alerts.size() + results.size() + numbered.size(); }
};

}  // namespace

TEST_GROUP(OutboxModel){};

TEST(OutboxModel, random_operations_and_crashes_leave_it_equal_to_its_twin) {
    std::uint64_t operations = 0, crashes = 0, acknowledgements = 0, resent = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        OutboxFixture fixture("outbox-model");
        fixture.options.numbered_bytes_max = 2000 + seed % 5 * 3000;
        fixture.options.bytes_max = Bytes{8} << 20;
        Twin twin;
        twin.numbered_bytes_max = fixture.options.numbered_bytes_max;
        CHECK_TRUE(fixture.open().ok());
        SeededEntropy random(seed);
        std::uint64_t sequence = 0, uplink = 0;  // greatest staged; greatest number that was taken
        for (int step = 0; step < 250; ++step, ++operations) {
            const std::uint64_t choice = random.word() % 100;
            if (choice < 50) {
                const RecordKind kind = random.word() % 6 == 0 ? RecordKind::alert : RecordKind::result;
                const Bytes size = 8 + random.word() % (random.word() % 20 == 0 ? 6000 : 300);
                CHECK_TRUE(fixture.stage(1, ++sequence, kind, size).ok());
                twin.staged.push_back({sequence, kind, size});
                if (fixture.outbox->counters().staged_bytes < fixture.options.staging_bytes / 2) continue;
            }
            if (choice < 72) {
                // A checkpoint forces the transaction that acknowledgements alone would put off.
                const FlashCheckpoint none;
                CHECK_TRUE(fixture.outbox->commit(&none).ok());
                twin.commit();
            } else if (choice < 86) {
                // The twin's commits are the outbox's: nothing staged means no transaction here either.
                const FlashCheckpoint none;
                CHECK_TRUE(fixture.outbox->commit(&none).ok());
                twin.commit();
                const std::uint64_t from = random.word() % 4 == 0 ? twin.deleted : std::max(uplink, twin.deleted);
                resent += from < uplink;
                const auto got = fixture.drain(from);
                std::size_t i = 0;
                for (auto row = twin.numbered.upper_bound(from); row != twin.numbered.end(); ++row, ++i) {
                    CHECK_TRUE(i < got.size());
                    CHECK_TRUE(got[i] == std::pair(row->first, row->second.sequence));
                }
                CHECK_EQUAL(i, got.size());
                uplink = twin.last_ship;
            } else if (choice < 95) {
                if (uplink <= twin.acknowledged) continue;
                twin.acknowledged += 1 + random.word() % (uplink - twin.acknowledged);
                fixture.acknowledge(twin.acknowledged);
                ++acknowledgements;
            } else {
                // SIGKILL: memory is gone; the journal would bring again what was not committed, and more.
                CHECK_TRUE(fixture.open().ok());
                ++crashes;
                CHECK_EQUAL(twin.last_sequence, fixture.outbox->committed_position().sequence);
                twin.acknowledged = twin.deleted;  // the bridge will say it again
                twin.staged.clear();
                sequence = twin.last_sequence - std::min<std::uint64_t>(twin.last_sequence, random.word() % 5);
                for (std::uint64_t again = sequence; again < twin.last_sequence; ++again) {
                    CHECK_TRUE(fixture.stage(1, again + 1).ok());
                    twin.staged.push_back({again + 1, RecordKind::result, 200});
                }
                sequence = twin.last_sequence;
                uplink = std::max(uplink, twin.deleted);
            }
            CHECK_EQUAL(twin.rows(), fixture.outbox->counters().rows);
            CHECK_EQUAL(twin.last_ship, fixture.outbox->identity().last_ship);
            CHECK_EQUAL(twin.last_sequence, fixture.outbox->committed_position().sequence);
        }
        std::size_t equal = 0;
        const std::vector<Frontier> frontiers = *fixture.outbox->frontiers();
        for (const Frontier& frontier : frontiers) equal += twin.frontier[frontier.partition] == frontier.end;
        CHECK_EQUAL(twin.frontier.size(), equal);
    }
    // What the generator produced: without these the test would prove nothing.
    CHECK_TRUE(operations > 10000 && crashes > 300 && acknowledgements > 300 && resent > 50);
}
