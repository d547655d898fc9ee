// `weir run`: the composition. Makes every part within the plan, wires them together, and runs them until a
// signal says so.
// Memory: the plan's, enforced by RLIMIT_DATA once everything is made. Threads: see agent/ARCHITECTURE.md.
// Errors: what cannot be made at start is told with its reason and ends the command.
#pragma once

#include <string>

#include "agent/assembly.h"
#include "agent/memory_plan.h"

namespace weir {

struct RunRequest {
    bool print = false;  // results to standard output as JSON lines
};

// Returns the exit code. Blocks SIGTERM, SIGINT and SIGHUP in all threads and waits for them.
int run_service(const Assembly& assembly, const PartOptions& options, const MemoryPlan& plan,
                const RunRequest& request);

std::string control_path(const AgentConfig& config);

}  // namespace weir
