// `weir test FILE...`: cases beside the rules, run and judged.
// Memory, cost, threads: of the cases (rule_run.h). Errors: exit codes as in commands.h: 0 all passed, 1 a case failed,
// 2 usage, 78 a file or its configuration is wrong.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace weir {

struct RuleStreams {
    std::FILE* out = stdout;
    std::FILE* err = stderr;
};

// arguments: what follows `weir test`.
int run_rule_command(const std::vector<std::string>& arguments, const RuleStreams& streams = {});

}  // namespace weir
