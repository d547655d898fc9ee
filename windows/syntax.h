// The text of an expression as a tree: what expression.h compiles and plan.h takes aggregates out of.
// Memory: heap, at start-up only. Cost: O(text). Threads: plain values.
// Errors: parse() says where and what was expected; nesting and length are bounded, so that hostile text
// exhausts neither stack nor memory.
// Source: github.com/google/cel-spec, doc/langdef.md (grammar).
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/problem.h"

namespace weir {

inline constexpr int expression_depth_max = 64;

struct Node {
    enum class Kind : std::uint8_t { null, boolean, integer, real, text, name, operation, list, call };
    Kind kind = Kind::null;
    std::size_t offset = 0;  // in the text
    std::string text;        // of text, name; the operator ("+", "&&", "?:", "in", "neg"); the function
    std::int64_t integer = 0;
    double real = 0;
    bool boolean = false;
    std::vector<Node> args;
};

std::optional<Node> parse(std::string_view text, Problem& problem);

// One spelling for all texts of the same tree.
std::string canonical(const Node& node);

// ": did you mean x?", or nothing.
std::string suggestion(std::string_view name, std::span<const std::string> known);

}  // namespace weir
