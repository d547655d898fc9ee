#include "agent/config_units.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <vector>

namespace weir {
namespace {

struct Unit {
    std::string_view name;
    std::uint64_t factor;
};

// From great to small: the first that divides a value spells it.
constexpr std::array<Unit, 6> duration_units = {{{"d", 86'400'000'000},
                                                 {"h", 3'600'000'000},
                                                 {"m", 60'000'000},
                                                 {"s", 1'000'000},
                                                 {"ms", 1'000},
                                                 {"us", 1}}};
constexpr std::array<Unit, 7> size_units = {{{"GiB", 1ULL << 30},
                                             {"MiB", 1ULL << 20},
                                             {"KiB", 1ULL << 10},
                                             {"GB", 1'000'000'000},
                                             {"MB", 1'000'000},
                                             {"KB", 1'000},
                                             {"B", 1}}};
constexpr std::array<Unit, 4> period_units = {{{"s", 1}, {"min", 60}, {"h", 3600}, {"day", 86400}}};

template <std::size_t N>
std::optional<std::uint64_t> factor_of(std::string_view name, const std::array<Unit, N>& units) {
    for (const Unit& unit : units)
        if (unit.name == name) return unit.factor;
    return std::nullopt;
}

template <std::size_t N>
Result<std::uint64_t> parse_quantity(std::string_view text, const std::array<Unit, N>& units) {
    std::uint64_t number = 0;
    const char* end = text.data() + text.size();
    const auto [rest, failure] = std::from_chars(text.data(), end, number);
    if (failure == std::errc::result_out_of_range) return Error::out_of_range;
    if (failure != std::errc{}) return Error::invalid;
    const auto factor = factor_of(text.substr(static_cast<std::size_t>(rest - text.data())), units);
    if (!factor) return Error::invalid;
    std::uint64_t product = 0;
    if (__builtin_mul_overflow(number, *factor, &product)) return Error::out_of_range;
    if (product > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
        return Error::out_of_range;
    }
    return product;
}

template <std::size_t N>
std::string format_quantity(std::uint64_t value, const std::array<Unit, N>& units) {
    for (const Unit& unit : units) {
        if (value != 0 && value % unit.factor == 0) {
            return std::to_string(value / unit.factor).append(unit.name);
        }
    }
    return "0";
}

}  // namespace

Result<Duration> parse_duration(std::string_view text) {
    const auto micros = parse_quantity(text, duration_units);
    if (!micros) return micros.error();
    return Duration::micros(static_cast<std::int64_t>(*micros));
}

Result<std::uint64_t> parse_size(std::string_view text) { return parse_quantity(text, size_units); }

Result<std::uint64_t> parse_rate(std::string_view text, Duration period) {
    const std::size_t slash = text.find('/');
    if (slash == std::string_view::npos) return Error::invalid;
    const auto bytes = parse_size(text.substr(0, slash));
    if (!bytes) return bytes.error();
    const auto given_seconds = factor_of(text.substr(slash + 1), period_units);
    if (!given_seconds) return Error::invalid;
    std::uint64_t product = 0;
    const auto wanted_seconds = static_cast<std::uint64_t>(period.us() / 1'000'000);
    if (__builtin_mul_overflow(*bytes, wanted_seconds, &product)) return Error::out_of_range;
    return product / *given_seconds;
}

std::string format_duration(Duration duration) {
    if (duration.us() <= 0) return "0s";
    return format_quantity(static_cast<std::uint64_t>(duration.us()), duration_units);
}

std::string format_size(std::uint64_t bytes) {
    return bytes == 0 ? "0B" : format_quantity(bytes, size_units);
}

std::string format_rate(std::uint64_t bytes, std::string_view period) {
    return format_size(bytes).append("/").append(period);
}

}  // namespace weir
