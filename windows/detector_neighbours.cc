#include "windows/detector_neighbours.h"

#include <algorithm>
#include <cmath>

namespace weir {
namespace {

constexpr double share_new = 0.05;     // of the rows become shapes of their own
constexpr double radius_step = 0.5;    // bins
constexpr std::uint16_t count_most = 4096;

}  // namespace

double ConformalRank::rank(double measure) {
    int at = 0;
    for (double bound = 1.0 / 256; at < classes - 1 && measure >= bound; bound *= 1.5) ++at;
    std::uint32_t total = 0;
    std::uint32_t as_large = 0;
    for (int i = 0; i < classes; ++i) {
        total += counts_[static_cast<std::size_t>(i)];
        if (i >= at) as_large += counts_[static_cast<std::size_t>(i)];
    }
    std::uint16_t& count = counts_[static_cast<std::size_t>(at)];
    if (++count >= count_most)
        for (std::uint16_t& each : counts_) each = static_cast<std::uint16_t>(each / 2);
    return (as_large + 1.0) / (total + 1.0);
}

double LagNeighbours::distance(double value, const ValueGrid& grid) {
    std::copy_backward(recent_.begin(), recent_.end() - 1, recent_.end());
    recent_[0] = value;
    if (filled_ < lags) ++filled_;
    if (filled_ < lags) return 0;
    const Shape shape = embed(grid);
    const Nearest near = nearest(shape);
    if (waiting_ == delay) {
        remember(queue_[0]);
        std::copy(queue_.begin() + 1, queue_.end(), queue_.begin());
        --waiting_;
    }
    queue_[waiting_++] = shape;
    return near.found ? near.distance : 0;
}

LagNeighbours::Shape LagNeighbours::embed(const ValueGrid& grid) const {
    const auto& r = recent_;
    return {grid.coordinate(r[0]), grid.coordinate(r[1]), grid.coordinate((r[2] + r[3]) / 2),
            grid.coordinate((r[4] + r[5] + r[6] + r[7]) / 4)};
}

LagNeighbours::Nearest LagNeighbours::nearest(const Shape& shape) const {
    std::array<std::uint8_t, shapes> largest{};
    for (std::size_t k = 0; k < shape.size(); ++k) {
        for (std::size_t i = 0; i < shapes; ++i) {
            const std::uint8_t a = shape[k];
            const std::uint8_t b = shapes_[k][i];
            const auto difference = static_cast<std::uint8_t>(std::max(a, b) - std::min(a, b));
            largest[i] = std::max(largest[i], difference);
        }
    }
    for (std::size_t i = 0; i < shapes; ++i) largest[i] = life_[i] != 0 ? largest[i] : std::uint8_t{UINT8_MAX};
    const auto least = static_cast<std::size_t>(std::min_element(largest.begin(), largest.end()) - largest.begin());
    return {largest[least], static_cast<std::uint8_t>(least), life_[least] != 0};
}

void LagNeighbours::remember(const Shape& shape) {
    const Nearest near = nearest(shape);
    if (near.found && static_cast<float>(near.distance) <= radius_) {
        life_[near.shape] = ValueGrid::life;
        radius_ = std::max(0.0F, radius_ - static_cast<float>(radius_step * share_new));
        return;
    }
    const auto stalest = static_cast<std::size_t>(std::min_element(life_.begin(), life_.end()) - life_.begin());
    for (std::size_t k = 0; k < shape.size(); ++k) shapes_[k][stalest] = shape[k];
    life_[stalest] = ValueGrid::life;
    radius_ += static_cast<float>(radius_step * (1 - share_new));
}

void LagNeighbours::move(const ValueGrid::Move& move) {
    for (auto& places : shapes_)
        for (std::uint8_t& place : places) place = move(place);
    for (Shape& shape : queue_)
        for (std::uint8_t& place : shape) place = move(place);
    radius_ = static_cast<float>(std::min(radius_ * move.factor, ValueGrid::bins * 1.0));
}

bool LagNeighbours::sound() const {
    return waiting_ <= delay && filled_ <= lags && radius_ >= 0 &&
           std::all_of(recent_.begin(), recent_.end(), [](double value) { return std::isfinite(value); });
}

void LagNeighbours::age() {
    for (std::uint8_t& left : life_) left = static_cast<std::uint8_t>(left - (left != 0 ? 1 : 0));
}

}  // namespace weir
