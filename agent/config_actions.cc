// What alerts do: the entries of `do`, and [exec].
#include <algorithm>

#include "agent/config_sections.h"

namespace weir {
namespace {

constexpr Duration timeout_max = Duration::minutes(10);
constexpr std::uint64_t mib = 1024 * 1024;
constexpr std::size_t arguments_max = 32;
constexpr std::size_t argument_bytes_max = 1024;
constexpr std::size_t headers_max = 16;

}  // namespace

void ConfigSections::read_exec(const ConfigNode& node) {
    ConfigReader reader(node, "[exec]", problems_);
    path(reader, "socket", "\"/run/weir-exec/socket\"", config_.exec.socket);
    reader.size("memory", mib, 64 * 1024 * mib, config_.exec.memory);
    reader.finish();
}

void ConfigSections::read_action(const ConfigNode& node, const std::string& title, AlertConfig& alert) {
    ConfigReader reader(node, title, problems_, "do.");
    ActionConfig action;
    action.at = node.at;
    unsigned kinds = 0;
    for (const std::string_view kind : {"mqtt", "exec", "webhook", "gpio"})
        if (node.find(kind)) ++kinds;
    if (kinds != 1)
        reader.problem(node.at, "do in " + title + ": found " + (kinds == 0 ? "none" : "several") +
                                    " of mqtt, exec, webhook and gpio in one entry, expected one, such as mqtt = { topic = \"alerts/{alert}\" }");
    if (const auto* mqtt = reader.find("mqtt", ConfigType::table, "{ topic = \"alerts/{alert}\" }")) {
        ConfigReader inner(*mqtt, title, problems_, "do.mqtt.");
        read_publication(inner, "\"alerts/{alert}\"", action.mqtt);
        action.mqtt.at = node.at;
        inner.finish();
    }
    if (node.find("exec")) read_program(reader, action);
    if (const auto* webhook = reader.find("webhook", ConfigType::table, "{ url = \"http://192.168.1.9/hook\" }")) read_webhook(*webhook, title, action);
    if (const auto* gpio = reader.find("gpio", ConfigType::table, "{ chip = \"gpiochip0\", line = 17, pulse = \"2s\" }")) read_gpio(*gpio, title, action);
    if (action.kind != ActionKind::mqtt) {
        if (action.kind != ActionKind::gpio) reader.duration("timeout", Duration::millis(10), timeout_max, action.timeout);
        std::uint64_t retry = action.retry;
        if (reader.natural("retry", 0, 100, retry)) action.retry = static_cast<std::uint32_t>(retry);
    }
    read_on(reader, action);
    reader.finish();
    if (kinds == 1) alert.actions.push_back(std::move(action));
}

// No shell: a list of arguments, the first a program by its path.
void ConfigSections::read_program(ConfigReader& reader, ActionConfig& action) {
    constexpr std::string_view example = "[\"/usr/local/bin/sign\", \"{site}\"]";
    action.kind = ActionKind::exec;
    if (!reader.texts("exec", example, action.exec)) return;
    const ConfigPlace at = reader.find("exec")->at;
    if (action.exec.empty() || action.exec.size() > arguments_max)
        return reader.problem_of("exec", at, "expected 1 to " + std::to_string(arguments_max) + " arguments, such as " + std::string(example));
    for (const ConfigString& argument : action.exec) {
        if (argument.text.size() > argument_bytes_max)
            reader.problem_of("exec", argument.at, "an argument is longer than " + std::to_string(argument_bytes_max) + " bytes");
        if (argument.text.find('\0') != std::string::npos) reader.problem_of("exec", argument.at, "an argument holds a NUL");
    }
    const ConfigString& program = action.exec[0];
    if (!program.text.starts_with("/") || program.text.find_first_of("{}") != std::string::npos)
        reader.problem_of("exec", program.at,
                          "found " + in_quotes(program.text) + ", expected the path of a program from /, such as " + std::string(example) +
                              "; there is no shell, and nothing in the path is expanded");
    else if (context_.read_secrets && config_.exec.socket.empty() && !context_.files->size(program.text).ok())
        problems_.push_back({program.at, "do.exec in " + reader.title() + ": there is no file " + in_quotes(program.text) + " now", true});
}

// A pulse, by default when the alert is raised.
void ConfigSections::read_gpio(const ConfigNode& node, const std::string& title, ActionConfig& action) {
    ConfigReader reader(node, title, problems_, "do.gpio.");
    action.kind = ActionKind::gpio;
    action.on_clear = false;
    GpioConfig& gpio = action.gpio;
    gpio.pulse = Duration::seconds(1);
    ConfigString chip;
    if (reader.text("chip", "\"gpiochip0\"", chip)) {
        gpio.chip = chip.text;
        if (chip.text.empty() || chip.text.size() > argument_bytes_max) reader.problem_of("chip", chip.at, "expected a name such as \"gpiochip0\"");
    }
    reader.require("line", "line = 17");
    std::uint64_t line = gpio.line;
    if (reader.natural("line", 0, 1023, line)) gpio.line = static_cast<std::uint32_t>(line);
    reader.boolean("active_low", gpio.active_low);
    reader.duration("pulse", Duration::millis(1), timeout_max, gpio.pulse);
    reader.finish();
}

// Nothing in it expands: the JSON says it all.
void ConfigSections::read_webhook(const ConfigNode& node, const std::string& title, ActionConfig& action) {
    constexpr std::string_view example = "\"http://192.168.1.9/hook\"";
    ConfigReader reader(node, title, problems_, "do.webhook.");
    action.kind = ActionKind::webhook;
    WebhookConfig& webhook = action.webhook;
    reader.require("url", "url = " + std::string(example));
    if (reader.text("url", example, webhook.url)) {
        const std::string& url = webhook.url.text;
        const bool plain = std::none_of(url.begin(), url.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '{' || c == '}'; });
        if (!(url.starts_with("http://") || url.starts_with("https://")) || !plain || url.size() > argument_bytes_max)
            reader.problem_of("url", webhook.url.at,
                              "found " + in_quotes(url) + ", expected http:// or https:// without blanks and braces, such as " + std::string(example) +
                                  "; the JSON that is sent says key and values");
        if (url.find('@') != std::string::npos) reader.problem_of("url", webhook.url.at, "holds a user or a password; write bearer_file = \"hook.token\"");
    }
    if (const ConfigNode* headers = reader.find("headers", ConfigType::table, "{ X-Gateway = \"17\" }")) {
        ConfigReader inner(*headers, title, problems_, "do.webhook.headers.");
        if (headers->members.size() > headers_max) inner.problem(headers->at, "do.webhook.headers in " + title + ": more than " + std::to_string(headers_max));
        for (const ConfigMember& member : headers->members) {
            HeaderConfig header{member.key, {}};
            if (!inner.text(member.key, "\"17\"", header.value)) continue;
            const std::string line = member.key + ": " + header.value.text;
            if (member.key.empty() || member.key.find_first_of(": ") != std::string::npos ||
                std::any_of(line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }))
                inner.problem_of(member.key, header.value.at, "expected a name without blanks, and a value on one line");
            header.value.text = line;
            webhook.headers.push_back(std::move(header));
        }
    }
    secret(reader, "bearer_file", "\"hook.token\"", webhook.bearer_file);
    path(reader, "ca", "\"ca.pem\"", webhook.ca);
    reader.finish();
}

void ConfigSections::read_on(ConfigReader& reader, ActionConfig& action) {
    std::vector<ConfigString> on;
    if (!reader.texts("on", "[\"raise\", \"clear\"]", on)) return;
    action.on_raise = action.on_clear = false;
    for (const ConfigString& when : on) {
        if (when.text == "raise")
            action.on_raise = true;
        else if (when.text == "clear")
            action.on_clear = true;
        else
            reader.problem_of("on", when.at, "found " + in_quotes(when.text) + ", expected \"raise\" or \"clear\"");
    }
    if (on.empty()) reader.problem_of("on", reader.find("on")->at, "is empty, expected [\"raise\", \"clear\"]");
}

}  // namespace weir
