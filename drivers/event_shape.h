// The shape of a JSON event: what stands between its values. Events of one source repeat the same members in the same
// order, so the bytes between the values are the same in each of them, white space included. Internal to drivers.
// An event has a shape if it is an object, strictly JSON, whose names hold no escapes, with at most 63 scalars at
// any depth (fewer if there are more than 16 bytes between two of them); what no column wants is a value to be skipped, so that arrays have the length that was learned.
// Memory: sizeof(EventShape), 5 KiB, no heap. Cost: learn() O(bytes). Threads: one owner.
// Errors: learn() is false for an event that cannot be predicted.
// Source: RFC 8259 (JSON).
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/batch.h"
#include "drivers/member_tree.h"

namespace weir {

// Where the value of a member goes; several may hang on one member, linked by next.
struct CodecTarget {
    static constexpr int time_column = -1;
    static constexpr int none = MemberTree::none;

    int column = time_column;
    ColumnType type = ColumnType::real;
    bool numbers_in_strings = false;
    int next = none;
};

class EventPredictor;

struct EventShape {
    static constexpr std::size_t slots_max = 64;
    static constexpr std::size_t columns_max = 1024;
    static constexpr std::size_t depth_max = 32;

    // What is to be done with a value. With one target, by its type; `any` looks at what there is. What is skipped is
    // in nobody's way; what is `any` without a target is where a path would go on, and has to be a value.
    enum class Kind : std::uint8_t {
        real,
        integer,
        text,
        time,
        any,
        skip,
        more,  // no value: the bytes go on in the next slot
        next,  // the last slot: its bytes lead from an event of an array to the first value of the event behind it
        end,   // or, where that takes more than 16 bytes: the last slot, with bytes that no JSON has
    };

    struct Slot;
    using Read = const char*(EventPredictor&, const Slot&, const char*, std::size_t);

    // Up to 16 bytes, and the value that stands behind them.
    struct Slot {
        std::array<std::uint64_t, 2> words{};  // the bytes, zeros behind them
        std::array<std::uint64_t, 2> masks{};  // ones where there are bytes
        // The predictor's: what reads the value and all that follows it; the column's cells, of its type.
        Read* read = nullptr;
        union {
            double* reals = nullptr;
            std::int64_t* integers;
            std::string_view* texts;
        };
        std::size_t size = 0;    // of the bytes
        std::uint32_t mask = 0;  // as many ones
        std::int16_t targets = CodecTarget::none;
        Kind kind = Kind::next;
    };
    static_assert(sizeof(Slot) <= 64, "a line of the cache");

    // Learns the shape of the event at the beginning of text. tree says what is wanted; for time_wanted an event
    // without a time has no shape.
    bool learn(std::string_view text, MemberTree& tree, std::span<const CodecTarget> targets, bool time_wanted);
    bool operator==(const EventShape& other) const;

    std::array<Slot, slots_max> slots{};
    std::size_t count = 0;  // of slots, the last one included; 0: nothing was learned
    // What ends an event that no other one follows: at most 16 bytes, the last of them its closing bracket.
    Slot last;
    std::bitset<columns_max> filled;  // the columns that have a member
};

}  // namespace weir
