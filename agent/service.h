// `weir run`: the composition. Makes every part within the plan, wires them together, and runs them until a
// signal says so.
// Memory: the plan's, enforced by RLIMIT_DATA once everything is made. Threads: see agent/ARCHITECTURE.md.
// Errors: what cannot be made at start is told with its reason and ends the command.
#pragma once

#include <string>

#include "agent/assembly.h"
#include "agent/memory_plan.h"
#include "agent/trial.h"

namespace weir {

struct RunRequest {
    bool print = false;  // results to standard output as JSON lines
    std::string path;    // of the configuration, which SIGHUP reads again
    std::optional<Trial> trial;  // the configuration's, or, if refused, that of the one which is not run
};

struct RunOutcome {
    int exit_code = 0;
    bool again = false;  // start anew: a checked configuration waits, or the one on trial has failed
};

// Blocks SIGTERM, SIGINT and SIGHUP in all threads and waits for them. Tells the service manager what it wants to know.
RunOutcome run_service(const Assembly& assembly, const PartOptions& options, const MemoryPlan& plan,
                const RunRequest& request);

std::string control_path(const AgentConfig& config);

}  // namespace weir
