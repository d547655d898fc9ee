// The text of a pattern, `A (B | C)+? D{2,4}`, as an automaton: which variables may map the next row, in the
// order in which they are preferred.
// Variables follow each other, | separates alternatives, * + ? {n} {n,} {,m} {n,m} repeat, as often as possible or,
// with ? behind, as seldom. States are the places of variables in the text with its repetitions written out.
// Memory: heap, at start-up. Cost: O(states^2). Threads: plain values.
// Errors: a Problem with the offset: unknown signs, more than pattern_states_max states, a pattern or a
// repeated group that may be empty.
// Source: ISO/IEC 19075-5 (row pattern recognition), 4.14; Glushkov's construction; the order of preference as in
// Cox, Regular Expression Matching: the Virtual Machine Approach, 2009.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/problem.h"

namespace weir {

inline constexpr std::size_t pattern_states_max = 200;
inline constexpr std::size_t pattern_variables_max = 32;

struct PatternState {
    struct Edge {
        std::uint8_t variable = 0;
        std::uint8_t to = 0;
    };
    std::vector<Edge> edges;  // the best first; those that are worse than being done are left out
    bool done = false;        // a match ends here, if nothing better comes
};

struct PatternProgram {
    std::vector<std::string> variables;  // in order of their first appearance
    std::vector<PatternState> states;    // the first is the start
    std::string canonical;               // one spelling for all texts of the same pattern
};

std::optional<PatternProgram> parse_pattern(std::string_view text, Problem& problem);

}  // namespace weir
