// Alerts over MQTT: an action is done when the broker has acknowledged it (QoS 1), or it has been sent (QoS 0).
// Memory: a list of ends, fixed. Cost: of Paho. Threads: delivered() any; the rest the runner's.
// Errors: none: while there is no connection actions wait.
#pragma once

#include <array>
#include <functional>
#include <mutex>

#include "agent/action_outlet.h"

namespace weir {

class MqttOutlet final : public ActionOutlet {
public:
    enum class Sent : std::uint8_t { under_way, later, nowhere };
    using Publish = std::function<Sent(std::string_view connection, std::string_view topic, std::string_view payload, int qos,
                                       bool retain, std::uint32_t token)>;
    explicit MqttOutlet(Publish publish) : publish_(std::move(publish)) {}
    // Called when delivered() has something for the runner.
    void on_delivered(std::function<void()> wake) { wake_ = std::move(wake); }

    // token 0: all that is under way on a connection is lost, and whose that is nobody knows any more.
    void delivered(std::uint32_t token, bool done);

    // Below a connection's max_inflight, which others want to publish on, too.
    std::size_t parallel_max() const override { return 32; }
    bool pipelines() const override { return true; }
    bool endless() const override { return true; }
    Begun begin(const Action& action, std::uint32_t token) override;
    bool hear(Ended& ended) override;

private:
    const Publish publish_;
    std::function<void()> wake_;
    std::mutex mutex_;
    std::array<Ended, 64> ends_{};
    std::size_t count_ = 0;
};

}  // namespace weir
