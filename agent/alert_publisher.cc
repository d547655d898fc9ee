#include "agent/alert_publisher.h"

#include "agent/action_expand.h"
#include "agent/base/json_writer.h"
#include "agent/base/log.h"
#include "agent/publish_topic.h"

namespace weir {

std::string_view render_alert(const AlertTransition& transition, std::string_view agent, std::span<char> buffer) {
    const Record& result = *transition.result;
    JsonWriter json(buffer);
    json.begin_object();
    const auto text = [&](std::string_view key, std::string_view value) {
        json.key(key);
        json.text(value);
    };
    text("alert", transition.alert->name);
    text("state", name(transition.state));
    text("severity", name(transition.alert->severity));
    text("id", AlertId(transition.id).text());
    json.key("sequence");
    json.natural(transition.sequence);
    text("reason", name(transition.reason));
    if (!transition.message.empty()) text("message", transition.message);
    text("agent", agent);
    text("window", result.window);
    json.key("start");
    json.integer(result.start.ms());
    json.key("end");
    json.integer(result.end.ms());
    json.key("key");
    json.begin_object();
    for (const Field& field : result.key) {
        json.key(field.name);
        write_value(json, field.value, false);
    }
    json.end_object();
    json.key("values");
    json.begin_object();
    for (const Field& field : result.values) {
        if (is_list(field.value.kind)) continue;
        json.key(field.name);
        write_value(json, field.value, false);
    }
    json.end_object();
    json.end_object();
    return json.ok() ? json.text() : std::string_view();
}

std::string_view expand_topic(std::string_view pattern, const AlertTransition& transition, std::string_view agent,
                              std::span<char> buffer) {
    const TopicName names[] = {{"alert", transition.alert->name},
                               {"severity", name(transition.alert->severity)},
                               {"state", name(transition.state)}};
    return expand_topic(pattern, *transition.result, agent, names, buffer);
}

Bytes AlertPublisher::need() { return Arena::need<char>(payload_bytes) + Arena::need<char>(texts_bytes); }

AlertPublisher::AlertPublisher(Arena& arena, std::string agent, std::uint64_t memory, ActionQueue& queue)
    : agent_(std::move(agent)), memory_(memory), payload_(arena.take<char>(payload_bytes)), texts_(arena.take<char>(texts_bytes)), queue_(queue) {}

void AlertPublisher::transition(const AlertTransition& transition, std::uint64_t epoch, std::uint64_t number) {
    const AlertConfig& alert = *transition.alert;
    char key_text[256];
    const std::string_view key = key_in_topic(*transition.result, key_text);
    // What is acknowledged or flaps still stands: it goes where a raise goes.
    const bool raised = transition.state != AlertState::cleared;
    const std::string_view said = transition.message.empty() ? "" : ": ";
    log(raised ? LogLevel::warning : LogLevel::info, "alert", "%s %s: %.*s (%s), window ending at %lld ms%.*s%.*s",
        alert.name.c_str(), std::string(name(transition.state)).c_str(), static_cast<int>(key.size()), key.data(),
        std::string(name(alert.severity)).c_str(), static_cast<long long>(transition.result->end.ms()), static_cast<int>(said.size()),
        said.data(), static_cast<int>(transition.message.size()), transition.message.data());

    const std::string_view payload = render_alert(transition, agent_, payload_);
    for (std::size_t i = 0; i < alert.actions.size(); ++i) {
        const ActionConfig& config = alert.actions[i];
        if (!(raised ? config.on_raise : config.on_clear)) continue;
        Action action;
        action.id = {epoch, number, static_cast<std::uint32_t>(i)};
        action.payload = payload;
        const bool whole = !payload.empty() && expand(config, transition, action);
        if (!whole || queue_.add(action) == ActionQueue::Added::too_long)
            WEIR_LOG_WARNING("alert", "%s: a topic, an argument or the message is too long: its %s action is left out", alert.name.c_str(),
                             std::string(name(config.kind)).c_str());
    }
}

bool AlertPublisher::expand(const ActionConfig& config, const AlertTransition& transition, Action& action) {
    return expand_action(config, transition, agent_, memory_, texts_, action);
}

}  // namespace weir
