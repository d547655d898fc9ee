#include "uplink/bridge/config.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>
#include <span>
#include <vector>

#include "agent/base/files.h"
#include "agent/base/nearest.h"

#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// toml++ 3.3 asserts (and with NDEBUG assumes) what a text such as "key = ]" breaks, before it
// reports the error properly: without the assertion it does report it.
#include <toml++/impl/preprocessor.h>
#undef TOML_ASSERT
#undef TOML_ASSERT_ASSUME
#define TOML_ASSERT(expr) static_assert(true)
#define TOML_ASSERT_ASSUME(expr) static_assert(true)
#include <toml++/toml.h>

namespace weir {
namespace {

constexpr Bytes config_bytes_max = 1 << 20;

std::string list_of(std::span<const std::string_view> names) {
    std::string text;
    for (const std::string_view name : names) text.append(text.empty() ? "" : ", ").append(name);
    return text;
}

// Reads one file; the first problem is kept and ends the reading.
class Reader {
public:
    explicit Reader(const std::string& path) : path_(path) {
        const auto slash = path.rfind('/');
        if (slash != std::string::npos) folder_ = path.substr(0, slash + 1);
    }

    bool ok() const { return failure_.empty(); }
    const std::string& failure() const { return failure_; }

    void fail(const toml::source_position& at, const std::string& what) {
        if (!ok()) return;
        failure_ = path_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) + ": " + what;
    }
    void fail(const toml::node& node, const std::string& what) { fail(node.source().begin, what); }
    void fail(const std::string& what) {
        if (ok()) failure_ = path_ + ": " + what;
    }

    // Every key of table must be one of known.
    void only(const toml::table& table, const std::string& where, std::span<const std::string_view> known) {
        for (const auto& [key, node] : table) {
            if (std::find(known.begin(), known.end(), key.str()) != known.end()) continue;
            std::string what = "unknown key \"" + std::string(key.str()) + "\"" + where;
            const std::string_view near = nearest_word(key.str(), known);
            if (!near.empty()) what += "; did you mean \"" + std::string(near) + "\"?";
            what += " Known: " + list_of(known) + ".";
            fail(key.source().begin, what);
            return;
        }
    }

    const toml::table* table(const toml::table& parent, std::string_view key) {
        const toml::node* node = parent.get(key);
        if (node == nullptr) return nullptr;
        if (const toml::table* table = node->as_table()) return table;
        fail(*node, "\"" + std::string(key) + "\" must be a table: [" + std::string(key) + "]");
        return nullptr;
    }

    // false: not there (or a failure).
    bool text(const toml::table& parent, std::string_view key, std::string& into) {
        const toml::node* node = parent.get(key);
        if (node == nullptr) return false;
        const auto* value = node->as_string();
        if (value == nullptr) {
            fail(*node, "\"" + std::string(key) + "\" must be a string, in quotes");
            return false;
        }
        return expand(*node, value->get(), into);
    }

    void required(const toml::table& parent, const std::string& where, std::string_view key, std::string& into) {
        if (text(parent, key, into) && into.empty())
            fail(*parent.get(key), "\"" + std::string(key) + "\" must not be empty");
        else if (parent.get(key) == nullptr)
            fail(parent, "\"" + std::string(key) + "\" is missing" + where);
    }

    void file(const toml::table& parent, const std::string& where, std::string_view key, std::string& into) {
        required(parent, where, key, into);
        if (ok() && into.front() != '/') into = folder_ + into;
    }

    bool whole(const toml::table& parent, std::string_view key, std::int64_t low, std::int64_t high,
               std::int64_t& into) {
        const toml::node* node = parent.get(key);
        if (node == nullptr) return false;
        const auto* value = node->as_integer();
        if (value == nullptr || value->get() < low || value->get() > high) {
            fail(*node, "\"" + std::string(key) + "\" must be a whole number from " + std::to_string(low) +
                            " to " + std::to_string(high));
            return false;
        }
        into = value->get();
        return true;
    }

    void boolean(const toml::table& parent, std::string_view key, bool& into) {
        const toml::node* node = parent.get(key);
        if (node == nullptr) return;
        if (const auto* value = node->as_boolean())
            into = value->get();
        else
            fail(*node, "\"" + std::string(key) + "\" must be true or false");
    }

    // ${VAR} must be set; ${VAR:-default} need not be; $$ stays as it is.
    bool expand(const toml::node& node, std::string_view from, std::string& into) {
        std::string out;
        while (!from.empty()) {
            const auto start = from.find("${");
            out.append(from.substr(0, start));
            if (start == std::string_view::npos) break;
            from.remove_prefix(start + 2);
            const auto end = from.find('}');
            if (end == std::string_view::npos) {
                fail(node, "\"${\" without \"}\"");
                return false;
            }
            const std::string_view inside = from.substr(0, end);
            from.remove_prefix(end + 1);
            const auto dash = inside.find(":-");
            const std::string name(inside.substr(0, dash));
            const char* value = std::getenv(name.c_str());
            if (value != nullptr && (*value != 0 || dash == std::string_view::npos)) {
                out.append(value);
            } else if (dash != std::string_view::npos) {
                out.append(inside.substr(dash + 2));
            } else {
                fail(node, "the environment variable " + name + " is not set; ${" + name +
                               ":-default} gives it a default");
                return false;
            }
        }
        into = std::move(out);
        return true;
    }

private:
    std::string path_;
    std::string folder_;
    std::string failure_;
};

bool topic_name(std::string_view name) {
    const auto legal = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
               c == '-';
    };
    return !name.empty() && name.size() <= 249 && name != "." && name != ".." &&
           std::all_of(name.begin(), name.end(), legal);
}

void read_bridge(Reader& in, const toml::table& root, BridgeConfig& config) {
    static constexpr std::array<std::string_view, 5> keys = {"listen", "tls", "name", "max_agents", "advertise"};
    static constexpr std::array<std::string_view, 4> tls_keys = {"ca", "cert", "key", "crl"};
    const toml::table* bridge = in.table(root, "bridge");
    if (bridge == nullptr) return in.fail("[bridge] is missing: where to listen, and with which certificate");
    in.only(*bridge, " in [bridge]", keys);
    std::string listen;
    if (in.text(*bridge, "listen", listen) && !split_address(listen, config.host, config.port))
        in.fail(*bridge->get("listen"), "\"listen\" must be \"ADDRESS:PORT\", as in \"0.0.0.0:7400\"");
    in.text(*bridge, "name", config.name);
    std::string host;
    std::uint16_t port = 0;
    if (in.text(*bridge, "advertise", config.advertise) &&
        (!split_address(config.advertise, host, port) || host.empty() || port == 0 || config.advertise.size() > 200))
        in.fail(*bridge->get("advertise"), "\"advertise\" must be \"HOST:PORT\", as agents reach this bridge and as its "
                                           "certificate names it: \"b1.example.org:7400\"");
    std::int64_t agents = config.max_agents;
    if (in.whole(*bridge, "max_agents", 1, 100000, agents)) config.max_agents = static_cast<std::uint32_t>(agents);
    const toml::table* tls = in.table(*bridge, "tls");
    if (tls == nullptr)
        return in.fail(*bridge, "tls.ca, tls.cert and tls.key are missing in [bridge]; `weir-bridge enrol "
                                "--server NAME` makes them");
    in.only(*tls, " in bridge.tls", tls_keys);
    in.file(*tls, " in bridge.tls", "ca", config.tls.ca);
    in.file(*tls, " in bridge.tls", "cert", config.tls.certificate);
    in.file(*tls, " in bridge.tls", "key", config.tls.key);
    if (tls->contains("crl")) in.file(*tls, " in bridge.tls", "crl", config.tls.crl);
}

void read_topic(Reader& in, const toml::table& kafka, std::string_view key, std::string& into) {
    if (in.text(kafka, key, into) && !topic_name(into))
        in.fail(*kafka.get(key), "\"" + std::string(key) + "\" must be the name of a Kafka topic: letters, digits, "
                                                           "'.', '_' and '-', at most 249");
}

// What the bridge itself must decide, or exactly-once would not hold.
constexpr std::array<std::string_view, 7> reserved_options = {
    "bootstrap.servers", "metadata.broker.list", "transactional.id", "enable.idempotence", "acks",
    "request.required.acks", "isolation.level"};

void read_options(Reader& in, const toml::table& kafka, KafkaConfig& config) {
    const toml::table* options = in.table(kafka, "options");
    if (options == nullptr) return;
    for (const auto& [key, node] : *options) {
        const std::string name(key.str());
        if (std::find(reserved_options.begin(), reserved_options.end(), name) != reserved_options.end())
            return in.fail(key.source().begin, "\"" + name + "\" is set by the bridge; exactly-once depends on it");
        std::string value;
        if (const auto* text = node.as_string()) {
            if (!in.expand(node, text->get(), value)) return;
        } else if (const auto* whole = node.as_integer()) {
            value = std::to_string(whole->get());
        } else if (const auto* boolean = node.as_boolean()) {
            value = boolean->get() ? "true" : "false";
        } else {
            return in.fail(node, "\"" + name + "\" must be a string, a whole number or a boolean (write keys with "
                                               "dots in quotes: \"security.protocol\" = \"SSL\")");
        }
        config.options[name] = value;
    }
}

void read_kafka(Reader& in, const toml::table& root, KafkaConfig& config) {
    static constexpr std::array<std::string_view, 7> keys = {"brokers", "topic",         "alerts", "marks",
                                                             "value",   "create_topics", "options"};
    const toml::table* kafka = in.table(root, "kafka");
    if (kafka == nullptr) return in.fail("[kafka] is missing: brokers = \"HOST:PORT\"");
    in.only(*kafka, " in [kafka]", keys);
    in.required(*kafka, " in [kafka]", "brokers", config.brokers);
    read_topic(in, *kafka, "topic", config.topic);
    read_topic(in, *kafka, "alerts", config.alerts);
    read_topic(in, *kafka, "marks", config.marks);
    if (in.ok() && (config.marks == config.topic || config.marks == config.alerts))
        in.fail(*kafka, "\"marks\" must be a topic of its own: it is compacted");
    std::string form = "json";
    if (in.text(*kafka, "value", form)) {
        if (form != "json" && form != "protobuf")
            in.fail(*kafka->get("value"), "\"value\" must be \"json\" or \"protobuf\"");
        config.value = form == "json" ? ValueForm::json : ValueForm::protobuf;
    }
    in.boolean(*kafka, "create_topics", config.create_topics);
    read_options(in, *kafka, config);
}

std::string host_name() {
    std::array<char, 256> name{};
    return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "bridge";
}

}  // namespace

bool split_address(std::string_view text, std::string& host, std::uint16_t& port) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos || colon == 0) return false;
    std::string_view name = text.substr(0, colon);
    if (name.front() == '[' && name.back() == ']')
        name = name.substr(1, name.size() - 2);
    else if (name.find(':') != std::string_view::npos)
        return false;
    const std::string_view digits = text.substr(colon + 1);
    std::uint16_t number = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size() || name.empty()) return false;
    host = name;
    port = number;
    return true;
}

LoadedConfig parse_config(std::string_view text, const std::string& path) {
    Reader in(path);
    const toml::parse_result parsed = toml::parse(text, path);
    if (!parsed) {
        in.fail(parsed.error().source().begin, std::string(parsed.error().description()));
        return {std::nullopt, in.failure()};
    }
    static constexpr std::array<std::string_view, 2> keys = {"bridge", "kafka"};
    BridgeConfig config;
    config.path = path;
    config.name = host_name();
    const toml::table& root = parsed.table();
    in.only(root, "", keys);
    if (in.ok()) read_bridge(in, root, config);
    if (in.ok()) read_kafka(in, root, config.kafka);
    if (!in.ok()) return {std::nullopt, in.failure()};
    return {std::move(config), {}};
}

LoadedConfig load_config(const std::string& path) {
    SystemFiles files;
    const Result<std::string> text = files.read(path, config_bytes_max);
    if (!text)
        return {std::nullopt, path + ": cannot be read (" + std::string(name(text.error())) + ")"};
    return parse_config(*text, path);
}

}  // namespace weir
