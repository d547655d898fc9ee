// A small gateway for the fault harnesses: the outbox under a scripted engine and before a bridge that never forgets. The
// engine's state is the number of events it has had, so that a flash checkpoint and a journal on disk can be judged.
// Memory: the outbox's, and what the bridge has. Cost: a life of 14 events about 2 ms. Threads: one.
// Errors: a Failure is thrown when a promise is broken; a life that cannot go on returns from run().
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tests/fault/crash_disk.h"
#include "uplink/outbox.h"

namespace weir::gateway {

inline constexpr std::uint64_t definition = 5;
inline constexpr std::uint64_t events = 14;

// A result's identity; what the engine makes of event `event` for key `key`.
struct Identity {
    std::uint64_t event = 0;
    std::uint64_t key = 0;
    friend auto operator<=>(const Identity&, const Identity&) = default;
};
inline std::uint64_t keys_of(std::uint64_t event) { return event % 4 + 1; }
inline std::uint64_t partition_of(std::uint64_t event) { return event % 3; }

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
    // adjust: of the outbox's options, before it is opened.
    Life(CrashDisk& disk, Entropy& entropy, Bridge& bridge, Script& script, const std::function<void(OutboxOptions&)>& adjust = {})
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
        if (adjust) adjust(options_);
        block_ = std::make_unique<ArenaBlock>(Outbox::need(options_));
        arena_ = std::make_unique<Arena>(block_->memory());
        auto opened = Outbox::open(options_, *arena_, files_, entropy, report_);
        if (opened.ok()) outbox_ = std::move(*opened);
    }

    virtual ~Life() = default;
    bool opened() const { return outbox_ != nullptr; }
    // What it stands for when the outbox refuses something: a medium that fails, and the agent lives on.
    void live_on_errors() { lives_on_ = true; }
    std::function<void()> started = [] {};
    // Before the last look for results to ship.
    std::function<void()> heal = [] {};
    std::uint64_t dropped() const { return outbox_ ? outbox_->counters().dropped_staging_results : 0; }
    std::uint64_t set_aside() const { return outbox_ ? outbox_->counters().set_aside : 0; }
    bool ended() const { return ended_; }
    const OpenReport& report() const { return report_; }

    // To the end of all events, or until the power goes.
    void run() {
        if (!restore()) return;
        started();
        for (std::uint64_t event = done_ + 1; event <= events; ++event) {
            if (!take(event)) return;
            done_ = event;
            if (script_.chance(55) && !commit(script_.chance(35))) return;
            if (script_.chance(60) && is_connected(event)) ship(script_.chance(70));
        }
        heal();
        (void)is_connected(events);
        // Until the bridge has everything.
        for (int idle = 0; idle < 3;) {
            if (!commit(false)) return;
            idle = ship(true) == 0 ? idle + 1 : 0;
        }
        ended_ = true;
        (void)outbox_->close().ok();
    }

protected:
    // For engines that say more than results.
    virtual bool take(std::uint64_t event) { return take_results(event); }
    virtual bool is_connected(std::uint64_t) { return true; }
    virtual void committed() {}
    // A row that the bridge takes, perhaps not for the first time.
    virtual void hear(const Incarnation& incarnation, const ShipRow& row) {
        const Identity identity{load_le<std::uint64_t>(row.record.data()), load_le<std::uint64_t>(row.record.data() + 8)};
        const auto [at, is_new] = bridge_.shipped.insert({{incarnation, row.ship}, identity});
        if (!is_new && at->second != identity) throw Failure{"a ship number that names another row than before"};
        ++bridge_.rows[identity];
    }

    bool restore() {
        const Result<FlashCheckpointInfo> info = outbox_->checkpoint_info();
        if (info.ok()) {
            std::vector<std::byte> bytes(info->size);
            const Status read = outbox_->read_checkpoint(bytes);
            if (disk_.is_off() || read.error() == Error::io || read.error() == Error::no_memory) return false;
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
        const Result<std::vector<Frontier>> frontiers = outbox_->frontiers();
        if (!frontiers.ok()) return false;
        for (const Frontier& frontier : *frontiers) frontiers_[frontier.partition] = frontier.end;
        return !disk_.is_off();
    }

    // Changes in the middle, grows and shrinks: written piece by piece.
    static std::vector<std::byte> checkpoint_of(std::uint64_t done) {
        std::vector<std::byte> bytes(8 + done % 3 * 5000, static_cast<std::byte>(done / 4));
        store_le(bytes.data(), done);
        return bytes;
    }

    bool take_results(std::uint64_t event) {
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
            if (!outbox_->stage(record).ok() && !lives_on_) throw Failure{"no room in the staging ring"};
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
        if (done) committed();
        return (done || lives_on_) && !disk_.is_off();
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
            if (row.ship <= mark) throw Failure{"a row that was asked for no more"};
            hear(incarnation, row);
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
    bool lives_on_ = false;
    bool ended_ = false;
};

}  // namespace weir::gateway
