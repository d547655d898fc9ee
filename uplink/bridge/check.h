// `weir-bridge check`: tries everything that `run` needs, prints a line for each, and says what to do.
// Memory: a command. Cost: waits for the cluster, 10 s a question at most. Threads: one owner.
// Errors: each is a line "FAIL ..."; the result is their number. Nothing is changed in Kafka, but for a
// transactional id of its own that is registered and expires.
#pragma once

#include "uplink/bridge/config.h"

namespace weir {

int check_bridge(const BridgeConfig& config);

}  // namespace weir
