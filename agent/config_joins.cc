// The sections that bring streams and tables together: [[table]], `enrich` of a source, and [[join]].
#include "agent/config_sections.h"

namespace weir {
namespace {

constexpr Bytes kib = 1024;
constexpr Duration longest = Duration::minutes(60 * 24 * 366);

}  // namespace

void ConfigSections::read_table(const ConfigNode& node, const std::string& title) {
    ConfigReader reader(node, title, problems_);
    TableConfig table;
    table.at = node.at;
    name(reader, table.name);
    if (!table.name.empty() && !is_identifier(table.name))
        reader.problem_of("name", reader.find("name")->at,
                          "expected a name that an expression can use, since columns are called " + table.name +
                              ".COLUMN: letters, digits and _, the first no digit");
    reader.require("file", "file = \"sites.csv\"");
    path(reader, "file", "\"sites.csv\"", table.file);
    if (const ConfigNode* file = reader.find("file")) table.file_at = file->at;
    reader.require("key", "key = \"site\"");
    reader.text("key", "\"site\"", table.key);
    reader.require("columns", "columns = { limit = \"float\", road = \"string\" }");
    if (const ConfigNode* columns = reader.find("columns", ConfigType::table, "{ limit = \"float\", road = \"string\" }")) {
        SourceConfig as_csv;  // columns of a file are written as those of a source of CSV
        as_csv.format = PayloadFormat::csv;
        for (const ConfigMember& member : columns->members) read_column(reader, member, as_csv);
        table.columns = std::move(as_csv.columns);
    }
    std::uint64_t rows = table.max_rows;
    if (reader.natural("max_rows", 1, 1'000'000, rows)) table.max_rows = static_cast<std::uint32_t>(rows);
    std::uint64_t bytes = table.max_bytes;
    if (reader.size("max_bytes", kib, 64 * kib * kib, bytes)) table.max_bytes = static_cast<Bytes>(bytes);
    reader.finish();
    config_.tables.push_back(std::move(table));
}

// enrich = ["sites", { table = "roads", on = "road" }]
void ConfigSections::read_enrich(ConfigReader& reader, SourceConfig& source) {
    constexpr std::string_view example = "[\"sites\"] or [{ table = \"sites\", on = \"site\" }]";
    const ConfigNode* list = reader.find("enrich", ConfigType::array, example);
    if (!list) return;
    for (const ConfigNode& item : list->items) {
        EnrichConfig use;
        if (item.type == ConfigType::text && !item.text.empty()) {
            use.table = config_string(item);
        } else if (item.type == ConfigType::table) {
            ConfigReader inner(item, reader.title(), problems_, "enrich.");
            inner.require("table", "table = \"sites\"");
            inner.text("table", "\"sites\"", use.table);
            inner.text("on", "\"site\"", use.on);
            inner.finish();
        } else {
            reader.problem_of("enrich", item.at, "expected tables such as " + std::string(example));
            continue;
        }
        source.enrich.push_back(std::move(use));
    }
}

void ConfigSections::read_join(const ConfigNode& node, const std::string& title) {
    ConfigReader reader(node, title, problems_);
    JoinConfig join;
    join.at = node.at;
    name(reader, join.name);
    reader.require("left", "the name of a source");
    reader.text("left", "\"entry\"", join.left);
    reader.require("right", "the name of a source");
    reader.text("right", "\"exit\"", join.right);
    read_on(reader, join);
    read_bounds(reader, join);
    read_expressions(reader, "columns", "columns.travel = \"exit.time - entry.time\"", join.columns);
    std::uint64_t rows = join.max_rows;
    if (reader.natural("max_rows", 1, 1'000'000, rows)) join.max_rows = static_cast<std::uint32_t>(rows);
    reader.finish();
    config_.joins.push_back(std::move(join));
}

// on = ["vid", { left = "site", right = "place" }]
void ConfigSections::read_on(ConfigReader& reader, JoinConfig& join) {
    constexpr std::string_view example = "[\"vid\"] or [{ left = \"vid\", right = \"plate\" }]";
    reader.require("on", example);
    const ConfigNode* list = reader.find("on", ConfigType::array, example);
    if (!list) return;
    if (list->items.empty()) reader.problem_of("on", list->at, "is empty, expected " + std::string(example));
    for (const ConfigNode& item : list->items) {
        JoinOnConfig on;
        if (item.type == ConfigType::text && !item.text.empty()) {
            on.left = on.right = config_string(item);
        } else if (item.type == ConfigType::table) {
            ConfigReader inner(item, reader.title(), problems_, "on.");
            inner.require("left", "left = \"vid\"");
            inner.text("left", "\"vid\"", on.left);
            inner.require("right", "right = \"plate\"");
            inner.text("right", "\"plate\"", on.right);
            inner.finish();
        } else {
            reader.problem_of("on", item.at, "expected columns such as " + std::string(example));
            continue;
        }
        join.on.push_back(std::move(on));
    }
}

// right.time is at most `within` after left.time, and at least `after`; or at most `before` before it.
void ConfigSections::read_bounds(ConfigReader& reader, JoinConfig& join) {
    reader.require("within", "within = \"5m\"");
    reader.duration("within", Duration(), longest, join.within);
    Duration before;
    reader.duration("after", Duration(), longest, join.after);
    reader.duration("before", Duration(), longest, before);
    const ConfigNode* const node = reader.find("before");
    if (node && reader.find("after"))
        reader.problem_of("before", node->at, "stands beside after; the earliest of the right side is before the left or after it");
    else if (node)
        join.after = Duration() - before;
    if (join.after > join.within)
        reader.problem_of("within", reader.find("within") ? reader.find("within")->at : join.at, "expected at least after");
}

}  // namespace weir
