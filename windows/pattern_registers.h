// What a run remembers: registers in a row of bytes, all zero at its beginning.
// Memory: as CompiledPattern says. Cost: O(registers) a row. Threads: pure functions on the caller's memory.
// Errors: none. Null and NaN are skipped by counts, sums and extremes; first and last take what is there, null too.
#pragma once

#include <cstddef>
#include <cstdint>

#include "agent/base/batch.h"
#include "windows/pattern_plan.h"

namespace weir {

// A value of a row or a register: read(), and write() from a column.
struct PatternCell {
    bool present = false;
    std::int64_t integer = 0;  // also of booleans
    double real = 0;
    std::string_view text;     // into the bytes
};
PatternCell read_cell(const std::byte* from, ColumnType type);
void write_cell(std::byte* to, const Column& column, std::size_t row);

// A row was mapped to variable.
void remember(const CompiledPattern& plan, std::byte* registers, std::size_t variable, const std::byte* row);
// What a register says. types: integer for counts and sums of ints, real for sums and means, else as it is.
PatternCell recall(const RegisterSpec& spec, const std::byte* registers);

}  // namespace weir
