// The configuration: what a TOML file, its drop-ins and the environment say, as plain structs with
// every default filled in, every value within its bounds and every name resolved.
// Memory: start-up only: a few KiB, and the files' texts (1 MiB each at most) for messages.
// Cost: O(bytes of the files). Threads: plain values. Errors: load_config() reports all problems it
// can find, each with file, line and column; a configuration with an error must not be run.
// Source: DESIGN section 4; TOML 1.0 (toml.io).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/action_kind.h"
#include "agent/base/batch.h"
#include "agent/base/log_line.h"
#include "agent/base/bytes.h"
#include "agent/base/files.h"
#include "agent/base/problem.h"
#include "agent/base/result.h"
#include "agent/base/time.h"
#include "agent/page/listen.h"
#include "drivers/codec.h"
#include "drivers/timestamps.h"
#include "drivers/topic_template.h"
#include "uplink/outbox.h"
#include "windows/detector.h"
#include "windows/plan.h"

namespace weir {

// Where something stands: an index into AgentConfig::files, line and column from 1 (0: unknown).
struct ConfigPlace {
    std::uint32_t file = 0;
    std::uint32_t line = 0;
    std::uint32_t column = 0;
};

// A string whose content is compiled elsewhere (an expression, a name that is looked up).
struct ConfigString {
    std::string text;
    ConfigPlace at;         // of its first character
    bool verbatim = false;  // stands in the file byte for byte, so an offset into it is a column

    bool empty() const { return text.empty(); }
};

struct ConfigFile {
    std::string path;
    std::string text;
};

struct TlsConfig {  // paths are absolute; empty: the system's authorities, no client certificate
    std::string ca;
    std::string cert;
    std::string key;
    std::string server_name;  // empty: the host of the URL
    std::string crl;          // of [uplink] only; empty: none
};

enum class JournalMedium : std::uint8_t { memory, disk };

struct JournalConfig {
    Bytes size = 4 << 20;
    JournalMedium on = JournalMedium::memory;
    Duration sync = Duration::seconds(1);  // on disk only: the declared loss window of a power cut
};

inline constexpr std::uint32_t lanes_max = 8;

struct AgentSection {
    std::string id;  // never empty after load_config()
    Bytes memory = 24 << 20;
    std::string state = "/var/lib/weir";
    std::string run = "/run/weir";
    JournalConfig journal;
    Duration checkpoint = Duration::seconds(5);
    Duration flush = Duration::minutes(5);
    std::uint64_t flash_budget_per_day = 200 << 20;  // bytes
    std::uint32_t lanes = 1;  // engines, each with a thread, a journal and connections of its own
    LogFormat log_format = LogFormat::text;
    LogLevel log_level = LogLevel::info;
    Duration trial = Duration::minutes(2);  // a reload that is not healthy by then is taken back
};

struct MqttConfig {  // [mqtt] is the connection named "", [mqtt.NAME] the one named NAME
    std::string name;
    std::string url;      // as written, canonical
    bool tls_on = false;  // mqtts://
    std::string host;
    std::uint16_t port = 1883;  // 8883 for mqtts
    std::string client_id;  // default: weir-AGENT or weir-AGENT-NAME; stable, since the session is
    std::string username;
    std::string password_file;  // absolute
    std::string password;       // its content, one line end at its end removed
    TlsConfig tls;
    Bytes max_message = 256 << 10;
    Duration keep_alive = Duration::seconds(30);
    Duration silence =
        Duration::minutes(5);         // connected, but no message so long: connect anew; 0: never
    // What happens to messages that come faster than they can be worked off: they wait at the broker, or only a share of
    // them, chosen at random, is kept.
    enum class Overflow : std::uint8_t { wait, sample } overflow = Overflow::wait;
    std::uint32_t max_inflight = 64;  // QoS 1 messages not yet acknowledged that may come again
    ConfigPlace at;
};

// Of a lane's own connection: of lane 0 the configured one.
std::string lane_client_id(const MqttConfig& mqtt, std::size_t lane);

struct ColumnConfig {
    std::string name;
    ColumnType type = ColumnType::real;
    std::string
        path;  // a JSON pointer (RFC 6901), or a field's name in CSV; default: "/NAME", NAME
    bool numbers_in_strings = false;
    ConfigPlace at;
};

struct SourceTimeConfig {
    ConfigString field;  // empty: arrival time; else a field's name, or a JSON pointer with its "/"
    TimeUnit unit =
        TimeUnit::milliseconds;       // of numbers; a string is ISO 8601 whatever the unit...
    bool numbers_in_strings = false;  // ...or, with this, a number
    LatenessParams lateness = Duration::seconds(2);
    Duration idle = Duration::seconds(30);
    Duration max_future = Duration::minutes(1);
    ConfigString align;  // sources of one name wait for each other...
    Duration ahead = Duration::seconds(30);  // ...so far ahead of the last
};

// [[table]]: what sources are enriched from.
struct TableConfig {
    std::string name;
    std::string file;  // a path, absolute
    ConfigPlace file_at;
    ConfigString key;                   // a field of the file
    std::vector<ColumnConfig> columns;  // as declared; the key is a string unless it is among them
    std::uint32_t max_rows = 1000;
    Bytes max_bytes = 64 << 10;  // of the file
    ConfigPlace at;

    ColumnSpec key_column() const;
    Schema schema() const;  // beside the key
};

struct EnrichConfig {
    ConfigString table;
    ConfigString on;  // a column of the source; empty: the table's key
};

struct SourceConfig {
    std::string name;
    std::string driver = "mqtt";       // the one there is
    std::string connection;            // name of an MqttConfig
    std::vector<ConfigString> topics;  // filters and templates, as written
    std::vector<TopicCapture>
        captures;  // of the first topic; every other has the same, in any order
    int qos = 1;
    std::optional<std::uint32_t> lane;  // all topics in this one; else they go to the lanes in turn
    PayloadFormat format = PayloadFormat::json;
    std::vector<std::string>
        csv_fields;  // csv.fields: names in order; empty: a message begins with them
    std::vector<ColumnConfig> columns;  // as declared, in the file's order
    SourceTimeConfig time;
    ConfigString partition;  // a column; empty: the source is one partition
    std::uint32_t max_partitions = 1024;
    std::vector<EnrichConfig> enrich;
    ConfigPlace at;

    // Captures first, then columns.
    Schema schema() const;
};

struct SelectConfig {
    std::string name;
    ConfigString expression;
};

struct MqttActionConfig {
    std::string connection;
    ConfigString
        topic;  // {agent} {alert} {window} {severity} {key} and the window's `by` columns expand
    bool retain = false;
    int qos = 1;
    ConfigPlace at;
};

struct HeaderConfig {
    std::string name;
    ConfigString value;  // expands as a topic does
};

struct WebhookConfig {
    ConfigString url;  // http:// or https://; expands as a topic does
    std::vector<HeaderConfig> headers;
    std::string bearer_file;  // absolute, or empty
    std::string ca;           // absolute; empty: the system's
};

struct GpioConfig {
    std::string chip = "gpiochip0";
    std::uint32_t line = 0;
    bool active_low = false;
    Duration pulse;  // zero: active as long as the alert stands
};

// One entry of an alert's `do`.
struct ActionConfig {
    ActionKind kind = ActionKind::mqtt;
    MqttActionConfig mqtt;
    std::vector<ConfigString> exec;  // arguments, the first an absolute path; the others expand as a topic does
    WebhookConfig webhook;
    GpioConfig gpio;
    Duration timeout = Duration::seconds(10);  // of exec and webhook, each try
    std::uint32_t retry = 3;                   // of exec and webhook: so many tries more
    bool on_raise = true;
    bool on_clear = true;
    ConfigPlace at;
};

// How programs of alerts are run.
struct ExecConfig {
    std::string socket;                    // of a unit that runs them; empty: the agent starts weir-exec itself
    std::uint64_t memory = 256ULL << 20;   // private bytes a program
};

struct WindowConfig {
    std::string name;
    ConfigString from;   // a source
    ConfigString where;  // empty: all events
    std::vector<ConfigString> by;
    Duration size;     // tumbling, aligned to the epoch; zero with a calendar or sessions
    Duration every;    // hopping windows: how far apart they begin; zero: size
    Duration session;  // the gap of sessions; else zero
    ConfigString session_gap;  // or an expression for it, a duration or a number of seconds a row
    Duration session_max = Duration::minutes(60);  // its bound
    std::uint64_t count = 0;   // rows of a count window; else zero
    Duration max_wait;         // of a count window; zero: as long as it takes
    CalendarUnit calendar = CalendarUnit::none;
    ConfigString zone;  // of the calendar; "UTC" unless written
    std::uint32_t max_groups = 256;
    Duration late_allow;  // zero: an event behind the watermark's window is late for good
    LateThen late_then = LateThen::drop;
    Duration early;  // zero: no results before the window closes
    std::optional<MqttActionConfig> publish;  // of the topic {agent}, {window} and the keys of `by` expand
    std::vector<SelectConfig> select;  // in the file's order
    ConfigPlace at;
};

struct PatternConfig {
    std::string name;
    ConfigString from;   // a source
    ConfigString where;  // empty: all events
    std::vector<ConfigString> by;
    ConfigString match;
    std::vector<SelectConfig> define;    // in the file's order, as measures are
    std::vector<SelectConfig> measures;
    Duration within;  // zero: any time
    Contiguity contiguity = Contiguity::strict;
    AfterMatch after = AfterMatch::past_last_row;
    std::string after_variable;
    ConfigPlace after_at;
    std::uint32_t max_groups = 256;
    std::uint32_t max_runs = 16;
    std::uint32_t max_pending = 2048;
    ConfigPlace at;
};

struct JoinOnConfig {
    ConfigString left;
    ConfigString right;
};

// [[join]]: rows of two sources that belong together, as a source of their own.
struct JoinConfig {
    std::string name;
    ConfigString left;
    ConfigString right;
    std::vector<JoinOnConfig> on;  // columns that are equal
    Duration within;               // right.time is at most so long after left.time...
    Duration after;                // ...and at least this long, or, negative, at most so long before
    std::vector<SelectConfig> columns;
    std::uint32_t max_rows = 4096;  // a side
    ConfigPlace at;
};

enum class Severity : std::uint8_t { info, warning, critical };

struct AnomalyConfig {
    ConfigString of;  // a column of the source, or what the window selects
    DetectorMethod method = DetectorMethod::ensemble;
    Duration season = Duration::seconds(86400);
    double score_above = Detector::score_shipped;  // raises
};

struct FlapConfig {
    std::uint16_t raises = 5;  // more than so many
    Duration within = Duration::minutes(10);
};

struct AlertConfig {
    std::string name;
    ConfigString from;  // a window, a pattern or a source
    ConfigString when;  // this, anomaly or absent; empty: every match of a pattern
    Duration absent;    // of a source: nothing has come of a key for so long
    std::vector<ConfigString> expect;  // keys that must come, from the start on; those of a file, too
    std::optional<AnomalyConfig> anomaly;
    std::vector<ConfigString> by;    // of a source: a state each; with absent its partition, unless written
    std::uint32_t max_groups = 128;  // of a source
    ConfigString clear;  // empty: cleared when `when` no longer holds
    Duration hold;         // the condition must have held so long; zero: it raises at once
    Duration clear_after;  // cleared when nothing raised it again for so long; zero: only `clear` does
    bool missing_clears = false;  // a key without a result is cleared, and is kept otherwise
    std::optional<FlapConfig> flap;
    Severity severity = Severity::warning;
    ConfigString message;  // what is said: {NAME} of key and values, {alert} {severity} {state} {agent} expand
    // Without `do`, and with an [mqtt]: retained, to weir/{agent}/alert/{alert}/{key}. `do = []`:
    // logged only.
    std::vector<ActionConfig> actions;
    ConfigPlace at;
};

struct UplinkConfig {
    std::string url;
    std::string host;
    std::uint16_t port = 7400;
    TlsConfig tls;  // cert and key are never empty
    std::uint64_t outbox = 32 << 20;
    bool coarsen = true;                  // on_full: "coarsen" first, and when that is not enough...
    OnFull on_full = OnFull::drop_oldest;  // ...or alone
    std::uint64_t rate_per_second = 64 << 10;  // bytes
    ConfigPlace at;
};

struct PageConfig {
    PageListen listen;
    std::string token_file;          // absolute; empty: nobody can acknowledge by the page
    std::string token;               // its content
    std::vector<std::string> hosts;  // names to be asked by, in lower case
    ConfigPlace at;
};

struct AgentConfig {
    AgentSection agent;
    std::vector<MqttConfig> mqtt;  // "" first if there is one
    std::vector<TableConfig> tables;
    std::vector<SourceConfig> sources;
    std::vector<JoinConfig> joins;
    std::vector<WindowConfig> windows;
    std::vector<PatternConfig> patterns;
    std::vector<AlertConfig> alerts;
    ExecConfig exec;
    std::optional<UplinkConfig> uplink;
    std::optional<PageConfig> page;
    std::vector<ConfigFile> files;  // CONFIG, then its drop-ins

    const MqttConfig* find_mqtt(std::string_view name) const;
    const SourceConfig* find_source(std::string_view name) const;
    const TableConfig* find_table(std::string_view name) const;
    const JoinConfig* find_join(std::string_view name) const;
    // The source's columns, and those that it gets of tables.
    Schema schema_of(const SourceConfig& source) const;
    const WindowConfig* find_window(std::string_view name) const;
    const PatternConfig* find_pattern(std::string_view name) const;
    bool has_action(ActionKind kind) const;
};

struct ConfigProblem {
    ConfigPlace at;
    std::string what;      // what was found, what was expected, what to write instead
    bool warning = false;  // may be run
};

struct ConfigLoad {
    AgentConfig config;
    std::vector<ConfigProblem> problems;  // in order of place

    bool ok() const;  // no problem but warnings
};

// What a configuration may depend on besides its text.
struct ConfigContext {
    Files* files = nullptr;                          // required
    std::map<std::string, std::string> environment;  // for ${VAR} and WEIR_SECTION__KEY
    std::string host_name = "localhost";
    // The common name in a PEM certificate's text; the composition gives uplink's. Null: not read.
    Result<std::string> (*read_common_name)(std::string_view pem) = nullptr;
    // False for plan and replay of somebody else's configuration: certificates and passwords are
    // not read.
    bool read_secrets = true;
    // False for replay, plan and test: a source may name a connection that is not there.
    bool need_connections = true;
};
std::map<std::string, std::string> process_environment();
std::string process_host_name();

// CONFIG and its drop-ins: for DIR/weir.toml, DIR/weir.d/*.toml in order of name.
ConfigLoad load_config(const std::string& path, const ConfigContext& context);
// One text; path says where relative paths start and what messages name.
ConfigLoad parse_config(std::string text, const std::string& path, const ConfigContext& context);

// A problem that the compiler of an expression found in it.
ConfigProblem problem_in(const ConfigString& expression, const Problem& problem);
// The same for what EnginePlan::compile() says; the nearest place that its source, window and key
// name.
ConfigProblem problem_in(const AgentConfig& config, const SpecProblem& problem);

// "weir.toml:12:8: error: ...", the line and a caret beneath, for each problem, and a closing
// count.
std::string render_problems(const AgentConfig& config, const std::vector<ConfigProblem>& problems);

// The whole effective configuration as TOML, defaults written out; a comment a key if asked for.
// Loading it gives the same configuration. Secrets are named by file, never shown.
std::string explain(const AgentConfig& config, bool comments = true);

// Of explain() without comments: equal for two configurations that mean the same.
std::uint64_t configuration_hash(const AgentConfig& config);

}  // namespace weir
