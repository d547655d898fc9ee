#include <algorithm>

#include "windows/plan_compiler.h"

// Tables, and the columns that sources get of them.

namespace weir {
namespace {

constexpr std::size_t rows_most = 1'000'000;
constexpr std::uint64_t bytes_most = std::uint64_t{256} << 20;
constexpr std::size_t columns_most = 256;

std::vector<std::string> names_of(const std::vector<TableSpec>& tables) {
    std::vector<std::string> names;
    for (const TableSpec& table : tables) names.push_back(table.name);
    return names;
}

}  // namespace

bool PlanCompiler::table(const TableSpec& spec) {
    at_table_ = spec.name;
    if (spec.name.empty()) return fail("name", "a table needs a name");
    for (const TableSpec& other : plan_->spec.tables)
        if (&other != &spec && other.name == spec.name) return fail("name", "two tables are called " + spec.name);
    if (spec.key.type == ColumnType::real)
        return fail("key", spec.key.name + " is float: a key is an int, a bool or a string");
    if (spec.columns.size() == 0 || spec.columns.size() > columns_most)
        return fail("columns", "a table has 1 to " + std::to_string(columns_most) + " columns beside its key");
    for (std::size_t i = 0; i < spec.columns.size(); ++i)
        if (spec.columns.find(spec.columns[i].name) != i || spec.columns[i].name == spec.key.name)
            return fail("columns", "two columns are called " + spec.columns[i].name);
    if (spec.max_rows < 1 || spec.max_rows > rows_most) return fail("max_rows", "must be from 1 to " + std::to_string(rows_most));
    const std::uint64_t image = TableLayout::head + std::uint64_t{spec.max_rows} * TableLayout(spec).stride() + spec.max_text;
    if (image > bytes_most) return fail("max_rows", "the table would take more than " + std::to_string(bytes_most >> 20) + " MiB");
    planned_ += Table::need(spec);
    at_table_.clear();
    return true;
}

// The columns go behind the source's own, under the name of the table.
bool PlanCompiler::enrich(SourceSpec& spec, CompiledSource& out) {
    const Schema own = spec.schema;
    std::vector<ColumnSpec> columns = own.columns();
    for (TableUse& use : spec.enrich) {
        const std::vector<TableSpec>& tables = plan_->spec.tables;
        const auto found = std::find_if(tables.begin(), tables.end(), [&](const TableSpec& t) { return t.name == use.table; });
        if (found == tables.end()) return fail("enrich", "no table is called " + use.table + suggestion(use.table, names_of(tables)));
        if (std::count_if(spec.enrich.begin(), spec.enrich.end(), [&](const TableUse& u) { return u.table == use.table; }) > 1)
            return fail("enrich", use.table + " stands twice");
        if (use.on.empty()) use.on = found->key.name;
        const auto on = own.find(use.on);
        if (!on) {
            std::vector<std::string> known;
            for (const ColumnSpec& column : own.columns()) known.push_back(column.name);
            return fail("enrich", "no column is called " + use.on + suggestion(use.on, known) + ", to find rows of " + use.table + " by");
        }
        const ColumnType type = own[*on].type;
        if (type != found->key.type)
            return fail("enrich", use.on + " is " + std::string(name(type)) + ", and the key of " + use.table + " is " +
                                      std::string(name(found->key.type)) + ": give both one type");
        out.enrichments.push_back({static_cast<std::size_t>(found - tables.begin()), *on, columns.size()});
        for (const ColumnSpec& column : found->columns.columns()) columns.push_back({use.table + "." + column.name, column.type});
    }
    spec.schema = Schema(std::move(columns));
    return true;
}

}  // namespace weir
