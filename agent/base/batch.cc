#include "agent/base/batch.h"

#include <cstring>

namespace weir {

std::string_view name(ColumnType type) {
    switch (type) {
        case ColumnType::integer: return "int";
        case ColumnType::real: return "float";
        case ColumnType::boolean: return "bool";
        case ColumnType::text: return "string";
    }
    return "?";
}

std::optional<ColumnType> column_type(std::string_view text) {
    for (ColumnType type : {ColumnType::integer, ColumnType::real, ColumnType::boolean, ColumnType::text})
        if (name(type) == text) return type;
    return std::nullopt;
}

std::optional<std::size_t> Schema::find(std::string_view wanted) const {
    for (std::size_t i = 0; i < columns_.size(); ++i)
        if (columns_[i].name == wanted) return i;
    return std::nullopt;
}

Bytes Batch::need(const Schema& schema, const Params& params) {
    Bytes total = Arena::need<Column>(schema.size()) + Arena::need<RowTime>(params.rows) +
                  Arena::need<char>(params.text_bytes);
    for (const ColumnSpec& column : schema.columns()) switch (column.type) {
            case ColumnType::integer: total += Arena::need<std::int64_t>(params.rows); break;
            case ColumnType::real: total += Arena::need<double>(params.rows); break;
            case ColumnType::boolean: total += Arena::need<std::uint8_t>(params.rows); break;
            case ColumnType::text: total += Arena::need<std::string_view>(params.rows); break;
        }
    return total;
}

Batch::Batch(Arena& arena, const Schema& schema, const Params& params)
    : columns_(arena.take<Column>(schema.size())),
      times_(arena.take<RowTime>(params.rows)),
      text_(arena.take<char>(params.text_bytes)),
      rows_max_(params.rows) {
    WEIR_ASSERT(params.rows >= 1 && params.rows <= batch_rows_max);
    for (std::size_t i = 0; i < schema.size(); ++i) {
        Column& column = columns_[i];
        column.type = schema[i].type;
        switch (column.type) {
            case ColumnType::integer: column.integers = arena.take<std::int64_t>(params.rows).data(); break;
            case ColumnType::real: column.reals = arena.take<double>(params.rows).data(); break;
            case ColumnType::boolean: column.booleans = arena.take<std::uint8_t>(params.rows).data(); break;
            case ColumnType::text: column.texts = arena.take<std::string_view>(params.rows).data(); break;
        }
    }
}

void Batch::begin_row() {
    WEIR_ASSERT(!full());
    for (Column& column : columns_) column.present.reset(rows_);
}

void Batch::end_message() {
    if (!message_open_) return;
    if (rows_ > 0)
        message_ends_.set(rows_ - 1);
    else
        ends_earlier_message_ = true;
    message_open_ = false;
}

Result<std::string_view> Batch::keep_text(std::string_view text) {
    if (text.size() > text_.size() - text_used_) return Error::full;
    char* place = text_.data() + text_used_;
    if (!text.empty()) std::memcpy(place, text.data(), text.size());
    text_used_ += text.size();
    return std::string_view(place, text.size());
}

void Batch::clear() {
    for (Column& column : columns_) column.present.clear();
    message_ends_.clear();
    ends_earlier_message_ = false;
    rows_ = 0;
    text_used_ = 0;
}

}  // namespace weir
