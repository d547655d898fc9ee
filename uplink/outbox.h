// Results on flash until the bridge has them, and the flash checkpoint beside them: one SQLite file.
//
// Three threads meet here. The engine thread stages records into a bounded ring in memory and never
// waits for a disk. The store thread writes what is staged, in order, and numbers rows for shipping: a
// row's ship number is committed before the row can be sent and the row is frozen from then on. The
// uplink thread takes numbered rows from a bounded send buffer and acknowledges them; acknowledged rows
// are deleted by the next commit.
//
// What a commit writes is one transaction: staged rows, ship numbers, the greatest (epoch, sequence) and
// the emission frontiers, and a checkpoint if one is given. Rows at or below the greatest (epoch,
// sequence) are ignored, so a replay after a crash stages again what it likes.
//
// Memory: need() from the arena, and sqlite_bytes(), a hard limit for SQLite in this process. The file
// never grows beyond bytes_max; its write-ahead log lies beside it and stays below wal_bytes().
// Cost: stage() one copy under a short lock; commit() one sync. No lock is held across a sync.
// Threads: as above; each member says whose it is.
// Errors: stage() full. After any error of the medium the file's state is unknown: it is closed and
// opened again by the next commit(), staged records wait meanwhile; alerts have staging room of their
// own. A damaged file, or one of a newer version, is set aside (NAME.damaged, NAME.newer) and a new one
// begun: with what could be saved of the damaged one, under the same incarnation if that is known (outbox_salvage.cc
// says which rows, and why none of them goes out twice), else with a new one. Every row carries a CRC-32C, checked
// before it is sent; rows that cannot be sent are deleted and counted.
// Source: own schema, described in outbox_store.h; sqlite.org/wal.html.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/bytes.h"
#include "agent/base/entropy.h"
#include "agent/base/files.h"
#include "agent/base/record.h"
#include "agent/base/result.h"
#include "agent/base/row_merger.h"
#include "uplink/wire.h"

namespace weir {

// What happens when the file is full; with a merger, when coarsening could not prevent that.
enum class OnFull : std::uint8_t {
    drop_oldest,  // the oldest unnumbered results go, then numbered ones, alerts last; counted
    stop,         // new results are refused and counted; alerts go on
};

struct OutboxOptions {
    std::string path;  // STATE/weir.db
    Bytes bytes_max = Bytes{32} << 20;
    OnFull on_full = OnFull::drop_oldest;
    // Beyond four fifths of bytes_max neighbouring results become one (coarsener.h), until it is down to seven tenths.
    bool coarsen = false;
    RowMerger* merger = nullptr;    // by this one, which outlives the outbox
    std::size_t groups_max = 0;     // of windows and keys that have results at once, about
    Bytes record_bytes_max = Bytes{64} << 10;    // an encoded record; larger ones are refused and counted
    Bytes staging_bytes = Bytes{256} << 10;      // at least 2 x record_bytes_max
    Bytes send_bytes = Bytes{128} << 10;         // at least record_bytes_max + 64; bounds the rows that can be read
    Bytes numbered_bytes_max = Bytes{256} << 10; // frozen and not yet acknowledged, about
    Bytes backlog_bytes_max = Bytes{256} << 10;  // of these for what waited before the last Welcome: fresh results come behind it
    Bytes checkpoint_bytes_max = 0;              // largest flash checkpoint; room for it is reserved
    std::uint32_t frontiers_max = 1024;          // (definition, partition) pairs; room is reserved
    Bytes cache_bytes = Bytes{256} << 10;        // SQLite's page cache
    Duration linger = Duration::millis(200);     // how long results gather for one commit; alerts do not wait
    // No ship numbers before welcomed(): a bridge may know numbers that this state, an old copy, never gave.
    bool number_when_welcomed = false;
};

// A record as the engine thread hands it over; bytes are as encode() of agent/base/record.h wrote them.
struct StagedRecord {
    RecordKind kind = RecordKind::result;
    std::uint64_t epoch = 0;
    std::uint64_t sequence = 0;
    std::uint64_t definition = 0;
    std::uint64_t partition = 0;
    Timestamp end;
    // Whether nothing more belongs to it. Else seal() says when its group is complete (all that one message or tick
    // made the engine emit): until then its rows are not numbered and move no frontier, whatever commits come between,
    // and a new epoch forgets them. So a power cut finds a group emitted whole or not at all.
    bool closes = true;
    // It says something of an identity that was said before (a revision, a retraction): it does not overtake what waits.
    bool revises = false;
    ByteSpan bytes;
};

// How far the output of an epoch has come.
struct OutputPosition {
    std::uint64_t epoch = 0;
    std::uint64_t sequence = 0;
    friend constexpr auto operator<=>(const OutputPosition&, const OutputPosition&) = default;
};

// Nothing of this window and partition that ends at or before end is emitted again.
struct Frontier {
    std::uint64_t definition = 0;
    std::uint64_t partition = 0;
    Timestamp end;
};

struct FlashCheckpointInfo {
    OutputPosition output;  // the last result that the state has emitted
    std::uint64_t journal_position = 0;
    std::uint64_t format = 0;  // of the state's bytes
    std::uint64_t plan = 0;    // hash of the configuration and the binary that the state belongs to
    Bytes size = 0;
};
struct FlashCheckpoint {
    FlashCheckpointInfo info;  // its size is taken from bytes
    ByteSpan bytes;
};

// Told, on the store thread and in the midst of commit(), that a checkpoint's bytes have been copied and are
// not read any more: whoever made them may write over them while the medium syncs. That says nothing of
// success: the checkpoint is stored only if commit() says so, else another one is needed.
class CheckpointReader {
public:
    virtual ~CheckpointReader() = default;
    // REQUIRES: does not call the outbox, does not wait.
    virtual void bytes_taken() = 0;
};

// A row on its way to the bridge.
struct ShipRow {
    std::uint64_t ship = 0;
    std::uint64_t epoch = 0;
    ByteSpan record;  // for decode_record()
};

struct OutboxIdentity {
    Incarnation incarnation{};
    std::uint64_t epoch = 0;      // greatest begun
    std::uint64_t last_ship = 0;  // greatest ship number given
};

// What a span of time brings, for the plan's flash figure.
struct FlashLoad {
    std::uint64_t commits = 0;
    std::uint64_t rows = 0;
    std::uint64_t row_bytes = 0;         // all rows together
    std::uint64_t checkpoint_bytes = 0;  // that change, all checkpoints together
    std::uint64_t coarsened_rows = 0;    // of the rows: those that come while the outbox is full, and may be merged
};

// What open() found.
struct OpenReport {
    bool fresh = false;      // a new file, hence a new incarnation
    bool set_aside = false;  // there was one that could not be used; where it is now and why:
    std::string set_aside_path;
    std::string reason;
    std::uint64_t salvaged = 0;  // of its rows: taken over, with their numbers and the incarnation
    std::uint64_t given_up = 0;  // of its rows: neither delivered nor taken over
    std::uint64_t rows = 0;      // waiting to be delivered
};

struct OutboxCounters {
    // Since this process started.
    std::uint64_t staged = 0;
    std::uint64_t known = 0;              // staged again after a crash and ignored
    std::uint64_t committed = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t dropped_staging_results = 0;  // the ring was full: the medium is too slow or gone
    std::uint64_t dropped_staging_alerts = 0;
    std::uint64_t dropped_oversize = 0;
    std::uint64_t medium_errors = 0;      // I/O errors and full media; each led to a reopening
    std::uint64_t set_aside = 0;          // damaged while running
    std::uint64_t salvaged_rows = 0;      // of files set aside, by this process, at its start or since
    std::uint64_t given_up_rows = 0;
    std::uint64_t corrupt_rows = 0;       // failed their checksum; deleted, never sent
    std::uint64_t oversize_rows = 0;      // of an earlier configuration, beyond send_bytes; deleted, never sent
    std::uint64_t rejected_rows = 0;      // that the uplink could not render: reject(); deleted
    std::uint64_t flash_bytes = 0;        // written to the file and its log
    std::uint64_t flash_syncs = 0;
    // Since the file was made.
    std::uint64_t dropped_full_results = 0;  // drop_oldest
    std::uint64_t dropped_full_alerts = 0;
    std::uint64_t refused_full = 0;          // stop
    std::uint64_t merged = 0;                // results that became part of another: coarsened, or superseded by a revision
    // Now.
    std::uint64_t rows = 0;
    Bytes used_bytes = 0;  // pages in use, of bytes_max
    Bytes staged_bytes = 0;
    Bytes staging_results_bytes = 0;  // what results may take of the ring; the rest is for alerts
    Timestamp oldest;      // end of the oldest record that waits, as far as is known without reading all; the epoch: none
};

class OutboxStore;

class Outbox {
public:
    static Bytes need(const OutboxOptions& options);
    static Bytes sqlite_bytes(const OutboxOptions& options);
    static Bytes wal_bytes(const OutboxOptions& options);
    // The staging_bytes with which so many results of at most so many encoded bytes fit between two commits.
    static Bytes staging_need(std::size_t records, Bytes encoded_bytes_each);
    // Bytes that a load writes to flash, log and file together; for the plan.
    static std::uint64_t flash_bytes(const FlashLoad& load);

    // files, entropy and the arena's memory outlive the outbox. Errors: busy (another agent has this
    // state), io, no_space, invalid (options that contradict each other).
    static Result<std::unique_ptr<Outbox>> open(const OutboxOptions& options, Arena& arena, Files& files,
                                                Entropy& entropy, OpenReport& report);
    ~Outbox();
    Outbox(const Outbox&) = delete;
    Outbox& operator=(const Outbox&) = delete;

    // ---- at start-up, before the threads --------------------------------------------------------
    // The next epoch, durable when it returns.
    Result<std::uint64_t> begin_epoch();
    Result<std::vector<Frontier>> frontiers();
    // Error::missing: none. Error::corrupt: its checksum does not hold.
    Result<FlashCheckpointInfo> checkpoint_info();
    // REQUIRES: out.size() == info.size.
    Status read_checkpoint(MutableByteSpan out);

    // ---- engine thread --------------------------------------------------------------------------
    // Positions must rise from call to call. Error::full or out_of_range: dropped, and counted.
    Status stage(const StagedRecord& record);
    // Everything up to here is complete: see StagedRecord::closes. Positions never fall.
    void seal(OutputPosition position);
    // All that is staged and not committed, for the crash checkpoint; restage() takes it back.
    Bytes staged_snapshot_bytes_max() const;
    void staged_snapshot(ByteWriter& out) const;
    // A snapshot may come from a larger ring. Error::full: as much was taken as fits; call commit() and then
    // restage() with the same snapshot again, until it is taken whole (each round takes some: what has been
    // taken is passed over). While commit() fails it stays full: give up, or wait for the medium. A record
    // that this ring never fits is dropped, counted as dropped_oversize, and said. Error::invalid or
    // unsupported: no snapshot of ours, nothing was taken.
    // REQUIRES: before the first stage(). While the store thread does not run yet, the caller may commit().
    Status restage(ByteSpan snapshot);

    // ---- store thread ---------------------------------------------------------------------------
    // Returns when there is something for commit() to do (an alert at once, results when they have
    // lingered), or after limit. After a failed commit() it waits out the limit, so a loop of wait and
    // commit does not spin on a broken medium.
    void wait(Duration limit);
    // Ends a wait() from any thread.
    void wake();
    // Writes everything staged, deletes what is acknowledged, numbers rows, refills the send buffer. No
    // transaction (and no sync) if only a few acknowledgements are new.
    // reader hears once when the checkpoint's bytes are taken, before the sync; if an error comes first it
    // hears nothing, and they are not read after commit() has returned.
    Status commit(const FlashCheckpoint* checkpoint = nullptr, CheckpointReader* reader = nullptr);
    // Brings the log into the file; at an orderly end, after the last commit.
    Status close();

    // ---- uplink thread --------------------------------------------------------------------------
    // Rows with numbers above after_ship, rising, holes possible; their records lie in space. Returns
    // how many, 0 if none is at hand (the store thread is told to fetch them).
    // A row larger than all of space (an earlier configuration had larger records: row_bytes_max()) comes
    // alone and without its record.
    // Incarnations keep a session of old numbers from touching new ones: another one gets nothing.
    std::size_t next(const Incarnation& incarnation, std::uint64_t after_ship, std::span<ShipRow> rows,
                     MutableByteSpan space);
    // Everything up to ship has reached Kafka.
    void acknowledge(const Incarnation& incarnation, std::uint64_t ship);
    // A row that cannot be rendered, and never will be by this build: deleted by the next commit and
    // counted; send what comes after it. false: too many wait for that commit; come again with the same row.
    bool reject(const Incarnation& incarnation, std::uint64_t ship);
    // The bridge has said how far it knows this incarnation, and that is no news: rows may be given numbers. What waits now
    // and does not get one at once is backlog: what comes after it goes first.
    void welcomed();
    // The bridge knows more of this incarnation than we do: an old copy of the state was put back.
    // The store thread takes a new incarnation with its next commit; see identity().
    void renew_incarnation();
    // Becomes readable when next() may have rows; for poll(). Emptied by next().
    int ready_descriptor() const;

    // ---- any thread -----------------------------------------------------------------------------
    OutboxIdentity identity() const;
    // The largest row that next() can bring: record_bytes_max, or more if this file has ever taken larger
    // ones and send_bytes has room for them (SQLite's limit is raised by as much at open()).
    Bytes row_bytes_max() const;
    OutputPosition committed_position() const;
    OutboxCounters counters() const;

private:
    struct Shared;
    Outbox(const OutboxOptions& options, Arena& arena);
    Status write_transaction(const FlashCheckpoint* checkpoint, CheckpointReader* reader, bool& more);
    Status refill();
    void change_incarnation();
    void raise_heap_limit();
    bool worth_a_sync(std::uint64_t acknowledged, bool close_by) const;
    void publish();

    OutboxOptions options_;
    Bytes heap_raised_ = 0;              // beyond sqlite_bytes(): raise_heap_limit()
    std::unique_ptr<Shared> shared_;     // what the threads share, behind short locks
    std::unique_ptr<OutboxStore> store_; // the store thread's alone, after start-up
};

}  // namespace weir
