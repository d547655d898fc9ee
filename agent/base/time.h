// Points in time and spans of time as types of their own, in microseconds.
// A Timestamp counts from 1970-01-01T00:00:00Z without leap seconds. Arithmetic saturates at the
// ends of the range: hostile times never wrap round.
// Memory: 8 bytes each. Cost: a few instructions. Threads: plain values. Errors: none.
#pragma once

#include <compare>
#include <cstdint>
#include <limits>

namespace weir {

class Duration {
public:
    constexpr Duration() = default;
    static constexpr Duration micros(std::int64_t us) { return Duration(us); }
    static constexpr Duration millis(std::int64_t ms) { return Duration(saturating(ms, 1000)); }
    static constexpr Duration seconds(std::int64_t s) { return Duration(saturating(s, 1000000)); }
    static constexpr Duration minutes(std::int64_t m) { return Duration(saturating(m, 60000000)); }
    static constexpr Duration max() { return Duration(std::numeric_limits<std::int64_t>::max()); }

    constexpr std::int64_t us() const { return us_; }
    constexpr std::int64_t ms() const { return us_ / 1000; }
    constexpr double as_seconds() const { return static_cast<double>(us_) / 1e6; }

    friend constexpr auto operator<=>(Duration, Duration) = default;
    friend constexpr Duration operator+(Duration a, Duration b) {
        std::int64_t sum = 0;
        if (!__builtin_add_overflow(a.us_, b.us_, &sum)) return Duration(sum);
        return Duration(limit(b.us_ > 0));
    }
    friend constexpr Duration operator-(Duration a, Duration b) {
        std::int64_t difference = 0;
        if (!__builtin_sub_overflow(a.us_, b.us_, &difference)) return Duration(difference);
        return Duration(limit(b.us_ < 0));
    }
    friend constexpr Duration operator*(Duration a, std::int64_t n) { return Duration(saturating(a.us_, n)); }

private:
    constexpr explicit Duration(std::int64_t us) : us_(us) {}
    static constexpr std::int64_t limit(bool upper) {
        return upper ? std::numeric_limits<std::int64_t>::max() : std::numeric_limits<std::int64_t>::min();
    }
    static constexpr std::int64_t saturating(std::int64_t a, std::int64_t b) {
        std::int64_t product = 0;
        if (!__builtin_mul_overflow(a, b, &product)) return product;
        return limit((a < 0) == (b < 0));
    }

    std::int64_t us_ = 0;
};

class Timestamp {
public:
    constexpr Timestamp() = default;  // the epoch
    static constexpr Timestamp micros(std::int64_t us) { return Timestamp(us); }
    static constexpr Timestamp millis(std::int64_t ms) { return Timestamp(Duration::millis(ms).us()); }
    static constexpr Timestamp seconds(std::int64_t s) { return Timestamp(Duration::seconds(s).us()); }
    static constexpr Timestamp min() { return Timestamp(std::numeric_limits<std::int64_t>::min()); }
    static constexpr Timestamp max() { return Timestamp(std::numeric_limits<std::int64_t>::max()); }

    constexpr std::int64_t us() const { return us_; }
    // Rounded toward minus infinity, so that a window before 1970 keeps its order.
    constexpr std::int64_t ms() const { return us_ / 1000 - (us_ % 1000 < 0 ? 1 : 0); }

    friend constexpr auto operator<=>(Timestamp, Timestamp) = default;
    friend constexpr Timestamp operator+(Timestamp t, Duration d) {
        return Timestamp((Duration::micros(t.us_) + d).us());
    }
    friend constexpr Timestamp operator-(Timestamp t, Duration d) {
        return Timestamp((Duration::micros(t.us_) - d).us());
    }
    friend constexpr Duration operator-(Timestamp a, Timestamp b) {
        return Duration::micros(a.us_) - Duration::micros(b.us_);
    }

private:
    constexpr explicit Timestamp(std::int64_t us) : us_(us) {}
    std::int64_t us_ = 0;
};

// The start of the interval [start, start + size) that holds t, aligned to the epoch.
// REQUIRES: size > 0.
constexpr Timestamp align_down(Timestamp t, Duration size) {
    std::int64_t rest = t.us() % size.us();
    if (rest < 0) rest += size.us();
    return t - Duration::micros(rest);
}

}  // namespace weir
