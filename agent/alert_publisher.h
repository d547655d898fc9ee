// Publishes alerts over MQTT, on the spot, without holding up the engine: a bounded queue and a thread.
// What cannot be published now (no connection) is tried again until it can; when the queue is full the
// oldest waiting publication makes room, and is counted. Publications are retained state of one topic a
// key, so that the newest is what matters.
// Memory: need(), from the arena: alert_queue_length publications of fixed size.
// Cost: transition() renders one JSON object and takes a short lock. Threads: transition() the engine's;
// a thread of its own publishes. Errors: a topic or payload too long is counted and logged.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "agent/alerts.h"
#include "agent/base/arena.h"

namespace weir {

inline constexpr std::size_t alert_queue_length = 128;

// {"alert":..,"state":"raised","severity":..,"agent":..,"window":..,"start":..,"end":..,"key":{},"values":{}}
std::string_view render_alert(const AlertTransition& transition, std::string_view agent, std::span<char> buffer);

// pattern with {agent} {alert} {window} {severity} {key} {state} and the key's columns expanded. What a value
// may not hold in a topic (/ + # and NUL, or a leading '-') becomes '_'. Empty if it does not fit.
std::string_view expand_topic(std::string_view pattern, const AlertTransition& transition, std::string_view agent,
                              std::span<char> buffer);

class AlertPublisher {
public:
    // Publishes on the named connection; false: try again later.
    using Publish = std::function<bool(const std::string& connection, std::string_view topic, std::string_view payload,
                                       int qos, bool retain)>;
    static Bytes need();
    AlertPublisher(Arena& arena, std::string agent, Publish publish);
    ~AlertPublisher();

    void start();
    // Publishes what can be, within limit, and ends the thread.
    void stop(Duration limit);
    void transition(const AlertTransition& transition);

    std::uint64_t published() const { return published_; }
    std::uint64_t dropped() const { return dropped_; }

private:
    struct Publication {
        const std::string* connection = nullptr;
        int qos = 1;
        bool retain = true;
        std::uint16_t topic_size = 0;
        std::uint16_t payload_size = 0;
        std::array<char, 512> topic;
        std::array<char, 4096> payload;
    };
    void enqueue(const AlertTransition& transition, const std::string& connection, std::string_view pattern, int qos,
                 bool retain);
    void run();

    const std::string agent_;
    const Publish publish_;
    std::span<Publication> queue_;
    Publication sending_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t first_ = 0;
    std::size_t count_ = 0;
    std::uint64_t overflowed_ = 0;
    bool stopping_ = false;
    std::atomic<std::uint64_t> published_{0};
    std::atomic<std::uint64_t> dropped_{0};
    std::thread thread_;
};

}  // namespace weir
