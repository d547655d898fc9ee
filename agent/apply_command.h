// `weir apply`: puts a checked configuration in the place of the running agent's and waits until it is healthy or taken back.
// Memory: both texts. Cost: one question to the agent five times a second. Threads: one. Errors: told, with what to do.
#pragma once

#include <cstdint>
#include <string>

#include "agent/base/time.h"

namespace weir {

struct ApplyRequest {
    std::string file;
    std::uint64_t configuration = 0;  // its hash
    std::string control;              // of the agent that file describes
    Duration trial;
};

// Returns the exit code.
int run_apply(const ApplyRequest& request);

}  // namespace weir
