#include "drivers/timestamps.h"

#include <array>

#include "drivers/numbers.h"

namespace weir {

namespace {

Result<Timestamp> within_limits(Timestamp t) {
    if (t < time_least || t >= time_limit) return Error::out_of_range;
    return t;
}

// Days from 1970-01-01 of a date in the proleptic Gregorian calendar.
// Source: Howard Hinnant, chrono-Compatible Low-Level Date Algorithms.
constexpr std::int64_t days_from_civil(std::int64_t year, int month, int day) {
    year -= month <= 2;
    const std::int64_t era = (year >= 0 ? year : year - 399) / 400;
    const std::int64_t year_of_era = year - era * 400;
    const std::int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    const std::int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

constexpr int days_in_month(int year, int month) {
    constexpr std::array<int, 12> days = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[static_cast<std::size_t>(month - 1)] + (month == 2 && leap);
}

class IsoParser {
public:
    explicit IsoParser(std::string_view text) : text_(text) {}

    Result<Timestamp> parse() {
        const int year = number(4);
        expect('-');
        const int month = number(2);
        expect('-');
        const int day = number(2);
        if (!ok_ || month < 1 || month > 12 || day < 1 || day > days_in_month(year, month)) return Error::invalid;
        std::int64_t us = days_from_civil(year, month, day) * 86400 * 1000000;
        if (!at_end()) us += time_of_day() * 1000000 + fraction_us() - zone_seconds() * 1000000;
        if (!ok_ || !at_end()) return Error::invalid;
        return within_limits(Timestamp::micros(us));
    }

private:
    bool at_end() const { return at_ == text_.size(); }
    bool next_is(char c) const { return !at_end() && text_[at_] == c; }
    bool next_is_digit() const { return !at_end() && text_[at_] >= '0' && text_[at_] <= '9'; }
    bool take(char c) {
        if (!next_is(c)) return false;
        ++at_;
        return true;
    }
    void expect(char c) { ok_ = take(c) && ok_; }
    int number(int digits) {
        int value = 0;
        for (int i = 0; i < digits; ++i) {
            if (!next_is_digit()) {
                ok_ = false;
                return 0;
            }
            value = value * 10 + (text_[at_++] - '0');
        }
        return value;
    }

    std::int64_t time_of_day() {
        if (!take('T') && !take('t')) expect(' ');
        const int hour = number(2);
        expect(':');
        const int minute = number(2);
        has_seconds_ = take(':');
        const int second = has_seconds_ ? number(2) : 0;
        if (hour > 23 || minute > 59 || second > 60) ok_ = false;
        return hour * 3600 + minute * 60 + second;
    }
    std::int64_t fraction_us() {
        if (!has_seconds_ || (!take('.') && !take(','))) return 0;
        if (!next_is_digit()) ok_ = false;
        std::int64_t us = 0;
        std::int64_t scale = 100000;
        for (; next_is_digit(); ++at_, scale /= 10) us += scale * (text_[at_] - '0');
        return us;
    }
    std::int64_t zone_seconds() {
        if (at_end() || take('Z') || take('z')) return 0;
        take(' ');
        const bool west = next_is('-');
        if (!take('-')) expect('+');
        const int hours = number(2);
        take(':');
        const int minutes = at_end() ? 0 : number(2);
        if (hours > 23 || minutes > 59) ok_ = false;
        const std::int64_t seconds = hours * 3600 + minutes * 60;
        return west ? -seconds : seconds;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    bool ok_ = true;
    bool has_seconds_ = false;
};

constexpr int exponent_to_us(TimeUnit unit) {
    switch (unit) {
        case TimeUnit::seconds: return 6;
        case TimeUnit::milliseconds: return 3;
        case TimeUnit::microseconds: return 0;
        case TimeUnit::nanoseconds: return -3;
    }
    return 0;
}

}  // namespace

Result<Timestamp> parse_iso8601(std::string_view text) { return IsoParser(text).parse(); }

Result<Timestamp> parse_decimal_time(std::string_view text, TimeUnit unit) {
    const DecimalParts parts = scan_decimal(text);
    if (!parts.ok) return Error::invalid;
    if (parts.negative && parts.mantissa != 0) return Error::out_of_range;
    constexpr auto limit_us = static_cast<std::uint64_t>(time_limit.us());
    std::uint64_t us = parts.mantissa;
    std::int64_t exponent = parts.exponent + exponent_to_us(unit);
    for (; exponent > 0 && us != 0; --exponent) {
        if (us >= limit_us) return Error::out_of_range;
        us *= 10;
    }
    for (; exponent < 0 && us != 0; ++exponent) us /= 10;
    if (us >= limit_us) return Error::out_of_range;
    return within_limits(Timestamp::micros(static_cast<std::int64_t>(us)));
}

Result<Timestamp> parse_text_time(std::string_view text, TimeUnit unit, bool numbers_too) {
    if (numbers_too) {
        const Result<Timestamp> number = parse_decimal_time(text, unit);
        if (number.ok() || number.error() == Error::out_of_range) return number;
    }
    return parse_iso8601(text);
}

}  // namespace weir
