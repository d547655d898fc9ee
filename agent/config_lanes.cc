// What has to hold of lanes and of shared subscriptions.
#include <algorithm>

#include "agent/config_sections.h"

namespace weir {
namespace {

void check_lane(const AgentConfig& config, const SourceConfig& source, ConfigProblems& problems) {
    if (!source.lane) return;
    const std::string title = "lane in [[source]] \"" + source.name + "\": found " + std::to_string(*source.lane);
    if (*source.lane >= config.agent.lanes)
        problems.push_back({source.at, title + ", expected a number below lanes of [agent], which is " +
                                           std::to_string(config.agent.lanes)});
    const bool joined = std::any_of(config.joins.begin(), config.joins.end(), [&](const JoinConfig& join) {
        return join.left.text == source.name || join.right.text == source.name;
    });
    if (*source.lane > 0 && (joined || !source.time.align.empty()))
        problems.push_back({source.at, title + ", but what is joined or aligned lies in lane 0: leave it out"});
}

// Each lane has connections of its own.
void check_client_ids(const AgentConfig& config, ConfigProblems& problems) {
    for (const MqttConfig& mqtt : config.mqtt)
        for (const MqttConfig& other : config.mqtt)
            for (std::size_t lane = 1; lane < config.agent.lanes; ++lane)
                if (lane_client_id(mqtt, lane) == other.client_id)
                    problems.push_back({other.at, "client_id: \"" + other.client_id + "\" is also that of lane " + std::to_string(lane) +
                                                      " of another connection; a broker lets one in at a time"});
}

void check_shares(const SourceConfig& source, ConfigProblems& problems) {
    for (const ConfigString& topic : source.topics) {
        Problem ignored;
        const Result<TopicTemplate> parsed = TopicTemplate::parse(topic.text, ignored);
        if (!parsed.ok() || !parsed->is_shared()) continue;
        problems.push_back({topic.at, "topics in [[source]] \"" + source.name +
                                          "\": a shared subscription counts each event at least once, not exactly once: what one "
                                          "member of the group had not acknowledged when it went away, another gets again", true});
    }
}

}  // namespace

void check_lanes(const AgentConfig& config, ConfigProblems& problems) {
    for (const SourceConfig& source : config.sources) {
        check_lane(config, source, problems);
        check_shares(source, problems);
    }
    if (config.agent.lanes == 1) return;
    check_client_ids(config, problems);
    for (const MqttConfig& mqtt : config.mqtt)
        if (mqtt.overflow == MqttConfig::Overflow::sample)
            problems.push_back({mqtt.at, "overflow = \"sample\" takes one lane: write lanes = 1 in [agent], or leave it out, and the broker queues"});
    for (const AlertConfig& alert : config.alerts)
        if (!config.find_window(alert.from.text) && config.find_source(alert.from.text))
            problems.push_back({alert.at, "alert \"" + alert.name + "\" watches the rows of a source, which takes one lane: write lanes = 1 "
                                              "in [agent], or watch a window"});
}

std::string lane_client_id(const MqttConfig& mqtt, std::size_t lane) {
    return lane == 0 ? mqtt.client_id : mqtt.client_id + "-lane" + std::to_string(lane);
}

}  // namespace weir
