// A pattern as a configuration writes it, checked and compiled: the automaton, what each run remembers, and
// the expressions over that.
// Memory: heap, at start-up. Cost: O(text). Threads: constant once made.
// Errors: compile() names the key ("match", "define.B", "measures.lost", ...) and the place in its text.
// Source: ISO/IEC 19075-5 (row pattern recognition in SQL); Flink's MATCH_RECOGNIZE for what is left out of it,
// and for `within`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "windows/expression.h"
#include "windows/key.h"
#include "windows/pattern_syntax.h"

namespace weir {

// strict: every row of the key is mapped, from the first of the match to its last. next: rows that no variable
// which may come next would take are passed over.
enum class Contiguity : std::uint8_t { strict, next };
// Where the search goes on after a match.
enum class AfterMatch : std::uint8_t { past_last_row, next_row, first, last };

struct PatternSpec {
    std::string name;
    std::string from;   // a source
    std::string where;  // "" is true; other rows are not there at all
    std::vector<std::string> by;
    std::string match;  // "A B* C"
    std::vector<std::pair<std::string, std::string>> define;    // variable, condition; others are true for all rows
    std::vector<std::pair<std::string, std::string>> measures;  // name, expression
    Duration within;    // from first to last row at most this; 0: any time
    Contiguity contiguity = Contiguity::strict;
    AfterMatch after = AfterMatch::past_last_row;
    std::string after_variable;       // of first and last
    std::size_t max_groups = 256;     // keys with rows or runs under way
    std::size_t max_runs = 16;        // open runs a key
    std::size_t max_pending = 2048;   // rows that wait for the watermark, to be sorted by time
};

// What a run remembers of the rows of a variable, or of all.
enum class RegisterKind : std::uint8_t { count_rows, count, sum_integer, sum_real, mean, least, greatest, first, last };

struct RegisterSpec {
    RegisterKind kind = RegisterKind::last;
    std::uint8_t variable = 0;   // or all_variables
    std::size_t input = 0;       // among CompiledPattern::inputs
    std::size_t offset = 0;      // of first and last
    ColumnType type = ColumnType::real;  // of the input
    Bytes at = 0;                // in the run
};
inline constexpr std::uint8_t all_variables = 0xff;
inline constexpr std::size_t pattern_offset_max = 8;

// A value that rows bring along: an input of the source, kept while the row waits.
struct PatternInput {
    std::size_t input = 0;  // among the source's inputs
    ColumnType type = ColumnType::real;
    Bytes at = 0;           // in the row
};

// An expression over the row at hand and the registers of a run.
struct PatternExpression {
    struct Operand {
        bool of_row = false;
        std::size_t index = 0;  // among inputs, or registers
        ColumnType type = ColumnType::real;
    };
    std::string name;  // of a measure
    ValueKind kind = ValueKind::null;
    std::optional<Expression> expression;
    std::vector<Operand> operands;
};

struct PatternVariable {
    std::optional<std::size_t> alone;   // a condition on the row alone: among the source's inputs
    std::optional<std::size_t> history; // a condition that looks back: among CompiledPattern::conditions
};

struct CompiledPattern {
    std::optional<std::size_t> where;  // among the source's inputs
    KeyLayout key;
    std::vector<std::string> key_names;
    bool by_partition = false;
    PatternProgram program;
    std::vector<PatternVariable> variables;
    std::vector<PatternInput> inputs;
    std::vector<RegisterSpec> registers;
    std::vector<PatternExpression> conditions;
    std::vector<PatternExpression> measures;
    std::vector<FieldType> fields;  // of the records, keys first
    std::int64_t within = 0;        // microseconds; 0: any time
    std::int64_t step = 1;          // watermarks count in steps of this: between two, nothing is late or done
    Contiguity contiguity = Contiguity::strict;
    AfterMatch after = AfterMatch::past_last_row;
    std::uint8_t after_variable = 0;
    std::size_t groups_max = 0;
    std::size_t runs_max = 0;
    std::size_t pending_max = 0;
    std::size_t frontiers_max = 1;
    Bytes row_bytes = 0;            // of the inputs of a row
    Bytes run_bytes = 0;            // of the registers of a run
    Bytes condition_bytes = 0;      // the first of these: what conditions look at
    std::string definition_text;    // of all that determines the matches
};

// inputs: of the source; what the pattern needs is found there or appended.
// partition: the source's partition column, or "".
std::optional<CompiledPattern> compile_pattern(const PatternSpec& spec, const Schema& schema, std::string_view partition,
                                               std::vector<Expression>& inputs, const Zones* zones, std::string& key,
                                               Problem& problem);

// A value in a row or a register: whether it is there, and it; strings are kept to 64 bytes.
inline constexpr std::size_t pattern_text_max = 64;
constexpr Bytes pattern_cell_bytes(ColumnType type) { return type == ColumnType::text ? 8 + pattern_text_max : 16; }

}  // namespace weir
