#include "agent/action_expand.h"

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "agent/alert_publisher.h"

namespace weir {
namespace {

constexpr Bytes texts_bytes = 4096;
constexpr Bytes payload_bytes = 4096;
constexpr std::string_view test_mark = "{\"test\":true,";

// What the alert looks at has a key of these names.
std::vector<std::string> key_names(const AgentConfig& config, const AlertConfig& alert) {
    std::vector<std::string> names;
    const auto take = [&](const std::vector<ConfigString>& by) {
        for (const ConfigString& key : by) names.push_back(key.text);
    };
    if (const WindowConfig* const window = config.find_window(alert.from.text))
        take(window->by);
    else if (const PatternConfig* const pattern = config.find_pattern(alert.from.text))
        take(pattern->by);
    else
        take(alert.by);
    return names;
}

}  // namespace

bool expand_action(const ActionConfig& config, const AlertTransition& transition, std::string_view agent, std::uint64_t memory,
                   std::span<char> room, Action& action) {
    const auto put = [&](std::string_view pattern) {
        const std::string_view text = expand_topic(pattern, transition, agent, room);
        action.texts[action.count++] = text;
        room = room.subspan(text.size());
        return !text.empty() || pattern.empty();
    };
    action.kind = config.kind;
    action.timeout = config.timeout;
    action.retries = static_cast<std::uint8_t>(config.retry);
    switch (config.kind) {
        case ActionKind::mqtt:
            action.qos = static_cast<std::uint8_t>(config.mqtt.qos);
            action.retain = config.mqtt.retain;
            action.texts[action.count++] = config.mqtt.connection;
            return put(config.mqtt.topic.text);
        case ActionKind::exec:
            action.number = memory;
            return std::all_of(config.exec.begin(), config.exec.end(), [&](const ConfigString& argument) { return put(argument.text); });
        case ActionKind::webhook:
            for (const std::string* text : {&config.webhook.url.text, &config.webhook.bearer_file, &config.webhook.ca}) action.texts[action.count++] = *text;
            for (const HeaderConfig& header : config.webhook.headers) action.texts[action.count++] = header.value.text;
            return true;
        case ActionKind::gpio: {
            action.number = static_cast<std::uint64_t>(config.gpio.pulse.us());
            action.payload = {};  // a line says no more than that
            const std::string line = std::to_string(config.gpio.line);
            const std::string texts[] = {config.gpio.chip + ":" + line, config.gpio.chip, line, config.gpio.active_low ? "low" : "high"};
            for (const std::string& text : texts) {
                if (text.size() > room.size()) return false;
                std::copy(text.begin(), text.end(), room.begin());
                action.texts[action.count++] = {room.data(), text.size()};
                room = room.subspan(text.size());
            }
            return true;
        }
    }
    return false;
}

Result<std::size_t> fire_alert(const AgentConfig& config, const AlertConfig& alert, Timestamp now, ActionQueue& queue) {
    std::vector<Field> key;
    const std::vector<std::string> names = key_names(config, alert);
    for (const std::string& name : names) key.push_back({name, Value::of_text("test")});
    Record record;
    record.kind = RecordKind::alert;
    record.window = alert.from.text;
    record.start = record.end = now;
    record.key = key;
    AlertTransition transition;
    transition.alert = &alert;
    transition.result = &record;

    const auto buffer = std::make_unique<std::array<char, payload_bytes + texts_bytes>>();
    const std::span<char> payload_room = std::span(*buffer).first(payload_bytes);
    std::size_t fired = 0;
    for (const ActionConfig& entry : alert.actions) {
        transition.state = entry.on_raise ? AlertState::raised : AlertState::cleared;
        const std::string_view rendered = render_alert(transition, config.agent.id, payload_room.subspan(test_mark.size() - 1));
        if (rendered.empty()) return Error::full;
        std::copy(test_mark.begin(), test_mark.end(), payload_room.begin());  // in place of its first bracket
        Action action;
        action.payload = {payload_room.data(), rendered.size() + test_mark.size() - 1};
        if (!expand_action(entry, transition, config.agent.id, config.exec.memory, std::span(*buffer).subspan(payload_bytes), action)) return Error::full;
        action.retain = false;
        if (queue.add(action) != ActionQueue::Added::yes) return Error::full;
        ++fired;
    }
    return fired;
}

}  // namespace weir
