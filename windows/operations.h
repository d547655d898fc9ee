// The program that an expression becomes: typed operations over columns, one loop each.
// An operand is an input column, a register, or a literal, told apart by its highest bits.
// Memory: heap, at start-up. Threads: constant once made. Errors: none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/base/batch.h"

namespace weir {

enum class OperationCode : std::uint8_t {
    to_real, to_integer,                                   // conversions
    parse_integer, parse_real, parse_boolean, parse_timestamp, parse_duration,  // of texts
    add, subtract, multiply, divide, modulo, negate, absolute, least, greatest,
    round_down, round_up, round_nearest, round_to_zero, sign, is_nan, is_infinite, is_finite,
    floor_divide, floor_modulo, cut_divide,                // b is a literal above 0; cut: toward zero
    limit_timestamp, limit_duration,                       // null beyond their range
    event_time,                                            // of the row; no operand
    zone_local,                                            // a in the zone of number b
    date_year, date_month, date_day, date_weekday, date_yearday,  // of local time; month, yearday from 0
    equal, unequal, less, less_equal,                      // a > b is b < a
    starts_with, ends_with, contains, text_size,
    matches,                                               // a, and the regular expression of number b
    in_list,                                               // a, and the list of number b
    logical_and, logical_or, logical_not,
    is_null, is_present,
    select,                                                // a ? b : c
};

struct Operation {
    OperationCode code = OperationCode::add;
    ColumnType type = ColumnType::real;  // of the operands b and c, or a
    std::uint32_t to = 0;                // a register's number, without the tag
    std::uint32_t a = 0;
    std::uint32_t b = 0;
    std::uint32_t c = 0;
};

struct Literal {
    ColumnType type = ColumnType::real;
    bool present = true;  // false: null
    std::int64_t integer = 0;
    double real = 0;
    std::uint8_t boolean = 0;
    std::string text;
};

// The constants after `in`, of one type, sorted.
struct ConstantList {
    ColumnType type = ColumnType::integer;
    std::vector<std::int64_t> integers;
    std::vector<double> reals;
    std::vector<std::string> texts;
};

enum class OperandKind : std::uint32_t { input = 0, reg = 1, literal = 2 };
constexpr std::uint32_t operand(OperandKind kind, std::size_t index) {
    return static_cast<std::uint32_t>(kind) << 30 | static_cast<std::uint32_t>(index);
}
constexpr OperandKind operand_kind(std::uint32_t operand) { return static_cast<OperandKind>(operand >> 30); }
constexpr std::uint32_t operand_index(std::uint32_t operand) { return operand & 0x3fffffff; }

}  // namespace weir
