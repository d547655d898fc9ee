#include "drivers/numbers.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>

namespace weir {

namespace {

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Exact powers: 10^22 is the last that a double holds.
constexpr std::array<double, 23> powers = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                           1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                           1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
constexpr std::uint64_t mantissa_exact = std::uint64_t{1} << 53;
constexpr std::int64_t exponent_limit = 100000000;  // beyond any double and any time

class Scanner {
public:
    explicit Scanner(std::string_view text) : at_(text.data()), end_(text.data() + text.size()) {}

    DecimalParts scan() {
        parts_.negative = take('-');
        if (at_ == end_ || !is_digit(*at_)) return parts_;
        if (!take('0')) digits(0);
        parts_.plain_integer = true;
        if (take('.')) {
            parts_.plain_integer = false;
            if (at_ == end_ || !is_digit(*at_)) return parts_;
            digits(-1);
        }
        if (at_ != end_ && (*at_ == 'e' || *at_ == 'E') && !exponent()) return parts_;
        parts_.ok = at_ == end_;
        return parts_;
    }

private:
    bool take(char c) {
        if (at_ == end_ || *at_ != c) return false;
        ++at_;
        return true;
    }
    // by: what one more digit does to the exponent, beyond the mantissa's growth.
    void digits(std::int64_t by) {
        for (; at_ != end_ && is_digit(*at_); ++at_) {
            const auto digit = static_cast<std::uint64_t>(*at_ - '0');
            if (significant_ < 19) {
                parts_.mantissa = parts_.mantissa * 10 + digit;
                significant_ += parts_.mantissa != 0;
                parts_.exponent += by;
            } else {
                parts_.inexact |= digit != 0;
                parts_.exponent += by + 1;
            }
        }
    }
    bool exponent() {
        ++at_;
        parts_.plain_integer = false;
        const bool negative = take('-');
        if (!negative) take('+');
        if (at_ == end_ || !is_digit(*at_)) return false;
        std::int64_t value = 0;
        for (; at_ != end_ && is_digit(*at_); ++at_)
            if (value < exponent_limit) value = value * 10 + (*at_ - '0');
        parts_.exponent += negative ? -value : value;
        return true;
    }

    const char* at_;
    const char* end_;
    int significant_ = 0;
    DecimalParts parts_;
};

double round_correctly(std::string_view text, const DecimalParts& parts) {
    if (!parts.inexact && parts.mantissa <= mantissa_exact && parts.exponent >= -22 && parts.exponent <= 22) {
        const double mantissa = static_cast<double>(parts.mantissa);
        const double power = powers[static_cast<std::size_t>(parts.exponent < 0 ? -parts.exponent : parts.exponent)];
        const double value = parts.exponent < 0 ? mantissa / power : mantissa * power;
        return parts.negative ? -value : value;
    }
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error == std::errc::result_out_of_range) {
        // Too small is zero, too large is refused by the caller; from_chars tells neither which nor the value.
        const bool tiny = parts.mantissa == 0 || parts.exponent < 0;
        value = tiny ? 0 : std::numeric_limits<double>::infinity();
        return parts.negative ? -value : value;
    }
    return value;
}

}  // namespace

DecimalParts scan_decimal(std::string_view text) { return Scanner(text).scan(); }

Number parse_number(std::string_view text) {
    const DecimalParts parts = scan_decimal(text);
    Number number;
    if (!parts.ok) return number;
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    if (parts.plain_integer && parts.exponent == 0 && parts.mantissa <= most + (parts.negative ? 1 : 0)) {
        number.kind = Number::Kind::integer;
        number.integer = static_cast<std::int64_t>(parts.negative ? 0 - parts.mantissa : parts.mantissa);
        number.real = static_cast<double>(number.integer);
        if (parts.negative && parts.mantissa == 0) number.real = -0.0;
        return number;
    }
    number.real = round_correctly(text, parts);
    number.kind = number.real - number.real == 0 ? Number::Kind::real : Number::Kind::beyond;
    return number;
}

Result<std::int64_t> integer_of(const Number& number) {
    constexpr double int64_end = 9223372036854775808.0;
    switch (number.kind) {
        case Number::Kind::none: return Error::invalid;
        case Number::Kind::beyond: return Error::out_of_range;
        case Number::Kind::integer: return number.integer;
        case Number::Kind::real: break;
    }
    if (number.real != std::trunc(number.real)) return Error::invalid;
    if (number.real < -int64_end || number.real >= int64_end) return Error::out_of_range;
    return static_cast<std::int64_t>(number.real);
}

}  // namespace weir
