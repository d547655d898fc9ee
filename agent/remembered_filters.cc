#include "agent/remembered_filters.h"

#include <algorithm>

#include "agent/base/log.h"

namespace weir {

RememberedFilters::RememberedFilters(Files& files, const AgentConfig& config) : files_(files), path_(config.agent.state + "/subscriptions") {
    const Result<std::string> text = files_.read(path_, 1 << 20);
    readable_ = text.ok() || text.error() == Error::missing;
    if (!readable_)
        WEIR_LOG_WARNING("mqtt", "%s cannot be read (%s): filters that were removed stay subscribed until a later start",
                         path_.c_str(), std::string(name(text.error())).c_str());
    if (!text.ok()) return;
    for (std::size_t at = 0; at < text->size();) {
        const std::size_t end = std::min(text->find('\n', at), text->size());
        const std::string line = text->substr(at, end - at);
        if (const std::size_t tab = line.find('\t'); tab != std::string::npos)
            lines_.emplace_back(line.substr(0, tab), line.substr(tab + 1));
        at = end + 1;
    }
}

std::vector<std::string> RememberedFilters::of(const std::string& client_id) const {
    std::vector<std::string> filters;
    for (const auto& [owner, filter] : lines_)
        if (owner == client_id) filters.push_back(filter);
    return filters;
}

std::vector<std::string> RememberedFilters::others(const std::vector<MqttOptions>& connections) const {
    std::vector<std::string> ids;
    for (const auto& [owner, filter] : lines_) {
        const std::string& id = owner;
        const bool present = std::any_of(connections.begin(), connections.end(), [&](const MqttOptions& c) { return c.client_id == id; });
        if (!present && std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
    }
    return ids;
}

void RememberedFilters::store(const std::vector<MqttOptions>& connections, bool with_remembered) {
    if (!readable_) return;  // what it holds is not lost
    std::vector<std::pair<std::string, std::string>> all;
    if (with_remembered) all = lines_;
    for (const MqttOptions& connection : connections)
        for (const MqttFilter& filter : connection.filters) {
            const std::pair<std::string, std::string> line(connection.client_id, filter.filter);
            if (std::find(all.begin(), all.end(), line) == all.end()) all.push_back(line);
        }
    std::string text;
    for (const auto& [owner, filter] : all) text += owner + "\t" + filter + "\n";
    if (!files_.replace(path_, as_byte_span(text), true).ok())
        WEIR_LOG_WARNING("mqtt", "%s cannot be written: filters removed later will stay subscribed", path_.c_str());
}

}  // namespace weir
