// Shapes of a series: each row is embedded as (this value, the one before, the mean of the two before
// those, the mean of the four before those) and compared with the nearest of 32 remembered shapes.
// Conformal: a distance counts by its rank among the distances of the series' own past.
// Memory: 248 bytes. Cost: 32 x 4 differences of bytes, twice a row. Accuracy: in bins of the value grid;
// a row whose shape is within the radius of a remembered one is taken as that one, the radius grows
// or shrinks so that one row in 20 is remembered as a new shape; the stalest gives way.
// Threads: one owner. Errors: none. Source: Burnaev and Ishimtsev, Conformalized density- and
// distance-based anomaly detection in time-series data, 2016 (arXiv 1608.04585), which this follows in spirit.
#pragma once

#include <array>
#include <cstdint>

#include "windows/detector_grid.h"

namespace weir {

// The share of past measures that were as large, from a histogram of 16 classes, each 1.5 times the one before, that forgets.
class ConformalRank {
public:
    // Then remembers the measure. In (0, 1]; 1 while nothing was seen.
    double rank(double measure);

private:
    static constexpr int classes = 16;
    std::array<std::uint16_t, classes> counts_{};
};

class LagNeighbours {
public:
    // The largest difference in any of the four places to the nearest shape, in bins; 0 for the first
    // rows. Rows among the last four are not compared with.
    double distance(double value, const ValueGrid& grid);
    void move(const ValueGrid::Move& move);
    void age();
    bool sound() const;

private:
    static constexpr std::size_t shapes = 32;
    static constexpr int lags = 8;
    static constexpr int delay = 4;
    using Shape = std::array<std::uint8_t, 4>;

    struct Nearest {
        std::uint8_t distance;
        std::uint8_t shape;
        bool found;  // false: none is remembered
    };
    Nearest nearest(const Shape& shape) const;
    Shape embed(const ValueGrid& grid) const;
    void remember(const Shape& shape);

    std::array<double, lags> recent_{};  // latest first
    std::array<std::array<std::uint8_t, shapes>, 4> shapes_{};  // place by place
    std::array<std::uint8_t, shapes> life_{};  // as of the grid's bins
    std::array<Shape, delay> queue_{};         // not yet remembered, oldest first
    float radius_ = 0;
    std::uint8_t waiting_ = 0;
    std::uint8_t filled_ = 0;
    std::uint8_t unused_[2] = {};
};

}  // namespace weir
