// What Kafka knows of an agent: which incarnation of its state, and how far its records are committed.
// A mark is the value of a record of the compacted marks topic; the record's key is the agent's id, its
// partition mark_partition(). One more record a partition, under owner_key, says which bridge owns it.
// Memory: a mark is about 300 bytes with all incarnations kept. Cost: O(1). Threads: plain values.
// Errors: parsing gives invalid for text that is not a mark, unsupported for a later version.
// Source: own format, one line of text, so that a consumer on a terminal shows it:
//   weir-mark/1 incarnation=32HEX epoch=N ship=N replaced=32HEX,32HEX
//   weir-owner/1 instance=32HEX partitions=N bridge=NAME
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "uplink/wire.h"

namespace weir {

inline constexpr std::size_t replaced_incarnations_max = 8;
inline constexpr std::string_view owner_key = "!owner";  // no agent's id: those begin with a letter or digit

struct Mark {
    Incarnation incarnation{};
    std::uint64_t epoch = 0;
    std::uint64_t ship = 0;              // committed up to here
    std::vector<Incarnation> replaced;   // newest last, at most replaced_incarnations_max
};

struct Owner {
    Incarnation instance{};  // made anew by each start of a bridge
    std::uint32_t partitions = 0;  // agents are placed by this number: it must not change
    std::string bridge;
};

std::string format_mark(const Mark& mark);
Result<Mark> parse_mark(std::string_view text);
std::string format_owner(const Owner& owner);
Result<Owner> parse_owner(std::string_view text);

// Where an agent's mark lives. REQUIRES: partitions > 0.
std::uint32_t mark_partition(std::string_view agent, std::uint32_t partitions);

enum class Greeting {
    first,     // an agent never seen
    resumed,   // the incarnation that the mark has
    replaced,  // another incarnation: a wiped or new card; ship starts again at 0
    stale,     // an incarnation that was replaced before: a clone, or an old card put back
};

// What a Hello makes of the mark. mark is changed unless the result is stale.
Greeting greet(Mark& mark, bool known, const Incarnation& incarnation, std::uint64_t epoch);

std::string hex(const Incarnation& incarnation);
std::string hex(std::uint64_t value);  // 16 digits

}  // namespace weir
