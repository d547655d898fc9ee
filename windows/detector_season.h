// What a series does at each part of a season (a day, a week): the extremes seen there, for the
// detector, and the mean, for forecasts.
// Memory: Envelope 2 bytes a part + 24 or less; Profile 2 bytes a part. Cost: O(reach) a row.
// Accuracy: in bins of the value grid; parts are of equal length and begin at the epoch, in UTC.
// Threads: one owner. Errors: none.
#pragma once

#include <array>
#include <cstdint>

#include "agent/base/time.h"
#include "windows/detector_grid.h"

namespace weir {

// How far a value lies outside the extremes of the same part of earlier seasons and of its neighbours.
// A visit to a part is learnt when it is over and `reach` parts have passed: an anomaly does not
// excuse itself. With every visit the old extremes move a little towards each other.
template <int parts, int reach>
class SeasonEnvelope {
public:
    SeasonEnvelope() { lower_.fill(nothing); }

    // In bins; 0 where there is nothing to compare with.
    double outside(Timestamp time, Duration season, std::uint8_t value);
    void move(const ValueGrid::Move& move);
    bool sound() const;

private:
    static constexpr std::uint8_t nothing = ValueGrid::bins - 1;  // as lower, with upper 0: no value yet
    static constexpr double shrink = 0.05;                        // of the extent, a visit
    struct Visit {
        std::uint8_t part = 0;
        std::uint8_t lower = nothing;
        std::uint8_t upper = 0;
        std::uint8_t begun = 0;
    };
    void learn(const Visit& visit);

    std::int64_t now_ = 0;  // parts since the epoch
    std::array<Visit, reach + 1> visits_{};  // the current one first
    std::array<std::uint8_t, parts> lower_;
    std::array<std::uint8_t, parts> upper_{};
    std::array<std::uint8_t, reach == 0 ? 4 : 8> unused_{};  // instead of padding, whose bytes would be anyone's
};

using DayEnvelope = SeasonEnvelope<12, 1>;
using WeekEnvelope = SeasonEnvelope<56, 0>;

// The decayed mean of each part, read between the parts' middles by a straight line.
class SeasonProfile {
public:
    static constexpr int parts = 24;
    // In bins; negative where nothing is known.
    double at(Timestamp time, Duration season) const;
    void learn(Timestamp time, Duration season, double position);
    void move(const ValueGrid::Move& move);

private:
    std::array<std::uint16_t, parts> means_{};  // in 256ths of a bin; 0: nothing yet
};

// Which part of its season a moment is in, counted since the epoch. REQUIRES: season > 0.
std::int64_t season_part(Timestamp time, Duration season, int parts);

}  // namespace weir
