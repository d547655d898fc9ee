// The sections that bring streams and tables together: [[table]], and `enrich` of a source.
#include "agent/config_sections.h"

namespace weir {
namespace {

constexpr Bytes kib = 1024;

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

}  // namespace weir
