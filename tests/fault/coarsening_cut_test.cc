// Power cuts while the outbox coarsens: the bridge is away for the first part of the run; there are alerts, revisions and
// retractions beside results. Afterwards the bridge has every result exactly once, alone or in a longer one, its revisions in
// their order and the last that a commit had taken, and every alert once.
// WEIR_POWER_CUT_SCRIPTS as in power_cut_test.cc.

#include <algorithm>
#include <bit>
#include <map>
#include <string>
#include <vector>

#include "tests/fault/power_cuts.h"
#include "uplink/outbox_store.h"

#include <CppUTest/TestHarness.h>

using namespace weir;
using namespace weir::gateway;

namespace {

constexpr std::uint64_t alert_key = 99;
constexpr std::uint64_t bridge_comes_at = 11;  // events; before it nothing gets a number
constexpr std::uint64_t revised_after = 2;     // events, and so long
constexpr std::int64_t wait_s = 3;             // a revision may come

std::uint64_t partition_of_key(std::uint64_t key) { return key % 3; }
// Of key 0 a window may be revised; of key 1 some are taken back by the next event, as sessions are.
bool is_revised(std::uint64_t event) { return event % 3 == 1; }
bool is_retracted(std::uint64_t event) { return event % 5 == 2; }

// A row as this engine writes it: which events of a key it holds, and of which of them the revision.
struct Row {
    std::uint64_t key = 0;
    std::uint64_t events = 0;   // a bit each
    std::uint64_t revised = 0;
    std::uint64_t kind = 1;
    std::uint64_t revision = 0;
    std::uint64_t missing = 0;
    friend bool operator==(const Row&, const Row&) = default;

    std::int64_t first() const { return std::countr_zero(events); }
    std::int64_t last() const { return 63 - std::countl_zero(events); }
    std::vector<std::byte> bytes(Bytes size) const {
        std::vector<std::byte> out(size, static_cast<std::byte>(key));
        const std::uint64_t fields[] = {key, events, revised, kind, revision, missing};
        for (std::size_t i = 0; i < 6; ++i) store_le(out.data() + 8 * i, fields[i]);
        return out;
    }
    static Row of(ByteSpan bytes) {
        const auto at = [&](std::size_t i) { return load_le<std::uint64_t>(bytes.data() + 8 * i); };
        return {at(0), at(1), at(2), at(3), at(4), at(5)};
    }
};

class Merger final : public RowMerger {
public:
    std::optional<Head> head(ByteSpan bytes) override {
        const Row row = Row::of(bytes);
        if (row.kind != 1 || row.key == 1) return std::nullopt;
        Head head;
        head.group = row.key + 1;
        head.definition = definition;
        head.partition = partition_of_key(row.key);
        head.start = Timestamp::seconds(row.first() - 1);
        head.end = Timestamp::seconds(row.last());
        head.size = Duration::seconds(1);
        head.wait = Duration::seconds(row.key == 0 ? wait_s : 0);
        head.windows = static_cast<std::uint32_t>(std::popcount(row.events));
        head.missing = static_cast<std::uint32_t>(row.missing);
        return head;
    }
    Status merge(ByteSpan earlier, ByteSpan later, ByteWriter& out) override {
        const Row a = Row::of(earlier), b = Row::of(later);
        Row both = a;
        if (a.events == b.events) {
            if (b.missing != a.revision + 1) return Error::refused;
            both = b;
            both.missing = a.missing;
        } else {
            if ((a.events & b.events) != 0 || a.missing != 0 || b.missing != 0) throw Failure{"rows that hold the same are merged"};
            both.events |= b.events;
            both.revised |= b.revised;
            both.revision = 0;
        }
        ++merges;
        out.bytes(both.bytes(100));
        return out.ok() ? Status::success() : Status(Error::full);
    }
    std::uint64_t merges = 0;
};

struct CoarseBridge : Bridge {
    Merger merger;  // of all lives
    std::map<std::pair<Incarnation, std::uint64_t>, Row> taken;
    std::map<Identity, std::vector<Row>> heard;  // in the order in which they came
    std::map<Identity, std::uint64_t> promised;  // revisions that a commit has taken
};

class CoarseLife final : public Life {
public:
    CoarseLife(CrashDisk& disk, Entropy& entropy, CoarseBridge& bridge, Script& script)
        : Life(disk, entropy, bridge, script,
               [&bridge](OutboxOptions& options) {
                   options.coarsen = true;
                   options.merger = &bridge.merger;
                   options.groups_max = 8;
                   options.staging_bytes = Bytes{32} << 10;
                   options.number_when_welcomed = true;
                   options.backlog_bytes_max = 900;
                   options.bytes_max = OutboxStore::file_bytes_min(options) + 4 * Database::page_bytes;
               }),
          coarse_(bridge) {}

private:
    bool take(std::uint64_t event) override {
        const std::uint64_t bit = std::uint64_t{1} << event;
        bool any = false;
        for (std::uint64_t key = 0; key < keys_of(event); ++key) {
            if (!is_new(event, key)) continue;  // emitted before the cut
            any = true;
            if (!say(event, {key, bit}, RecordKind::result)) return false;
        }
        if (any && !say(event, {alert_key, bit, 0, 2}, RecordKind::alert)) return false;
        const std::uint64_t late = event - std::min(event, revised_after);
        if (late > 0 && is_revised(late) && is_new(late, 0))
            if (!say(late, {0, std::uint64_t{1} << late, std::uint64_t{1} << late, 1, 1, 1}, RecordKind::result)) return false;
        const std::uint64_t gone = event - 1;
        if (gone > 0 && keys_of(gone) > 1 && is_retracted(gone) && is_new(gone, 1))
            if (!say(gone, {1, std::uint64_t{1} << gone, 0, 3, 1, 1}, RecordKind::retraction)) return false;
        outbox_->seal({epoch_, sequence_});
        for (const auto& [identity, revision] : said_) sealed_[identity] = revision;
        said_.clear();
        return true;
    }

    // Frontiers are those of the last cut: what this life has emitted it may revise.
    bool is_new(std::uint64_t event, std::uint64_t key) const {
        const auto frontier = frontiers_.find(partition_of_key(key));
        return frontier == frontiers_.end() || Timestamp::seconds(static_cast<std::int64_t>(event)) > frontier->second;
    }

    bool say(std::uint64_t event, const Row& row, RecordKind kind) {
        const std::vector<std::byte> bytes = row.bytes(kind == RecordKind::result ? 700 + event * 37 % 300 : 100);
        StagedRecord record;
        record.kind = kind;
        record.epoch = epoch_;
        record.sequence = ++sequence_;
        record.definition = definition;
        record.partition = partition_of_key(row.key);
        record.end = Timestamp::seconds(static_cast<std::int64_t>(event));
        record.closes = false;
        record.revises = row.revision > 0;
        record.bytes = bytes;
        if (!outbox_->stage(record).ok()) throw Failure{"no room in the staging ring"};
        said_[{event, row.key}] = row.revision;
        return !script_.chance(15) || commit(false);  // in the middle of a group
    }

    bool is_connected(std::uint64_t event) override {
        if (event < bridge_comes_at) return false;
        if (!welcomed_) outbox_->welcomed();
        return welcomed_ = true;
    }

    void committed() override {
        for (const auto& [identity, revision] : sealed_) coarse_.promised[identity] = revision;
        if (outbox_->counters().dropped_full_results > 0) throw Failure{"results were dropped"};
    }

    void hear(const Incarnation& incarnation, const ShipRow& row) override {
        const Row said = Row::of(row.record);
        const auto [at, is_new] = coarse_.taken.insert({{incarnation, row.ship}, said});
        if (!is_new && !(at->second == said)) throw Failure{"a ship number that names another row than before"};
        for (std::uint64_t event = 1; event <= events; ++event)
            if (said.events >> event & 1) coarse_.heard[{event, said.key}].push_back(said);
    }

    CoarseBridge& coarse_;
    bool welcomed_ = false;
    std::map<Identity, std::uint64_t> said_;    // revisions, since the last seal
    std::map<Identity, std::uint64_t> sealed_;
};

// What came of an identity: the result once, alone or in a longer row; if alone, perhaps its revision or retraction behind it.
void judge_one(const CoarseBridge& bridge, Identity identity, Tally& tally) {
    const std::string name = "result " + std::to_string(identity.event) + "/" + std::to_string(identity.key);
    const auto found = bridge.heard.find(identity);
    if (found == bridge.heard.end()) throw Failure{name + " reached the bridge 0 times"};
    const std::vector<Row>& rows = found->second;
    const bool longer = std::popcount(rows[0].events) > 1;
    tally.in_longer_rows += longer;
    if (longer && rows.size() != 1) throw Failure{name + " came in a longer row, and again"};
    for (std::size_t i = 1; i < rows.size(); ++i)
        if (rows[i].revision <= rows[i - 1].revision || std::popcount(rows[i].events) > 1)
            throw Failure{name + " came again, or its revisions in another order"};
    const bool revised = longer ? (rows[0].revised >> identity.event & 1) != 0 : rows.back().revision > 0;
    const auto promised = bridge.promised.find(identity);
    if (promised != bridge.promised.end() && promised->second > 0 && !revised) throw Failure{name + ": its revision did not arrive"};
}

void judge(const CoarseBridge& bridge, Tally& tally) {
    tally.merges += bridge.merger.merges;
    for (std::uint64_t event = 1; event <= events; ++event) {
        for (std::uint64_t key = 0; key < keys_of(event); ++key) judge_one(bridge, {event, key}, tally);
        judge_one(bridge, {event, alert_key}, tally);
    }
}

}  // namespace

TEST_GROUP(PowerCutCoarsening){};

TEST(PowerCutCoarsening, at_every_write_and_sync_loses_nothing_and_repeats_nothing) {
    const std::uint64_t scripts = scripts_wanted();
    const Tally all = cut_everywhere<CoarseLife, CoarseBridge>(scripts, judge, scripts > 1 ? loss_kinds : 6);
    CHECK(all.operations >= 150 * scripts);
    CHECK(all.merges > all.cuts / 8 && all.in_longer_rows > all.cuts / 8);
}
