// [[alert]]: what is watched, what raises and clears it, and what is said.
#include <algorithm>

#include "agent/config_sections.h"

namespace weir {
namespace {

constexpr Duration day = Duration::seconds(86'400);
constexpr Duration pattern_clear_after = Duration::minutes(5);  // no match says that what it matched is over

constexpr Bytes expect_bytes_max = Bytes{1} << 20;

// The first line may name the column.
void add_lines(std::string_view text, const ConfigPlace& at, AlertConfig& alert) {
    for (bool first = true; !text.empty(); first = false) {
        const std::size_t end = text.find('\n');
        std::string_view line = text.substr(0, end);
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
        std::string_view field = line.substr(0, line.find_first_of(",;\t\r"));
        if (field.size() > 1 && field.front() == '"' && field.back() == '"') field = field.substr(1, field.size() - 2);
        if (field.empty() || (first && !alert.by.empty() && field == alert.by[0].text)) continue;
        alert.expect.push_back({std::string(field), at, false});
    }
}

}  // namespace

void ConfigSections::read_alert(const ConfigNode& node, const std::string& title) {
    ConfigReader reader(node, title, problems_);
    AlertConfig alert;
    alert.at = node.at;
    name(reader, alert.name);
    reader.require("from", "the name of a window or a pattern, or with anomaly of a source");
    reader.text("from", "\"site_minute\"", alert.from);
    const bool pattern = config_.find_pattern(alert.from.text) != nullptr;
    const bool other_kind = node.find("absent") || node.find("anomaly") || pattern;
    read_anomaly(reader, alert);
    read_rows(reader, alert);
    if (!other_kind) reader.require("when", "when = \"p85 < 20.0\"");
    reader.text("when", "\"p85 < 20.0\"", alert.when);
    reader.text("clear", "\"p85 > 30.0\"", alert.clear);
    if (pattern) alert.clear_after = pattern_clear_after;
    read_life(reader, alert);
    reader.one_of<Severity>("severity",
                            {{"info", Severity::info},
                             {"warning", Severity::warning},
                             {"critical", Severity::critical}},
                            alert.severity);
    reader.text("message", "\"{site}: p85 {p85} km/h\"", alert.message);
    constexpr std::string_view example =
        "[{ mqtt = { topic = \"alerts/{site}\", retain = true } }]";
    if (const auto* actions = reader.find("do", ConfigType::array, example)) {
        for (const ConfigNode& item : actions->items) {
            if (item.type == ConfigType::table)
                read_action(item, reader.title(), alert);
            else
                reader.problem_of("do", item.at,
                                  "found " + std::string(weir::name(item.type)) + ", expected " +
                                      std::string(example));
        }
    } else if (!node.find("do")) {
        default_actions_.push_back(config_.alerts.size());
    }
    reader.finish();
    config_.alerts.push_back(std::move(alert));
}

// Of a source: whose rows, how many keys, and which must come.
void ConfigSections::read_rows(ConfigReader& reader, AlertConfig& alert) {
    const SourceConfig* const source = config_.find_source(alert.from.text);
    const bool absent = reader.duration("absent", Duration::seconds(1), day * 366, alert.absent);
    const bool by = reader.texts("by", "[\"site\"]", alert.by);
    if (absent && !by && source && !source->partition.empty()) alert.by = {source->partition};
    if (absent && source) alert.max_groups = std::max(alert.max_groups, source->max_partitions);
    std::uint64_t groups = alert.max_groups;
    if (reader.natural("max_groups", 1, 1 << 20, groups)) alert.max_groups = static_cast<std::uint32_t>(groups);
    read_expect(reader, alert);
    for (const std::string_view key : {"when", "clear", "anomaly", "hold", "clear_after", "missing"})
        if (const ConfigNode* other = absent ? reader.find(key) : nullptr)
            reader.problem_of(key, other->at, "stands beside absent; it is raised when nothing came for so long, and cleared when something does");
}

// A list of keys, or a file with one in the first field of each line.
void ConfigSections::read_expect(ConfigReader& reader, AlertConfig& alert) {
    const ConfigNode* const node = reader.find("expect");
    if (!node) return;
    if (alert.absent == Duration())
        reader.problem_of("expect", node->at, "has a meaning only with absent = \"5m\"");
    if (node->type != ConfigType::table) {
        reader.texts("expect", "[\"s001\", \"s002\"], or { file = \"sites.csv\" }", alert.expect);
        return;
    }
    ConfigReader inner(*node, reader.title(), problems_, "expect.");
    inner.require("file", "file = \"sites.csv\"");
    std::string file;
    if (path(inner, "file", "\"sites.csv\"", file)) {
        const auto content = context_.files->read(file, expect_bytes_max);
        if (!content)
            inner.problem_of("file", inner.find("file")->at, "cannot read " + in_quotes(file) + " (" + std::string(weir::name(content.error())) + ")");
        else
            add_lines(*content, node->at, alert);
    }
    inner.finish();
}

// How long, how often, and what silence means.
void ConfigSections::read_life(ConfigReader& reader, AlertConfig& alert) {
    reader.duration("hold", Duration(), day * 366, alert.hold);
    reader.duration("clear_after", Duration::seconds(1), day * 366, alert.clear_after);
    reader.one_of<bool>("missing", {{"keep", false}, {"clear", true}}, alert.missing_clears);
    const ConfigNode* flap = reader.find("flap", ConfigType::table, "{ raises = 5, within = \"10m\" }");
    if (!flap) return;
    ConfigReader inner(*flap, reader.title(), problems_, "flap.");
    FlapConfig out;
    std::uint64_t raises = out.raises;
    if (inner.natural("raises", 1, 64, raises)) out.raises = static_cast<std::uint16_t>(raises);
    inner.duration("within", Duration::seconds(1), day * 366, out.within);
    inner.finish();
    alert.flap = out;
}

void ConfigSections::read_anomaly(ConfigReader& reader, AlertConfig& alert) {
    constexpr std::string_view example = "{ of = \"mean\" }";
    const ConfigNode* node = reader.find("anomaly", ConfigType::table, example);
    if (!node) return;
    AnomalyConfig anomaly;
    ConfigReader inner(*node, reader.title(), problems_, "anomaly.");
    inner.require("of", "of = \"mean\", a number of the window or the source");
    inner.text("of", "\"mean\"", anomaly.of);
    inner.one_of<DetectorMethod>("method",
                                 {{"ensemble", DetectorMethod::ensemble},
                                  {"novelty", DetectorMethod::novelty},
                                  {"season", DetectorMethod::season},
                                  {"neighbours", DetectorMethod::neighbours},
                                  {"zscore", DetectorMethod::zscore},
                                  {"forecast", DetectorMethod::forecast}},
                                 anomaly.method);
    inner.duration("season", Duration::seconds(1), day * 366, anomaly.season);
    inner.share("score_above", anomaly.score_above);
    inner.finish();
    alert.anomaly = std::move(anomaly);
    for (const std::string_view key : {"when", "clear"})
        if (const ConfigNode* other = reader.find(key))
            reader.problem_of(key, other->at,
                              "stands beside anomaly; an alert has one of them: it is raised while "
                              "the score is score_above or more");
}

}  // namespace weir
