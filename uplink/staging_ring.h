// The way from the engine thread to the store thread: records in a bounded ring in memory.
// The store thread reads entries in place, without the lock, and releases them only when they are
// committed, so whatever is not on flash yet is here to be put into the crash checkpoint.
// Memory: need(capacity). Cost: push() one copy under a lock that is never held across I/O.
// Threads: push(), snapshot() and restore() the engine's; peek(), read() and release() the store's.
// Errors: push() full. Results leave an eighth of the ring to alerts. An empty ring takes any record for
// which fits_empty() is true.
#pragma once

#include <mutex>

#include "agent/base/arena.h"
#include "uplink/outbox.h"

namespace weir {

class StagingRing {
public:
    static Bytes need(Bytes capacity) { return Arena::need<std::byte>(capacity); }
    StagingRing(Arena& arena, Bytes capacity) : memory_(arena.take<std::byte>(capacity)) {}

    // What a record takes.
    static Bytes entry_bytes(Bytes record_bytes);
    // The capacity in which so many results find room at once, wherever the ring's end is.
    static Bytes capacity_for(std::size_t records, Bytes record_bytes);
    Bytes results_capacity() const { return memory_.size() - memory_.size() / 8; }
    bool fits_empty(Bytes record_bytes) const { return entry_bytes(record_bytes) <= results_capacity(); }

    Status push(const StagedRecord& record);
    // What was pushed up to this position is complete. True if that was news.
    bool seal(OutputPosition position);
    // All entries, oldest first, without gaps; nothing at all if there are none. REQUIRES: out has room for
    // snapshot_bytes_max().
    void snapshot(ByteWriter& out) const;
    // Pushes the entries of a snapshot but those at or below the last position that one brought before, and
    // those that no ring of this size takes (oversize is raised by them). Error::full: the rest, once there is room.
    // Error::unsupported: a snapshot of another version. Error::invalid: nothing was pushed.
    Status restore(ByteSpan snapshot, std::uint64_t& oversize);

    // Entries from peek().begin to peek().end are for the store thread to read.
    struct Range {
        std::uint64_t begin = 0;
        std::uint64_t end = 0;
        OutputPosition sealed;  // entries up to here are complete
        bool empty() const { return begin == end; }
    };
    Range peek() const;
    // The entry at a position and the position after it; bytes point into the ring.
    StagedRecord read(std::uint64_t& position) const;
    void release(std::uint64_t end);

    Bytes used_bytes() const;
    Bytes capacity() const { return memory_.size(); }
    Bytes snapshot_bytes_max() const { return memory_.size() + 8; }

private:
    // Where an entry of a size goes: at the tail, or at the front again if the end is too near.
    std::uint64_t place_for(Bytes size) const;
    std::uint64_t skip_gap(std::uint64_t position) const;
    bool is_sealed(const StagedRecord& record) const { return OutputPosition{record.epoch, record.sequence} <= sealed_; }
    Status push_locked(const StagedRecord& record);

    std::span<std::byte> memory_;
    mutable std::mutex mutex_;
    std::uint64_t head_ = 0;  // both only rise; modulo the capacity they are offsets
    std::uint64_t tail_ = 0;
    OutputPosition restored_;
    OutputPosition sealed_;
};

}  // namespace weir
