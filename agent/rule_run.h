// Runs the cases of a `weir test` file through an Analysis and says how what came out differs from what was expected.
// Memory: an analysis a case, and what came out of it, on the heap. Cost: of the analysis; expectations x outputs.
// Threads: the caller's. Errors: problems of the file; a case that differs is no error but an outcome.
#pragma once

#include <string>
#include <vector>

#include "agent/rule_test.h"

namespace weir {

struct RuleFailure {
    ConfigPlace place;
    std::string text;  // "expected ...\ngot ..."
};

struct RuleOutcome {
    std::vector<RuleFailure> failures;
    std::vector<std::string> outputs;  // everything that came out, a line each
    std::vector<std::string> notes;    // what was not decoded, late or had no place

    bool passed() const { return failures.empty(); }
};

RuleOutcome run_rule_case(const RuleCase& of, const Assembly& assembly, ConfigProblems& problems);

}  // namespace weir
