// `weir state`: what an agent has left on flash and in memory files, as text or JSON, and its outbox as NDJSON.
// Memory: of state_view.h, and one buffer for a line. Cost: reads everything once. Threads: one.
// Errors: an exit code, exit_failed if anything is wrong; what and what to do is part of the output.
#pragma once

#include <string>

#include "agent/config.h"

namespace weir {

struct StateRequest {
    std::string config_path;  // as messages name it
    bool json = false;
    std::string export_path;  // empty: no export
};

int run_state(const AgentConfig& config, const StateRequest& request);

}  // namespace weir
