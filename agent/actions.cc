#include "agent/actions.h"

#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "agent/action_expand.h"
#include "agent/base/json_writer.h"
#include "agent/base/log.h"
#include "agent/base/nearest.h"

namespace weir {
namespace {

// Beside this very program.
std::string helper_path() {
    char path[PATH_MAX];
    const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
    const std::string own(path, size > 0 ? static_cast<std::size_t>(size) : 0);
    return own.substr(0, own.rfind('/') + 1) + "weir-exec";
}

}  // namespace

Result<std::unique_ptr<Actions>> Actions::open(Arena& arena, const AgentConfig& config, Files& files, const Clock& clock,
                                               std::uint64_t incarnation, MqttOutlet::Publish publish) {
    ActionQueue::Report report;
    Result<std::unique_ptr<ActionQueue>> queue = ActionQueue::open(files, config.agent.run + "/actions", report);
    if (!queue.ok()) return queue.error();
    if (!report.damage.empty())
        WEIR_LOG_ERROR("action", "%s/actions: %s", config.agent.run.c_str(), std::string(report.damage).c_str());
    if (report.found > 0) WEIR_LOG_INFO("action", "%llu actions of alerts were not done yet", static_cast<unsigned long long>(report.found));
    (*queue)->begin(incarnation);
    return std::unique_ptr<Actions>(new Actions(arena, config, clock, std::move(*queue), std::move(publish)));
}

Actions::Actions(Arena& arena, const AgentConfig& config, const Clock& clock, std::unique_ptr<ActionQueue> queue, MqttOutlet::Publish publish)
    : queue_(std::move(queue)),
      publisher_(arena, config.agent.id, config.exec.memory, *queue_),
      mqtt_(std::move(publish)),
      // Or what an earlier configuration left to be done.
      exec_(config.has_action(ActionKind::exec) || queue_->counters(ActionKind::exec).waiting > 0
                ? std::make_unique<ExecOutlet>(ExecOptions{config.exec.socket.empty() ? helper_path() : "", config.exec.socket}, clock)
                : nullptr),
      webhook_(config.has_action(ActionKind::webhook) || queue_->counters(ActionKind::webhook).waiting > 0 ? std::make_unique<WebhookOutlet>(clock)
                                                                                                         : nullptr),
      gpio_(config.has_action(ActionKind::gpio) || queue_->counters(ActionKind::gpio).waiting > 0 ? std::make_unique<GpioOutlet>(GpioCalls::load(), clock)
                                                                                                  : nullptr),
      runner_(arena, *queue_, outlets(), clock) {
    mqtt_.on_delivered([this] { runner_.wake(); });
}

ActionRunner::Outlets Actions::outlets() {
    ActionRunner::Outlets outlets{};
    outlets[static_cast<std::size_t>(ActionKind::mqtt)] = &mqtt_;
    outlets[static_cast<std::size_t>(ActionKind::exec)] = exec_.get();
    outlets[static_cast<std::size_t>(ActionKind::webhook)] = webhook_.get();
    outlets[static_cast<std::size_t>(ActionKind::gpio)] = gpio_.get();
    return outlets;
}

std::string Actions::fire(const AgentConfig& config, std::string_view name, Timestamp now) {
    const auto alert = std::find_if(config.alerts.begin(), config.alerts.end(), [&](const AlertConfig& each) { return each.name == name; });
    if (alert == config.alerts.end()) {
        std::vector<std::string> names;
        for (const AlertConfig& each : config.alerts) names.push_back(each.name);
        const std::string_view near = nearest_word(name, names);
        return "error: there is no alert \"" + std::string(name) + "\"" + (near.empty() ? "" : "; did you mean \"" + std::string(near) + "\"?") + "\n";
    }
    const Result<std::size_t> fired = fire_alert(config, *alert, now, *queue_);
    if (!fired.ok()) return "error: a topic, an argument or the message is too long\n";
    if (*fired == 0) return "error: alert \"" + alert->name + "\" has do = []: nothing to fire\n";
    return std::to_string(*fired) + (*fired == 1 ? " action" : " actions") +
           " of \"" + alert->name + "\" fired, marked as a test; `weir status --json` counts them (actions), the log says what failed\n";
}

void Actions::put_status(JsonWriter& json) const {
    json.begin_object();
    const auto put = [&](std::string_view key, std::uint64_t value) {
        json.key(key);
        json.natural(value);
    };
    for (std::size_t i = 0; i < action_kinds; ++i) {
        const auto kind = static_cast<ActionKind>(i);
        const ActionCounters counters = queue_->counters(kind);
        json.key(name(kind));
        json.begin_object();
        put("added", counters.added);
        put("known", counters.known);
        put("done", counters.done);
        put("retries", runner_.retries(kind));
        put("given_up", counters.given_up);
        put("dropped", counters.dropped);
        put("refused", counters.refused);
        put("waiting", counters.waiting);
        if (kind == ActionKind::exec && exec_) {
            put("helper_starts", exec_->starts());
            put("helper_failures", exec_->failures());
            put("helper_losses", exec_->losses());
        }
        json.end_object();
    }
    json.end_object();
}

}  // namespace weir
