// The slow, obvious twin of windows/pattern.h: keeps all rows, sorts them by time, and finds matches by trying
// one way after the other and going back. And random patterns and streams for both.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tests/model/windows/expression_twin.h"
#include "windows/pattern_plan.h"

namespace weir::model {

struct TwinRegex {
    enum class Kind { variable, sequence, alternatives, repetition };
    Kind kind = Kind::variable;
    int variable = 0;
    int least = 0;
    int most = -1;  // -1: any number
    bool greedy = true;
    std::vector<TwinRegex> parts;
};

// What a variable asks of a row, and perhaps of those before it.
struct TwinCondition {
    int kind = 0;
    int other = 0;  // a variable
    std::int64_t k = 0;
};

struct TwinPattern {
    TwinRegex regex;
    std::vector<TwinCondition> conditions;  // of A, B, C, ...
    std::int64_t within = 0;
    Contiguity contiguity = Contiguity::strict;
    AfterMatch after = AfterMatch::past_last_row;
    int after_variable = 0;
};

struct TwinEvent {
    std::int64_t at = 0;
    int key = 0;
    std::optional<std::int64_t> price;
};

inline constexpr int twin_variables = 4;

TwinPattern random_pattern(Dice& dice);
PatternSpec spec_of(const TwinPattern& pattern, Dice& dice);
std::vector<TwinEvent> random_events(Dice& dice, std::size_t count, std::int64_t disorder);

// The matches of the rows of one key, as MatchList of the unit tests writes them. nullopt: it took too many steps.
std::optional<std::vector<std::string>> matches_of(const TwinPattern& pattern, std::vector<TwinEvent> rows);

}  // namespace weir::model
