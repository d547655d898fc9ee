// From a transition of an alert to what is to be done about it: renders it, expands topics and arguments, and puts an action
// for each entry of `do` into the queue that outlives the process (action_queue.h). ActionRunner then does them.
// Memory: need(), from the arena: room to render one. Cost: one JSON object a transition, a copy an action.
// Threads: transition() the engine's; test() any. Errors: what is too long is counted by the queue, and logged.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "agent/action_queue.h"
#include "agent/alerts.h"
#include "agent/base/arena.h"

namespace weir {

// {"alert":..,"state":"raised","severity":..,"id":"16 hex digits","sequence":N,"reason":..,"message":..,"agent":..,"window":..,"start":..,"end":..,
// "key":{},"values":{}}; message only if the alert has one
std::string_view render_alert(const AlertTransition& transition, std::string_view agent, std::span<char> buffer);

// publish_topic.h, with {alert} {severity} and {state} too.
std::string_view expand_topic(std::string_view pattern, const AlertTransition& transition, std::string_view agent,
                              std::span<char> buffer);

class AlertPublisher {
public:
    static Bytes need();
    // memory: private bytes that a program may have.
    AlertPublisher(Arena& arena, std::string agent, std::uint64_t memory, ActionQueue& queue);

    // number: of the alert's record in its epoch, by which a replay is known.
    void transition(const AlertTransition& transition, std::uint64_t epoch, std::uint64_t number);

    const ActionQueue& queue() const { return queue_; }

private:
    static constexpr Bytes payload_bytes = 4096;
    static constexpr Bytes texts_bytes = 4096;

    bool expand(const ActionConfig& config, const AlertTransition& transition, Action& action);

    const std::string agent_;
    const std::uint64_t memory_;
    std::span<char> payload_;
    std::span<char> texts_;
    ActionQueue& queue_;
};

}  // namespace weir
