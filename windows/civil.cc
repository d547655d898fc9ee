#include "windows/civil.h"

#include <limits>

namespace weir {
namespace {

constexpr std::int64_t days_of_400_years = 146097;
constexpr std::int64_t march_of_year_0 = -719468;  // 0000-03-01, in days since the epoch

bool digit(char c) { return c >= '0' && c <= '9'; }

// Takes exactly count digits from the front; -1 if they are not there.
int number(std::string_view& text, std::size_t count) {
    if (text.size() < count) return -1;
    int value = 0;
    for (std::size_t i = 0; i < count; ++i) {
        if (!digit(text[i])) return -1;
        value = value * 10 + (text[i] - '0');
    }
    text.remove_prefix(count);
    return value;
}

bool take(std::string_view& text, char c) {
    if (text.empty() || text.front() != c) return false;
    text.remove_prefix(1);
    return true;
}

// Digits behind a decimal point as a share of unit, cut off.
std::int64_t fraction(std::string_view& text, std::int64_t unit) {
    std::int64_t value = 0;
    while (!text.empty() && digit(text.front())) {
        unit /= 10;
        value += unit * (text.front() - '0');
        text.remove_prefix(1);
    }
    return value;
}

std::optional<std::int64_t> clock(std::string_view& text) {
    const int hours = number(text, 2);
    if (hours < 0 || hours > 23 || !take(text, ':')) return std::nullopt;
    const int minutes = number(text, 2);
    if (minutes < 0 || minutes > 59) return std::nullopt;
    return hours * hour_us + minutes * minute_us;
}

// The length of the unit in front, in nanoseconds; 0 for none. "ms" is tried before "m".
std::int64_t unit_ns(std::string_view& text) {
    struct Unit {
        std::string_view name;
        std::int64_t ns;
    };
    constexpr Unit units[] = {{"ms", 1'000'000}, {"us", 1'000}, {"\xc2\xb5s", 1'000}, {"\xce\xbcs", 1'000}, {"ns", 1},
                              {"s", second_us * 1'000}, {"m", minute_us * 1'000}, {"h", hour_us * 1'000}};
    for (const Unit& unit : units) {
        if (!text.starts_with(unit.name)) continue;
        text.remove_prefix(unit.name.size());
        return unit.ns;
    }
    return 0;
}

}  // namespace

CivilDate civil_date(std::int64_t days) {
    const std::int64_t shifted = days - march_of_year_0;
    const std::int64_t cycle = floor_divide(shifted, days_of_400_years);
    const std::int64_t day = floor_modulo(shifted, days_of_400_years);
    // Every fourth year is a day longer, but not every hundredth; the last day of the cycle is a leap day.
    const std::int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    const std::int64_t of_year = day - (365 * year + year / 4 - year / 100);
    const std::int64_t month = (5 * of_year + 2) / 153;  // from March; five months have 153 days
    CivilDate date;
    date.day = static_cast<int>(of_year - (153 * month + 2) / 5 + 1);
    date.month = static_cast<int>(month < 10 ? month + 3 : month - 9);
    date.year = year + cycle * 400 + (date.month <= 2 ? 1 : 0);
    return date;
}

std::int64_t days_of(const CivilDate& date) {
    const std::int64_t year = date.year - (date.month <= 2 ? 1 : 0);
    const std::int64_t cycle = floor_divide(year, 400);
    const std::int64_t of_cycle = floor_modulo(year, 400);
    const std::int64_t month = date.month > 2 ? date.month - 3 : date.month + 9;
    const std::int64_t of_year = (153 * month + 2) / 5 + date.day - 1;
    return cycle * days_of_400_years + of_cycle * 365 + of_cycle / 4 - of_cycle / 100 + of_year + march_of_year_0;
}

std::optional<std::int64_t> parse_timestamp(std::string_view text) {
    CivilDate date;
    date.year = number(text, 4);
    if (date.year < 1 || !take(text, '-')) return std::nullopt;
    date.month = number(text, 2);
    if (date.month < 1 || date.month > 12 || !take(text, '-')) return std::nullopt;
    date.day = number(text, 2);
    if (date.day < 1 || date.day > 31 || !(take(text, 'T') || take(text, 't'))) return std::nullopt;
    // A day that the month does not have comes back as one of the next.
    const std::int64_t days = days_of(date);
    if (civil_date(days).day != date.day) return std::nullopt;
    const auto minutes = clock(text);
    if (!minutes || !take(text, ':')) return std::nullopt;
    const int seconds = number(text, 2);
    if (seconds < 0 || seconds > 59) return std::nullopt;
    std::int64_t us = days * day_us + *minutes + seconds * second_us;
    if (take(text, '.')) {
        if (text.empty() || !digit(text.front())) return std::nullopt;
        us += fraction(text, second_us);
    }
    if (text == "z") text = "Z";
    if (text != "Z" && !text.starts_with('+') && !text.starts_with('-')) return std::nullopt;
    const auto offset = parse_offset(text);
    if (!offset || !is_timestamp(us - *offset)) return std::nullopt;
    return us - *offset;
}

std::optional<std::int64_t> parse_span(std::string_view text) {
    const bool negative = take(text, '-');
    if (!negative) take(text, '+');
    if (text == "0") return 0;
    if (text.empty()) return std::nullopt;
    std::int64_t ns = 0;  // of what does not fill microseconds
    std::int64_t us = 0;
    while (!text.empty()) {
        std::int64_t whole = 0;
        const std::size_t before = text.size();
        while (!text.empty() && digit(text.front())) {
            if (whole > (std::numeric_limits<std::int64_t>::max() - 9) / 10) return std::nullopt;
            whole = whole * 10 + (text.front() - '0');
            text.remove_prefix(1);
        }
        std::size_t digits = before - text.size();
        std::string_view decimals;
        if (take(text, '.')) {
            decimals = text;
            while (!text.empty() && digit(text.front())) text.remove_prefix(1);
            digits += decimals.size() - text.size();
        }
        const std::int64_t unit = unit_ns(text);
        if (digits == 0 || unit == 0) return std::nullopt;
        if (unit < 1000) {
            ns += whole % 1000;
            whole /= 1000;
        }
        std::int64_t length = 0;
        if (__builtin_mul_overflow(whole, unit < 1000 ? 1 : unit / 1000, &length)) return std::nullopt;
        const std::int64_t share = fraction(decimals, unit);
        us += length + share / 1000;
        ns += share % 1000;
        // Each is checked as it comes, so that no sum overflows.
        if (length > duration_greatest_us || us > duration_greatest_us) return std::nullopt;
    }
    us += ns / 1000;
    if (!is_duration(us)) return std::nullopt;
    return negative ? -us : us;
}

std::optional<std::int64_t> parse_offset(std::string_view text) {
    if (text == "Z" || text == "UTC" || text == "Etc/UTC") return 0;
    const bool negative = take(text, '-');
    if (!negative) take(text, '+');
    const auto us = clock(text);
    if (!us || !text.empty()) return std::nullopt;
    return negative ? -*us : *us;
}

}  // namespace weir
