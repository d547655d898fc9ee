// Decimal numbers in payloads, by JSON's grammar, read exactly the same on every machine.
// Memory: none. Cost: one pass; short decimals by one multiplication or division, others by std::from_chars.
// Accuracy: correctly rounded. Threads: pure functions.
// Errors: Kind::none for what is not a number.
// Source: RFC 8259, section 6; the short way: Clinger, How to Read Floating Point Numbers Accurately, 1990.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/result.h"

namespace weir {

struct Number {
    enum class Kind : std::uint8_t {
        none,     // not a number
        integer,  // without fraction or exponent, and within int64
        real,     // finite; with fraction or exponent, or beyond int64
        beyond,   // a number, but not finite as a double
    } kind = Kind::none;
    std::int64_t integer = 0;  // only for integer
    double real = 0;           // for integer and real
};

Number parse_number(std::string_view text);
// As an int64; invalid: not a number, or not integral; out_of_range: beyond int64.
Result<std::int64_t> integer_of(const Number& number);

// A number's parts, for those who need more than a double. ok is false if text is no JSON number.
struct DecimalParts {
    bool ok = false;
    bool negative = false;
    bool plain_integer = false;     // neither fraction nor exponent
    bool inexact = false;           // non-zero digits were left out of the mantissa
    std::uint64_t mantissa = 0;     // the first 19 significant digits
    std::int64_t exponent = 0;      // value = mantissa * 10^exponent
};
DecimalParts scan_decimal(std::string_view text);

}  // namespace weir
