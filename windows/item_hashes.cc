#include "windows/item_hashes.h"

#include "windows/row_bits.h"

namespace weir {

Bytes ItemHashes::need(std::size_t inputs) {
    return Arena::need<Hashes>(inputs) + inputs * Arena::need<Hash128>(batch_rows_max);
}

ItemHashes::ItemHashes(Arena& arena, std::size_t inputs) : inputs_(arena.take<Hashes>(inputs)) {
    for (Hashes& input : inputs_) input.rows = arena.take<Hash128>(batch_rows_max);
}

void ItemHashes::begin(std::size_t rows) {
    rows_ = rows;
    for (Hashes& input : inputs_) input.ready = false;
}

std::span<const Hash128> ItemHashes::of(std::size_t index, const Column& column) {
    Hashes& input = inputs_[index];
    const std::span<Hash128> to = input.rows.first(rows_);
    if (input.ready) return to;
    input.ready = true;
    ++columns_hashed_;
    switch (column.type) {
        case ColumnType::integer: hash_column(std::span<const std::int64_t>(column.integers, rows_), to); break;
        case ColumnType::real: hash_column(std::span<const double>(column.reals, rows_), to); break;
        case ColumnType::text: hash_texts(column, to); break;
        case ColumnType::boolean: WEIR_ASSERT(false); break;  // no sketch counts these
    }
    return to;
}

// The texts of null rows may point anywhere.
void ItemHashes::hash_texts(const Column& column, std::span<Hash128> to) const {
    if (rows_ > 0 && is_full(column.present, 0, rows_ - 1)) {
        hash_column(std::span<const std::string_view>(column.texts, rows_), to);
        return;
    }
    for (std::size_t row = 0; row < rows_;) {
        std::size_t end = row;
        while (end < rows_ && column.present.test(end)) ++end;
        hash_column(std::span<const std::string_view>(column.texts + row, end - row), to.subspan(row, end - row));
        row = end + 1;
    }
}

}  // namespace weir
