// An entry of `do`, expanded for a transition: everything that the configuration says of it, so that an edit loses nothing that waits.
// Memory: texts, into room. Cost: O(bytes). Threads: pure functions. Errors: false, if a topic or an argument is too long.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "agent/action_queue.h"
#include "agent/alert_transition.h"
#include "agent/config.h"

namespace weir {

// memory: private bytes that a program may have.
bool expand_action(const ActionConfig& config, const AlertTransition& transition, std::string_view agent, std::uint64_t memory,
                   std::span<char> room, Action& action);

// `weir alert fire`: the actions of an alert for a transition that did not happen, marked in its JSON with "test": true, {NAME} of a
// key expanded to "test"; nothing is retained. Returns how many; Error::full if one is too long.
Result<std::size_t> fire_alert(const AgentConfig& config, const AlertConfig& alert, Timestamp now, ActionQueue& queue);

}  // namespace weir
