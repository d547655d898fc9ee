#include "agent/rule_test.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "agent/alerts.h"
#include "agent/base/nearest.h"
#include "agent/config_reader.h"
#include "agent/config_units.h"
#include "agent/zones.h"
#include "drivers/timestamps.h"
#include "windows/expression.h"

namespace weir {
namespace {

constexpr std::uint64_t repeat_max = 1'000'000;
constexpr Duration every_max = Duration::seconds(86'400);
// What an event's table may hold beside columns; a column of such a name goes into row = { }.
constexpr std::array<std::string_view, 8> event_keys = {"at", "arrives", "source", "repeat", "every", "topic", "payload", "row"};

bool is_event_key(const std::string& key) { return std::find(event_keys.begin(), event_keys.end(), key) != event_keys.end(); }

class RuleReader {
public:
    RuleReader(const Assembly& assembly, const std::string& path, ConfigProblems& problems)
        : assembly_(assembly), config_(assembly.config()), folder_(std::filesystem::path(path).parent_path()), problems_(problems) {}

    RuleTest read(const ConfigNode& root) {
        RuleTest test;
        ConfigReader reader(root, "the file", problems_);
        reader.text("config", "\"weir.toml\"", test.config);
        time(reader, "start", default_start_);
        if (const ConfigNode* cases = reader.find("case", ConfigType::array, "[[case]]"))
            for (const ConfigNode& node : cases->items)
                if (table(node, "[[case]]")) test.cases.push_back(read_case(node, test.cases.size() + 1));
        if (!root.find("case")) problem(root.at, "there is no [[case]]: name, events (or file) and expect make one");
        reader.finish();
        return test;
    }

private:
    void problem(const ConfigPlace& at, std::string what) { problems_.push_back({at, std::move(what), false}); }

    bool table(const ConfigNode& node, const std::string& expected) {
        if (node.type == ConfigType::table) return true;
        problem(node.at, "found " + std::string(name(node.type)) + ", expected " + expected);
        return false;
    }

    // "90s" after the start, or a date.
    bool time_of(const ConfigNode& node, const std::string& what, RuleTime& out) {
        if (node.type == ConfigType::text) {
            if (const Result<Duration> after = parse_duration(node.text); after.ok()) {
                out = {true, false, after->us()};
                return true;
            }
            if (const Result<Timestamp> date = parse_iso8601(node.text); date.ok()) {
                out = {true, true, date->us()};
                return true;
            }
        }
        problem(node.at, what + ": expected a time after the start such as \"90s\" or \"3m\", or a date such as \"2026-01-05T08:03:00Z\"");
        return false;
    }
    void time(ConfigReader& reader, std::string_view key, RuleTime& out) {
        if (const ConfigNode* node = reader.find(key)) time_of(*node, std::string(key) + " in " + reader.title(), out);
    }

    RuleCase read_case(const ConfigNode& node, std::size_t number) {
        RuleCase out;
        out.place = node.at;
        out.start = default_start_;
        ConfigReader reader(node, "[[case]] " + std::to_string(number), problems_);
        reader.require("name", "\"a queue that spills back is told\"");
        if (reader.text("name", "\"a queue that spills back is told\"", out.name)) reader.set_title("[[case]] " + in_quotes(out.name));
        time(reader, "start", out.start);
        time(reader, "until", out.until);
        if (const ConfigNode* events = reader.find("events", ConfigType::array, "[{ at = \"1s\", speed = 12.0 }]"))
            for (const ConfigNode& event : events->items)
                if (table(event, "an event such as { at = \"1s\", speed = 12.0 }")) out.events.push_back(read_event(event));
        if (ConfigString file; reader.text("file", "\"rush-hour.tsv\"", file)) {
            out.file = std::filesystem::path(file.text).is_absolute() ? file.text : (folder_ / file.text).string();
            out.file_at = file.at;
            if (!out.events.empty()) reader.problem_of("file", file.at, "a case takes its events from a file or from `events`, not both");
        }
        expectations(reader, "expect", out.expect);
        none(reader, out);
        if (!node.find("expect") && !node.find("expect_none"))
            problem(node.at, reader.title() + " expects nothing: write expect = [...], or expect_none = true if no alert may come");
        reader.finish();
        return out;
    }

    RuleEvent read_event(const ConfigNode& node) {
        RuleEvent event;
        event.place = node.at;
        ConfigNode known;  // the keys that are not columns
        known.at = node.at;
        for (const ConfigMember& member : node.members)
            if (is_event_key(member.key)) known.members.push_back(member);
            else event.columns.push_back(member);
        ConfigReader reader(known, "the event", problems_);
        reader.require("at", "\"1s\"");
        time(reader, "at", event.at);
        time(reader, "arrives", event.arrives);
        reader.natural("repeat", 1, repeat_max, event.repeat);
        reader.duration("every", Duration(), every_max, event.every);
        reader.text("topic", "\"city/s1/loop/1\"", event.topic);
        if (std::string payload; reader.text("payload", "'{\"ts\":{time},\"speed\":12}'", payload)) event.payload = std::move(payload);
        if (const ConfigNode* row = reader.find("row", ConfigType::table, "{ source = \"x\" }"))
            event.columns.insert(event.columns.end(), row->members.begin(), row->members.end());
        if (event.payload && !event.columns.empty()) problem(event.columns.front().at, "an event with a payload has no columns beside it");
        if (!event.payload && !event.topic.empty()) problem(node.at, "an event of columns needs no topic: write the columns that the topic gives, or a payload");
        event.source = source_of(reader, event);
        reader.finish();
        return event;
    }

    std::size_t source_of(ConfigReader& reader, const RuleEvent& event) {
        ConfigString given;
        if (reader.text("source", "\"loops\"", given)) {
            const std::size_t before = problems_.size();
            const std::size_t source = find_source(given);
            if (problems_.size() == before) check_columns(source, event);
            return source;
        }
        if (config_.sources.size() == 1) {
            check_columns(0, event);
            return 0;
        }
        if (!event.topic.empty()) return rule_source_of_topic;
        problem(event.place, "which source is the event of? write source = \"" + (config_.sources.empty() ? std::string("NAME") : config_.sources[0].name) + "\"");
        return 0;
    }
    std::size_t find_source(const ConfigString& given) {
        std::vector<std::string> names;
        for (const SourceConfig& source : config_.sources) names.push_back(source.name);
        return index_of(given, names, "source");
    }

    std::size_t index_of(const ConfigString& given, const std::vector<std::string>& names, const std::string& what) {
        const auto found = std::find(names.begin(), names.end(), given.text);
        if (found != names.end()) return static_cast<std::size_t>(found - names.begin());
        std::string text = "there is no " + what + " " + in_quotes(given.text);
        if (const std::string_view near = nearest_word(given.text, names); !near.empty())
            text += "; did you mean " + in_quotes(near) + "?";
        else if (!names.empty()) {
            text += "; the configuration has";
            for (const std::string& one : names) text += " " + one;
        }
        problem(given.at, text);
        return 0;
    }

    void check_columns(std::size_t source, const RuleEvent& event) {
        std::vector<std::string> names;
        const Schema schema = config_.sources[source].schema();
        for (const ColumnSpec& column : schema.columns()) names.push_back(column.name);
        for (const ConfigMember& column : event.columns) {
            const ConfigString given{column.key, column.at, false};
            index_of(given, names, "column");
            if (column.value.type == ConfigType::table || column.value.type == ConfigType::array || column.value.type == ConfigType::date)
                problem(column.value.at, "a column takes a number, a string, true or false");
        }
    }

    void expectations(ConfigReader& reader, const char* key, std::vector<RuleExpectation>& out) {
        const ConfigNode* list = reader.find(key, ConfigType::array, "[{ alert = \"congestion\", at = \"3m\" }]");
        if (!list) return;
        for (const ConfigNode& node : list->items) {
            if (node.type == ConfigType::text) {
                out.push_back(by_name(node));
            } else if (table(node, "{ alert = \"NAME\", ... } or { window = \"NAME\", ... }")) {
                out.push_back(expectation(node));
            }
        }
    }
    void none(ConfigReader& reader, RuleCase& out) {
        const ConfigNode* node = reader.find("expect_none");
        if (node && node->type == ConfigType::boolean)
            out.nothing_else = node->boolean;
        else if (node)
            expectations(reader, "expect_none", out.expect_none);
    }

    RuleExpectation by_name(const ConfigNode& node) {
        RuleExpectation out;
        out.place = node.at;
        out.name = node.text;
        out.state = name(AlertState::raised);
        check_name(out, config_string(node));
        return out;
    }

    RuleExpectation expectation(const ConfigNode& node) {
        RuleExpectation out;
        out.place = node.at;
        ConfigReader reader(node, "the expectation", problems_);
        ConfigString name_of;
        out.alert = reader.text("alert", "\"congestion\"", name_of);
        if (!out.alert && !reader.text("window", "\"site_minute\"", name_of) && !reader.text("pattern", "\"incident\"", name_of))
            problem(node.at, "an expectation names an alert, a window or a pattern: alert = \"NAME\"");
        out.name = name_of.text;
        if (out.alert) {
            out.state = name(AlertState::raised);
            reader.text("state", "\"cleared\"", out.state);
        }
        if (const ConfigNode* key = reader.find("key", ConfigType::table, "{ site = \"s1\" }")) out.key = key->members;
        if (const ConfigNode* values = reader.find("values", ConfigType::table, "{ vehicles = 31 }")) out.values = values->members;
        reader.text("when", "\"p85 < 20.0\"", out.when);
        times(reader, out);
        reader.finish();
        if (!name_of.empty() && check_name(out, name_of)) check_condition(out);
        return out;
    }

    void times(ConfigReader& reader, RuleExpectation& out) {
        const ConfigNode* at = reader.find("at");
        const ConfigNode* within = reader.find("within");
        out.timed = at || within;
        if (at) {
            time_of(*at, "at in " + reader.title(), out.from);
            out.to = out.from;
        } else if (within && within->type == ConfigType::array && within->items.size() == 2) {
            time_of(within->items[0], "within in " + reader.title(), out.from);
            time_of(within->items[1], "within in " + reader.title(), out.to);
        } else if (within) {
            time_of(*within, "within in " + reader.title(), out.to);
        }
        if (at && within) problem(within->at, "at says one time and within a span: write one of them");
    }

    bool check_name(RuleExpectation& out, const ConfigString& given) {
        std::vector<std::string> names;
        if (out.alert)
            for (const AlertConfig& alert : config_.alerts) names.push_back(alert.name);
        else {
            for (const WindowConfig& window : config_.windows) names.push_back(window.name);
            for (const PatternConfig& pattern : config_.patterns) names.push_back(pattern.name);
        }
        const std::size_t before = problems_.size();
        index_of(given, names, out.alert ? "alert" : "window or pattern");
        return problems_.size() == before;
    }

    void check_condition(const RuleExpectation& out) {
        if (out.when.empty()) return;
        const EnginePlan& plan = assembly_.engine();
        if (out.alert) {
            problem(out.when.at, "when goes with a window or a pattern; an alert's own condition is in the configuration");
            return;
        }
        Problem wrong;
        for (std::size_t w = 0; w < plan.windows(); ++w)
            if (plan.window(w).name == out.name && !Condition::compile(out.when.text, plan.fields(w), wrong, &system_zones()))
                problems_.push_back(problem_in(out.when, wrong));
        for (std::size_t p = 0; p < plan.patterns(); ++p)
            if (plan.pattern(p).name == out.name && !Condition::compile(out.when.text, plan.pattern_fields(p), wrong, &system_zones()))
                problems_.push_back(problem_in(out.when, wrong));
    }

    const Assembly& assembly_;
    const AgentConfig& config_;
    const std::filesystem::path folder_;
    ConfigProblems& problems_;
    RuleTime default_start_;
};

}  // namespace

ConfigString read_rule_config(const ConfigNode& root, ConfigProblems& problems) {
    ConfigString config;
    ConfigReader reader(root, "the file", problems);
    reader.require("config", "\"weir.toml\", the configuration whose rules are tested");
    reader.text("config", "\"weir.toml\"", config);
    return config;
}

RuleTest read_rule_test(const ConfigNode& root, const std::string& path, const Assembly& assembly, ConfigProblems& problems) {
    return RuleReader(assembly, path, problems).read(root);
}

}  // namespace weir
