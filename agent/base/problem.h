// Why a configuration, an expression or a command cannot be carried out, for the person who wrote it.
// Memory: its text, allocated, so at start-up only. Threads: a plain value. Errors: none.
#pragma once

#include <cstddef>
#include <string>

namespace weir {

struct Problem {
    std::string what;        // what was found, what was expected, what to do: one sentence
    std::size_t offset = 0;  // in the text at fault, in bytes from 0, where that makes sense
};

}  // namespace weir
