// The command line: `weir COMMAND ...`.
// Exit codes: 0 done, 1 failed, 2 usage, 78 bad configuration (EX_CONFIG of sysexits.h).
// Memory, cost, threads: of the command. Errors: on standard error, what was expected and what to do.
#pragma once

#include <string>
#include <vector>

namespace weir {

inline constexpr int exit_done = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_configuration = 78;

int run_command(const std::vector<std::string>& arguments);

}  // namespace weir
