// A source's use of a table: fills in the columns of a batch that come from it, by the key in another column.
// Rows whose key the table has not, or that have none, get nulls and are counted.
// Memory: none of its own. Cost: one look-up a row. Threads: one owner. Errors: none.
#pragma once

#include <cstdint>

#include "agent/base/batch.h"
#include "agent/base/bytes.h"
#include "windows/table.h"

namespace weir {

struct CompiledEnrichment {
    std::size_t table = 0;
    std::size_t on = 0;     // a column of the source
    std::size_t first = 0;  // of the columns that the table fills; they follow each other
};

class Enrichment {
public:
    struct Status {
        std::uint64_t matched = 0;    // rows
        std::uint64_t unmatched = 0;  // the rest
    };
    Enrichment() = default;  // for arrays of it
    Enrichment(const CompiledEnrichment& plan, const Table& table, std::size_t columns)
        : plan_(plan), table_(&table), columns_(columns) {}

    void fill(Batch& batch);
    const Status& status() const { return status_; }

    static constexpr Bytes save_size = 16;
    void save(ByteWriter& out) const;
    void load(ByteReader& in);
    void reset() { status_ = {}; }

private:
    CompiledEnrichment plan_;
    const Table* table_ = nullptr;
    std::size_t columns_ = 0;
    Status status_;
};

}  // namespace weir
