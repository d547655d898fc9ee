// The filters that were ever subscribed to and may live on in the broker's session: a file, a line a filter of a client id.
// What is no longer wanted is unsubscribed by it, also when another configuration runs.
// Memory: the lines, on the heap, at start-up. Cost: O(lines). Threads: start-up and stop. Errors: logged.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "agent/base/files.h"
#include "agent/config.h"
#include "drivers/mqtt_source.h"

namespace weir {

class RememberedFilters {
public:
    RememberedFilters(Files& files, const AgentConfig& config);

    std::vector<std::string> of(const std::string& client_id) const;
    // Client ids that none of these connections has: their sessions go on at the broker.
    std::vector<std::string> others(const std::vector<MqttOptions>& connections) const;
    // With what was remembered, or once that has been unsubscribed, without.
    void store(const std::vector<MqttOptions>& connections, bool with_remembered);

private:
    Files& files_;
    std::string path_;
    bool readable_ = true;
    std::vector<std::pair<std::string, std::string>> lines_;  // client id, filter
};

}  // namespace weir
