// One agent's session at an MQTT broker: QoS 1, at most max_inflight unacknowledged messages, redelivery with DUP and the
// same packet ids in the same order; with a session that outlives connections, or lost with all it held.
// Memory: the queue. Cost: O(1). Threads: one. Errors: none.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

namespace weir::sim {

struct Publication {
    std::uint64_t number = 0;  // the generator's
    std::string topic;
    std::string payload;
};

class Broker {
public:
    explicit Broker(std::size_t max_inflight) : max_inflight_(max_inflight) {}

    void publish(Publication publication);
    // Whether there is a session from before.
    bool connect();
    void disconnect();
    // The broker has forgotten everything. What it held comes back as the numbers that are lost.
    std::vector<std::uint64_t> lose_session();
    bool connected() const { return connected_; }

    struct Delivery {
        std::uint16_t packet_id = 0;
        bool duplicate = false;
        Publication what;
    };
    // The next to be sent on this connection; nullptr: nothing may be sent now.
    const Delivery* next();
    void acknowledge(std::uint16_t packet_id);

    std::size_t waiting() const { return queue_.size() + inflight_.size(); }
    const std::deque<Delivery>& inflight() const { return inflight_; }
    std::uint64_t lost() const { return lost_; }
    std::uint64_t redelivered() const { return redelivered_; }

private:
    const std::size_t max_inflight_;
    std::deque<Publication> queue_;
    std::deque<Delivery> inflight_;
    std::size_t sent_ = 0;  // of inflight_, on this connection
    std::uint16_t last_id_ = 0;
    bool connected_ = false;
    bool session_ = false;
    std::uint64_t lost_ = 0;
    std::uint64_t redelivered_ = 0;
};

}  // namespace weir::sim
