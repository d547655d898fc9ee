// What travels from the codecs to the engine: typed columns of up to 1,024 rows.
// A row is one event. Rows stand in journal order; the last row of each message is marked, because
// watermarks advance message by message whatever the size of a batch.
// Memory: Batch::need(schema), taken once: 8 to 16 bytes a cell, 17 a row, and text_bytes.
// Cost: O(1) a cell; clear() is O(columns). Threads: one owner.
// Errors: a full batch or text buffer is Error::full: push what is there, clear, go on.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/bytes.h"
#include "agent/base/result.h"
#include "agent/base/time.h"

namespace weir {

enum class ColumnType : std::uint8_t { integer, real, boolean, text };
std::string_view name(ColumnType type);  // "int", "float", "bool", "string": as configurations spell them
std::optional<ColumnType> column_type(std::string_view name);

struct ColumnSpec {
    std::string name;
    ColumnType type = ColumnType::real;
};

// The columns of one source, in order. Built at start-up; constant afterwards.
class Schema {
public:
    Schema() = default;
    explicit Schema(std::vector<ColumnSpec> columns) : columns_(std::move(columns)) {}

    std::size_t size() const { return columns_.size(); }
    const ColumnSpec& operator[](std::size_t column) const { return columns_[column]; }
    std::optional<std::size_t> find(std::string_view name) const;
    const std::vector<ColumnSpec>& columns() const { return columns_; }

private:
    std::vector<ColumnSpec> columns_;
};

inline constexpr std::size_t batch_rows_max = 1024;

// One bit a row.
class RowBits {
public:
    bool test(std::size_t row) const { return words_[row / 64] >> (row % 64) & 1; }
    void set(std::size_t row) { words_[row / 64] |= std::uint64_t{1} << (row % 64); }
    void reset(std::size_t row) { words_[row / 64] &= ~(std::uint64_t{1} << (row % 64)); }
    void clear() { words_.fill(0); }
    // Bits first to first + count - 1.
    void assign(std::size_t first, std::size_t count, bool value) {
        for (std::size_t at = first, end = first + count; at < end;) {
            const std::size_t taken = std::min<std::size_t>(64 - at % 64, end - at);
            const std::uint64_t bits = (~std::uint64_t{0} >> (64 - taken)) << (at % 64);
            words_[at / 64] = value ? words_[at / 64] | bits : words_[at / 64] & ~bits;
            at += taken;
        }
    }
    std::array<std::uint64_t, batch_rows_max / 64>& words() { return words_; }
    const std::array<std::uint64_t, batch_rows_max / 64>& words() const { return words_; }

private:
    std::array<std::uint64_t, batch_rows_max / 64> words_{};
};

// One column: an array of its type, and which rows are not null. Values of null rows are unspecified.
struct Column {
    ColumnType type = ColumnType::real;
    RowBits present;
    std::int64_t* integers = nullptr;    // by type, exactly one of these
    double* reals = nullptr;
    std::uint8_t* booleans = nullptr;    // 0 or 1
    std::string_view* texts = nullptr;   // into the message or the batch's text buffer; until clear()
};

struct RowTime {
    Timestamp event;
    Timestamp arrival;
    bool arrival_trusted = true;  // the board's clock had been set when the message came
};

class Batch {
public:
    struct Params {
        std::size_t rows = batch_rows_max;  // 1 to 1,024
        Bytes text_bytes = 64 * 1024;       // for strings that have to be unescaped or rendered
    };
    static Bytes need(const Schema& schema, const Params& params);
    Batch(Arena& arena, const Schema& schema, const Params& params);
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    std::size_t rows() const { return rows_; }
    bool full() const { return rows_ == rows_max_; }
    bool empty() const { return rows_ == 0; }
    std::size_t columns() const { return columns_.size(); }
    const Column& column(std::size_t index) const { return columns_[index]; }
    const RowTime& time(std::size_t row) const { return times_[row]; }
    bool ends_message(std::size_t row) const { return message_ends_.test(row); }
    // A message begun in the batch before this one ended without another row.
    bool ends_earlier_message() const { return ends_earlier_message_; }

    // Writing: the row being built is rows(); all its cells start null. commit_row() makes it part of
    // the batch, anything set before an uncommitted begin_row() is forgotten.
    // REQUIRES: !full().
    void begin_row();
    void set_integer(std::size_t column, std::int64_t value) {
        columns_[column].integers[rows_] = value;
        columns_[column].present.set(rows_);
    }
    void set_real(std::size_t column, double value) {
        columns_[column].reals[rows_] = value;
        columns_[column].present.set(rows_);
    }
    void set_boolean(std::size_t column, bool value) {
        columns_[column].booleans[rows_] = value;
        columns_[column].present.set(rows_);
    }
    // value must live until clear(); see keep_text().
    void set_text(std::size_t column, std::string_view value) {
        columns_[column].texts[rows_] = value;
        columns_[column].present.set(rows_);
    }
    void commit_row(const RowTime& time) {
        times_[rows_] = time;
        ++rows_;
        message_open_ = true;
    }
    // Writing by columns: the caller fills in rows rows() to rows() + count - 1, their cells, which of them are
    // present, and their times, and then commits them at once. REQUIRES: count <= room().
    std::size_t room() const { return rows_max_ - rows_; }
    Column& column_to_fill(std::size_t index) { return columns_[index]; }
    RowTime* times_to_fill() { return times_.data(); }
    void commit_rows(std::size_t count) {
        WEIR_ASSERT(count <= room());
        rows_ += count;
        message_open_ = message_open_ || count > 0;
    }
    // All rows of the message have been committed, in this batch or before.
    void end_message();

    // Copies text into the batch; Error::full when its buffer is used up.
    Result<std::string_view> keep_text(std::string_view text);

    // Forgets all rows; a message that is still open stays so.
    void clear();

private:
    std::span<Column> columns_;
    std::span<RowTime> times_;
    std::span<char> text_;
    Bytes text_used_ = 0;
    std::size_t rows_ = 0;
    std::size_t rows_max_ = 0;
    RowBits message_ends_;
    bool message_open_ = false;
    bool ends_earlier_message_ = false;
};

// Where a codec hands over a batch that has become full; push() leaves it cleared.
class BatchSink {
public:
    virtual ~BatchSink() = default;
    virtual void push(Batch& batch) = 0;
};

}  // namespace weir
