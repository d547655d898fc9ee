// The seam between the server, which speaks with agents, and Kafka, which remembers them.
// Calls and events carry the session's number; what is of a session that has gone is ignored.
// Memory: what is queued is counted; full() says when to stop reading. Cost: a lock a call.
// Threads: calls from the server's thread; events are made by the ledger's threads and taken by the
// server's when descriptor() is readable. Errors: as events; a call cannot fail.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "uplink/bridge/record_form.h"

namespace weir {

using SessionId = std::uint64_t;

struct LedgerEvent {
    enum class Kind {
        welcomed,   // the mark is written; ship: committed so far
        stale,      // the incarnation was replaced before; text says by which
        committed,  // everything of the session up to ship
        lost,       // the partition starts anew: drop its sessions, their agents will greet again
        moved,      // another bridge owns the partition now: its sessions go there
        fenced,     // another bridge owns the partition; text names it. This bridge must end
        failed,     // the ledger cannot go on; text says why. This bridge must end
    };
    Kind kind = Kind::lost;
    SessionId session = 0;
    std::uint64_t ship = 0;
    std::uint32_t partition = 0;
    std::string text;
};

// Who serves the agents of a partition.
struct Place {
    bool here = true;
    std::string address;  // of another bridge; empty: not known yet
};

class Ledger {
public:
    virtual ~Ledger() = default;

    virtual std::uint32_t partition_of(std::string_view agent) const = 0;
    // Answered by welcomed or stale, once the mark that says so is committed.
    virtual void greet(SessionId session, std::string_view agent, const Incarnation& incarnation, std::uint64_t epoch) = 0;
    // Records of a welcomed session, in order of ship numbers; answered by committed.
    virtual void deliver(SessionId session, std::string_view agent, std::vector<OutRecord> records) = 0;
    virtual bool full(std::uint32_t partition) const = 0;

    virtual Place place(std::uint32_t) const { return {}; }

    virtual int descriptor() const = 0;
    virtual std::vector<LedgerEvent> take_events() = 0;
    // Writes what is queued, then ends. false: Kafka did not take it all within limit.
    virtual bool drain(Duration limit) = 0;
};

}  // namespace weir
