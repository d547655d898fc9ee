#include "windows/enrichment.h"

namespace weir {

void Enrichment::fill(Batch& batch) {
    const Column& on = batch.column(plan_.on);
    std::uint64_t matched = 0;
    for (std::size_t row = 0; row < batch.rows(); ++row) {
        const std::uint32_t found = table_->find(on, row);
        matched += found == Table::none ? 0 : 1;
        for (std::size_t i = 0; i < columns_; ++i) {
            Column& to = batch.column_to_fill(plan_.first + i);
            if (found == Table::none)
                to.present.reset(row);
            else
                table_->read(found, i, to, row);
        }
    }
    status_.matched += matched;
    status_.unmatched += batch.rows() - matched;
}

void Enrichment::save(ByteWriter& out) const {
    out.write(status_.matched);
    out.write(status_.unmatched);
}

void Enrichment::load(ByteReader& in) {
    status_.matched = in.read<std::uint64_t>();
    status_.unmatched = in.read<std::uint64_t>();
}

}  // namespace weir
