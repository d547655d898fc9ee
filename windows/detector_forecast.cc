#include "windows/detector_forecast.h"

#include <algorithm>
#include <cmath>

namespace weir {
namespace {

constexpr std::uint32_t error_rows = 50;
constexpr double level_rate = 0.2;
constexpr double step_rate = 0.1;
constexpr double step_us_most = 86400e6;
constexpr double covered = 0.95;
constexpr double width_step = 0.02;  // of the range, a row

}  // namespace

std::size_t Forecaster::best() const {
    return static_cast<std::size_t>(std::min_element(errors_.begin(), errors_.end()) - errors_.begin());
}

void Forecaster::learn(Timestamp time, double value, Duration season, const ValueGrid& grid) {
    if (rows_ == 0) {
        level_ = value;
    } else {
        const double range = grid.started() ? grid.range_with(value) : 0;
        half_width_.see(std::fabs(value - next()), covered, std::max(width_step, 1.0 / rows_) * range);
        const double rate = forgetting(rows_ - 1, error_rows);
        for (std::size_t i = 0; i < experts; ++i)
            errors_[i] += rate * (std::fabs(value - forecasts_[i]) - errors_[i]);
        const double elapsed = std::clamp(static_cast<double>((time - last_).us()), 0.0, step_us_most);
        const double step_rate_now = std::max(step_rate, 1.0 / rows_);
        step_us_ += static_cast<float>(step_rate_now * (elapsed - static_cast<double>(step_us_)));
        level_ += level_rate * (value - level_);
    }
    last_ = time;
    if (rows_ < UINT32_MAX) ++rows_;
    double season_step = 0;
    if (grid.started()) {
        profile_.learn(time, season, grid.position(value));
        const double here = profile_.at(time, season);
        const double there = profile_.at(time + Duration::micros(static_cast<std::int64_t>(step_us_)), season);
        if (here >= 0 && there >= 0) season_step = (there - here) * grid.step();
    }
    forecasts_ = {value, value + season_step, level_ + season_step};
}

bool Forecaster::sound() const {
    const auto finite = [](auto x) { return std::isfinite(x); };
    return std::all_of(forecasts_.begin(), forecasts_.end(), finite) &&
           std::all_of(errors_.begin(), errors_.end(), finite) && finite(level_) && finite(half_width_.value()) &&
           step_us_ >= 0 && static_cast<double>(step_us_) <= step_us_most;
}

}  // namespace weir
