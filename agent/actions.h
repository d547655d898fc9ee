// Alerts' actions, put together: the queue that outlives the process, what fills it, the ways out, and the thread between.
// Memory: the plan's lines "actions: ...". Cost: of the parts. Threads: test() and status() any; each part as it says.
// Errors: open(): of the queue's file.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "agent/action_queue.h"
#include "agent/action_runner.h"
#include "agent/alert_publisher.h"
#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/config.h"
#include "agent/exec_outlet.h"
#include "agent/gpio_outlet.h"
#include "agent/mqtt_outlet.h"
#include "agent/webhook_outlet.h"

namespace weir {

class JsonWriter;

class Actions {
public:
    static Bytes need() { return AlertPublisher::need() + ActionRunner::need(); }  // from the arena
    static Result<std::unique_ptr<Actions>> open(Arena& arena, const AgentConfig& config, Files& files, const Clock& clock,
                                                 std::uint64_t incarnation, MqttOutlet::Publish publish);

    AlertPublisher& publisher() { return publisher_; }
    void start() { runner_.start(); }
    void stop(Duration limit) { runner_.stop(limit); }
    // `weir alert fire`: any thread. The answer to be printed.
    std::string fire(const AgentConfig& config, std::string_view alert, Timestamp now);
    // Of a publication with a token: any thread.
    void delivered(std::uint32_t token, bool done) { mqtt_.delivered(token, done); }

    ActionCounters counters(ActionKind kind) const { return queue_->counters(kind); }
    std::uint64_t retries(ActionKind kind) const { return runner_.retries(kind); }
    void put_status(JsonWriter& json) const;  // an object, by kind

private:
    Actions(Arena& arena, const AgentConfig& config, const Clock& clock, std::unique_ptr<ActionQueue> queue, MqttOutlet::Publish publish);
    ActionRunner::Outlets outlets();

    const std::unique_ptr<ActionQueue> queue_;
    AlertPublisher publisher_;
    MqttOutlet mqtt_;
    std::unique_ptr<ExecOutlet> exec_;
    std::unique_ptr<WebhookOutlet> webhook_;
    std::unique_ptr<GpioOutlet> gpio_;
    ActionRunner runner_;
};

}  // namespace weir
