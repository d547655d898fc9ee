// Small running statistics of the detectors: a quantile that walks, and a measure that is judged by its
// own past.
// Memory: 8 and 8 bytes. Cost: a few operations a row. Accuracy: of the quantile: within the values
// at p plus or minus the square root of (step size / range) or so; of both: deterministic.
// Threads: one owner. Errors: none. Source: Robbins and Monro, A Stochastic Approximation Method, 1951.
#pragma once

#include <cmath>
#include <cstdint>

namespace weir {

// Moves up by size * p where values are above, down by size * (1 - p) where they are below, so that it
// comes to rest where the share p of the values is below it.
class QuantileTracker {
public:
    double value() const { return at_; }
    void set(double value) { at_ = value; }
    void see(double value, double p, double size) {
        if (value > at_) at_ += size * p;
        if (value < at_) at_ -= size * (1 - p);
    }

private:
    double at_ = 0;
};

// The mean of the first n measures, then of about the last n.
inline double forgetting(std::uint32_t seen, std::uint32_t n) { return 1.0 / (seen < n ? seen + 1 : n); }

// How many times as large as usual: measure / (least + usual), where usual is the decayed mean, or the
// fourth root of the decayed mean of fourth powers, which stands near the largest of the recent ones.
// The first `silent` measures after the first that is not 0 only teach.
class Calibration {
public:
    enum class Usual : std::uint8_t { mean, near_largest };
    struct Params {
        Usual usual;
        double least;
        std::uint32_t rows;    // of memory
        std::uint32_t silent;
    };

    double times_usual(double measure, const Params& params) {
        if (measure > measure_most) measure = measure_most;
        if (seen_ == 0 && measure == 0) return 0;
        const bool mean = params.usual == Usual::mean;
        const double before = static_cast<double>(power_);
        const double usual = mean ? before : std::sqrt(std::sqrt(before));
        const double times = seen_ < params.silent ? 0 : measure / (params.least + usual);
        const double power = mean ? measure : measure * measure * measure * measure;
        power_ = static_cast<float>(before + forgetting(seen_, params.rows) * (power - before));
        seen_ += seen_ < UINT32_MAX ? 1 : 0;
        return times;
    }
    bool sound() const { return power_ >= 0 && power_ < 1e30F; }

private:
    static constexpr double measure_most = 1000;
    float power_ = 0;
    std::uint32_t seen_ = 0;
};

}  // namespace weir
