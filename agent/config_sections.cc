#include "agent/config_sections.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include "agent/config_units.h"

namespace weir {
namespace {

constexpr std::uint64_t kib = 1024;
constexpr std::uint64_t mib = 1024 * kib;
constexpr std::uint64_t gib = 1024 * mib;
constexpr Duration day = Duration::seconds(86'400);
constexpr std::size_t name_bytes_max = 64;
constexpr Bytes secret_bytes_max = 1 << 20;

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_object_name(std::string_view name) {
    if (name.empty() || name.size() > name_bytes_max || !(is_letter(name[0]) || is_digit(name[0])))
        return false;
    return std::all_of(name.begin(), name.end(),
                       [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '.'; });
}

// What a level of a topic, a common name and a Kafka header can all hold.
bool is_agent_id(std::string_view id) {
    if (id.empty() || id.size() > name_bytes_max || id[0] == '-') return false;
    return std::none_of(id.begin(), id.end(), [](char c) {
        return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '/' || c == '+' ||
               c == '#';
    });
}

constexpr std::string_view connection_keys[] = {
    "url", "client_id",   "username",   "password", "password_file",
    "tls", "max_message", "keep_alive", "silence",  "max_inflight", "overflow"};

bool is_connection_key(std::string_view key) {
    return std::find(std::begin(connection_keys), std::end(connection_keys), key) !=
           std::end(connection_keys);
}

std::string error_text(Error error) { return std::string(weir::name(error)); }

}  // namespace

bool is_identifier(std::string_view name) {
    constexpr std::array<std::string_view, 4> reserved = {"true", "false", "null", "in"};
    if (name.empty() || name.size() > name_bytes_max || !is_letter(name[0])) return false;
    if (std::find(reserved.begin(), reserved.end(), name) != reserved.end()) return false;
    return std::all_of(name.begin(), name.end(),
                       [](char c) { return is_letter(c) || is_digit(c); });
}

void ConfigSections::read(const ConfigNode& root) {
    ConfigReader reader(root, "the configuration", problems_);
    if (const auto* node = reader.find("agent", ConfigType::table, "[agent]")) read_agent(*node);
    if (const auto* node = reader.find("mqtt", ConfigType::table, "[mqtt]")) read_mqtt(*node);
    if (const auto* node = reader.find("exec", ConfigType::table, "[exec]")) read_exec(*node);
    const auto read_each = [&](std::string_view key, auto read_one) {
        const std::string title = "[[" + std::string(key) + "]]";
        const ConfigNode* array = reader.find(key, ConfigType::array, title);
        if (!array) return;
        for (std::size_t i = 0; i < array->items.size(); ++i) {
            const ConfigNode& item = array->items[i];
            if (item.type == ConfigType::table)
                (this->*read_one)(item, title + " number " + std::to_string(i + 1));
            else
                problem(item.at, std::string(key) + ": found " +
                                     std::string(weir::name(item.type)) + ", expected " + title);
        }
    };
    read_each("table", &ConfigSections::read_table);
    read_each("source", &ConfigSections::read_source);
    read_each("join", &ConfigSections::read_join);
    read_each("window", &ConfigSections::read_window);
    read_each("pattern", &ConfigSections::read_pattern);
    read_each("alert", &ConfigSections::read_alert);
    if (const auto* node = reader.find("uplink", ConfigType::table, "[uplink]")) read_uplink(*node);
    if (const auto* node = reader.find("page", ConfigType::table, "[page]")) read_page(*node);
    reader.require("source", "[[source]] with name, topics and columns");
    if (!root.find("pattern")) reader.require("window", "[[window]] with name, from, size and select");
    reader.finish();
    settle_agent_id();
    settle_client_ids();
    settle_actions();
}

bool ConfigSections::path(ConfigReader& reader, std::string_view key, std::string_view example,
                          std::string& out) {
    ConfigString value;
    if (!reader.text(key, example, value)) return false;
    const std::string& named_by = config_.files[value.at.file].path;
    const std::string& from = named_by.starts_with("$") ? config_.files[0].path : named_by;
    std::error_code failure;
    const std::filesystem::path base = std::filesystem::absolute(from, failure).parent_path();
    out = (base / value.text).lexically_normal().string();
    return true;
}

bool ConfigSections::secret(ConfigReader& reader, std::string_view key, std::string_view example,
                            std::string& out, std::string* text) {
    if (!path(reader, key, example, out)) return false;
    if (!context_.read_secrets) return true;
    const auto content = context_.files->read(out, secret_bytes_max);
    if (!content) {
        reader.problem_of(
            key, reader.find(key)->at,
            "cannot read " + in_quotes(out) + " (" + error_text(content.error()) + ")");
        return false;
    }
    if (text) *text = *content;
    return true;
}

bool ConfigSections::name(ConfigReader& reader, std::string& out) {
    reader.require("name", "name = \"site_minute\"");
    ConfigString value;
    if (!reader.text("name", "\"site_minute\"", value)) return false;
    reader.set_title(reader.title().substr(0, reader.title().find(' ')) + " " +
                     in_quotes(value.text));
    out = value.text;
    if (is_object_name(value.text)) return true;
    reader.problem_of(
        "name", value.at,
        "found " + in_quotes(value.text) +
            ", expected at most 64 letters, digits, _, - and ., the first a letter or digit");
    return false;
}

bool ConfigSections::url(ConfigReader& reader, std::string_view example, const ConfigNode* node,
                         std::string_view schemes, std::string& scheme, std::string& host,
                         std::uint16_t& port) {
    const std::string_view text = node->text;
    const auto wrong = [&](std::string_view why) {
        reader.problem_of("url", node->at,
                          "found " + in_quotes(text) + ": " + std::string(why) + "; expected " +
                              std::string(example));
        return false;
    };
    const std::size_t colon = text.find("://");
    if (colon == std::string_view::npos) return wrong("no scheme");
    scheme = text.substr(0, colon);
    if ((" " + std::string(schemes) + " ").find(" " + scheme + " ") == std::string::npos)
        return wrong("unknown scheme");
    std::string_view rest = text.substr(colon + 3);
    if (rest.ends_with("/")) rest.remove_suffix(1);
    if (rest.find('@') != std::string_view::npos)
        return wrong("user and password belong to username and password_file");
    const std::size_t port_colon = rest.starts_with("[") ? rest.find("]:") : rest.rfind(':');
    std::string_view port_text;
    if (port_colon != std::string_view::npos) {
        const std::size_t skip = rest.starts_with("[") ? 1 : 0;
        port_text = rest.substr(port_colon + skip + 1);
        rest = rest.substr(0, port_colon + skip);
        const auto [end, failure] =
            std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
        if (failure != std::errc{} || end != port_text.data() + port_text.size() || port == 0)
            return wrong("no port from 1 to 65535");
    }
    const bool six = rest.starts_with("[") && rest.ends_with("]");
    if (six) rest = rest.substr(1, rest.size() - 2);
    const bool good = std::all_of(rest.begin(), rest.end(), [&](char c) {
        return is_letter(c) || is_digit(c) || c == '-' || c == '.' ||
               (six && (c == ':' || c == '%'));
    });
    if (rest.empty() || rest.size() > 253 || !good) return wrong("no host name or address");
    host = rest;
    return true;
}

void ConfigSections::read_agent(const ConfigNode& node) {
    ConfigReader reader(node, "[agent]", problems_);
    AgentSection& agent = config_.agent;
    ConfigString id;
    if (reader.text("id", "\"junction-017\"", id)) {
        id_at_ = id.at;
        agent.id = id.text;
        if (!is_agent_id(id.text)) {
            reader.problem_of("id", id.at,
                              "found " + in_quotes(id.text) +
                                  ", expected at most 64 bytes without blanks, '/', '+' and '#'");
        }
    }
    std::uint64_t memory = agent.memory;
    if (reader.size("memory", 4 * mib, 3 * gib, memory)) agent.memory = static_cast<Bytes>(memory);
    path(reader, "state", "\"/var/lib/weir\"", agent.state);
    path(reader, "run", "\"/run/weir\"", agent.run);
    if (const auto* journal =
            reader.find("journal", ConfigType::table, "{ size = \"4MiB\", on = \"memory\" }")) {
        read_journal(*journal);
    }
    reader.duration("checkpoint", Duration::millis(100), Duration::minutes(60), agent.checkpoint);
    reader.duration("flush", Duration::seconds(1), day, agent.flush);
    reader.rate("flash_budget", "day", mib, 1024 * gib, agent.flash_budget_per_day);
    std::uint64_t lanes = agent.lanes;
    if (reader.natural("lanes", 1, lanes_max, lanes)) agent.lanes = static_cast<std::uint32_t>(lanes);
    if (const auto* log = reader.find("log", ConfigType::table, "{ format = \"json\", level = \"info\" }")) read_log(*log);
    reader.duration("trial", Duration::seconds(1), Duration::minutes(60), agent.trial);
    reader.finish();
}

void ConfigSections::read_log(const ConfigNode& node) {
    ConfigReader reader(node, "[agent]", problems_, "log.");
    reader.one_of<LogFormat>("format", {{"text", LogFormat::text}, {"logfmt", LogFormat::logfmt}, {"json", LogFormat::json}},
                             config_.agent.log_format);
    reader.one_of<LogLevel>("level",
                            {{"error", LogLevel::error},
                             {"warning", LogLevel::warning},
                             {"info", LogLevel::info},
                             {"debug", LogLevel::debug}},
                            config_.agent.log_level);
    reader.finish();
}

void ConfigSections::read_journal(const ConfigNode& node) {
    ConfigReader reader(node, "[agent]", problems_, "journal.");
    JournalConfig& journal = config_.agent.journal;
    std::uint64_t size = journal.size;
    if (reader.size("size", 64 * kib, gib, size)) journal.size = static_cast<Bytes>(size);
    reader.one_of<JournalMedium>(
        "on", {{"memory", JournalMedium::memory}, {"disk", JournalMedium::disk}}, journal.on);
    const bool sync_given =
        reader.duration("sync", Duration::millis(10), Duration::minutes(60), journal.sync);
    if (sync_given && journal.on == JournalMedium::memory) {
        reader.problem_of(
            "sync", reader.find("sync")->at,
            "has a meaning only with on = \"disk\"; a journal in memory is lost in a power cut");
    }
    reader.finish();
}

void ConfigSections::read_mqtt(const ConfigNode& node) {
    ConfigNode unnamed = node;
    std::erase_if(unnamed.members, [](const ConfigMember& member) {
        return member.value.type == ConfigType::table && !is_connection_key(member.key);
    });
    const bool only_named = unnamed.members.empty() && !node.members.empty();
    if (!only_named) read_connection(unnamed, "");
    for (const ConfigMember& member : node.members) {
        if (member.value.type != ConfigType::table || is_connection_key(member.key)) continue;
        read_connection(member.value, member.key);
        if (!is_object_name(member.key)) {
            problem(member.at, "[mqtt." + in_quotes(member.key) +
                                   "]: expected a name of letters, digits, _, - and .");
        }
    }
}

void ConfigSections::read_connection(const ConfigNode& node, const std::string& name) {
    ConfigReader reader(node, name.empty() ? "[mqtt]" : "[mqtt." + name + "]", problems_);
    MqttConfig mqtt;
    mqtt.name = name;
    mqtt.at = node.at;
    constexpr std::string_view example = "\"mqtt://HOST\", \"mqtts://HOST:8883\"";
    reader.require("url", example);
    std::string scheme;
    if (const auto* text = reader.find("url", ConfigType::text, example)) {
        mqtt.url = text->text;
        mqtt.tls_on = text->text.starts_with("mqtts:");
        mqtt.port = mqtt.tls_on ? 8883 : 1883;
        url(reader, example, text, "mqtt mqtts", scheme, mqtt.host, mqtt.port);
    }
    reader.text("client_id", "\"weir-junction-017\"", mqtt.client_id);
    reader.text("username", "\"weir\"", mqtt.username);
    if (const auto* password = reader.find("password")) {
        reader.problem_of("password", password->at,
                          "secrets stand in files; write password_file = \"FILE\" instead");
    }
    if (secret(reader, "password_file", "\"mqtt.password\"", mqtt.password_file, &mqtt.password)) {
        if (mqtt.password.ends_with("\n")) mqtt.password.pop_back();
        if (mqtt.password.ends_with("\r")) mqtt.password.pop_back();
        if (mqtt.username.empty())
            reader.problem_of("password_file", node.at, "needs a username beside it");
    }
    read_tls(reader, mqtt.tls);
    if (const auto* tls = reader.find("tls"); tls && !mqtt.tls_on && !mqtt.url.empty()) {
        reader.problem_of(
            "tls", tls->at,
            "the url is " + in_quotes(mqtt.url) + ", which is not encrypted; write mqtts://");
    }
    std::uint64_t max_message = mqtt.max_message;
    if (reader.size("max_message", kib, 256 * mib, max_message))
        mqtt.max_message = static_cast<Bytes>(max_message);
    reader.duration("keep_alive", Duration::seconds(1), Duration::seconds(65'535), mqtt.keep_alive);
    reader.duration("silence", Duration(), day * 7, mqtt.silence);
    std::uint64_t inflight = mqtt.max_inflight;
    if (reader.natural("max_inflight", 1, 65'535, inflight))
        mqtt.max_inflight = static_cast<std::uint32_t>(inflight);
    reader.one_of<MqttConfig::Overflow>("overflow", {{"wait", MqttConfig::Overflow::wait}, {"sample", MqttConfig::Overflow::sample}},
                                        mqtt.overflow);
    reader.finish();
    config_.mqtt.push_back(std::move(mqtt));
}

void ConfigSections::read_tls(ConfigReader& reader, TlsConfig& tls) {
    const ConfigNode* node = reader.find("tls", ConfigType::table, "tls.ca = \"ca.pem\"");
    if (!node) return;
    ConfigReader inner(*node, reader.title(), problems_, "tls.");
    secret(inner, "ca", "\"ca.pem\"", tls.ca);
    secret(inner, "cert", "\"agent.pem\"", tls.cert,
           reader.title() == "[uplink]" ? &certificate_ : nullptr);
    secret(inner, "key", "\"agent.key\"", tls.key);
    inner.text("server_name", "\"broker.example.org\"", tls.server_name);
    if (reader.title() == "[uplink]") {
        secret(inner, "crl", "\"revoked.pem\"", tls.crl);
    } else if (const auto* crl = inner.find("crl")) {
        inner.problem_of("crl", crl->at,
                         "revocation lists are checked for [uplink] only: the MQTT library has no "
                         "way to be given one");
    }
    if (tls.cert.empty() != tls.key.empty()) {
        inner.problem_of(tls.cert.empty() ? "key" : "cert", node->at,
                         "tls.cert and tls.key go together");
    }
    inner.finish();
}

void ConfigSections::read_uplink(const ConfigNode& node) {
    ConfigReader reader(node, "[uplink]", problems_);
    UplinkConfig uplink;
    uplink.at = node.at;
    constexpr std::string_view example = "\"tls://bridge.example.org:7400\"";
    reader.require("url", example);
    if (const auto* text = reader.find("url", ConfigType::text, example)) {
        uplink.url = text->text;
        std::string scheme;
        if (text->text.starts_with("mqtt:") || text->text.starts_with("mqtts:")) {
            reader.problem_of("url", text->at,
                              "results to a plain broker are not in this release; expected " +
                                  std::string(example));
        } else {
            url(reader, example, text, "tls", scheme, uplink.host, uplink.port);
        }
    }
    read_tls(reader, uplink.tls);
    const ConfigNode* tls = node.find("tls");
    if (!tls || (tls->type == ConfigType::table && !tls->find("cert") && !tls->find("key"))) {
        reader.problem(
            node.at,
            "[uplink] has no tls.cert and tls.key; the bridge knows an agent by its certificate "
            "(`weir-bridge enrol ID` makes one)");
    }
    reader.size("outbox", 256 * kib, 64 * gib, uplink.outbox);
    read_on_full(reader, uplink);
    reader.rate("rate", "s", kib, gib, uplink.rate_per_second);
    reader.finish();
    config_.uplink = std::move(uplink);
}

// One policy, or coarsen and one for what that cannot make room for.
void ConfigSections::read_on_full(ConfigReader& reader, UplinkConfig& uplink) {
    constexpr std::string_view example = "[\"coarsen\", \"drop-oldest\"]";
    const auto* const node = reader.find("on_full");
    if (!node) return;
    const auto policy = [&](const ConfigNode& item) {
        if (item.text == "drop-oldest" || item.text == "stop") {
            uplink.on_full = item.text == "stop" ? OnFull::stop : OnFull::drop_oldest;
            return true;
        }
        reader.problem_of("on_full", item.at,
                          "found " + in_quotes(item.text) + ", expected \"coarsen\", \"drop-oldest\", \"stop\", or " + std::string(example));
        return false;
    };
    if (node->type != ConfigType::array) {
        if (const auto* text = reader.find("on_full", ConfigType::text, "\"coarsen\""))
            uplink.coarsen = text->text == "coarsen" || !policy(*text);
        return;
    }
    std::vector<ConfigString> all;
    if (!reader.texts("on_full", example, all)) return;
    if (all.size() != 2 || all[0].text != "coarsen")
        return reader.problem_of("on_full", node->at, "a list is \"coarsen\" and what happens when that is not enough, as in " + std::string(example));
    uplink.coarsen = true;
    (void)policy(node->items[1]);
}

void ConfigSections::settle_agent_id() {
    std::string common_name;
    if (!certificate_.empty() && context_.read_common_name) {
        const auto read = context_.read_common_name(certificate_);
        if (read)
            common_name = *read;
        else
            problem(config_.uplink->at,
                    "tls.cert in [uplink]: no certificate with a common name in " +
                        in_quotes(config_.uplink->tls.cert) + " (" + error_text(read.error()) +
                        ")");
    }
    std::string& id = config_.agent.id;
    if (id.empty()) id = common_name.empty() ? context_.host_name : common_name;
    if (!common_name.empty() && id != common_name) {
        problem(id_at_, "id in [agent]: found " + in_quotes(id) +
                            ", but the certificate of [uplink] is for " + in_quotes(common_name) +
                            "; leave id out, or enrol the agent as " + in_quotes(id));
    }
    if (id_at_.line == 0 && !is_agent_id(id)) {
        problem(config_.uplink ? config_.uplink->at : ConfigPlace{0, 1, 1},
                "the default for id in [agent], " + in_quotes(id) +
                    ", is no agent id; write id = \"NAME\" in [agent]");
    }
}

void ConfigSections::settle_client_ids() {
    for (MqttConfig& mqtt : config_.mqtt) {
        if (!mqtt.client_id.empty()) continue;
        mqtt.client_id = "weir-" + config_.agent.id + (mqtt.name.empty() ? "" : "-" + mqtt.name);
    }
}

void ConfigSections::settle_actions() {
    // The package's units tell each other where the socket is.
    if (const auto socket = context_.environment.find("WEIR_EXEC_SOCKET"); config_.exec.socket.empty() && socket != context_.environment.end())
        config_.exec.socket = socket->second;
    if (!config_.find_mqtt("")) return;
    for (const std::size_t index : default_actions_) {
        AlertConfig& alert = config_.alerts[index];
        ActionConfig action;
        action.mqtt.topic = {"weir/{agent}/alert/{alert}/{key}", alert.at, false};
        action.mqtt.retain = true;
        action.at = action.mqtt.at = alert.at;
        alert.actions.push_back(std::move(action));
    }
}

}  // namespace weir
