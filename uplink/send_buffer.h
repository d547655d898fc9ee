// The way from the store thread to the uplink thread: numbered rows in a bounded buffer.
// The uplink says after which ship number it goes on; a jump (a new session) empties the buffer and the
// store thread fills it again from there.
// Memory: need(capacity). Cost: one copy in, one out, under a short lock.
// Threads: take() the uplink's; the others the store's. Errors: none; append() is false when full.
#pragma once

#include <mutex>
#include <span>

#include "agent/base/arena.h"
#include "uplink/outbox.h"

namespace weir {

class SendBuffer {
public:
    static Bytes need(Bytes capacity) { return Arena::need<std::byte>(capacity); }
    SendBuffer(Arena& arena, Bytes capacity) : memory_(arena.take<std::byte>(capacity)) {}

    static constexpr Bytes header_bytes = 24;

    struct Taken {
        std::size_t rows = 0;
        bool wants_more = false;  // the store thread should refill
    };
    // A row larger than all of space comes alone and empty.
    Taken take(std::uint64_t after_ship, std::span<ShipRow> rows, MutableByteSpan space);

    // Where refilling goes on; the round tells apart two fillings from the same place.
    struct Cursor {
        std::uint64_t after_ship = 0;
        std::uint64_t round = 0;
        bool wanted = false;  // the uplink has asked at all, and there is room
    };
    Cursor cursor() const;
    // False: full, or the uplink has jumped since; stop refilling.
    bool append(const Cursor& from, const ShipRow& row);
    // Rows up to a number need not be read again (they are in the buffer, or lost).
    void passed(const Cursor& from, std::uint64_t ship);
    void clear();  // a new incarnation: nothing of the old one goes out

private:
    std::span<std::byte> memory_;
    mutable std::mutex mutex_;
    Bytes head_ = 0;
    Bytes tail_ = 0;
    std::uint64_t taken_ship_ = 0;   // the greatest number handed out
    std::uint64_t loaded_ship_ = 0;  // the greatest number in the buffer, or passed
    std::uint64_t round_ = 0;
    bool asked_ = false;
};

}  // namespace weir
