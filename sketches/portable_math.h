// Logarithm and power from additions, multiplications and divisions only, so that every machine
// gets the same bits; libm promises no such thing. Memory: none. Cost: some 60 operations.
// Accuracy: relative error below 1e-13 (of the logarithm below 1: absolute) for x in [2^-64, 2^64], |y| <= 64. Threads: pure functions.
// Errors: none. Source: series of atanh and exp.
#pragma once

namespace weir {

// The natural logarithm. REQUIRES: x > 0, finite.
constexpr double portable_log(double x) {
    constexpr double ln2 = 0.6931471805599453;
    int exponent = 0;
    for (; x >= 1.5; x *= 0.5) ++exponent;
    for (; x < 0.75; x *= 2) --exponent;
    const double t = (x - 1) / (x + 1);  // in [-1/7, 1/5]
    double term = t;
    double sum = 0;
    for (int i = 1; i < 40; i += 2, term *= t * t) sum += term / i;
    return 2 * sum + exponent * ln2;
}

// REQUIRES: |y| <= 64.
constexpr double portable_exp(double y) {
    double term = 1;
    double sum = 1;
    const double part = y / 64;
    for (int i = 1; i < 20; ++i) {
        term *= part / i;
        sum += term;
    }
    for (int i = 0; i < 6; ++i) sum *= sum;
    return sum;
}

// x^y. REQUIRES: x >= 1, |y * log(x)| <= 64.
constexpr double portable_power(double x, double y) { return portable_exp(y * portable_log(x)); }

}  // namespace weir
