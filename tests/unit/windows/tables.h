// Tables for tests of joins: sites with a limit and a road.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tests/unit/windows/harness.h"

namespace weir::test {

struct SiteRow {
    std::string site;
    std::optional<double> limit;
    std::optional<std::string> road;
};

inline TableSpec sites(std::size_t max_rows = 8, Bytes max_text = 256) {
    TableSpec spec;
    spec.name = "sites";
    spec.key = {"site", ColumnType::text};
    spec.columns = Schema({{"limit", ColumnType::real}, {"road", ColumnType::text}});
    spec.max_rows = max_rows;
    spec.max_text = max_text;
    return spec;
}

inline std::string image_of(const TableSpec& spec, const std::vector<SiteRow>& rows) {
    TableImage image(spec);
    for (const SiteRow& row : rows) {
        image.begin_row(row.site);
        if (row.limit) image.set(0, *row.limit);
        if (row.road) image.set(1, std::string_view(*row.road));
    }
    return image.bytes();
}

}  // namespace weir::test
