// Where everything that came in has ended: each message, event and row in exactly one part, and the parts add up.
//
//   a connection  received = journaled + retained + oversized + duplicates + shed
//   the sources   messages = unknown_topic + messages of each source (a message that two sources take counts for both)
//   a source      messages = with_events + malformed + topic_mismatch + without_time + oversized + empty
//                 events   = rows + missing_time + bad_time;  rows of the decoder = rows of the engine
//                 rows     = to_windows + future + absurd_time
//   a window      rows     = counted + filtered + where_null + late + late_after_power_cut + late_after_eviction +
//                            quarantined + gap_invalid: what is counted is in an open interval or in a result
//   a pattern     rows     = counted + filtered + where_null + late + quarantined + groups_full + pending_full
//   results       emitted  = staged + known + dropped + not_delivered
//
// All but the last are functions of the journal and parts of the checkpoints: a SIGKILL changes none of them; after a
// power cut they go on from the flash checkpoint, like the windows. The last counts since the process started.
// What was dropped before the journal is an entry of its own there (Intake::write_drop()), in the room of messages.
// Memory: a few counters a connection and a source. Cost: an increment. Threads: the engine's; copies go to the status.
// Errors: none; load() refuses what save() did not write.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/arena.h"
#include "agent/base/bytes.h"
#include "drivers/codec.h"
#include "windows/engine.h"

namespace weir {

// What a connection acknowledges without putting it into the journal.
enum class IntakeDrop : std::uint8_t {
    retained,    // told to a new subscriber: the event itself was counted when it came
    oversized,   // above max_message
    duplicates,  // a delivery again of what the journal has
    shed,        // thinned out in a flood (thinning.h); of each the journal has the head
};
inline constexpr std::size_t intake_drops = 4;
std::string_view name(IntakeDrop drop);

struct LinkAccounting {
    std::uint64_t received = 0;
    std::uint64_t journaled = 0;
    std::array<std::uint64_t, intake_drops> dropped{};

    bool sum_ok() const;
};

// Of each connection, as the engine meets its entries.
class Intake {
public:
    static Bytes need(std::size_t links) { return Arena::need<LinkAccounting>(links); }
    static Bytes save_size(std::size_t links) { return 4 + links * (2 + intake_drops) * sizeof(std::uint64_t); }
    Intake(Arena& arena, std::size_t links) : links_(arena.take<LinkAccounting>(links)) {}

    void journaled(std::size_t link);
    // A drop's entry; any other payload counts nothing.
    void dropped(std::size_t link, ByteSpan payload);
    static constexpr Bytes drop_bytes = 1;
    static std::array<std::byte, drop_bytes> write_drop(IntakeDrop drop) { return {static_cast<std::byte>(drop)}; }

    std::span<const LinkAccounting> links() const { return links_; }
    // Of the connection that has the same number here and there.
    void adopt(std::size_t link, const LinkAccounting& from) { links_[link] = from; }
    void reset();
    void save(ByteWriter& out) const;
    bool load(ByteReader& in);

private:
    std::span<LinkAccounting> links_;
};

// How the messages of a source ended, each once.
enum class MessageEnd : std::uint8_t {
    with_events,     // one at least; what else the message lost is in the decoder's counters
    malformed,       // these gave none:
    topic_mismatch,
    without_time,    // events, but none with a time
    oversized,
    empty,           // nothing was wrong, nothing was in it
};
inline constexpr std::size_t message_ends = 6;
std::string_view name(MessageEnd end);

class MessageEnds {
public:
    // A message, by what its decoder counted before and after it.
    struct Before {
        std::uint64_t events, dropped_events, malformed, topic_mismatch, oversized;
        explicit Before(const DecodeCounters& c)
            : events(c.events), dropped_events(c.dropped_events), malformed(c[DecodeReason::malformed]),
              topic_mismatch(c[DecodeReason::topic_mismatch]), oversized(c[DecodeReason::oversized]) {}
    };
    void add(const Before& before, const DecodeCounters& after);
    std::uint64_t operator[](MessageEnd end) const { return counts_[static_cast<std::size_t>(end)]; }
    std::array<std::uint64_t, message_ends>& counts() { return counts_; }
    const std::array<std::uint64_t, message_ends>& counts() const { return counts_; }

private:
    std::array<std::uint64_t, message_ends> counts_{};
};

struct SourceAccounting {
    std::uint64_t messages = 0;
    MessageEnds ends;
    std::uint64_t events = 0;  // that a decoder could tell apart
    std::uint64_t missing_time = 0;
    std::uint64_t bad_time = 0;
    std::uint64_t rows = 0;
    std::uint64_t future = 0;
    std::uint64_t absurd_time = 0;
    std::uint64_t to_windows = 0;
    bool sum_ok = false;
};
SourceAccounting accounting_of(const DecodeCounters& decode, const MessageEnds& ends, const SourceStatus& source);

bool sum_ok(const WindowStatus& window);
bool sum_ok(const PatternStatus& pattern);

// What became of results and alerts in this process.
struct OutputAccounting {
    std::uint64_t emitted = 0;
    std::uint64_t staged = 0;         // for the outbox
    std::uint64_t known = 0;          // made again by a replay: the outbox had it
    std::uint64_t dropped = 0;        // no room in memory, and flash took none
    std::uint64_t not_delivered = 0;  // no uplink is configured

    bool sum_ok() const { return emitted == staged + known + dropped + not_delivered; }
};

}  // namespace weir
