#include "agent/rule_events.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "agent/base/json_writer.h"

namespace weir {
namespace {

constexpr Bytes value_bytes_max = 64 * 1024;

std::string json_of(const ConfigNode& value) {
    std::vector<char> buffer(value_bytes_max);
    JsonWriter json(buffer);
    switch (value.type) {
        case ConfigType::integer: json.integer(value.integer); break;
        case ConfigType::real: json.real(value.real); break;
        case ConfigType::boolean: json.boolean(value.boolean); break;
        default: json.text(value.text); break;
    }
    return std::string(json.text());
}

std::string plain_of(const ConfigNode& value) { return value.type == ConfigType::text ? value.text : json_of(value); }

// A JSON object that is put together by pointers: "/vehicle/length".
struct JsonTree {
    std::string value;
    std::vector<std::pair<std::string, JsonTree>> members;

    void put(std::string_view pointer, const std::string& json) {
        if (pointer.empty()) {
            value = json;
            return;
        }
        pointer.remove_prefix(1);
        const std::size_t end = std::min(pointer.find('/'), pointer.size());
        const std::string key = unescaped(pointer.substr(0, end));
        auto found = std::find_if(members.begin(), members.end(), [&](const auto& member) { return member.first == key; });
        if (found == members.end()) found = members.insert(members.end(), {key, {}});
        found->second.put(pointer.substr(end), json);
    }
    std::string text() const {
        if (members.empty() && !value.empty()) return value;
        std::string out = "{";
        for (const auto& [key, member] : members) {
            ConfigNode name;
            name.type = ConfigType::text;
            name.text = key;
            out += (out.size() > 1 ? "," : "") + json_of(name) + ":" + member.text();
        }
        return out + "}";
    }
    static std::string unescaped(std::string_view token) {
        std::string out;
        for (std::size_t i = 0; i < token.size(); ++i) {
            const bool escape = token[i] == '~' && i + 1 < token.size();
            out += escape ? (token[++i] == '1' ? '/' : '~') : token[i];
        }
        return out;
    }
};

std::string pointer_of(const std::string& path) { return path.starts_with('/') ? path : "/" + path; }

std::string time_text(Timestamp time, TimeUnit unit) {
    const std::int64_t us = time.us();
    switch (unit) {
        case TimeUnit::microseconds: return std::to_string(us);
        case TimeUnit::nanoseconds: return std::to_string(us) + "000";
        default: break;
    }
    const std::int64_t per = unit == TimeUnit::seconds ? 1'000'000 : 1'000;
    std::string out = std::to_string(us / per);
    if (us % per != 0) {
        const std::string digits = std::to_string(per + us % per);
        out += "." + digits.substr(1);
    }
    return out;
}

const ConfigMember* find_column(const RuleEvent& event, std::string_view name) {
    for (const ConfigMember& column : event.columns)
        if (column.key == name) return &column;
    return nullptr;
}

const ColumnConfig* configured(const SourceConfig& source, std::string_view name) {
    for (const ColumnConfig& column : source.columns)
        if (column.name == name) return &column;
    return nullptr;
}

// {n} in strings counts the repetitions from 1.
ConfigNode numbered(const ConfigNode& value, std::uint64_t number) {
    ConfigNode out = value;
    if (const std::size_t at = out.text.find("{n}"); value.type == ConfigType::text && at != std::string::npos)
        out.text.replace(at, 3, std::to_string(number));
    return out;
}

std::string json_payload(const RuleEvent& event, const SourceConfig& source, Timestamp at, std::uint64_t number) {
    JsonTree root;
    if (!source.time.field.empty()) root.put(pointer_of(source.time.field.text), time_text(at, source.time.unit));
    for (const ConfigMember& column : event.columns) {
        const ColumnConfig* const known = configured(source, column.key);
        const bool captured = std::any_of(source.captures.begin(), source.captures.end(),
                                          [&](const TopicCapture& capture) { return capture.name == column.key; });
        const std::string path = known && !captured && !known->path.empty() ? known->path : column.key;
        root.put(pointer_of(path), json_of(numbered(column.value, number)));
    }
    return root.text();
}

std::string csv_field(const std::string& text) {
    if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
    std::string out = "\"";
    for (const char c : text) out += c == '"' ? "\"\"" : std::string(1, c);
    return out + "\"";
}

// With csv.fields a line of them; else a message begins with their names, and holds what the topic would give, too.
std::string csv_payload(const RuleEvent& event, const SourceConfig& source, Timestamp at, std::uint64_t number) {
    std::vector<std::string> names = source.csv_fields;
    const auto field_of = [&](const std::string& column) {
        const ColumnConfig* const known = configured(source, column);
        return known && !known->path.empty() ? known->path : column;
    };
    if (names.empty()) {
        if (!source.time.field.empty()) names.push_back(source.time.field.text);
        for (const ConfigMember& column : event.columns) names.push_back(field_of(column.key));
    }
    std::string header, line;
    for (const std::string& name : names) {
        std::string value;
        if (!source.time.field.empty() && name == source.time.field.text) value = time_text(at, source.time.unit);
        for (const ConfigMember& column : event.columns)
            if (field_of(column.key) == name) value = plain_of(numbered(column.value, number));
        header += (header.empty() ? "" : ",") + csv_field(name);
        line += (&name == &names.front() ? "" : ",") + csv_field(value);
    }
    return source.csv_fields.empty() ? header + "\n" + line : line;
}

// Of the source's first template, with the event's columns in its places. Empty: a column is not given.
std::string topic_of(const RuleEvent& event, const SourceConfig& source, std::uint64_t number, ConfigProblems& problems) {
    Problem ignored;
    const Result<TopicTemplate> parsed = TopicTemplate::parse(source.topics.front().text, ignored);
    std::string_view rest = parsed.ok() && parsed->is_shared() ? std::string_view(source.topics.front().text).substr(source.topics.front().text.find('/', 7) + 1)
                                                               : std::string_view(source.topics.front().text);
    std::string out;
    while (!rest.empty()) {
        const std::string_view level = rest.substr(0, rest.find('/'));
        rest.remove_prefix(std::min(rest.size(), level.size() + 1));
        std::string text(level == "+" || level == "#" ? "x" : level);
        if (level.starts_with('{')) {
            const std::string name(level.substr(1, level.find_first_of(":}") - 1));
            const ConfigMember* const column = find_column(event, name);
            if (!column) {
                problems.push_back({event.place, "the topic of source '" + source.name + "' is made of column \"" + name + "\": the event must give it", false});
                return {};
            }
            text = plain_of(numbered(column->value, number));
        }
        out += (out.empty() ? "" : "/") + text;
    }
    return out;
}

}  // namespace

std::string with_time(std::string text, Timestamp time, TimeUnit unit) {
    const std::string spelled = time_text(time, unit);
    for (std::size_t at = text.find("{time}"); at != std::string::npos; at = text.find("{time}", at + spelled.size()))
        text.replace(at, 6, spelled);
    return text;
}

std::vector<RuleMessage> rule_messages(const RuleCase& of, Timestamp start, const AgentConfig& config, ConfigProblems& problems) {
    std::vector<RuleMessage> out;
    for (const RuleEvent& event : of.events) {
        const SourceConfig* const source = event.source == rule_source_of_topic ? nullptr : &config.sources[event.source];
        for (std::uint64_t i = 0; i < event.repeat; ++i) {
            const Duration later = event.every * static_cast<std::int64_t>(i);
            const Timestamp at = event.at.from(start) + later;
            RuleMessage message;
            message.arrival = event.arrives.given ? event.arrives.from(start) + later : at;
            message.topic = event.topic;
            if (source) message.source = event.source;
            if (event.payload) {
                message.payload = with_time(*event.payload, at, source ? source->time.unit : TimeUnit::milliseconds);
            } else if (!source) {
                problems.push_back({event.place, "an event of columns needs its source: source = \"NAME\"", false});
                return out;
            } else if (source->format == PayloadFormat::json) {
                message.payload = json_payload(event, *source, at, i + 1);
            } else {
                if (!source->csv_fields.empty() && !source->captures.empty()) {
                    message.topic = topic_of(event, *source, i + 1, problems);
                    if (message.topic.empty()) return out;
                }
                message.payload = csv_payload(event, *source, at, i + 1);
            }
            out.push_back(std::move(message));
        }
    }
    std::stable_sort(out.begin(), out.end(), [](const RuleMessage& a, const RuleMessage& b) { return a.arrival < b.arrival; });
    return out;
}

}  // namespace weir
