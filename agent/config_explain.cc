#include <charconv>
#include <string>

#include "agent/config.h"
#include "agent/config_units.h"

namespace weir {
namespace {

// A TOML basic string that read_toml() turns back into text: '$' is doubled where it would begin a
// variable.
std::string toml(std::string_view text) {
    constexpr char digits[] = "0123456789ABCDEF";
    std::string out = "\"";
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const auto byte = static_cast<unsigned char>(c);
        const bool starts_variable =
            c == '$' && i + 1 < text.size() && (text[i + 1] == '{' || text[i + 1] == '$');
        if (c == '"' || c == '\\') out += '\\';
        if (starts_variable) out += '$';
        if (byte < 0x20 || byte == 0x7F) {
            out += "\\u00";
            out += digits[byte >> 4];
            out += digits[byte & 15];
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string toml_boolean(bool value) { return value ? "true" : "false"; }
// The shortest text that is read as the same number.
std::string toml_real(double value) {
    char text[32];
    return {text, std::to_chars(text, text + sizeof text, value).ptr};
}
std::string toml(Duration value) { return toml(format_duration(value)); }
std::string toml_size(std::uint64_t bytes) { return toml(format_size(bytes)); }

template <typename T, typename F>
std::string toml_list(const std::vector<T>& items, F text_of) {
    std::string out = "[";
    for (const T& item : items) out += (out.size() > 1 ? ", " : "") + toml(text_of(item));
    return out + "]";
}

std::string_view text_of(const ConfigString& text) { return text.text; }

std::string_view unit_name(TimeUnit unit) {
    switch (unit) {
        case TimeUnit::seconds: return "s";
        case TimeUnit::milliseconds: return "ms";
        case TimeUnit::microseconds: return "us";
        case TimeUnit::nanoseconds: return "ns";
    }
    return "ms";
}

std::string_view severity_name(Severity severity) {
    switch (severity) {
        case Severity::info: return "info";
        case Severity::warning: return "warning";
        case Severity::critical: return "critical";
    }
    return "warning";
}

class Explainer {
public:
    Explainer(const AgentConfig& config, bool comments) : config_(config), comments_(comments) {}

    std::string run() {
        comment("The whole configuration that holds, with every default written out.");
        agent();
        for (const MqttConfig& each : config_.mqtt) mqtt(each);
        for (const TableConfig& each : config_.tables) table(each);
        for (const SourceConfig& each : config_.sources) source(each);
        for (const JoinConfig& each : config_.joins) join(each);
        for (const WindowConfig& each : config_.windows) window(each);
        for (const PatternConfig& each : config_.patterns) pattern(each);
        for (const AlertConfig& each : config_.alerts) alert(each);
        if (config_.has_action(ActionKind::exec) || !config_.exec.socket.empty()) exec(config_.exec);
        if (config_.uplink) uplink(*config_.uplink);
        if (config_.page) page(*config_.page);
        return std::move(out_);
    }

private:
    void comment(std::string_view text) {
        if (comments_) out_ += "# " + std::string(text) + "\n";
    }

    void section(std::string_view title, std::string_view text) {
        out_ += "\n";
        comment(text);
        out_ += std::string(title) + "\n";
    }

    void line(std::string_view key, const std::string& value, std::string_view text) {
        constexpr std::size_t comment_column = 44;
        std::string written = std::string(key) + " = " + value;
        if (comments_ && !text.empty()) {
            if (written.size() < comment_column) written.resize(comment_column, ' ');
            written += "  # " + std::string(text);
        }
        out_ += written + "\n";
    }

    // A key whose absence says something.
    void optional(std::string_view key, const std::string& value, std::string_view text) {
        if (!value.empty()) line(key, toml(value), text);
    }

    void agent() {
        const AgentSection& agent = config_.agent;
        section("[agent]", "Who the agent is, and what it may use.");
        line("id", toml(agent.id), "default: the certificate's common name, else the host name");
        line("memory", toml_size(agent.memory), "the whole process beyond its code; enforced");
        line("state", toml(agent.state), "on flash: outbox, flash checkpoint, identity");
        line("run", toml(agent.run), "on tmpfs: journal, crash checkpoint, control socket");
        line("journal.size", toml_size(agent.journal.size),
             "what may wait between the broker and the engine");
        if (agent.journal.on == JournalMedium::disk) {
            line("journal.on", toml("disk"), "survives a power cut, wears flash");
            line("journal.sync", toml(agent.journal.sync), "what a power cut may lose");
        } else {
            line("journal.on", toml("memory"), "survives a crash, not a power cut; wears no flash");
        }
        line("checkpoint", toml(agent.checkpoint), "to tmpfs, for a crash");
        line("flush", toml(agent.flush), "to flash, for a power cut");
        line("flash_budget", toml(format_rate(agent.flash_budget_per_day, "day")),
             "a plan that would write more is refused");
        line("lanes", std::to_string(agent.lanes), "engines, each with a thread and connections of its own");
        line("log.format", toml(name(agent.log_format)), "to standard error: text, logfmt or json");
        line("log.level", toml(name(agent.log_level)), "and what is worse");
        line("trial", toml(agent.trial), "a reload that is not healthy by then is taken back");
    }

    void tls(const TlsConfig& tls) {
        optional("tls.ca", tls.ca,
                 "who may vouch for the other side; default: the system's authorities");
        optional("tls.cert", tls.cert, "who this side is");
        optional("tls.key", tls.key, "and the key that proves it");
        optional("tls.server_name", tls.server_name,
                 "the name in the other side's certificate; default: the url's host");
    }
    void crl(const TlsConfig& tls) {
        optional("tls.crl", tls.crl, "certificates of the authority that are no longer to be believed");
    }

    void mqtt(const MqttConfig& mqtt) {
        section(
            mqtt.name.empty() ? "[mqtt]" : "[mqtt." + mqtt_key(mqtt.name) + "]",
            "A connection to a broker; sources and alerts use [mqtt] unless they name another.");
        line("url", toml(mqtt.url), "mqtt:// (1883) or mqtts:// (8883, encrypted)");
        line("client_id", toml(mqtt.client_id),
             "must stay the same: the broker keeps the session under it");
        optional("username", mqtt.username, "");
        optional("password_file", mqtt.password_file, "the password is this file's content");
        tls(mqtt.tls);
        line("max_message", toml_size(mqtt.max_message),
             "a longer payload is counted and left out");
        line("keep_alive", toml(mqtt.keep_alive), "how soon a dead connection is noticed");
        line("silence", toml(mqtt.silence),
             "connected, but no message so long: subscribe anew; 0s: never");
        line("max_inflight", std::to_string(mqtt.max_inflight),
             "messages not yet acknowledged that may come again");
        line("overflow", mqtt.overflow == MqttConfig::Overflow::wait ? "\"wait\"" : "\"sample\"",
             "more than can be worked off: wait (at the broker) or sample (keep a share; results say which)");
    }

    // Dots are fine in a name, but a bare key would be split at them.
    static std::string mqtt_key(const std::string& name) { return toml(name); }

    void source(const SourceConfig& source) {
        section("[[source]]", "Where events come from, and what their columns are.");
        line("name", toml(source.name), "");
        line("driver", toml(source.driver), "the one there is");
        optional("connection", source.connection, "the [mqtt.NAME] that it comes through");
        line("topics", toml_list(source.topics, text_of),
             "{name} makes a level a column; + and # work too");
        line("qos", std::to_string(source.qos),
             "1: each event counts exactly once; 0: at most once");
        if (source.lane) line("lane", std::to_string(*source.lane), "of all its topics; default: they go to the lanes in turn");
        line("format", toml(source.format == PayloadFormat::json ? "json" : "csv"),
             "one event, an array of events, or lines");
        if (!source.csv_fields.empty()) {
            line("csv.fields",
                 toml_list(source.csv_fields,
                           [](const std::string& s) { return std::string_view(s); }),
                 "what stands where on a line; default: a message begins with a line of names");
        }
        for (const ColumnConfig& column : source.columns) columns(column);
        const SourceTimeConfig& time = source.time;
        optional("time.field", time.field.text, "when it happened; default: when it arrived");
        line("time.unit", toml(unit_name(time.unit)),
             "of a number: s, ms, us or ns; ISO 8601 text needs none");
        line("time.numbers_in_strings", toml_boolean(time.numbers_in_strings),
             "\"1700000000\" is a number too");
        line("time.lateness", toml(time.lateness.adaptive ? std::string("adaptive") : format_duration(time.lateness.fixed)),
             "how far out of order events may come before a window closes; \"adaptive\" learns it");
        if (time.lateness.adaptive) {
            line("time.lateness_min", toml(time.lateness.floor), "never less");
            line("time.lateness_max", toml(time.lateness.ceiling), "never more; memory is planned for it");
            line("time.late_share", toml_real(time.lateness.late_share), "of the events may come too late");
        }
        line("time.idle", toml(time.idle),
             "a partition silent so long no longer holds windows open");
        line("time.max_future", toml(time.max_future),
             "further ahead of arrival is a wrong clock: counted, left out");
        optional("time.align", time.align.text, "sources of this name wait for each other");
        if (!time.align.empty())
            line("time.ahead", toml(time.ahead), "so far ahead of the last of them its windows may close");
        optional("partition", source.partition.text,
                 "the column by which watermarks are kept apart");
        line("max_partitions", std::to_string(source.max_partitions), "more share one watermark");
        if (!source.enrich.empty()) line("enrich", enrich(source), "columns of tables, by the value of `on`");
        line("overflow", toml("block"), "when the journal is full the broker queues");
    }

    std::string enrich(const SourceConfig& source) const {
        std::string out;
        for (const EnrichConfig& use : source.enrich) {
            const TableConfig* const table = config_.find_table(use.table.text);
            const std::string on = use.on.empty() && table ? table->key.text : use.on.text;
            out += (out.empty() ? "" : ", ") + ("{ table = " + toml(use.table.text)) + ", on = " + toml(on) + " }";
        }
        return "[" + out + "]";
    }

    void join(const JoinConfig& join) {
        section("[[join]]", "What belongs together: rows of two sources, equal in `on` and near in time, as a source of their own.");
        line("name", toml(join.name), "for from of windows and patterns");
        line("left", toml(join.left.text), "a source");
        line("right", toml(join.right.text), "another");
        std::string on;
        for (const JoinOnConfig& each : join.on)
            on += (on.empty() ? "" : ", ") + ("{ left = " + toml(each.left.text)) + ", right = " + toml(each.right.text) + " }";
        line("on", "[" + on + "]", "columns that are equal; each is a column of the join, too");
        line("within", toml(join.within), "right is at most so long after left");
        if (join.after < Duration())
            line("before", toml(Duration() - join.after), "or at most so long before it");
        else
            line("after", toml(join.after), "and at least this");
        line("max_rows", std::to_string(join.max_rows), "kept a side until no partner can come; more are counted");
        for (const SelectConfig& column : join.columns) line("columns." + column.name, toml(column.expression.text), "");
    }

    void table(const TableConfig& table) {
        section("[[table]]", "What sources are enriched from: a CSV file, read again when it changes.");
        line("name", toml(table.name), "columns are called NAME.COLUMN");
        line("file", toml(table.file), "its first line names the fields");
        line("key", toml(table.key.text), "the field that tells the rows apart");
        for (const ColumnConfig& column : table.columns) columns(column);
        line("max_rows", std::to_string(table.max_rows), "a longer file is refused");
        line("max_bytes", toml_size(table.max_bytes), "so is a larger one; memory is planned for both");
    }

    void columns(const ColumnConfig& column) {
        const std::string key = "columns." + column.name;
        const std::string value =
            "{ type = " + toml(name(column.type)) + ", path = " + toml(column.path) +
            ", numbers_in_strings = " + toml_boolean(column.numbers_in_strings) + " }";
        line(key, value, "");
    }

    void window(const WindowConfig& window) {
        section("[[window]]",
                "What is computed: for each interval, and each key in `by`, one result.");
        line("name", toml(window.name), "");
        line("from", toml(window.from.text), "a source");
        optional("where", window.where.text, "events that count; default: all");
        line("by", toml_list(window.by, text_of), "the key; [] is one result for all");
        const bool sessions = window.session > Duration() || !window.session_gap.empty();
        if (!window.session_gap.empty()) {
            line("session", toml(window.session_gap.text), "the gap that each event asks for; a number is in seconds");
            line("session_max", toml(window.session_max), "events that ask for more are counted, and left out");
        } else if (sessions) {
            line("session", toml(window.session), "the gap that ends a session of a key");
        } else if (window.count > 0) {
            line("count", std::to_string(window.count), "events of a key, in the order in which they came");
            if (window.max_wait > Duration())
                line("max_wait", toml(window.max_wait), "of event time after its first event it closes as it is");
        } else if (window.calendar == CalendarUnit::none) {
            line("size", toml(window.size), "aligned to 1970-01-01T00:00Z");
            if (window.every > Duration())
                line("every", toml(window.every), "how far apart windows begin; an event counts in size / every of them");
        } else {
            line("calendar", toml(window.calendar == CalendarUnit::day ? "day" : "hour"),
                 "day or hour of local clocks; a day may have 23 or 25 hours");
            line("zone", toml(window.zone.text),
                 "a name of the IANA data base, or an offset such as \"+02:00\"");
        }
        line("max_groups", std::to_string(window.max_groups),
             sessions ? "sessions kept at once; beyond, the oldest is closed early, partial"
                      : "more keys fold into \"(other)\", counted and estimated");
        if (window.count == 0) {
            line("late.allow", toml(window.late_allow),
                 "how long a closed window still takes late events");
            line("late.then",
                 toml(window.late_then == LateThen::drop     ? "drop"
                      : window.late_then == LateThen::revise ? "revise"
                                                             : "side"),
                 "drop: counted; revise: a new revision of the result; side: a late record of such events");
            line("early", toml(window.early), "a provisional result so often before it closes; 0s: none");
        }
        if (window.publish)
            line("publish", "{ " + publication(*window.publish) + " }", "results as JSON to the broker, early and late ones too; not kept");
        for (const SelectConfig& select : window.select)
            line("select." + select.name, toml(select.expression.text), "");
    }

    void pattern(const PatternConfig& pattern) {
        section("[[pattern]]", "What is looked for: rows of a key that follow each other in time, one result a match.");
        line("name", toml(pattern.name), "");
        line("from", toml(pattern.from.text), "a source");
        optional("where", pattern.where.text, "events that are there; default: all");
        line("by", toml_list(pattern.by, text_of), "the key; [] looks at all rows together");
        line("match", toml(pattern.match.text), "variables; | * + ? {m,n}, reluctant with ? behind");
        for (const SelectConfig& define : pattern.define) line("define." + define.name, toml(define.expression.text), "");
        line("within", toml(pattern.within), "from the first row to the last; 0s is any time");
        line("contiguity", toml(pattern.contiguity == Contiguity::strict ? "strict" : "next"),
             "strict: no row in between; next: rows that do not fit are passed over");
        line("after", toml(after(pattern)), "where the search goes on");
        line("max_groups", std::to_string(pattern.max_groups), "keys with rows or runs under way; more are counted");
        line("max_runs", std::to_string(pattern.max_runs), "open runs a key; more are given up, counted");
        line("max_pending", std::to_string(pattern.max_pending), "rows that wait to be sorted by time; more are counted");
        for (const SelectConfig& measure : pattern.measures) line("measures." + measure.name, toml(measure.expression.text), "");
    }

    static std::string after(const PatternConfig& pattern) {
        switch (pattern.after) {
            case AfterMatch::past_last_row: return "past last row";
            case AfterMatch::next_row: return "next row";
            case AfterMatch::first: return "first " + pattern.after_variable;
            case AfterMatch::last: return "last " + pattern.after_variable;
        }
        return "";
    }

    void alert(const AlertConfig& alert) {
        section("[[alert]]", "What is reported at once, on the board, with or without a network.");
        line("name", toml(alert.name), "");
        line("from", toml(alert.from.text), "each of its keys has a state of its own");
        if (alert.anomaly)
            anomaly(alert);
        else if (alert.absent > Duration())
            absence(alert);
        else
            optional("when", alert.when.text, "raises it; of a pattern, by default every match does");
        if (!alert.anomaly && config_.find_source(alert.from.text)) {
            line("by", toml_list(alert.by, text_of), "of a source: a state each");
            line("max_groups", std::to_string(alert.max_groups), alert.absent > Duration() ? "more keys are not watched, counted" : "that may stand at once");
        }
        optional("clear", alert.clear.text, "clears it; default: when no longer holds");
        life(alert);
        line("severity", toml(severity_name(alert.severity)), "info, warning or critical");
        optional("message", alert.message.text, "said with each change; {NAME} of the key and the values, {alert} {severity} {state} {agent}");
        std::string actions;
        for (const ActionConfig& action : alert.actions)
            actions += (actions.empty() ? "" : ", ") + written(action);
        line("do", "[" + actions + "]",
             "[]: logged only; default: retained, to weir/{agent}/alert/{alert}/{key}");
    }

    void absence(const AlertConfig& alert) {
        line("absent", toml(format_duration(alert.absent)), "raised when nothing came for so long, from the start on; cleared by what comes");
        if (!alert.expect.empty()) line("expect", toml_list(alert.expect, text_of), "that must come, though it never has");
    }

    void life(const AlertConfig& alert) {
        if (alert.absent == Duration()) {
            line("hold", toml(format_duration(alert.hold)), "when must have held so long, in event time");
            if (alert.clear_after > Duration())
                line("clear_after", toml(format_duration(alert.clear_after)), "cleared when nothing raised it again for so long");
            line("missing", toml(alert.missing_clears ? "clear" : "keep"), "a key without a result: keep or clear");
        }
        if (alert.flap)
            line("flap", "{ raises = " + std::to_string(alert.flap->raises) + ", within = " + toml(format_duration(alert.flap->within)) + " }",
                 "more raises in so long: said once, then quiet until it is calm");
    }

    void anomaly(const AlertConfig& alert) {
        const AnomalyConfig& anomaly = *alert.anomaly;
        line("anomaly",
             "{ of = " + toml(anomaly.of.text) + ", method = " + toml(name(anomaly.method)) +
                 ", season = " + toml(anomaly.season) +
                 ", score_above = " + toml_real(anomaly.score_above) + " }",
             "raises it: a detector's score, from 0 to 1");
        if (config_.find_window(alert.from.text)) return;
        line("by", toml_list(alert.by, text_of), "of a source: a detector each");
        line("max_groups", std::to_string(alert.max_groups), "more keys are not watched, counted");
    }

    static std::string publication(const MqttActionConfig& to) {
        std::string out = "topic = " + toml(to.topic.text);
        if (!to.connection.empty()) out += ", connection = " + toml(to.connection);
        return out + ", retain = " + toml_boolean(to.retain) + ", qos = " + std::to_string(to.qos);
    }

    static std::string written(const ActionConfig& action) {
        std::string out = "{ ";
        switch (action.kind) {
            case ActionKind::mqtt: out += "mqtt = { " + publication(action.mqtt) + " }"; break;
            case ActionKind::exec: out += "exec = " + toml_list(action.exec, text_of) + tries(action); break;
            case ActionKind::webhook: out += "webhook = { " + webhook(action.webhook) + " }" + tries(action); break;
            case ActionKind::gpio:
                out += "gpio = { chip = " + toml(action.gpio.chip) + ", line = " + std::to_string(action.gpio.line) + ", active_low = " +
                       toml_boolean(action.gpio.active_low) + ", pulse = " + toml(action.gpio.pulse) + " }, retry = " + std::to_string(action.retry);
                break;
        }
        out += ", on = [";
        if (action.on_raise) out += "\"raise\"";
        if (action.on_clear) out += action.on_raise ? ", \"clear\"" : "\"clear\"";
        return out + "] }";
    }

    static std::string webhook(const WebhookConfig& to) {
        std::string out = "url = " + toml(to.url.text);
        std::string headers;
        for (const HeaderConfig& header : to.headers)
            headers += (headers.empty() ? "" : ", ") + toml(header.name) + " = " + toml(header.value.text.substr(header.name.size() + 2));
        if (!headers.empty()) out += ", headers = { " + headers + " }";
        if (!to.bearer_file.empty()) out += ", bearer_file = " + toml(to.bearer_file);
        if (!to.ca.empty()) out += ", ca = " + toml(to.ca);
        return out;
    }

    static std::string tries(const ActionConfig& action) {
        return ", timeout = " + toml(action.timeout) + ", retry = " + std::to_string(action.retry);
    }

    void exec(const ExecConfig& exec) {
        section("[exec]", "How programs of alerts are run: by weir-exec, apart from the agent's memory.");
        optional("socket", exec.socket, "of weir-exec as a unit of its own; default: the agent starts it");
        line("memory", toml_size(exec.memory), "private bytes that each may have");
    }

    void uplink(const UplinkConfig& uplink) {
        section("[uplink]", "The bridge that results go to; without this section they stay here.");
        line("url", toml(uplink.url), "tls://HOST:7400");
        tls(uplink.tls);
        crl(uplink.tls);
        line("outbox", toml_size(uplink.outbox), "on flash: results that wait for the bridge");
        const std::string full = toml(uplink.on_full == OnFull::drop_oldest ? "drop-oldest" : "stop");
        line("on_full", uplink.coarsen ? "[\"coarsen\", " + full + "]" : full,
             "coarsen: neighbouring results become one; drop-oldest: counted; stop: keep what is there");
        line("rate", toml(format_rate(uplink.rate_per_second, "s")),
             "backlog is sent no faster; plan refuses steady output above it");
    }

    void page(const PageConfig& page) {
        section("[page]", "The status page, /metrics and /api/v1; without this section nothing listens.");
        const bool six = page.listen.address.find(':') != std::string::npos;
        line("listen", toml((six ? "[" + page.listen.address + "]" : page.listen.address) + ":" + std::to_string(page.listen.port)),
             "off loopback everything needs the token");
        if (!page.token_file.empty()) line("token_file", toml(page.token_file), "to acknowledge, and off loopback");
        if (page.hosts.empty()) return;
        std::string hosts;
        for (const std::string& host : page.hosts) hosts += (hosts.empty() ? "" : ", ") + toml(host);
        line("hosts", "[" + hosts + "]", "names to be asked by, besides addresses");
    }

    const AgentConfig& config_;
    bool comments_;
    std::string out_;
};

}  // namespace

std::string explain(const AgentConfig& config, bool comments) {
    return Explainer(config, comments).run();
}

}  // namespace weir
