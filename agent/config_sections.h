// The meaning of the keys: from the tree of a configuration's text to AgentConfig, section by
// section, and then what the sections say about each other. Memory: start-up only. Cost: O(keys).
// Threads: one owner. Errors: problems, all that can be found. Source: DESIGN section 4.
#pragma once

#include <string>
#include <string_view>

#include "agent/config_reader.h"

namespace weir {

// One reading of one configuration.
class ConfigSections {
public:
    ConfigSections(AgentConfig& config, const ConfigContext& context, ConfigProblems& problems)
        : config_(config), context_(context), problems_(problems) {}

    void read(const ConfigNode& root);

private:
    void read_agent(const ConfigNode& node);
    void read_journal(const ConfigNode& node);
    void read_log(const ConfigNode& node);
    void read_mqtt(const ConfigNode& node);
    void read_connection(const ConfigNode& node, const std::string& name);
    void read_source(const ConfigNode& node, const std::string& title);
    void read_topics(ConfigReader& reader, SourceConfig& source);
    void read_format(ConfigReader& reader, SourceConfig& source);
    void read_columns(ConfigReader& reader, SourceConfig& source);
    void read_column(ConfigReader& reader, const ConfigMember& member, SourceConfig& source);
    void read_time(ConfigReader& reader, SourceConfig& source);
    void read_table(const ConfigNode& node, const std::string& title);
    void read_enrich(ConfigReader& reader, SourceConfig& source);
    void read_join(const ConfigNode& node, const std::string& title);
    void read_on(ConfigReader& reader, JoinConfig& join);
    void read_bounds(ConfigReader& reader, JoinConfig& join);
    void read_window(const ConfigNode& node, const std::string& title);
    void read_publish(ConfigReader& reader, WindowConfig& window);
    static void read_publication(ConfigReader& reader, std::string_view example, MqttActionConfig& out);
    void read_select(ConfigReader& reader, WindowConfig& window);
    void read_session(ConfigReader& reader, WindowConfig& window);
    void read_count(ConfigReader& reader, WindowConfig& window);
    void read_calendar(ConfigReader& reader, WindowConfig& window);
    void read_late(ConfigReader& reader, WindowConfig& window);
    void read_pattern(const ConfigNode& node, const std::string& title);
    void read_expressions(ConfigReader& reader, std::string_view key, std::string_view example,
                          std::vector<SelectConfig>& out);
    void read_after(ConfigReader& reader, PatternConfig& pattern);
    void read_alert(const ConfigNode& node, const std::string& title);
    void read_rows(ConfigReader& reader, AlertConfig& alert);
    void read_expect(ConfigReader& reader, AlertConfig& alert);
    void read_life(ConfigReader& reader, AlertConfig& alert);
    void read_anomaly(ConfigReader& reader, AlertConfig& alert);
    void read_action(const ConfigNode& node, const std::string& title, AlertConfig& alert);
    void read_program(ConfigReader& reader, ActionConfig& action);
    void read_on(ConfigReader& reader, ActionConfig& action);
    void read_gpio(const ConfigNode& node, const std::string& title, ActionConfig& action);
    void read_webhook(const ConfigNode& node, const std::string& title, ActionConfig& action);
    void read_exec(const ConfigNode& node);
    void read_uplink(const ConfigNode& node);
    void read_page(const ConfigNode& node);
    void read_on_full(ConfigReader& reader, UplinkConfig& uplink);
    void read_tls(ConfigReader& reader, TlsConfig& tls);
    void settle_agent_id();
    void settle_client_ids();
    void settle_actions();

    bool name(ConfigReader& reader, std::string& out);
    bool url(ConfigReader& reader, std::string_view example, const ConfigNode* node,
             std::string_view schemes, std::string& scheme, std::string& host, std::uint16_t& port);
    // A path, made absolute from the folder of the file that names it.
    bool path(ConfigReader& reader, std::string_view key, std::string_view example,
              std::string& out);
    // The same for a file that must be there; text gets its content.
    bool secret(ConfigReader& reader, std::string_view key, std::string_view example,
                std::string& out, std::string* text = nullptr);
    void problem(const ConfigPlace& at, std::string what) {
        problems_.push_back({at, std::move(what), false});
    }

    AgentConfig& config_;
    const ConfigContext& context_;
    ConfigProblems& problems_;
    ConfigPlace id_at_;
    std::string certificate_;                   // the uplink's, its text
    std::vector<std::size_t> default_actions_;  // alerts without `do`
};

// References, clashes and limits between sections.
// Lanes, and what the broker deals out by itself: shared subscriptions.
void check_lanes(const AgentConfig& config, ConfigProblems& problems);
void check_references(const AgentConfig& config, const ConfigContext& context,
                      ConfigProblems& problems);

// "A name of letters, digits and _, not beginning with a digit": usable in an expression.
bool is_identifier(std::string_view name);

}  // namespace weir
