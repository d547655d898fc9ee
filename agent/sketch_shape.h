// What a sketch is made with: the words of `weir sketch build`, and what the bytes of a sketch say about themselves.
// Memory: none that stays. Cost: O(1), O(bytes) where the size has to tell the type of the items.
// Threads: pure functions. Errors: numbers out of range, bytes that are no sketch of ours; problem says which.
// Source: DataSketches' formats, as in sketches/README.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/problem.h"
#include "agent/base/record.h"
#include "agent/base/result.h"

namespace weir {

// A kind reads only the numbers that it has a use for.
struct SketchShape {
    SketchKind kind = SketchKind::none;
    ItemType items = ItemType::none;     // hll, theta: not told by the sketch, and of no interest later
    ItemType counters = ItemType::none;  // Count-Min: real, or integer
    std::uint8_t lg_k = 12;              // hll, theta
    std::uint8_t hll_bits = 8;           // of a register in bytes that go out: 4, 6 or 8
    std::uint8_t theta_version = 3;      // 3, or 4: compressed
    std::uint16_t k = 200;               // kll, tdigest
    std::uint8_t lg_map = 10;            // frequent
    std::uint16_t item_bytes = 64;       // frequent strings: room at first, it grows
    std::uint8_t hashes = 4;             // Count-Min
    std::uint32_t buckets = 2048;
    std::optional<std::uint64_t> seed;   // kll: of the coins; Count-Min: of the rows
};

// The types that a kind takes, the default first.
std::vector<ItemType> item_types(SketchKind kind);
bool weighs(SketchKind kind);                   // takes items with weights
std::string_view plural(ItemType type);         // "longs", as the options say it
SketchKind sketch_kind(std::string_view name);  // none for a name that is none

// What the bytes tell. The type of items or counters is none where they do not. Count-Min's seed has to be
// known if it is not the default.
Result<SketchShape> shape_of(ByteSpan bytes, std::optional<std::uint64_t> seed, Problem& problem);

}  // namespace weir
