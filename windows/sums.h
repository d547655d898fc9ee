// Sums that lose nothing on the way: ints in 128 bits, reals with what rounding took away beside them.
// Memory: 16 bytes a sum, zeroed memory is the empty one. Cost: a few operations a value. Threads: plain values.
// Errors: none. Accuracy: ints exact; reals at most 2u|S| + n^2 u^2 sum|x| off, u = 2^-53.
// Source: Knuth, TAOCP 2, 4.2.2 (two-sum); DESIGN.md section 5.
#pragma once

#include <cmath>
#include <cstdint>

namespace weir {

// 128 bits in two's complement: no sum of fewer than 2^63 ints leaves them.
struct WideInteger {
    std::uint64_t low;
    std::int64_t high;

    void add(std::int64_t value) {
        const auto bits = static_cast<std::uint64_t>(value);
        low += bits;
        high += (value < 0 ? -1 : 0) + (low < bits ? 1 : 0);
    }
    void subtract(std::int64_t value) {
        add(~value);
        add(1);
    }
    void merge(const WideInteger& other) {
        low += other.low;
        high += other.high + (low < other.low ? 1 : 0);
    }
    bool fits() const { return high == (static_cast<std::int64_t>(low) < 0 ? -1 : 0); }
    std::int64_t integer() const { return static_cast<std::int64_t>(low); }  // REQUIRES: fits()
    double real() const {
        if (fits()) return static_cast<double>(integer());
        return static_cast<double>(high) * 18446744073709551616.0 + static_cast<double>(low);
    }
};

struct CompensatedSum {
    double sum;
    double error;

    void add(double value) {
        const double total = sum + value;
        const double part = total - sum;
        error += (sum - (total - part)) + (value - part);
        sum = total;
    }
    void subtract(double value) { add(-value); }
    void merge(const CompensatedSum& other) {
        add(other.sum);
        error += other.error;
    }
    // Beyond the range of a double the errors are not numbers.
    double real() const { return std::isfinite(error) ? sum + error : sum; }
};

}  // namespace weir
