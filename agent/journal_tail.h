// What lies in a journal's file, released or not: the last messages, for who wants to see what just happened. It
// reads a copy of the file's bytes, so a running agent is not disturbed: no lock, no mapping, no question asked.
// Old entries stay in the ring until they are overwritten. Nothing points back to them, so they are looked for: a chain
// of whole entries (each checksum is seeded with the one before) that arrives exactly at the release mark. A payload cannot
// be made to look like one, since it would have to know the checksum at the mark. Of the oldest, whose predecessor
// is gone, nothing vouches for the content: it is left out.
// Memory: the file, and 4 bytes an entry. Cost: O(bytes of the file), whatever they are. Threads: one owner.
// Errors: corrupt (not a journal, or no mark is whole), unsupported (another version). Hostile bytes give errors.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/result.h"
#include "agent/journal.h"

namespace weir {

class JournalTail {
public:
    static Result<JournalTail> read(std::string file);

    std::size_t size() const { return places_.size(); }  // oldest first
    // Views into the copy.
    JournalEntry entry(std::size_t index) const;
    Bytes ring_bytes() const { return ring_bytes_; }
    bool from_its_beginning() const { return from_its_beginning_; }  // nothing was overwritten yet

private:
    // Where a chain stands: the next entry's place, sequence and seed.
    struct State {
        Bytes place = 0;
        std::uint64_t sequence = 0;
        std::uint32_t chain = 0;
        bool operator==(const State&) const = default;
    };
    const std::byte* ring() const { return reinterpret_cast<const std::byte*>(file_.data()) + ring_offset_; }
    Bytes placed(Bytes place) const;
    bool step(State& state) const;
    bool plausible(Bytes place, const State& mark) const;
    State behind(Bytes place) const;
    void look_back(const State& mark, const State& newest, std::uint32_t seed);

    std::string file_;
    Bytes ring_offset_ = 0;
    Bytes ring_bytes_ = 0;
    std::uint16_t links_ = 1;
    std::vector<std::uint32_t> places_;
    bool from_its_beginning_ = false;
};

}  // namespace weir
