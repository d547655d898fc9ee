// The outbox's file: schema, transactions, and what to do when it is damaged. Used by one thread.
//
//   state(id = 1, bytes)             all counters in one row: StoreState below, with a CRC-32C
//   row(id, epoch, crc, grp, start, size, missing, bytes)
//                                    id = class << 60 | running number: alerts (0) sort before results (1); what is
//                                    between crc and bytes is for coarsener.h, of rows that it may merge
//                                    results lie in stretches of running numbers, far apart: see Stretch
//   revised                          index of those that are revisions
//   ship(ship, row, size, crc)       the numbered rows; within a class rows are numbered in order of id
//   frontier(definition, partition, end, crc)
//   pending(definition, partition, end, crc)  frontiers of rows whose group is not complete
//   chunk(n, hash, bytes)            the flash checkpoint in pieces of one page each
//
// user_version is the schema's version, application_id says that the file is ours.
// Memory: need() for the checkpoint's piece hashes; SQLite's. Cost: commit() one transaction.
// Threads: one owner. Errors: as Database; after any error broken() is true and reopen() comes next.
#pragma once

#include <array>
#include <optional>
#include <span>

#include "agent/base/arena.h"
#include "agent/base/entropy.h"
#include "agent/base/files.h"
#include "uplink/coarsener.h"
#include "uplink/database.h"
#include "uplink/outbox.h"
#include "uplink/send_buffer.h"
#include "uplink/staging_ring.h"

namespace weir {

// Results by running number, in the order in which they came. A Welcome that finds results without a number begins a new
// one: its rows, which are fresh, get numbers before those of the earlier ones, the backlog, which go oldest first. What must
// not overtake (revisions, retractions) lies in one of its own while there is backlog, and gets its numbers last of all.
struct Stretch {
    std::uint64_t first = 0;     // rows are behind this one
    std::uint64_t numbered = 0;
    std::uint64_t sealed = 0;    // rows up to here are complete; if a group is open, those behind are its beginning
    std::uint64_t last = 0;
};

// What the state row holds, all of it changed only together with what it describes.
struct StoreState {
    Incarnation incarnation{};
    std::uint64_t epoch = 0;
    OutputPosition output;           // greatest (epoch, sequence) ever taken
    std::uint64_t last_ship = 0;
    std::uint64_t acknowledged = 0;  // and deleted
    std::uint64_t last_alert = 0;    // running numbers of the classes
    std::uint64_t numbered_alert = 0;
    Stretch results;                 // the newest
    static constexpr std::size_t backlog_max = 4;
    std::array<Stretch, backlog_max> backlog{};  // oldest first
    std::uint64_t backlog_count = 0;
    Stretch revisions;               // all zero without a backlog
    std::uint64_t rows = 0;
    std::uint64_t unnumbered = 0;
    std::uint64_t numbered_bytes = 0;
    std::uint64_t dropped_results = 0;
    std::uint64_t dropped_alerts = 0;
    std::uint64_t refused = 0;
    std::uint64_t has_checkpoint = 0;
    FlashCheckpointInfo checkpoint;
    std::uint64_t checkpoint_crc = 0;
    std::uint64_t record_bytes_max = 0;  // the largest record ever taken
    std::uint64_t sealed_alert = 0;  // as Stretch::sealed
    std::uint64_t group_is_open = 0;
    std::uint64_t merged = 0;

    // Where a result's running number lies; null: none like it was given.
    const Stretch* find(std::uint64_t number) const {
        const auto has = [number](const Stretch& stretch) { return number > stretch.first && number <= stretch.last; };
        for (const Stretch& stretch : waiting())
            if (has(stretch)) return &stretch;
        return has(results) ? &results : has(revisions) ? &revisions : nullptr;
    }
    std::span<Stretch> waiting() { return std::span(backlog).first(static_cast<std::size_t>(backlog_count)); }
    std::span<const Stretch> waiting() const { return std::span(backlog).first(static_cast<std::size_t>(backlog_count)); }
};

class OutboxStore {
public:
    // The piece that fills one leaf page with its row's header.
    static constexpr Bytes chunk_bytes = 4000;
    // Rows to be deleted unsent that are remembered between two commits.
    static constexpr std::size_t condemned_max = 64;

    static Bytes need(const OutboxOptions& options);
    // The least bytes_max with which these options leave room for rows.
    static Bytes file_bytes_min(const OutboxOptions& options);
    OutboxStore(const OutboxOptions& options, Arena& arena, Files& files, Entropy& entropy);

    Status open(OpenReport& report);
    bool broken() const { return database_ == nullptr; }
    // After an error: opens again; a file that is damaged is set aside.
    Status reopen(OpenReport& report);
    Status close();

    Result<std::uint64_t> begin_epoch();
    Result<std::vector<Frontier>> frontiers();
    Status read_checkpoint(MutableByteSpan out);

    struct Work {
        const StagingRing* ring = nullptr;
        StagingRing::Range staged;
        std::uint64_t acknowledged = 0;
        bool renew = false;
        bool number = true;  // rows may be given ship numbers
        bool greeted = false;  // a Welcome came: what waits is backlog
        std::span<const std::uint64_t> rejected;  // ship numbers: rows that the uplink cannot render
        const FlashCheckpoint* checkpoint = nullptr;
        CheckpointReader* reader = nullptr;
        bool again = false;  // rows were left by the transaction before
    };
    struct Done {
        std::uint64_t committed = 0;
        std::uint64_t known = 0;
        // Staged rows up to here; those behind, and the checkpoint, are for another transaction, which has room for them once
        // more has been coarsened than one transaction may.
        std::uint64_t staged_end = 0;
    };
    Result<Done> commit(const Work& work);
    // Whether it completes the group whose beginning is on flash. A seal lies at the end of a group, so one at or beyond
    // the last row is beyond that group.
    bool closes_group(const Work& work) const { return closes_group(work, state_); }
    // Rows after the cursor into the buffer, checked. Damaged ones, and those larger than the buffer, are
    // counted, passed over, and deleted by the next commit.
    Status refill(SendBuffer& buffer);
    bool has_condemned() const { return condemned_count_ > 0; }
    // More to make room for than one commit does.
    bool is_coarsening() const { return coarsening_; }
    // What a row can measure that refill() lets through.
    Bytes row_bytes_max() const;

    // ---- what the file's bytes mean, for those who read it without opening it for work: outbox_reader.h ----
    static int application();  // the application_id of a file of ours
    static int newest_schema();
    static Result<StoreState> read_state(ByteSpan bytes);
    static std::uint32_t checksum_of_row(std::int64_t id, std::uint64_t epoch, ByteSpan record);
    static std::uint32_t checksum_of_frontier(const Frontier& frontier);
    static std::uint32_t checksum_of_ship(std::uint64_t ship, std::int64_t row);
    // A class' rows have ids behind first and before end: first and its running number.
    struct Ids {
        std::int64_t first;
        std::int64_t end;
    };
    static Ids ids_of(bool alerts);

    const StoreState& state() const { return state_; }
    std::uint64_t corrupt_rows() const { return corrupt_rows_; }
    std::uint64_t damaged() const { return damaged_; }
    std::uint64_t salvaged_rows() const { return salvaged_rows_; }
    std::uint64_t given_up_rows() const { return given_up_rows_; }
    std::uint64_t oversize_rows() const { return oversize_rows_; }
    Bytes used_bytes() const { return used_pages_ * Database::page_bytes; }
    // End of the first alert or the first result that waits, whichever is earlier; the epoch: none, or it cannot be read.
    Timestamp oldest();

private:
    struct Statements {
        Statement save_state, insert_row, delete_row, first_row_after, first_bytes_after, row_size;
        Statement insert_ship, delete_ship, delete_shipped_rows, delete_ships, sum_ships, first_ship_of_class, ships_after;
        Statement find_ship, delete_orphans, count_rows, sum_rows;
        Statement move_frontier, move_pending, settle_pending, forget_pending, delete_rows_between;
        Statement put_chunk, delete_chunks, page_count, freelist_count;
    };

    Status open_once(OpenReport& report);
    Status create();
    Status add_columns();
    Status seal_frontiers();
    Status prepare();
    Status load_state();
    Status migrate();
    void condemn(std::uint64_t ship, const char* why, std::uint64_t& counter);
    void forgive();
    Status delete_ship(std::uint64_t ship);
    Status delete_unsent(const Work& work, StoreState& state);
    Status load_chunk_hashes();
    Status save_state(const StoreState& state);
    Status set_aside(const std::string& suffix, const std::string& reason, OpenReport& report);
    class Salvage;
    Status replace_damaged(OpenReport& report);
    Status salvage(OpenReport& report);
    void mend_first_page(const std::string& path);
    Status settle(Status status);      // COMMIT if all went well; an error breaks the store
    Status break_down(Status status);  // closes; reopen() comes next

    Status fill_transaction(const Work& work, StoreState& state, Done& done);
    // Whether some of what is staged may have to wait for another transaction.
    bool may_leave(const Work& work) const;
    Status take_staged(const Work& work, StoreState& state, Done& done);
    Status renew(StoreState& state);
    Status delete_acknowledged(std::uint64_t ship, StoreState& state);
    enum class Room { there, later, none };
    Result<Room> make_room(const StagedRecord& record, bool may_leave, StoreState& state);
    Status take(const StagedRecord& record, bool sealed, bool room, StoreState& state);
    Status insert(const StagedRecord& record, StoreState& state);
    Status move_frontier(const StagedRecord& record, bool sealed);
    static bool closes_group(const Work& work, const StoreState& state) {
        return state.group_is_open != 0 && work.staged.sealed >= state.output;
    }
    Status close_group(StoreState& state);
    Status forget_group(StoreState& state);
    Status end_group(StoreState& state);  // what lies behind is no longer open
    Status expect_sound();
    Status number_rows(StoreState& state);
    Result<bool> number_result(Stretch& stretch, StoreState& state);
    void begin_stretch(StoreState& state) const;
    Result<bool> number_backlog(StoreState& state);
    Result<bool> number_next(std::int64_t from, std::int64_t to, std::uint64_t& numbered, StoreState& state);
    Status write_checkpoint(const FlashCheckpoint& checkpoint, StoreState& state);

    Result<Bytes> count_used_pages();
    Result<bool> has_room(Bytes record_bytes, bool alert);
    // Pages that rows may take, and those that they take.
    Bytes row_pages_max() const;
    Bytes row_pages() const;
    std::span<const Coarsener::Range> ranges(const StoreState& state);
    Status coarsen(std::uint64_t rows, StoreState& state);
    Result<bool> coarsen_for_room(StoreState& state);
    Result<std::uint64_t> content_bytes();
    Status merge_rows(StoreState& state, std::uint64_t& content);
    Result<bool> repack_rows(StoreState& state);
    Result<bool> drop_oldest(StoreState& state);
    Result<bool> drop_unnumbered(std::int64_t from, std::int64_t to, std::uint64_t& numbered, StoreState& state);
    Result<bool> drop_numbered(bool alerts, StoreState& state);

    OutboxOptions options_;
    Files& files_;
    Entropy& entropy_;
    std::span<std::uint64_t> chunk_hashes_;  // of the committed checkpoint; 0: not there
    std::unique_ptr<Database> database_;
    std::optional<Statements> sql_;
    Coarsener coarsener_;
    bool coarsening_ = false;
    bool got_ahead_ = false;  // this transaction has made something coarser, or given pages back
    std::uint64_t content_goal_ = 0;  // in twentieths of the pages that rows may take
    std::array<Coarsener::Range, StoreState::backlog_max + 1> ranges_{};
    StoreState state_;  // as committed
    unsigned damage_met_ = 0;    // by commits, one after the other
    bool replacing_ = false;     // a damaged file has been set aside, and its place is not taken yet
    std::optional<StoreState> before_damage_;  // as this process knew it
    std::uint64_t damaged_ = 0;  // files, while running
    std::uint64_t salvaged_rows_ = 0;
    std::uint64_t given_up_rows_ = 0;
    static constexpr unsigned unread_max = 30;  // tries, about a second apart
    unsigned unread_ = 0;  // times in a row that reading all of it failed
    bool known_before_ = false;  // state_ was read or made by this process already
    Bytes used_pages_ = 0;
    Bytes room_margin_pages_;
    std::uint64_t corrupt_rows_ = 0;
    std::uint64_t oversize_rows_ = 0;
    std::array<std::uint64_t, condemned_max> condemned_{};  // ship numbers, rising
    std::size_t condemned_count_ = 0;
    std::uint64_t last_condemned_ship_ = 0;  // of this incarnation: each is said and counted once
};

}  // namespace weir
