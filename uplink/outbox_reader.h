// An outbox's file as it lies there, for those who only look: `weir state`, and the outbox itself when it saves what can
// be saved of a damaged file. Never writes: without a log beside it the file is opened as one that nobody changes; with
// one the log is read into memory and left alone (a running agent's file is Error::busy).
// Every row and counter is checked; where the file's structure is damaged, reading goes on behind the place.
// Memory: cache_bytes and SQLite's. Cost: each_row() one pass over the rows. Threads: one owner.
// Errors: open(): missing, busy, io, corrupt (no database, or none of ours), unsupported (of a newer version).
// Source: the schema in outbox_store.h.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "uplink/database.h"
#include "uplink/outbox_store.h"

namespace weir {

class OutboxReader {
public:
    struct Row {
        bool alert = false;
        std::uint64_t number = 0;  // running, of its class; rising in time
        std::uint64_t epoch = 0;
        std::uint64_t ship = 0;    // 0: none yet
        ByteSpan record;           // until the function returns
    };
    struct Rows {
        std::uint64_t sound = 0;
        std::uint64_t damaged = 0;     // their checksum does not hold
        std::uint64_t unreadable = 0;  // places where the file's structure is damaged
    };

    static Result<std::unique_ptr<OutboxReader>> open(const std::string& path, Bytes cache_bytes);

    // Without one nothing is known of the rows: which had gone out, which numbers were given.
    const std::optional<StoreState>& state() const { return state_; }
    // Rows whose checksum holds, alerts first, in the order in which they came. A failure of taker ends it.
    Result<Rows> each_row(const std::function<Status(const Row&)>& taker);
    struct Frontiers {
        std::vector<Frontier> emitted;
        std::vector<Frontier> pending;  // of a group that is not complete
        bool whole = true;
    };
    Frontiers frontiers();
    // The flash checkpoint's bytes in pieces; taker has had them when the end says what they are worth. Error::missing:
    // there is none; Error::corrupt: its checksum does not hold.
    Status each_chunk(const std::function<Status(ByteSpan)>& taker);
    Result<std::string> checkpoint();
    // PRAGMA quick_check: what is wrong, or nothing.
    std::string structure();

private:
    explicit OutboxReader(std::unique_ptr<Database> database) : database_(std::move(database)) {}
    Status read_state();
    Status each_of_class(bool alert, const std::function<Status(const Row&)>& taker, Rows& rows);
    bool read_frontiers(const std::string& table, std::vector<Frontier>& into);

    std::unique_ptr<Database> database_;
    std::optional<StoreState> state_;
};

}  // namespace weir
