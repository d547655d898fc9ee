// Publishes alerts over MQTT, on the spot, without holding up the engine: publish_queue.h. Publications are retained state of
// one topic a key, so that the newest is what matters.
// Memory: need(), from the arena: the queue, and room to render one. Cost: transition() renders one JSON object.
// Threads: transition() the engine's. Errors: a topic or payload too long is counted and logged.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "agent/alerts.h"
#include "agent/base/arena.h"
#include "agent/publish_queue.h"

namespace weir {

// Some three hundred alerts with ten values each.
inline constexpr Bytes alert_queue_bytes = Bytes{128} << 10;

// {"alert":..,"state":"raised","severity":..,"id":"16 hex digits","sequence":N,"reason":..,"message":..,"agent":..,"window":..,"start":..,"end":..,
// "key":{},"values":{}}; message only if the alert has one
std::string_view render_alert(const AlertTransition& transition, std::string_view agent, std::span<char> buffer);

// publish_topic.h, with {alert} {severity} and {state} too.
std::string_view expand_topic(std::string_view pattern, const AlertTransition& transition, std::string_view agent,
                              std::span<char> buffer);

class AlertPublisher {
public:
    using Publish = PublishQueue::Publish;
    static Bytes need();
    AlertPublisher(Arena& arena, std::string agent, Publish publish);

    void start() { queue_.start(); }
    // Publishes what can be, within limit, and ends the thread.
    void stop(Duration limit) { queue_.stop(limit); }
    void transition(const AlertTransition& transition);

    std::uint64_t published() const { return queue_.published(); }
    std::uint64_t dropped() const { return queue_.dropped(); }

private:
    static constexpr Bytes payload_bytes = 4096;

    const std::string agent_;
    std::array<char, 512> topic_;
    std::array<char, payload_bytes> payload_;
    PublishQueue queue_;
};

}  // namespace weir
