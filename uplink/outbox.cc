#include "uplink/outbox.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "agent/base/log.h"
#include "uplink/flash_vfs.h"
#include "uplink/outbox_store.h"

namespace weir {
namespace {

// What SQLite takes beside its page cache: connection, statements, the log's index, room to work.
constexpr Bytes sqlite_base_bytes = Bytes{640} << 10;

}  // namespace

struct Outbox::Shared {
    Shared(const OutboxOptions& options, Arena& arena)
        : ring(arena, align_up(options.staging_bytes, Arena::alignment)), send(arena, options.send_bytes),
          ready(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
    ~Shared() {
        if (ready >= 0) ::close(ready);
    }

    StagingRing ring;
    SendBuffer send;
    int ready;

    bool urgent_unsealed = false;  // the engine thread's: an alert waits for its seal

    std::atomic<std::uint64_t> staged{0};
    std::atomic<std::uint64_t> dropped_results{0};
    std::atomic<std::uint64_t> dropped_alerts{0};
    std::atomic<std::uint64_t> dropped_oversize{0};
    std::atomic<std::uint64_t> acknowledged{0};
    std::atomic<bool> renew{false};
    std::atomic<bool> may_number{false};
    std::atomic<bool> numbers_wanted{false};  // rows came before welcomed()
    std::atomic<bool> greeted{false};         // since the last commit
    std::atomic<bool> healthy{true};

    // Wakes the store thread.
    std::mutex wake_mutex;
    std::condition_variable wake_condition;
    bool has_staged = false;
    bool urgent = false;
    bool called = false;  // by wake()

    // What the store thread publishes.
    mutable std::mutex published_mutex;
    OutboxIdentity identity;
    OutputPosition committed;
    OutboxCounters counters;
    Bytes row_bytes_max = 0;
    std::array<std::uint64_t, OutboxStore::condemned_max> rejected{};  // of identity's incarnation
    std::size_t rejected_count = 0;

    void wake(bool at_once) {
        {
            const std::lock_guard lock(wake_mutex);
            has_staged = true;
            urgent = urgent || at_once;
        }
        wake_condition.notify_one();
    }
};

Bytes Outbox::need(const OutboxOptions& options) {
    return StagingRing::need(align_up(options.staging_bytes, Arena::alignment)) + SendBuffer::need(options.send_bytes) +
           OutboxStore::need(options);
}

Bytes Outbox::staging_need(std::size_t records, Bytes encoded_bytes_each) {
    return align_up(StagingRing::capacity_for(records, encoded_bytes_each), Arena::alignment);
}

Bytes Outbox::sqlite_bytes(const OutboxOptions& options) {
    // A record is bound in place, but read and checkpoint pieces pass through SQLite's own buffers.
    // Coarsening holds two at once, and more statements.
    const Bytes merging = !options.coarsen ? 0 : 2 * options.record_bytes_max + (Bytes{32} << 10);
    return options.cache_bytes + options.cache_bytes / 8 + sqlite_base_bytes + 2 * options.record_bytes_max + merging;
}

Bytes Outbox::wal_bytes(const OutboxOptions& options) {
    // One transaction more than the length at which the log goes into the file.
    const Bytes transaction = options.staging_bytes * 2 + options.checkpoint_bytes_max * 21 / 20 + Coarsener::rewritten_bytes_max(options);
    return static_cast<Bytes>(Database::wal_pages) * (Database::page_bytes + 24) + transaction + (Bytes{256} << 10);
}

// Every page goes to the log and later from there to the file. A commit touches the state, the ends of
// the row, ship and frontier tables, and when it deletes what is acknowledged their beginnings; rows are
// deleted without being written again. A row that is coarsened is merged into another once, and the merged ones half as often
// again, ever longer; rows that became fewer are repacked. Measured in outages of a week (tests/model/coarsen): 3.2 KiB a row
// in 16 MiB, 4.4 in 1 MiB, 10 while results come faster than the store can keep up: three pages, once in the log and once in the
// file, are an estimate from above.
std::uint64_t Outbox::flash_bytes(const FlashLoad& load) {
    constexpr std::uint64_t pages_a_commit = 6;
    constexpr std::uint64_t pages_a_coarsened_row = 3;
    const std::uint64_t row_bytes = load.row_bytes + load.rows * 48;
    const std::uint64_t checkpoint_bytes = load.checkpoint_bytes + load.checkpoint_bytes / 16;
    return 2 * (row_bytes * 5 / 4 + checkpoint_bytes + load.commits * pages_a_commit * Database::page_bytes) +
           load.coarsened_rows * (pages_a_coarsened_row * Database::page_bytes + 4 * load.row_bytes / std::max<std::uint64_t>(load.rows, 1));
}

Outbox::Outbox(const OutboxOptions& options, Arena& arena)
    : options_(options), shared_(std::make_unique<Shared>(options, arena)) {}

Outbox::~Outbox() = default;

Result<std::unique_ptr<Outbox>> Outbox::open(const OutboxOptions& options, Arena& arena, Files& files,
                                             Entropy& entropy, OpenReport& report) {
    if (options.bytes_max < OutboxStore::file_bytes_min(options) || options.staging_bytes < 2 * options.record_bytes_max ||
        options.send_bytes < options.record_bytes_max + SendBuffer::header_bytes)
        return Error::invalid;
    set_sqlite_heap_limit(sqlite_bytes(options));
    std::unique_ptr<Outbox> outbox(new Outbox(options, arena));
    if (outbox->shared_->ready < 0) return Error::io;
    outbox->store_ = std::make_unique<OutboxStore>(options, arena, files, entropy);
    if (const Status opened = outbox->store_->open(report); !opened) return opened.error();
    outbox->shared_->acknowledged = outbox->store_->state().acknowledged;
    outbox->raise_heap_limit();
    outbox->publish();
    return outbox;
}

// Rows of an earlier configuration may be larger than this one's.
void Outbox::raise_heap_limit() {
    const Bytes more = store_->row_bytes_max() - options_.record_bytes_max;
    if (more == heap_raised_) return;
    heap_raised_ = more;
    set_sqlite_heap_limit(sqlite_bytes(options_) + 2 * more);
    WEIR_LOG_INFO("outbox", "%s holds records of up to %zu bytes: SQLite may take %zu bytes more than planned",
                  options_.path.c_str(), store_->row_bytes_max(), 2 * more);
}

// ---- start-up ----------------------------------------------------------------------------------------

Result<std::uint64_t> Outbox::begin_epoch() {
    if (store_->broken()) return Error::io;
    const Result<std::uint64_t> epoch = store_->begin_epoch();
    publish();
    return epoch;
}

Result<std::vector<Frontier>> Outbox::frontiers() {
    if (store_->broken()) return Error::io;
    return store_->frontiers();
}

Result<FlashCheckpointInfo> Outbox::checkpoint_info() {
    if (!store_->state().has_checkpoint) return Error::missing;
    return store_->state().checkpoint;
}

Status Outbox::read_checkpoint(MutableByteSpan out) {
    if (store_->broken()) return Error::io;
    if (!store_->state().has_checkpoint) return Error::missing;
    if (out.size() != store_->state().checkpoint.size) return Error::invalid;
    return store_->read_checkpoint(out);
}

// ---- engine thread -----------------------------------------------------------------------------------

Status Outbox::stage(const StagedRecord& record) {
    if (record.bytes.size() > options_.record_bytes_max) {
        ++shared_->dropped_oversize;
        WEIR_LOG_ERROR("outbox", "results larger than %zu bytes are dropped", options_.record_bytes_max);
        return Error::out_of_range;
    }
    const bool alert = record.kind == RecordKind::alert;
    if (const Status pushed = shared_->ring.push(record); !pushed) {
        ++(alert ? shared_->dropped_alerts : shared_->dropped_results);
        // The log repeats it once a minute at most.
        WEIR_LOG_ERROR("outbox", "staging is full (%zu bytes): %s are dropped; the flash is too slow or failing",
                       shared_->ring.capacity(), alert ? "alerts" : "results");
        return pushed;
    }
    ++shared_->staged;
    const bool filling = shared_->ring.used_bytes() > shared_->ring.capacity() / 2;
    // What is not complete yet is worth a sync only to make room.
    if (record.closes || filling)
        shared_->wake(alert || filling);
    else
        shared_->urgent_unsealed |= alert;
    return {};
}

void Outbox::seal(OutputPosition position) {
    if (!shared_->ring.seal(position)) return;
    shared_->wake(shared_->urgent_unsealed);
    shared_->urgent_unsealed = false;
}

Bytes Outbox::staged_snapshot_bytes_max() const { return shared_->ring.snapshot_bytes_max(); }
void Outbox::staged_snapshot(ByteWriter& out) const { shared_->ring.snapshot(out); }

Status Outbox::restage(ByteSpan snapshot) {
    std::uint64_t oversize = 0;
    const Status restored = shared_->ring.restore(snapshot, oversize);
    if (oversize > 0) {
        shared_->dropped_oversize += oversize;
        WEIR_LOG_ERROR("outbox", "%llu staged results of the earlier run are larger than this configuration's "
                       "staging allows and are dropped", static_cast<unsigned long long>(oversize));
    }
    shared_->wake(true);
    return restored;
}

// ---- store thread ------------------------------------------------------------------------------------

void Outbox::wake() {
    {
        const std::lock_guard lock(shared_->wake_mutex);
        shared_->called = true;
    }
    shared_->wake(true);
}

void Outbox::wait(Duration limit) {
    const auto microseconds = [](Duration d) {
        return std::chrono::microseconds(std::clamp<std::int64_t>(d.us(), 0, 3600'000'000));
    };
    std::unique_lock lock(shared_->wake_mutex);
    if (!shared_->healthy) {
        // Staging wakes nobody while the medium fails; wake() for an orderly end still does.
        shared_->wake_condition.wait_for(lock, microseconds(limit), [&] { return shared_->called; });
    } else {
        shared_->wake_condition.wait_for(lock, microseconds(limit), [&] { return shared_->has_staged; });
        if (shared_->has_staged && !shared_->urgent)
            shared_->wake_condition.wait_for(lock, microseconds(options_.linger), [&] { return shared_->urgent; });
    }
    shared_->has_staged = false;
    shared_->urgent = false;
    shared_->called = false;
}

Status Outbox::commit(const FlashCheckpoint* checkpoint, CheckpointReader* reader) {
    if (store_->broken()) {
        OpenReport report;
        const Status reopened = store_->reopen(report);
        if (!reopened) {
            const std::lock_guard lock(shared_->published_mutex);
            ++shared_->counters.medium_errors;
            return reopened;
        }
        // The file may also have been set aside by an attempt before this one, which then failed.
        if (store_->state().incarnation != identity().incarnation)
            change_incarnation();
        else if (store_->damaged() > counters().set_aside)
            shared_->send.clear();  // rows that are gone stay unsent
    }
    bool more = false;
    Status status = write_transaction(checkpoint, reader, more);
    while (status && more) status = write_transaction(checkpoint, reader, more);
    raise_heap_limit();
    if (status) status = refill();
    shared_->healthy = status.ok();
    if (!status) {
        const std::lock_guard lock(shared_->published_mutex);
        ++shared_->counters.medium_errors;
    }
    publish();
    return status;
}

// From here on what the uplink says about the old incarnation's ship numbers means nothing any more.
void Outbox::change_incarnation() {
    shared_->send.clear();
    const std::lock_guard lock(shared_->published_mutex);
    const StoreState& state = store_->state();
    shared_->identity = {state.incarnation, state.epoch, state.last_ship};
    shared_->acknowledged = 0;
    shared_->rejected_count = 0;
}

// A transaction for a handful of acknowledgements would cost a sync and bring nothing: they wait for the
// next one, unless rows wait for numbers until some are free.
bool Outbox::worth_a_sync(std::uint64_t acknowledged, bool close_by) const {
    const StoreState& state = store_->state();
    if (acknowledged <= state.acknowledged) return false;
    if (close_by) return true;
    const std::uint64_t open = state.last_ship - state.acknowledged;
    const std::uint64_t settled = std::min(acknowledged, state.last_ship) - state.acknowledged;
    return settled * 2 >= open && (state.unnumbered > 0 || state.numbered_bytes * 2 >= options_.numbered_bytes_max);
}

// more: before, that the transaction before this one left some of what is staged; after, that this one has.
Status Outbox::write_transaction(const FlashCheckpoint* checkpoint, CheckpointReader* reader, bool& more) {
    OutboxStore::Work work;
    work.again = more;
    more = false;
    work.ring = &shared_->ring;
    work.staged = shared_->ring.peek();
    work.renew = shared_->renew.exchange(false);
    const bool numbers_wanted = shared_->numbers_wanted.exchange(false);
    work.greeted = shared_->greeted.exchange(false);
    work.number = !options_.number_when_welcomed || shared_->may_number;
    work.acknowledged = shared_->acknowledged;
    work.checkpoint = checkpoint;
    work.reader = reader;
    std::array<std::uint64_t, OutboxStore::condemned_max> rejected;
    {
        const std::lock_guard lock(shared_->published_mutex);
        rejected = shared_->rejected;
        work.rejected = std::span(rejected).first(shared_->rejected_count);
    }
    if (work.staged.empty() && !work.renew && !numbers_wanted && checkpoint == nullptr && work.rejected.empty() &&
        !store_->closes_group(work) && !store_->has_condemned() && !store_->is_coarsening() &&
        !(work.greeted && store_->state().unnumbered > 0) && !worth_a_sync(work.acknowledged, false))
        return {};
    const Result<OutboxStore::Done> done = store_->commit(work);
    if (!done) {
        if (work.renew) shared_->renew = true;
        if (numbers_wanted) shared_->numbers_wanted = true;
        if (work.greeted) shared_->greeted = true;
        return done.error();
    }
    if (work.renew) change_incarnation();
    shared_->ring.release(done->staged_end);
    more = done->staged_end != work.staged.end;
    if (more && work.greeted) shared_->greeted = true;
    const std::lock_guard lock(shared_->published_mutex);
    if (!work.renew) {
        const auto done_with = shared_->rejected.begin() + static_cast<std::ptrdiff_t>(work.rejected.size());
        std::copy(done_with, shared_->rejected.begin() + static_cast<std::ptrdiff_t>(shared_->rejected_count),
                  shared_->rejected.begin());
        shared_->rejected_count -= work.rejected.size();
    }
    shared_->counters.committed += done->committed;
    shared_->counters.known += done->known;
    return {};
}

Status Outbox::refill() {
    const std::uint64_t before = shared_->send.cursor().after_ship;
    if (const Status filled = store_->refill(shared_->send); !filled) return filled;
    if (store_->has_condemned()) shared_->wake(true);
    if (store_->is_coarsening()) shared_->wake(false);
    if (shared_->send.cursor().after_ship != before) {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = write(shared_->ready, &one, sizeof one);
    }
    return {};
}

Status Outbox::close() {
    Status status;
    if (!store_->broken()) {
        OutboxStore::Work work;
        work.ring = &shared_->ring;
        work.staged = shared_->ring.peek();
        work.number = !options_.number_when_welcomed || shared_->may_number;
        work.acknowledged = shared_->acknowledged;
        const bool wanted = !work.staged.empty() || store_->closes_group(work) || worth_a_sync(work.acknowledged, true);
        for (bool more = wanted; status && more;) {
            const Result<OutboxStore::Done> done = store_->commit(work);
            status = done ? Status() : Status(done.error());
            if (!done) break;
            shared_->ring.release(done->staged_end);
            more = work.again = done->staged_end != work.staged.end;
            work.staged = shared_->ring.peek();
            const std::lock_guard lock(shared_->published_mutex);
            shared_->counters.committed += done->committed;
            shared_->counters.known += done->known;
        }
        publish();
    }
    return status ? store_->close() : status;
}

void Outbox::publish() {
    const StoreState& state = store_->state();
    const FlashCounters flash = flash_counters();
    const Timestamp oldest = state.rows > 0 ? store_->oldest() : Timestamp();
    const std::lock_guard lock(shared_->published_mutex);
    shared_->identity = {state.incarnation, state.epoch, state.last_ship};
    shared_->committed = state.output;
    OutboxCounters& counters = shared_->counters;
    counters.flash_bytes = flash.written_bytes;
    counters.flash_syncs = flash.syncs;
    counters.dropped_full_results = state.dropped_results;
    counters.dropped_full_alerts = state.dropped_alerts;
    counters.refused_full = state.refused;
    counters.set_aside = store_->damaged();
    counters.salvaged_rows = store_->salvaged_rows();
    counters.given_up_rows = store_->given_up_rows();
    counters.merged = state.merged;
    counters.corrupt_rows = store_->corrupt_rows();
    counters.oversize_rows = store_->oversize_rows();
    shared_->row_bytes_max = store_->row_bytes_max();
    counters.rows = state.rows;
    counters.oldest = oldest;
    counters.used_bytes = store_->used_bytes();
}

// ---- uplink thread -----------------------------------------------------------------------------------

std::size_t Outbox::next(const Incarnation& incarnation, std::uint64_t after_ship, std::span<ShipRow> rows,
                         MutableByteSpan space) {
    const OutboxIdentity now = identity();
    if (now.incarnation != incarnation) return 0;
    std::uint64_t signals = 0;
    [[maybe_unused]] const ssize_t emptied = read(shared_->ready, &signals, sizeof signals);
    const SendBuffer::Taken taken = shared_->send.take(after_ship, rows, space);
    if (taken.wants_more) {
        const std::uint64_t loaded = shared_->send.cursor().after_ship;
        if (loaded < now.last_ship) shared_->wake(true);
    }
    return taken.rows;
}

void Outbox::acknowledge(const Incarnation& incarnation, std::uint64_t ship) {
    {
        const std::lock_guard lock(shared_->published_mutex);
        const std::uint64_t before = shared_->acknowledged;
        if (shared_->identity.incarnation != incarnation || ship <= before) return;
        shared_->acknowledged = ship;
        shared_->counters.acknowledged += ship - before;
    }
    shared_->wake(false);
}

bool Outbox::reject(const Incarnation& incarnation, std::uint64_t ship) {
    {
        const std::lock_guard lock(shared_->published_mutex);
        if (shared_->identity.incarnation != incarnation) return true;
        const auto all = std::span(shared_->rejected).first(shared_->rejected_count);
        if (std::find(all.begin(), all.end(), ship) == all.end()) {
            if (all.size() == shared_->rejected.size()) return false;
            shared_->rejected[shared_->rejected_count++] = ship;
            ++shared_->counters.rejected_rows;
        }
    }
    shared_->wake(true);
    return true;
}

void Outbox::welcomed() {
    shared_->greeted = true;
    if (options_.number_when_welcomed && !shared_->may_number.exchange(true)) shared_->numbers_wanted = true;
    shared_->wake(true);
}

void Outbox::renew_incarnation() {
    shared_->renew = true;
    shared_->wake(true);
}

int Outbox::ready_descriptor() const { return shared_->ready; }

// ---- any thread --------------------------------------------------------------------------------------

OutboxIdentity Outbox::identity() const {
    const std::lock_guard lock(shared_->published_mutex);
    return shared_->identity;
}

Bytes Outbox::row_bytes_max() const {
    const std::lock_guard lock(shared_->published_mutex);
    return shared_->row_bytes_max;
}

OutputPosition Outbox::committed_position() const {
    const std::lock_guard lock(shared_->published_mutex);
    return shared_->committed;
}

OutboxCounters Outbox::counters() const {
    OutboxCounters counters;
    {
        const std::lock_guard lock(shared_->published_mutex);
        counters = shared_->counters;
    }
    counters.staged = shared_->staged;
    counters.dropped_staging_results = shared_->dropped_results;
    counters.dropped_staging_alerts = shared_->dropped_alerts;
    counters.dropped_oversize = shared_->dropped_oversize;
    counters.staged_bytes = shared_->ring.used_bytes();
    counters.staging_results_bytes = shared_->ring.results_capacity();
    return counters;
}

}  // namespace weir
