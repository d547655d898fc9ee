// Points of a series (a time, a value a column, marks) in few bits: the block that history is kept in.
//
// Times: the difference to the point before, by its place among the differences met of late (move to front), so that a
// regular series takes a bit a point and gaps of usual lengths a few. Any order of times is taken, repeats too.
// Values, a stream a column, in one of two ways, whichever the column's last values suggest:
//   decimal  a value that is a whole number of 10^-e (e to 9) is that number less a prediction (of three, the one with the
//            least error so far), in Golomb-Rice code with an adaptive parameter
//   xor      any double: the bits that differ from the one before, as in Gorilla
// NaN with its bits, infinities, -0 and null come back as they were. All arithmetic is on integers, but for one division
// by a power of ten that must give the value exactly: equal on every machine.
// Memory: HistoryEncoder: history_state_bytes(columns) beside the block. Cost: O(columns) a point. Accuracy: lossless.
// Threads: one owner. Errors: append(): full, the block is as before; next(): corrupt for bytes that no encoder wrote.
// Source: Pelkonen et al., Gorilla, VLDB 2015 (xor); Afroozeh et al., ALP, SIGMOD 2023 (decimals); Weinberger et al.,
// LOCO-I, 2000 (adaptive Golomb-Rice); Bentley et al., 1986 (move to front).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "agent/base/bytes.h"
#include "agent/base/result.h"
#include "agent/base/time.h"

namespace weir {

inline constexpr std::size_t history_columns_max = 32;

enum HistoryMark : std::uint8_t {
    history_partial = 1,  // a gap touches the result
    history_gone = 2,     // the result of this time does not stand any more; it has no values
};
inline constexpr std::uint8_t history_marks = 3;

struct HistoryPoint {
    Timestamp time;
    std::uint8_t marks = 0;
    std::span<const std::optional<double>> values;  // one a column
};

// What encoder and decoder both know of the points before.
namespace history_detail {

struct Rice {
    std::uint64_t sum = 16;
    std::uint32_t count = 4;
    unsigned parameter() const;
    void add(std::uint64_t symbol);
};

struct TimeModel {
    static constexpr std::size_t deltas_max = 14;
    std::int64_t last = 0;
    std::array<std::int64_t, deltas_max> deltas{};
    std::uint32_t count = 0;
    std::uint8_t marks = 0;
    Rice rice;
    void use(std::size_t index);
    void add(std::int64_t delta);
};

struct ValueModel {
    std::int64_t last = 0;
    std::int64_t mean = 0;  // of late, times 16
    std::array<std::uint64_t, 3> errors{};
    std::uint64_t bits = 0;  // of the last value, as a double
    Rice rice;
    std::uint8_t exponent = 0;
    bool is_xor = false;
    std::uint8_t leading = 0;  // of the window of bits, xor
    std::uint8_t length = 0;   // 0: none yet
    // Of the encoder alone.
    std::uint8_t needed = 0;   // greatest exponent of the values since...
    std::uint8_t since = 0;
    std::uint8_t misfits = 0;  // values one after the other that did not fit the way they are told
    std::int64_t predicted() const;
    void learn(std::int64_t number);
    void restart(std::int64_t number, std::uint8_t to_exponent);
};

}  // namespace history_detail

constexpr Bytes history_state_bytes(std::size_t columns) {
    return sizeof(history_detail::TimeModel) + columns * sizeof(history_detail::ValueModel);
}

// Writes into a block of the caller's, which reset() begins anew.
class HistoryEncoder {
public:
    using ValueModel = history_detail::ValueModel;
    // models: one a column. block: its last eight bytes may be written over beyond the end of what is used.
    HistoryEncoder(MutableByteSpan block, std::span<ValueModel> models) : block_(block), models_(models) { reset(); }

    void reset();
    // REQUIRES: as many values as columns.
    Status append(const HistoryPoint& point);
    ByteSpan bytes() const { return ByteSpan(block_).first((bits_ + 7) / 8); }
    std::uint32_t points() const { return points_; }
    Timestamp least() const { return Timestamp::micros(least_); }
    Timestamp greatest() const { return Timestamp::micros(greatest_); }

private:
    void put(std::uint64_t value, unsigned count);
    void put_rice(history_detail::Rice& rice, std::uint64_t symbol);
    void put_escape();
    void put_number(std::uint64_t value);
    void put_time(std::int64_t time, std::uint8_t marks);
    void put_value(ValueModel& model, std::optional<double> value);
    void put_decimal(ValueModel& model, double value, std::int64_t number, std::uint8_t exponent);
    void put_xor(ValueModel& model, std::uint64_t bits);

    MutableByteSpan block_;
    std::span<ValueModel> models_;
    history_detail::TimeModel time_;
    Bytes bits_ = 0;
    std::uint32_t points_ = 0;
    std::int64_t least_ = 0;
    std::int64_t greatest_ = 0;
};

// Reads what bytes() gave, as often as points() says.
class HistoryDecoder {
public:
    // REQUIRES: columns <= history_columns_max.
    HistoryDecoder(ByteSpan block, std::size_t columns) : block_(block), columns_(columns) {}

    // values lie in the decoder until the next call.
    Result<HistoryPoint> next();

private:
    std::uint64_t get(unsigned count);
    // Nullopt: an escape.
    std::optional<std::uint64_t> get_rice(history_detail::Rice& rice);
    std::uint64_t get_number();
    bool get_time(HistoryPoint& point);
    bool get_value(history_detail::ValueModel& model, std::optional<double>& value);
    bool get_special(history_detail::ValueModel& model, std::optional<double>& value);

    ByteSpan block_;
    std::size_t columns_;
    std::size_t at_ = 0;  // in bits
    bool good_ = true;
    history_detail::TimeModel time_;
    std::array<history_detail::ValueModel, history_columns_max> models_;
    std::array<std::optional<double>, history_columns_max> values_;
};

}  // namespace weir
