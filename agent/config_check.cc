#include <algorithm>
#include <charconv>
#include <string>

#include "agent/base/nearest.h"
#include "agent/config_sections.h"
#include "agent/config_units.h"

namespace weir {
namespace {

class Checker {
public:
    Checker(const AgentConfig& config, const ConfigContext& context, ConfigProblems& problems)
        : config_(config), context_(context), problems_(problems) {}

    void run() {
        check_names(config_.tables, "[[table]]");
        check_names(config_.sources, "[[source]]");
        check_names(config_.joins, "[[join]]");
        check_names(config_.windows, "[[window]]");
        check_names(config_.alerts, "[[alert]]");
        for (const WindowConfig& window : config_.windows) {
            if (!window.name.empty() && config_.find_source(window.name)) {
                problem(window.at,
                        titled(window, "[[window]]") +
                            " has the name of a source; an alert's from would be ambiguous");
            }
        }
        check_connections();
        for (const TableConfig& table : config_.tables) check(table);
        for (const SourceConfig& source : config_.sources) check(source);
        check_overlaps();
        for (const JoinConfig& join : config_.joins) check(join);
        for (const WindowConfig& window : config_.windows) check(window);
        for (const AlertConfig& alert : config_.alerts) check(alert);
    }

private:
    template <typename T>
    static std::string titled(const T& section, std::string_view kind) {
        return std::string(kind) + " " + in_quotes(section.name);
    }

    template <typename T>
    void check_names(const std::vector<T>& all, std::string_view kind) {
        for (std::size_t i = 0; i < all.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j) {
                if (all[i].name.empty() || all[i].name != all[j].name) continue;
                problem(all[i].at, "name in " + titled(all[i], kind) + ": already taken at " +
                                       place(all[j].at) + "; two of a kind need two names");
                break;
            }
        }
    }

    void check_connections() {
        for (std::size_t i = 0; i < config_.mqtt.size(); ++i) {
            const MqttConfig& mqtt = config_.mqtt[i];
            if (mqtt.max_message > config_.agent.journal.size / 4) {
                problem(mqtt.at, "max_message in [mqtt]: " + format_size(mqtt.max_message) +
                                     " is more than a quarter of agent.journal.size (" +
                                     format_size(config_.agent.journal.size) +
                                     "); make one smaller or the other larger");
            }
            for (std::size_t j = 0; j < i; ++j) {
                const MqttConfig& other = config_.mqtt[j];
                if (other.client_id != mqtt.client_id || other.host != mqtt.host ||
                    other.port != mqtt.port)
                    continue;
                problem(mqtt.at,
                        "client_id in [mqtt." + mqtt.name + "]: " + in_quotes(mqtt.client_id) +
                            " is also the other connection's; a broker lets one in at a time");
            }
        }
    }

    void check_connection(const std::string& connection, const ConfigPlace& at,
                          const std::string& title) {
        if (!context_.need_connections || config_.find_mqtt(connection)) return;
        std::vector<std::string> names;
        for (const MqttConfig& mqtt : config_.mqtt)
            if (!mqtt.name.empty()) names.push_back(mqtt.name);
        if (connection.empty()) {
            problem(at, title +
                            " needs an MQTT connection, expected a section such as [mqtt] with url "
                            "= \"mqtt://HOST\"");
        } else {
            problem(at, "connection in " + title + ": there is no [mqtt." + connection + "]" +
                            meant(connection, names));
        }
    }

    void check(const TableConfig& table) {
        if (table.key.empty() || table.columns.empty() || table.schema().size() > 0) return;
        problem(table.at, "columns in " + titled(table, "[[table]]") + ": expected at least one beside the key");
    }

    void check_enrich(const SourceConfig& source, const std::string& title) {
        for (const EnrichConfig& use : source.enrich) {
            const TableConfig* const table = config_.find_table(use.table.text);
            if (!table) {
                std::vector<std::string> names;
                for (const TableConfig& each : config_.tables) names.push_back(each.name);
                problem(use.table.at, "enrich in " + title + ": there is no table " + in_quotes(use.table.text) +
                                          meant(use.table.text, names));
                continue;
            }
            ConfigString on = use.on.empty() ? table->key : use.on;
            if (use.on.empty()) on.at = use.table.at;
            if (!on.empty()) check_column(source.schema(), source.name, on, "enrich in " + title);
        }
    }

    void check(const SourceConfig& source) {
        const std::string title = titled(source, "[[source]]");
        check_connection(source.connection, source.at, title);
        for (const ColumnConfig& column : source.columns) {
            for (const TopicCapture& capture : source.captures) {
                if (capture.name != column.name) continue;
                problem(column.at,
                        "columns." + column.name + " in " + title + ": {" + capture.name +
                            "} in topics makes that column already; give one another name");
            }
            check_field(source, column.path, column.at, "columns." + column.name + " in " + title);
        }
        for (const TopicCapture& capture : source.captures) {
            if (is_identifier(capture.name)) continue;
            problem(source.topics[0].at, "topics in " + title + ": {" + capture.name +
                                             "} is no name that an expression can use");
        }
        if (!source.time.field.empty()) {
            check_field(source, source.time.field.text, source.time.field.at,
                        "time.field in " + title);
        }
        if (!source.partition.empty())
            check_column(source.schema(), source.name, source.partition, "partition in " + title);
        check_enrich(source, title);
        if (source.schema().size() > 256) problem(source.at, title + " has more than 256 columns");
    }

    void check_field(const SourceConfig& source, const std::string& field, const ConfigPlace& at,
                     const std::string& what) {
        if (source.csv_fields.empty()) return;
        if (std::find(source.csv_fields.begin(), source.csv_fields.end(), field) !=
            source.csv_fields.end())
            return;
        problem(at, what + ": " + in_quotes(field) + " is not among csv.fields" +
                        meant(field, source.csv_fields));
    }

    void check_column(const Schema& schema, const std::string& source, const ConfigString& column,
                      const std::string& what) {
        if (schema.find(column.text)) return;
        std::vector<std::string> names;
        for (const ColumnSpec& spec : schema.columns()) names.push_back(spec.name);
        problem(column.at, what + ": source " + in_quotes(source) + " has no column " +
                               in_quotes(column.text) + meant(column.text, names));
    }

    // A broker may deliver a message once for each filter that it matches.
    void check_overlaps() {
        struct Topic {
            const SourceConfig* source;
            const ConfigString* text;
            std::string filter;
        };
        std::vector<Topic> topics;
        for (const SourceConfig& source : config_.sources) {
            for (const ConfigString& text : source.topics) {
                Problem ignored;
                const auto parsed = TopicTemplate::parse(text.text, ignored);
                if (parsed) topics.push_back({&source, &text, parsed->filter()});
            }
        }
        for (std::size_t i = 0; i < topics.size(); ++i) {
            for (std::size_t j = 0; j < i; ++j) {
                const bool same_client =
                    topics[i].source->connection == topics[j].source->connection;
                if (!same_client || !filters_overlap(topics[i].filter, topics[j].filter)) continue;
                problem(topics[i].text->at, "topics in " + titled(*topics[i].source, "[[source]]") +
                                                ": a topic can match both " +
                                                in_quotes(topics[i].text->text) + " and " +
                                                in_quotes(topics[j].text->text) + " (" +
                                                place(topics[j].text->at) +
                                                "), and would be counted twice; give one source a "
                                                "connection of its own ([mqtt.NAME])");
                break;
            }
        }
    }

    void check(const JoinConfig& join) {
        const std::string title = titled(join, "[[join]]");
        if (!join.name.empty() && (config_.find_source(join.name) || config_.find_window(join.name)))
            problem(join.at, title + " has the name of a source or a window; from would be ambiguous");
        std::vector<std::string> names;
        for (const SourceConfig& each : config_.sources) names.push_back(each.name);
        for (const ConfigString* side : {&join.left, &join.right}) {
            if (side->empty() || config_.find_source(side->text)) continue;
            problem(side->at, std::string(side == &join.left ? "left" : "right") + " in " + title + ": there is no source " +
                                  in_quotes(side->text) + meant(side->text, names));
        }
    }

    void check(const WindowConfig& window) {
        const std::string title = titled(window, "[[window]]");
        const SourceConfig* source =
            window.from.empty() ? nullptr : config_.find_source(window.from.text);
        if (!source && !window.from.empty() && !config_.find_join(window.from.text)) {
            std::vector<std::string> names;
            for (const SourceConfig& each : config_.sources) names.push_back(each.name);
            for (const JoinConfig& each : config_.joins) names.push_back(each.name);
            problem(window.from.at, "from in " + title + ": there is no source " +
                                        in_quotes(window.from.text) +
                                        meant(window.from.text, names));
        }
        for (std::size_t i = 0; i < window.by.size(); ++i) {
            const ConfigString& key = window.by[i];
            if (source) check_column(config_.schema_of(*source), source->name, key, "by in " + title);
            const auto same = [&](const ConfigString& other) { return other.text == key.text; };
            if (std::any_of(window.by.begin(), window.by.begin() + static_cast<std::ptrdiff_t>(i),
                            same)) {
                problem(key.at,
                        "by in " + title + ": " + in_quotes(key.text) + " stands there twice");
            }
        }
        for (const SelectConfig& select : window.select) {
            const auto same = [&](const ConfigString& key) { return key.text == select.name; };
            if (!std::any_of(window.by.begin(), window.by.end(), same)) continue;
            problem(select.expression.at,
                    "select." + select.name + " in " + title + ": by has that name already");
        }
        if (window.publish) {
            check_connection(window.publish->connection, window.publish->at, title);
            if (!window.publish->topic.empty())
                check_topic(window.publish->topic, {"agent", "window"}, &window.by, "publish in " + title + ": ");
        }
        // One field is kept for folded_keys of "(other)".
        if (window.by.size() + window.select.size() >= record_fields_max) {
            problem(window.at, title + " has more than " + std::to_string(record_fields_max - 1) +
                                   " fields in by and select together");
        }
    }

    void check(const AlertConfig& alert) {
        const std::string title = titled(alert, "[[alert]]");
        const WindowConfig* window =
            alert.from.empty() ? nullptr : config_.find_window(alert.from.text);
        const SourceConfig* source =
            alert.from.empty() || window ? nullptr : config_.find_source(alert.from.text);
        const PatternConfig* pattern = alert.from.empty() || window ? nullptr : config_.find_pattern(alert.from.text);
        if (alert.anomaly) check_anomaly(alert, window, source, title);
        if (alert.missing_clears && (!window || (window->size == Duration() && window->calendar == CalendarUnit::none)))
            problem(alert.from.at, "missing in " + title + ": \"clear\" needs a window with size or calendar, whose results come at known times; "
                                   "clear_after = \"10m\" clears what nothing raises again");
        if (source && !alert.anomaly) check_rows(alert, *source, title);
        if (!source && alert.absent > Duration())
            problem(alert.from.at, "absent in " + title + ": goes by the rows of a source; name one in from, or clear what is missing with missing = \"clear\"");
        if ((window || pattern) && !alert.anomaly && !alert.by.empty())
            problem(alert.by[0].at, "by in " + title + ": leave it out; an alert has a state for each group of what it watches");
        if (!window && !source && !(pattern && !alert.anomaly) && !alert.from.empty()) {
            if (pattern) {
                problem(alert.from.at, "from in " + title + ": " + in_quotes(alert.from.text) +
                                           " is a pattern, which has no detector; name a window or a source, or leave out anomaly");
            } else {
                std::vector<std::string> names;
                for (const WindowConfig& each : config_.windows) names.push_back(each.name);
                problem(alert.from.at, "from in " + title + ": there is no window " +
                                           in_quotes(alert.from.text) +
                                           meant(alert.from.text, names));
            }
        }
        const std::vector<ConfigString>* keys = window ? &window->by : pattern ? &pattern->by : source ? &alert.by : nullptr;
        if (keys) check_message(alert, *keys, window, pattern, title);
        for (const ActionConfig& action : alert.actions) check_action(action, keys, title);
    }

    void check_action(const ActionConfig& action, const std::vector<ConfigString>* keys, const std::string& title) {
        const std::vector<std::string> names = {"agent", "alert", "window", "severity", "state", "key"};
        if (action.kind == ActionKind::mqtt) {
            check_connection(action.mqtt.connection, action.at, title);
            if (!action.mqtt.topic.empty()) check_topic(action.mqtt.topic, names, keys, "do.mqtt.topic in " + title + ": ");
        }
        for (const ConfigString& argument : action.exec) check_names_in_braces(argument, names, keys, "do.exec in " + title + ": ");
    }

    void check_rows(const AlertConfig& alert, const SourceConfig& source, const std::string& title) {
        const Schema schema = source.schema();
        for (const ConfigString& key : alert.by) check_key(key, schema, title);
        if (alert.expect.empty()) return;
        if (alert.by.size() != 1)
            return problem(alert.expect[0].at, "expect in " + title + ": names values of one column; write by = [\"site\"], or partition in the source");
        const std::optional<std::size_t> column = schema.find(alert.by[0].text);
        if (!column || schema[*column].type != ColumnType::integer) return;
        for (const ConfigString& value : alert.expect) {
            std::int64_t number = 0;
            const char* const end = value.text.data() + value.text.size();
            if (const auto read = std::from_chars(value.text.data(), end, number); read.ec != std::errc() || read.ptr != end)
                problem(value.at, "expect in " + title + ": found " + in_quotes(value.text) + ", expected an int, as " + alert.by[0].text + " is");
        }
    }

    void check_message(const AlertConfig& alert, const std::vector<ConfigString>& keys, const WindowConfig* window,
                       const PatternConfig* pattern, const std::string& title) {
        std::vector<std::string> names = {"agent", "alert", "severity", "state"};
        if (window)
            for (const SelectConfig& select : window->select) names.push_back(select.name);
        if (pattern)
            for (const SelectConfig& measure : pattern->measures) names.push_back(measure.name);
        if (alert.absent > Duration()) names.push_back("silent");
        if (const SourceConfig* source = window || pattern || alert.absent > Duration() ? nullptr : config_.find_source(alert.from.text)) {
            const Schema schema = source->schema();
            for (const ColumnSpec& column : schema.columns()) names.push_back(column.name);
        }
        if (alert.anomaly) {
            names.insert(names.end(), {"score", "expected"});
            if (!window) names.push_back(alert.anomaly->of.text);
        }
        check_names_in_braces(alert.message, std::move(names), &keys, "message in " + title + ": ");
    }

    void check_anomaly(const AlertConfig& alert, const WindowConfig* window,
                       const SourceConfig* source, const std::string& title) {
        const ConfigString& of = alert.anomaly->of;
        const std::string what = "anomaly.of in " + title + ": ";
        std::vector<std::string> names;
        if (window) {
            for (const SelectConfig& select : window->select) names.push_back(select.name);
            if (!alert.by.empty())
                problem(alert.by[0].at, "by in " + title +
                                            ": leave it out; each key of the window has a detector");
            if (alert.max_groups != AlertConfig().max_groups)
                problem(alert.at, "max_groups in " + title + ": leave it out; max_groups of the window holds");
        }
        if (source) {
            const Schema schema = source->schema();
            for (const ColumnSpec& column : schema.columns())
                if (column.type != ColumnType::text) names.push_back(column.name);
            if (const auto column = schema.find(of.text); column && schema[*column].type == ColumnType::text)
                return problem(of.at, what + in_quotes(of.text) + " is a string, expected a number");
            for (const ConfigString& key : alert.by) check_key(key, schema, title);
        }
        if ((window || source) && !of.empty() && std::find(names.begin(), names.end(), of.text) == names.end())
            problem(of.at, what + "there is no " + in_quotes(of.text) + meant(of.text, names));
    }

    void check_key(const ConfigString& key, const Schema& schema, const std::string& title) {
        std::vector<std::string> names;
        for (const ColumnSpec& column : schema.columns())
            if (column.type != ColumnType::real) names.push_back(column.name);
        if (std::find(names.begin(), names.end(), key.text) != names.end()) return;
        const bool real = schema.find(key.text).has_value();
        problem(key.at, "by in " + title + ": " +
                            (real ? in_quotes(key.text) + " is a float, expected an int, a bool or a string"
                                  : "there is no column " + in_quotes(key.text) + meant(key.text, names)));
    }

    void check_topic(const ConfigString& topic, const std::vector<std::string>& names,
                     const std::vector<ConfigString>* keys, const std::string& what) {
        if (topic.text.size() > 1024) problem(topic.at, what + "is longer than 1,024 bytes");
        if (topic.text.find_first_of("+#") != std::string::npos) {
            problem(topic.at, what + "found a wildcard, expected one topic to publish to");
        }
        check_names_in_braces(topic, names, keys, what);
    }

    void check_names_in_braces(const ConfigString& topic, std::vector<std::string> names,
                               const std::vector<ConfigString>* keys, const std::string& what) {
        if (keys)
            for (const ConfigString& key : *keys) names.push_back(key.text);
        std::size_t at = 0;
        while ((at = topic.text.find_first_of("{}", at)) != std::string::npos) {
            const std::size_t end = topic.text.find('}', at);
            if (topic.text[at] == '}' || end == std::string::npos) {
                problem(topic.at, what + "found a brace without its other half");
                return;
            }
            const std::string name = topic.text.substr(at + 1, end - at - 1);
            if (keys && std::find(names.begin(), names.end(), name) == names.end()) {
                problem(topic.at, what + "nothing is called {" + name + "}" + meant(name, names));
            }
            at = end + 1;
        }
    }

    static std::string meant(std::string_view word, const std::vector<std::string>& names) {
        const std::string_view near = nearest_word(word, names);
        if (!near.empty()) return "; did you mean \"" + std::string(near) + "\"?";
        std::string list;
        for (const std::string& name : names) list += (list.empty() ? "" : ", ") + in_quotes(name);
        return list.empty() ? "" : "; there is " + list;
    }

    std::string place(const ConfigPlace& at) const {
        return config_.files[at.file].path + ":" + std::to_string(at.line);
    }

    void problem(const ConfigPlace& at, std::string what) {
        problems_.push_back({at, std::move(what), false});
    }

    const AgentConfig& config_;
    const ConfigContext& context_;
    ConfigProblems& problems_;
};

}  // namespace

void check_references(const AgentConfig& config, const ConfigContext& context,
                      ConfigProblems& problems) {
    Checker(config, context, problems).run();
    check_lanes(config, problems);
}

}  // namespace weir
