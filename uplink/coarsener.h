// Makes room in an outbox that is filling up: neighbouring results of one window and key become one, longer one, so
// that an outage costs resolution and not data.
//
// Passes over the rows that may still be changed, oldest first. Each has a quantum, a span of time: results of one group
// whose starts fall into the same quantum (as far as it is a power of two times the window's size) become one. All pairs
// of the finest results come before any longer ones: the next pass takes the least quantum at which two neighbours meet.
// What came in since goes through the finer passes first, alone. A pass remembers of each group the row that it met last,
// in a table; where groups share a place there one is passed over, and other groups share it with the next pass.
// Only rows without a number, of sealed groups, that are final: no revision of them can come any more.
// Rows that become fewer and longer in place leave pages half empty: repack() writes neighbouring rows once more, so that
// pages are given back before more is merged than the bytes demand.
//
// Memory: need(): 24 bytes a place of the table, two a group, a record, and 32 KiB. Cost: work() is bounded by its
// allowance: a row looked at costs 1, a merge 16; both by the bytes they rewrite in a transaction. Threads: the store
// thread's. Errors: of the database; a row that cannot be merged stays.
// Source: as log-structured merge trees compact by levels (O'Neil et al., 1996), in place.
#pragma once

#include <optional>
#include <span>

#include "agent/base/arena.h"
#include "agent/base/row_merger.h"
#include "uplink/database.h"
#include "uplink/outbox.h"

namespace weir {

class Coarsener {
public:
    static Bytes need(const OutboxOptions& options);
    // Of the log, what one transaction's work can add.
    static Bytes rewritten_bytes_max(const OutboxOptions& options);
    Coarsener(const OutboxOptions& options, Arena& arena);

    bool is_on() const { return merger_ != nullptr; }
    Status prepare(Database& database);
    void close();   // the database is gone, or its last transaction: nothing that was seen is believed
    // What a new row's columns hold.
    std::optional<RowMerger::Head> head(ByteSpan row) { return merger_ ? merger_->head(row) : std::nullopt; }
    void inserted() { ++new_rows_; }
    // A transaction begins: its allowance of bytes is whole again.
    void begin() { rewritten_ = 0; }
    bool has_allowance() const { return rewritten_ < rewritten_max_; }

    // The pass that was not ended is given up for what has come since.
    void begin_with_finest() { in_pass_ = false; }

    // Rows with these ids may be merged, behind first, up to last: those of one range with each other, since what
    // lies between two ranges has been sent.
    struct Range {
        std::int64_t first = 0;
        std::int64_t last = 0;
    };
    struct Done {
        std::uint64_t merged = 0;     // rows that are no more
        std::uint64_t freed = 0;      // bytes of rows
        std::uint64_t largest = 0;    // of what was written, bytes
        bool exhausted = false;       // nothing is left to merge but what may come
    };
    // Until the allowance is used up, or nothing is left to do.
    // REQUIRES: ranges are there, and rise.
    Result<Done> work(std::span<const Range> ranges, std::uint64_t allowance);
    // Writes some rows behind the last ones once more; false: there are no more, the next call begins anew.
    Result<bool> repack(std::span<const Range> ranges);
    // Whether another call of work() would find anything.
    bool may_work(std::uint64_t rows) const { return is_on() && (!exhausted_ || new_rows_ * 16 >= rows); }
    void restart();  // the outbox is empty again: the finest first

    static std::uint32_t row_crc(std::int64_t id, std::uint64_t epoch, ByteSpan bytes);

private:
    struct Seen {  // the row of a group that the pass has met last
        std::uint64_t group = 0;
        std::int64_t unit = 0;  // of the window's size, since the epoch
        std::int64_t id = 0;
    };
    struct Row {
        std::int64_t id = 0;
        std::uint64_t epoch = 0;
        ByteSpan bytes;
        RowMerger::Head head;
    };
    struct Statements {
        Statement next, get_first, get_second, replace, remove, next_revision, frontier;
        Statement rows_behind, remove_between, insert;
    };
    struct Packed;
    void begin_pass(std::int64_t quantum, std::int64_t from, std::span<const Range> ranges);
    std::int64_t enter_range(std::span<const Range> ranges);
    void end_pass();
    Status look(const Seen& row, std::int64_t size, Done& done);
    Status join(const Seen& first, const Seen& second, Done& done);
    Status get(Statement& statement, std::int64_t id, std::uint64_t group, Row& row);
    Status is_final(const RowMerger::Head& head);
    Status settle_revisions(Row& row, Done& done);
    Status put(const Row& first, const Row& second, Done& done);
    Seen& place_of(std::uint64_t group);

    RowMerger* const merger_;
    const Bytes rewritten_max_;
    std::span<Seen> table_;
    std::span<std::byte> out_;
    std::span<std::byte> packing_;
    std::span<Packed> packed_;
    std::int64_t packed_id_ = 0;       // rows up to here have been repacked
    std::optional<Statements> sql_;

    bool in_pass_ = false;
    std::int64_t quantum_ = 0;         // of this pass; 0: it only looks
    std::int64_t first_ = 0;           // rows up to here have numbers, or are of another range
    std::int64_t at_ = 0;              // the last id that it has seen
    std::int64_t end_ = 0;             // and the last that it will see
    bool whole_ = false;               // it began at the first row of all
    std::int64_t next_quantum_ = 0;    // the least that would join two neighbours which this one did not; 0: none
    std::uint64_t merges_ = 0;
    std::uint64_t collisions_ = 0;     // in the table
    unsigned fruitless_ = 0;           // passes with nothing but collisions
    std::uint64_t salt_ = 0;
    std::int64_t settled_id_ = 0;      // rows up to here have been through all passes up to
    std::int64_t settled_quantum_ = 0; // this one
    bool exhausted_ = false;
    std::uint64_t new_rows_ = 0;       // since the last whole pass that found nothing
    Bytes rewritten_ = 0;
};

}  // namespace weir
