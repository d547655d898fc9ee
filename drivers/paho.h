// What all users of Paho C++ share. Internal to drivers: keeps Paho out of the public headers.
// Memory, threads: Paho's. Errors: as outcomes; these functions do not throw beyond std::bad_alloc.
#pragma once

// Paho C++ shows a message's packet id only to its own tests; the macro adds that accessor and nothing else.
#define UNIT_TESTS
#include <mqtt/async_client.h>
#undef UNIT_TESTS

#include <string>

#include "drivers/mqtt_source.h"

namespace weir {

inline constexpr int refused_subscription = 0x80;

// "tcp://host:1883"; host in place of the URL's own.
std::string paho_url(const MqttUrl& url, const std::string& host);
mqtt::connect_options paho_connect_options(const MqttOptions& options, const MqttUrl& url, bool clean_session);

// What a token came to; waits if it is not complete.
struct PahoOutcome {
    int code = 0;  // 0: success
    std::string text = {};
};
PahoOutcome paho_outcome(mqtt::token& token);
// The granted QoS, refused_subscription, or a negative code of Paho's.
int granted_qos(mqtt::token& token);

// In words, for CONNACK's return codes; empty for others.
std::string connack_reason(int code);

}  // namespace weir
