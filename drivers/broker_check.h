// What `weir check --connect` asks a broker: can we connect, are the filters granted, and would the
// broker keep the messages of an absent client. The last cannot be read over MQTT, so it is measured: a temporary
// persistent session subscribes to a private topic and leaves, 1,100 small QoS 1 messages are published, and
// what comes back on return is counted. (mosquitto's default keeps 1,000 and drops the rest.) The session is
// removed afterwards.
// Memory: Paho's own; not bounded by the plan, since the command is not the agent. Cost: a few seconds.
// Threads: one caller. Errors: in the report; never throws.
#pragma once

#include <string>
#include <vector>

#include "agent/base/time.h"
#include "drivers/mqtt_source.h"

namespace weir {

struct BrokerReport {
    bool connected = false;
    std::string connect_problem = {};  // the reason, if not
    struct Filter {
        std::string filter;
        int granted_qos = -1;  // -1: refused
    };
    std::vector<Filter> filters = {};
    bool queue_measured = false;
    std::string queue_problem = {};   // why it could not be measured (no right to the private topic, say)
    unsigned queue_sent = 0;
    unsigned queue_returned = 0;      // fewer than sent: the broker's queue is too short
};

struct BrokerCheckOptions {
    bool measure_queue = true;
    unsigned queue_messages = 1100;
    std::string private_topic = {};  // empty: "weir/check/<random>"
    Duration limit = Duration::seconds(20);
};

// Uses the options' URL, credentials and filters, under client ids of its own.
BrokerReport check_broker(const MqttOptions& mqtt, const BrokerCheckOptions& options, Entropy& entropy);

}  // namespace weir
