// The outbox under power cuts: a scripted run of a small gateway, cut at every write and sync, with many kinds of loss, and
// in every third case cut again while it recovers. Afterwards the bridge has every result exactly once, the flash
// checkpoint is one that was made, and the database is sound.
// WEIR_POWER_CUT_SCRIPTS=50 runs as many scripts (one: about 21,000 cuts).

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "tests/fault/crash_disk.h"
#include "uplink/outbox.h"
#include "uplink/outbox_store.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

constexpr std::uint64_t definition = 5;
constexpr std::uint64_t events = 14;
constexpr unsigned seeds = 64;

// A result's identity; what the engine makes of event `event` for key `key`.
struct Identity {
    std::uint64_t event = 0;
    std::uint64_t key = 0;
    friend auto operator<=>(const Identity&, const Identity&) = default;
};
std::uint64_t keys_of(std::uint64_t event) { return event % 4 + 1; }
std::uint64_t partition_of(std::uint64_t event) { return event % 3; }

// What it has in Kafka and remembers of each incarnation. It never loses power.
struct Bridge {
    std::map<Incarnation, std::uint64_t> marks;
    std::map<std::pair<Incarnation, std::uint64_t>, Identity> shipped;
    std::map<Identity, unsigned> rows;
};

// How the scripted run goes on at each point; the same for every cut of a script.
struct Script {
    explicit Script(std::uint64_t seed) : random(seed * 7919) {}
    bool chance(unsigned of_100) { return random.word() % 100 < of_100; }
    SeededEntropy random;
};

struct Failure {
    std::string what;
};

// One power cycle of a gateway whose journal is on disk: the engine's state is the number of events it has had.
class Life {
public:
    Life(CrashDisk& disk, Entropy& entropy, Bridge& bridge, Script& script)
        : disk_(disk), files_(disk), bridge_(bridge), script_(script) {
        options_.path = "weir.db";
        options_.bytes_max = Bytes{1} << 20;
        options_.record_bytes_max = 1024;
        options_.staging_bytes = Bytes{8} << 10;
        options_.send_bytes = Bytes{4} << 10;
        options_.numbered_bytes_max = 1200;
        options_.checkpoint_bytes_max = Bytes{12} << 10;
        options_.cache_bytes = Bytes{64} << 10;
        options_.frontiers_max = 64;
        options_.linger = Duration{};
        block_ = std::make_unique<ArenaBlock>(Outbox::need(options_));
        arena_ = std::make_unique<Arena>(block_->memory());
        auto opened = Outbox::open(options_, *arena_, files_, entropy, report_);
        if (opened.ok()) outbox_ = std::move(*opened);
    }

    bool opened() const { return outbox_ != nullptr; }
    const OpenReport& report() const { return report_; }

    // To the end of all events, or until the power goes.
    void run() {
        if (!restore()) return;
        for (std::uint64_t event = done_ + 1; event <= events; ++event) {
            if (!take(event)) return;
            done_ = event;
            if (script_.chance(55) && !commit(script_.chance(35))) return;
            if (script_.chance(60)) ship(script_.chance(70));
        }
        // Until the bridge has everything.
        for (int idle = 0; idle < 3;) {
            if (!commit(false)) return;
            idle = ship(true) == 0 ? idle + 1 : 0;
        }
        (void)outbox_->close().ok();
    }

private:
    bool restore() {
        const Result<FlashCheckpointInfo> info = outbox_->checkpoint_info();
        if (info.ok()) {
            std::vector<std::byte> bytes(info->size);
            const Status read = outbox_->read_checkpoint(bytes);
            if (disk_.is_off()) return false;
            if (!read.ok()) throw Failure{"a flash checkpoint that cannot be read"};
            done_ = load_le<std::uint64_t>(bytes.data());
            if (bytes != checkpoint_of(done_)) throw Failure{"a flash checkpoint that nobody wrote"};
            if (info->journal_position != done_) throw Failure{"a flash checkpoint with the position of another"};
            sequence_ = info->output.sequence;
        } else if (info.error() != Error::missing) {
            throw Failure{"no word of the flash checkpoint"};
        }
        const Result<std::uint64_t> epoch = outbox_->begin_epoch();
        if (!epoch.ok()) return false;
        epoch_ = *epoch;
        for (const Frontier& frontier : outbox_->frontiers()) frontiers_[frontier.partition] = frontier.end;
        return !disk_.is_off();
    }

    // Changes in the middle, grows and shrinks: written piece by piece.
    static std::vector<std::byte> checkpoint_of(std::uint64_t done) {
        std::vector<std::byte> bytes(8 + done % 3 * 5000, static_cast<std::byte>(done / 4));
        store_le(bytes.data(), done);
        return bytes;
    }

    bool take(std::uint64_t event) {
        const std::uint64_t partition = partition_of(event);
        const Timestamp end = Timestamp::seconds(static_cast<std::int64_t>(event));
        const auto frontier = frontiers_.find(partition);
        for (std::uint64_t key = 0; key < keys_of(event); ++key) {
            if (frontier != frontiers_.end() && end <= frontier->second) continue;  // emitted before the cut
            std::vector<std::byte> bytes(40 + event * 37 % 500, static_cast<std::byte>(event));
            store_le(bytes.data(), event);
            store_le(bytes.data() + 8, key);
            StagedRecord record;
            record.epoch = epoch_;
            record.sequence = ++sequence_;
            record.definition = definition;
            record.partition = partition;
            record.end = end;
            record.closes = false;
            record.bytes = bytes;
            if (!outbox_->stage(record).ok()) throw Failure{"no room in the staging ring"};
            if (script_.chance(15) && !commit(false)) return false;  // in the middle of a group
        }
        outbox_->seal({epoch_, sequence_});
        return true;
    }

    bool commit(bool with_checkpoint) {
        const std::vector<std::byte> state = checkpoint_of(done_);
        // A checkpoint holds no half group.
        const FlashCheckpoint checkpoint{{{epoch_, sequence_}, done_, 1, 2, 0}, state};
        const bool done = outbox_->commit(with_checkpoint ? &checkpoint : nullptr).ok();
        return done && !disk_.is_off();
    }

    // The acknowledgement may be lost on its way.
    std::size_t ship(bool acknowledged) {
        const Incarnation incarnation = outbox_->identity().incarnation;
        std::uint64_t& mark = bridge_.marks[incarnation];
        if (outbox_->identity().last_ship < mark) throw Failure{"the agent forgot ship numbers that it had used"};
        std::array<ShipRow, 16> rows;
        std::vector<std::byte> space(options_.record_bytes_max * 2);
        const std::size_t count = outbox_->next(incarnation, mark, rows, space);
        for (const ShipRow& row : std::span(rows).first(count)) {
            const Identity identity{load_le<std::uint64_t>(row.record.data()), load_le<std::uint64_t>(row.record.data() + 8)};
            const auto [at, is_new] = bridge_.shipped.insert({{incarnation, row.ship}, identity});
            if (!is_new && at->second != identity) throw Failure{"a ship number that names another row than before"};
            if (row.ship <= mark) throw Failure{"a row that was asked for no more"};
            ++bridge_.rows[identity];
            mark = row.ship;
        }
        if (acknowledged) outbox_->acknowledge(incarnation, mark);
        return count;
    }

    CrashDisk& disk_;
    CrashFiles files_;
    Bridge& bridge_;
    Script& script_;
    OutboxOptions options_;
    OpenReport report_;
    std::unique_ptr<ArenaBlock> block_;
    std::unique_ptr<Arena> arena_;
    std::unique_ptr<Outbox> outbox_;
    std::map<std::uint64_t, Timestamp> frontiers_;
    std::uint64_t epoch_ = 0;
    std::uint64_t sequence_ = 0;
    std::uint64_t done_ = 0;
};

struct Tally {
    std::uint64_t operations = 0;
    std::uint64_t cuts = 0;
    std::uint64_t cuts_in_recovery = 0;
    std::uint64_t before_the_first_start = 0;  // the file was not there yet, or half of it
    std::uint64_t resumed = 0;                 // with a flash checkpoint of the life before
};

// Cut 0: none. Throws a Failure.
void run_case(std::uint64_t script_seed, std::uint64_t cut, unsigned seed, Tally& tally) {
    CrashDisk disk;
    Bridge bridge;
    SeededEntropy identities(script_seed);
    SeededEntropy chance(script_seed * 1000003 + cut * 64 + seed);
    const CrashDisk::Loss loss{seed % 2 ? Bytes{4096} : Bytes{512},
                               seed == 0 ? 0.0 : seed == 1 ? 1.0 : static_cast<double>(seed % 8) / 8.0,
                               seed < 2 ? 0.0 : static_cast<double>(seed % 5) / 5.0};
    bool was_open = false;
    for (unsigned life_number = 0; life_number < 3; ++life_number) {
        if (life_number == 0)
            disk.cut_after(cut);
        else if (life_number == 1 && cut > 0 && seed % 3 == 0)
            disk.cut_after(1 + chance.word() % 24);
        else
            disk.cut_after(0);
        {
            Script script(script_seed + 977 * life_number);
            Life life(disk, identities, bridge, script);
            if (!life.opened() && !disk.is_off()) throw Failure{"the outbox does not open"};
            if (life.opened() && was_open && (life.report().fresh || life.report().set_aside))
                throw Failure{"a database that was in use is damaged or gone"};
            was_open |= life.opened() && !disk.is_off();
            if (life.opened()) life.run();
        }
        if (!disk.is_off()) break;
        ++tally.cuts;
        tally.cuts_in_recovery += life_number == 1;
        tally.before_the_first_start += !was_open;
        disk.power_on(chance, loss);
    }
    if (cut == 0) tally.operations = disk.operations();
    disk.cut_after(0);  // a life that needed fewer operations than it had leaves the rest
    for (std::uint64_t event = 1; event <= events; ++event)
        for (std::uint64_t key = 0; key < keys_of(event); ++key) {
            const unsigned times = bridge.rows[{event, key}];
            if (times != 1)
                throw Failure{"result " + std::to_string(event) + "/" + std::to_string(key) + " reached the bridge " +
                              std::to_string(times) + " times"};
        }
    auto database = Database::open({"weir.db", Bytes{64} << 10, Bytes{1} << 20});
    if (!database.ok() || !(*database)->sound()) throw Failure{"the database is not sound"};
}

}  // namespace

TEST_GROUP(PowerCut){};

TEST(PowerCut, at_every_write_and_sync_loses_nothing_and_repeats_nothing) {
    const char* const wanted = getenv("WEIR_POWER_CUT_SCRIPTS");
    const std::uint64_t scripts = wanted != nullptr ? strtoull(wanted, nullptr, 10) : 1;
    Tally all;
    for (std::uint64_t script = 1; script <= scripts; ++script) {
        Tally tally;
        std::uint64_t cut = 0;
        unsigned seed = 0;
        try {
            run_case(script, 0, 0, tally);
            for (cut = 1; cut <= tally.operations; ++cut)
                for (seed = 0; seed < seeds; ++seed) run_case(script, cut, seed, tally);
        } catch (const Failure& failure) {
            FAIL(("script " + std::to_string(script) + ", cut at operation " + std::to_string(cut) + ", seed " +
                  std::to_string(seed) + ": " + failure.what).c_str());
        }
        all.operations += tally.operations;
        all.cuts += tally.cuts;
        all.cuts_in_recovery += tally.cuts_in_recovery;
        all.before_the_first_start += tally.before_the_first_start;
        if (scripts > 1) printf("script %llu of %llu: %llu cuts so far\n", static_cast<unsigned long long>(script),
                                static_cast<unsigned long long>(scripts), static_cast<unsigned long long>(all.cuts));
    }
    printf("%llu operations, %llu power cuts (%llu while recovering, %llu before the first start had ended)\n",
           static_cast<unsigned long long>(all.operations), static_cast<unsigned long long>(all.cuts),
           static_cast<unsigned long long>(all.cuts_in_recovery), static_cast<unsigned long long>(all.before_the_first_start));
    CHECK(all.operations >= 190 * scripts);
    CHECK(all.cuts_in_recovery > 1000 * scripts);
    CHECK(all.before_the_first_start > 0 && all.before_the_first_start < all.cuts / 2);
}
