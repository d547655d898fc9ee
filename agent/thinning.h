// The governor of a flood: which messages of a connection are kept when they come faster than they are worked off.
// By how much of the journal lies before its reader, one message in 2, 4, 8 .. 256 is kept, chosen at random: the share
// halves each time half of what room was left has gone, and doubles when as much of it is free again twice over.
// Each change is a control entry of the journal, before the first message that it concerns, so that the engine says of
// every result what share it saw, in a replay too; what is not kept leaves its head in the journal, to be counted.
// Memory: one object. Cost: O(1) a message. Threads: the one that receives. Errors: a full journal changes no share.
// Source: load shedding after Tatbul et al., Load Shedding in a Data Stream Manager, VLDB 2003; SplitMix64 of Steele et
// al., Fast Splittable Pseudorandom Number Generators, OOPSLA 2014.
#pragma once

#include <cstdint>

#include "agent/base/time.h"
#include "agent/journal.h"

namespace weir {

class Thinning {
public:
    // level: as the engine knows it from the journal. enabled: else every message is kept, and the engine told so.
    Thinning(Journal& journal, std::uint16_t link, unsigned level, bool enabled)
        : journal_(journal), link_(link), level_(level), enabled_(enabled) {}

    // Whether the message that came now is kept: else append() it as EntryKind::shed.
    bool keep(Timestamp arrival, bool clock_trusted);
    unsigned level() const { return level_; }

    // What the level becomes when this share of the room is taken by what was not read. Has hysteresis.
    static unsigned next_level(unsigned level, double unread);

private:
    Journal& journal_;
    const std::uint16_t link_;
    unsigned level_;
    const bool enabled_;
    std::uint64_t draws_ = 0;
};

}  // namespace weir
