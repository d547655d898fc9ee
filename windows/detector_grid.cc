#include "windows/detector_grid.h"

#include <algorithm>
#include <cmath>

namespace weir {
namespace {

constexpr double margin = 0.125;       // of the range, free on both sides of a new grid
constexpr double filled_least = 0.4;   // of the grid by live values, or it is laid finer
constexpr double resolution = 1e-9;    // a range below this share of the values themselves is not refined
constexpr double range_least = 1e-150;  // so that no quotient overflows
constexpr double magnitude_most = 1e151;

}  // namespace

std::uint8_t ValueGrid::Move::operator()(std::uint8_t coordinate) const {
    const double moved = (coordinate + 0.5 - offset) * factor;
    return static_cast<std::uint8_t>(std::clamp(moved, 0.0, bins - 1.0));
}

std::uint16_t ValueGrid::Move::fine(std::uint16_t coordinate) const {
    const double moved = (coordinate - 256 * offset) * factor;
    return static_cast<std::uint16_t>(std::clamp(moved, 0.0, 65535.0));
}

bool ValueGrid::make_room(double value, bool tidy, Move& move) {
    if (!started()) {
        const double only = seen_ != 0 ? origin_ : value;
        seen_ = 1;
        origin_ = only;
        const double range = std::fabs(value - only);
        if (range < range_least) return false;
        origin_ = std::min(value, only) - range * margin;
        step_ = range * (1 + 2 * margin) / bins;
        mark(only);
        low_ = high_ = coordinate(only);
        return false;  // nobody has a coordinate yet
    }
    const double lower = std::min(value, value_at(low_));
    const double upper = std::max(value, value_at(high_ + 1));
    const double range = upper - lower;
    const double at = position(value);
    const bool outside = !(at >= 0 && at < bins);
    const bool loose = tidy && range < filled_least * bins * step_ && range > range_least &&
                       range > resolution * (std::fabs(lower) + std::fabs(upper));
    if (!outside && !loose) return false;
    lay(lower - range * margin, range * (1 + 2 * margin) / bins, move);
    return true;
}

void ValueGrid::lay(double origin, double step, Move& move) {
    move = {position(origin), step_ / step};
    std::array<std::uint8_t, bins> laid{};
    for (int i = 0; i < bins; ++i) {  // finer: a new bin is known if it lies in a known one
        const double at = move.offset + (i + 0.5) / move.factor;
        if (at >= 0 && at < bins) laid[static_cast<std::size_t>(i)] = life_[static_cast<std::size_t>(at)];
    }
    for (int i = 0; i < bins; ++i) {  // coarser: it is known if a known one lies in it
        const double at = (i + 0.5 - move.offset) * move.factor;
        if (!(at >= 0 && at < bins)) continue;
        std::uint8_t& to = laid[static_cast<std::size_t>(at)];
        to = std::max(to, life_[static_cast<std::size_t>(i)]);
    }
    life_ = laid;
    origin_ = origin;
    step_ = step;
    find_ends();
}

void ValueGrid::find_ends() {
    const auto live = [](std::uint8_t left) { return left != 0; };
    const auto first = std::find_if(life_.begin(), life_.end(), live);
    if (first == life_.end()) return;
    const auto last = std::find_if(life_.rbegin(), life_.rend(), live);
    low_ = static_cast<std::uint8_t>(first - life_.begin());
    high_ = static_cast<std::uint8_t>(life_.rend() - last - 1);
}

std::uint8_t ValueGrid::coordinate(double value) const {
    return static_cast<std::uint8_t>(std::clamp(position(value), 0.0, bins - 1.0));
}

double ValueGrid::gap(double value) const {
    const int at = coordinate(value);
    for (int away = 0; away < bins; ++away) {
        if (at - away >= 0 && life_[static_cast<std::size_t>(at - away)] != 0)
            return away == 0 ? 0 : std::max(0.0, value - value_at(at - away + 0.5));
        if (at + away < bins && life_[static_cast<std::size_t>(at + away)] != 0)
            return std::max(0.0, value_at(at + away + 0.5) - value);
    }
    return 0;
}

double ValueGrid::range_with(double value) const {
    const std::uint8_t at = coordinate(value);
    return (std::max(high_, at) - std::min(low_, at) + 1) * step_;
}

void ValueGrid::mark(double value) {
    const std::uint8_t at = coordinate(value);
    life_[at] = life;
    low_ = std::min(low_, at);
    high_ = std::max(high_, at);
}

void ValueGrid::age() {
    for (std::uint8_t& left : life_) left = static_cast<std::uint8_t>(left - (left != 0 ? 1 : 0));
    find_ends();
}

bool ValueGrid::sound() const {
    return std::fabs(origin_) <= magnitude_most && (step_ == 0 || (step_ > range_least / bins && step_ < magnitude_most)) &&
           low_ <= high_;
}

}  // namespace weir
