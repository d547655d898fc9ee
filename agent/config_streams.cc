// The sections that say what is measured: [[source]], [[window]]; and the actions of [[alert]].
#include <algorithm>
#include <array>

#include "agent/config_sections.h"

namespace weir {
namespace {

constexpr Duration day = Duration::seconds(86'400);

std::vector<Choice<ColumnType>> column_types() {
    return {{"int", ColumnType::integer},
            {"float", ColumnType::real},
            {"bool", ColumnType::boolean},
            {"string", ColumnType::text}};
}

}  // namespace

void ConfigSections::read_source(const ConfigNode& node, const std::string& title) {
    ConfigReader reader(node, title, problems_);
    SourceConfig source;
    source.at = node.at;
    name(reader, source.name);
    ConfigString driver;
    if (reader.text("driver", "\"mqtt\"", driver) && driver.text != "mqtt") {
        reader.problem_of("driver", driver.at,
                          "found " + in_quotes(driver.text) +
                              ", which is not in this release; expected \"mqtt\" (files go through "
                              "`weir replay`)");
    }
    reader.text("connection", "\"plant\", for [mqtt.plant]", source.connection);
    read_topics(reader, source);
    read_format(reader, source);
    read_columns(reader, source);
    read_time(reader, source);
    reader.text("partition", "\"site\"", source.partition);
    std::uint64_t partitions = source.max_partitions;
    if (reader.natural("max_partitions", 1, 65'536, partitions)) {
        source.max_partitions = static_cast<std::uint32_t>(partitions);
    }
    read_enrich(reader, source);
    if (const auto* overflow = reader.find("overflow", ConfigType::text, "\"block\"");
        overflow && overflow->text != "block") {
        reader.problem_of(
            "overflow", overflow->at,
            "found " + in_quotes(overflow->text) +
                ", which is not in this release; expected \"block\" (the broker queues)");
    }
    reader.finish();
    config_.sources.push_back(std::move(source));
}

void ConfigSections::read_topics(ConfigReader& reader, SourceConfig& source) {
    constexpr std::string_view example = "[\"city/{site}/loop/{lane:int}\"]";
    reader.require("topics", example);
    if (!reader.texts("topics", example, source.topics)) return;
    if (source.topics.empty() || source.topics.size() > 256) {
        reader.problem_of("topics", reader.find("topics")->at,
                          "expected 1 to 256 topics such as " + std::string(example));
    }
    for (std::size_t i = 0; i < source.topics.size(); ++i) {
        const ConfigString& topic = source.topics[i];
        Problem why;
        const auto parsed = TopicTemplate::parse(topic.text, why);
        if (!parsed) {
            problems_.push_back(problem_in(topic, why));
            problems_.back().what = "topics in " + reader.title() + ": " + problems_.back().what;
            continue;
        }
        if (i == 0) source.captures = parsed->captures();
        const auto same = [](const TopicCapture& a, const TopicCapture& b) {
            return a.name == b.name && a.type == b.type;
        };
        if (!std::is_permutation(source.captures.begin(), source.captures.end(),
                                 parsed->captures().begin(), parsed->captures().end(), same)) {
            reader.problem_of("topics", topic.at,
                              "found " + in_quotes(topic.text) +
                                  ", expected the same {names} and types as in the first topic; "
                                  "another set is another [[source]]");
        }
    }
}

void ConfigSections::read_format(ConfigReader& reader, SourceConfig& source) {
    const ConfigNode* qos = reader.find("qos");
    if (qos && qos->type == ConfigType::integer && qos->integer == 2) {
        reader.problem_of(
            "qos", qos->at,
            "2 is refused, because it loses messages in a crash (PUBREC leaves before "
            "the message is journaled); write 1, which counts each event exactly once");
    } else {
        std::uint64_t value = static_cast<std::uint64_t>(source.qos);
        if (reader.natural("qos", 0, 1, value)) source.qos = static_cast<int>(value);
    }
    if (std::uint64_t lane = 0; reader.natural("lane", 0, lanes_max - 1, lane)) source.lane = static_cast<std::uint32_t>(lane);
    const ConfigNode* format = reader.find("format");
    const std::array<std::string_view, 4> later = {"senml", "influx", "sparkplug", "cbor"};
    if (format && std::find(later.begin(), later.end(), format->text) != later.end()) {
        reader.problem_of(
            "format", format->at,
            in_quotes(format->text) + " is not in this release; expected \"json\" or \"csv\"");
    } else {
        reader.one_of<PayloadFormat>(
            "format", {{"json", PayloadFormat::json}, {"csv", PayloadFormat::csv}}, source.format);
    }
    const ConfigNode* csv =
        reader.find("csv", ConfigType::table, "csv.fields = [\"ts\", \"speed\"]");
    if (!csv) return;
    if (source.format != PayloadFormat::csv)
        reader.problem_of("csv", csv->at, "has a meaning only with format = \"csv\"");
    ConfigReader inner(*csv, reader.title(), problems_, "csv.");
    std::vector<ConfigString> fields;
    inner.texts("fields", "[\"ts\", \"speed\"]", fields);
    for (const ConfigString& field : fields) {
        if (std::find(source.csv_fields.begin(), source.csv_fields.end(), field.text) !=
            source.csv_fields.end()) {
            inner.problem_of("fields", field.at, "found " + in_quotes(field.text) + " twice");
        }
        source.csv_fields.push_back(field.text);
    }
    inner.finish();
}

void ConfigSections::read_columns(ConfigReader& reader, SourceConfig& source) {
    const ConfigNode* columns = reader.find("columns", ConfigType::table, "{ speed = \"float\" }");
    if (!columns) return;
    for (const ConfigMember& member : columns->members) read_column(reader, member, source);
}

void ConfigSections::read_column(ConfigReader& reader, const ConfigMember& member,
                                 SourceConfig& source) {
    const std::string key = "columns." + member.key;
    ColumnConfig column;
    column.name = member.key;
    column.path = source.format == PayloadFormat::json ? "/" + member.key : member.key;
    column.at = member.at;
    if (!is_identifier(member.key)) {
        reader.problem_of(
            key, member.at,
            "expected a name that an expression can use: letters, digits and _, at most 64, "
            "the first no digit; the field's own name goes to path");
    }
    constexpr std::string_view example =
        "\"float\" or { path = \"/vehicle/length\", type = \"float\" }";
    if (member.value.type == ConfigType::text) {
        ConfigNode wrapper;
        wrapper.members.push_back({member.key, member.at, member.value});
        ConfigReader(wrapper, reader.title(), problems_, "columns.")
            .one_of(member.key, column_types(), column.type);
    } else if (member.value.type == ConfigType::table) {
        ConfigReader inner(member.value, reader.title(), problems_, key + ".");
        inner.require("type", "type = \"float\"");
        inner.one_of("type", column_types(), column.type);
        inner.boolean("numbers_in_strings", column.numbers_in_strings);
        ConfigString path;
        if (inner.text("path", "\"/vehicle/length\"", path)) {
            column.path = path.text;
            if (source.format == PayloadFormat::json && !path.text.starts_with("/")) {
                std::string pointer = "/" + path.text;
                std::replace(pointer.begin(), pointer.end(), '.', '/');
                inner.problem_of("path", path.at,
                                 "found " + in_quotes(path.text) +
                                     ", expected a JSON pointer; write " + in_quotes(pointer));
            }
        }
        inner.finish();
    } else {
        reader.problem_of(key, member.value.at,
                          "found " + std::string(weir::name(member.value.type)) +
                              ", expected a type such as " + std::string(example));
    }
    source.columns.push_back(std::move(column));
}

void ConfigSections::read_time(ConfigReader& reader, SourceConfig& source) {
    const ConfigNode* node = reader.find("time", ConfigType::table, "time.field = \"ts\"");
    SourceTimeConfig& time = source.time;
    if (!node) {
        time.lateness = Duration();  // arrival times come in order
        return;
    }
    ConfigReader inner(*node, reader.title(), problems_, "time.");
    inner.text("field", "\"ts\"", time.field);
    if (const auto* unit = inner.find("unit"); unit && unit->text == "iso") {
        inner.problem_of("unit", unit->at,
                         "ISO 8601 text is read whatever the unit; leave time.unit out");
    } else {
        inner.one_of<TimeUnit>("unit",
                               {{"s", TimeUnit::seconds},
                                {"ms", TimeUnit::milliseconds},
                                {"us", TimeUnit::microseconds},
                                {"ns", TimeUnit::nanoseconds}},
                               time.unit);
    }
    inner.boolean("numbers_in_strings", time.numbers_in_strings);
    if (time.field.empty()) time.lateness = Duration();
    if (const auto* lateness = inner.find("lateness"); lateness && lateness->text == "adaptive") {
        time.lateness.adaptive = true;
        inner.duration("lateness_min", Duration(), day, time.lateness.floor);
        inner.duration("lateness_max", Duration(), day, time.lateness.ceiling);
        inner.share("late_share", time.lateness.late_share);
    } else {
        inner.duration("lateness", Duration(), day, time.lateness.fixed);
        for (const std::string_view key : {"lateness_min", "lateness_max", "late_share"})
            if (const ConfigNode* found = inner.find(key))
                inner.problem_of(key, found->at, "only with time.lateness = \"adaptive\"");
    }
    inner.duration("idle", Duration::millis(100), day, time.idle);
    inner.duration("max_future", Duration(), day * 366, time.max_future);
    inner.text("align", "\"junction\", the same in every source that waits for the others", time.align);
    inner.duration("ahead", Duration(), day, time.ahead);
    if (const ConfigNode* ahead = inner.find("ahead"); ahead && time.align.empty())
        inner.problem_of("ahead", ahead->at, "has a meaning only with time.align");
    inner.finish();
}

void ConfigSections::read_window(const ConfigNode& node, const std::string& title) {
    ConfigReader reader(node, title, problems_);
    WindowConfig window;
    window.at = node.at;
    name(reader, window.name);
    reader.require("from", "the name of a source");
    reader.text("from", "\"loops\"", window.from);
    reader.text("where", "\"speed > 0.0\"", window.where);
    reader.texts("by", "[\"site\", \"lane\"]", window.by);
    reader.duration("early", Duration(), day * 366, window.early);
    read_publish(reader, window);
    reader.unreleased("history", "leave it out; [uplink] sends results to Kafka");
    const bool other_kind = node.find("session") || node.find("count") || node.find("calendar");
    if (!other_kind) reader.require("size", "size = \"1m\"");
    read_calendar(reader, window);
    reader.duration("size", Duration::millis(1), day * 366, window.size);
    reader.duration("every", Duration::millis(1), day * 366, window.every);
    if (const ConfigNode* every = reader.find("every"); every && !node.find("size"))
        reader.problem_of("every", every->at, "has a meaning only with size: windows of that size, so far apart");
    read_session(reader, window);
    read_count(reader, window);
    std::uint64_t groups = window.max_groups;
    if (reader.natural("max_groups", 1, 1 << 20, groups))
        window.max_groups = static_cast<std::uint32_t>(groups);
    read_late(reader, window);
    read_select(reader, window);
    reader.finish();
    config_.windows.push_back(std::move(window));
}

void ConfigSections::read_calendar(ConfigReader& reader, WindowConfig& window) {
    window.zone.text = "UTC";
    const ConfigNode* calendar = reader.find("calendar");
    reader.one_of<CalendarUnit>(
        "calendar", {{"day", CalendarUnit::day}, {"hour", CalendarUnit::hour}}, window.calendar);
    if (const ConfigNode* size = reader.find("size"); calendar && size)
        reader.problem_of("size", size->at, "stands beside calendar; a window has one of them");
    reader.text("zone", "\"Europe/Amsterdam\"", window.zone);
    if (const ConfigNode* zone = reader.find("zone"); zone && !calendar)
        reader.problem_of("zone", zone->at,
                          "has a meaning only with calendar = \"day\" or \"hour\"; size is aligned to "
                          "the epoch in UTC");
}

void ConfigSections::read_late(ConfigReader& reader, WindowConfig& window) {
    const ConfigNode* late =
        reader.find("late", ConfigType::table, "{ allow = \"30s\", then = \"revise\" }");
    if (!late) return;
    ConfigReader inner(*late, reader.title(), problems_, "late.");
    inner.duration("allow", Duration(), day * 7, window.late_allow);
    inner.one_of<LateThen>(
        "then", {{"drop", LateThen::drop}, {"revise", LateThen::revise}, {"side", LateThen::side}},
        window.late_then);
    inner.finish();
    if (window.late_allow > Duration() && window.late_then == LateThen::drop) {
        problems_.push_back({late->at,
                             "late in " + reader.title() +
                                 ": allow has no effect with then = \"drop\"; write "
                                 "then = \"revise\" to count events that are late, or \"side\" to count them apart",
                             true});
    }
    if (window.late_allow == Duration() && window.late_then != LateThen::drop) {
        inner.problem_of("then", late->at,
                         std::string(window.late_then == LateThen::side ? "\"side\"" : "\"revise\"") +
                             " needs a time to wait for; write allow = \"30s\" beside it");
    }
}

// A topic, or a table that says more.
void ConfigSections::read_publish(ConfigReader& reader, WindowConfig& window) {
    constexpr std::string_view example = "\"weir/{agent}/{window}\"";
    const ConfigNode* const node = reader.find("publish");
    if (!node) return;
    MqttActionConfig out;
    out.at = node->at;
    if (node->type == ConfigType::table) {
        ConfigReader inner(*node, reader.title(), problems_, "publish.");
        read_publication(inner, example, out);
        inner.finish();
    } else {
        reader.text("publish", example, out.topic);
    }
    window.publish = std::move(out);
}

void ConfigSections::read_publication(ConfigReader& reader, std::string_view example, MqttActionConfig& out) {
    reader.require("topic", "topic = " + std::string(example));
    reader.text("topic", example, out.topic);
    reader.text("connection", "\"plant\", for [mqtt.plant]", out.connection);
    reader.boolean("retain", out.retain);
    std::uint64_t qos = static_cast<std::uint64_t>(out.qos);
    if (reader.natural("qos", 0, 1, qos)) out.qos = static_cast<int>(qos);
}

void ConfigSections::read_select(ConfigReader& reader, WindowConfig& window) {
    constexpr std::string_view example = "select.n = \"count()\"";
    reader.require("select", example);
    const ConfigNode* select = reader.find("select", ConfigType::table, example);
    if (!select) return;
    if (select->members.empty())
        reader.problem_of("select", select->at, "is empty, expected " + std::string(example));
    for (const ConfigMember& member : select->members) {
        SelectConfig item;
        item.name = member.key;
        if (!is_identifier(member.key)) {
            reader.problem_of("select." + member.key, member.at,
                              "expected a name of letters, digits and _, at most 64, "
                              "the first no digit");
        }
        ConfigReader inner(*select, reader.title(), problems_, "select.");
        if (inner.text(member.key, "\"mean(speed)\"", item.expression))
            window.select.push_back(std::move(item));
    }
}

}  // namespace weir
