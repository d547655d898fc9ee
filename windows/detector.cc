#include "windows/detector.h"

#include <algorithm>
#include <cmath>
#include <new>
#include <type_traits>

namespace weir {
namespace {

using Usual = Calibration::Usual;

// A member's surprise is weight x times_usual(measure as a share of the range), 1 being worth an alert.
// All constants were chosen on plateaus: see windows/README.md.
struct Member {
    double weight;        // in the ensemble
    double weight_alone;  // as the only method
    Calibration::Params calibration;
};
constexpr Calibration::Params of_season = {Usual::near_largest, 0.05, 3000, 150};
constexpr std::array<Member, detector_members> members = {{
    {1.2, 1.2, {Usual::mean, 0.04, 500, 0}},
    {0.40, 0.65, of_season},
    {0.25, 0.35, {Usual::near_largest, 0.02, 3000, 150}},
    {0.10, 0.35, {Usual::near_largest, 1, 3000, 150}},
    {0.20, 0.40, {Usual::near_largest, 0.06, 3000, 150}},
}};
constexpr double seasons_weight = 0.15;  // seven seasons: fewer visits, more chance
constexpr Calibration::Params of_seasons = {Usual::near_largest, 0.06, 3000, 150};
constexpr std::size_t seasons_calibration = detector_members;

constexpr double known_range = 0.7;     // novelty between the extremes ever seen counts for less
constexpr double rank_rare = 0.01;       // a distance that is more usual than this is none
constexpr std::uint32_t warm_up = 100;   // rows that only teach
constexpr double quiet_rows = 180;       // after a report
constexpr double damped = 0.5;           // surprise of what belongs to an event already reported
constexpr std::uint32_t tidy_rows = 64;
constexpr double percentile_step = 0.005;
constexpr double median_step = 0.002;
constexpr double spread_least = 0.02;    // of the range
constexpr double magnitude_most = 1e150;

constexpr std::size_t at(DetectorMethod method) { return static_cast<std::size_t>(method); }

// 0 at 0, 0.99 at 1, towards 1.
double as_score(double surprise) {
    const double square = surprise * surprise;
    return square > 1e12 ? 1 : square / (square + 1.0 / 99);
}

}  // namespace

std::string_view name(DetectorMethod method) {
    constexpr std::array<std::string_view, detector_members + 1> names = {"novelty", "season",   "neighbours",
                                                                          "zscore",  "forecast", "ensemble"};
    return names[at(method)];
}

static_assert(std::is_trivially_copyable_v<Detector>);
static_assert(sizeof(Detector) <= 1024);

Detector* Detector::create(MutableByteSpan memory, const Params& params) {
    return new (memory.data()) Detector(params);
}

Detector* Detector::adopt(MutableByteSpan memory) {
    if (memory.size() < sizeof(Detector)) return nullptr;
    auto* detector = std::launder(reinterpret_cast<Detector*>(memory.data()));
    return detector->sound() ? detector : nullptr;
}

Detector::Verdict Detector::step(Timestamp time, double value) {
    Verdict verdict;
    if (std::fabs(value) <= magnitude_most) {
        if (rows_ == 0) {
            least_ = most_ = value;
            for (QuantileTracker* each : {&percentile_1_, &percentile_99_, &median_}) each->set(value);
        }
        const bool outside = value < least_ || value > most_;
        least_ = std::min(least_, value);
        most_ = std::max(most_, value);
        make_room(value);
        if (grid_.started()) {
            const Surprises all = surprises(time, value, outside);
            const auto most = static_cast<std::size_t>(std::max_element(all.begin(), all.end()) - all.begin());
            verdict.score = as_score(report(all[most]));
            if (all[most] > 0) verdict.member = static_cast<DetectorMethod>(most);
        }
        forecaster_.learn(time, value, season_length_, grid_);
        if (rows_ < UINT32_MAX) ++rows_;
    }
    verdict.forecast = forecaster_.next();
    verdict.low = verdict.forecast - forecaster_.half_width();
    verdict.high = verdict.forecast + forecaster_.half_width();
    return verdict;
}

void Detector::make_room(double value) {
    ValueGrid::Move move;
    if (!grid_.make_room(value, rows_ % tidy_rows == 0, move)) return;
    season_.move(move);
    seasons_.move(move);
    neighbours_.move(move);
    forecaster_.move(move);
}

Detector::Surprises Detector::surprises(Timestamp time, double value, bool outside) {
    const double range = grid_.range_with(value);
    const double factor = spread_factor(value, range);
    const double per_bin = grid_.step() / range * factor;
    const std::uint8_t coordinate = grid_.coordinate(value);
    const double deviation = std::fabs(value - median_.value());
    const double step = std::max(median_step, 1.0 / (rows_ + 1.0)) * range;
    median_.see(value, 0.5, step);
    deviation_.see(deviation, 0.5, step);

    const double distance = neighbours_.distance(value, grid_) * per_bin;
    const double rank = rank_.rank(distance);
    const Surprises measures = {
        grid_.gap(value) / range * factor * (outside ? 1 : known_range),
        season_.outside(time, season_length_, coordinate) * per_bin,
        distance,
        deviation / (1.4826 * deviation_.value() + 0.01 * range),
        std::fabs(value - forecaster_.next()) / range * factor,
    };
    const double seasons = seasons_.outside(time, season_length_ * 7, coordinate) * per_bin;
    Surprises result{};
    for (std::size_t i = 0; i < detector_members; ++i) {
        const double times = calibrations_[i].times_usual(measures[i], members[i].calibration);
        const bool chosen = method_ == DetectorMethod::ensemble || i == at(method_);
        if (i == at(DetectorMethod::neighbours) && rank > rank_rare) continue;
        if (chosen) result[i] = times * (i == at(method_) ? members[i].weight_alone : members[i].weight);
    }
    const double times = calibrations_[seasons_calibration].times_usual(seasons, of_seasons) * seasons_weight;
    double& season = result[at(DetectorMethod::season)];
    if (method_ == DetectorMethod::ensemble || method_ == DetectorMethod::season)
        season = std::max(season, times);

    grid_.mark(value);
    if (rows_ % ValueGrid::rows_per_age == 0) {
        grid_.age();
        neighbours_.age();
    }
    return result;
}

// Measures grow where most values crowd in a small part of the range.
double Detector::spread_factor(double value, double range) {
    const double step = std::max(percentile_step, 1.0 / (rows_ + 1.0)) * range;
    percentile_1_.see(value, 0.01, step);
    percentile_99_.see(value, 0.99, step);
    const double spread = percentile_99_.value() - percentile_1_.value();
    return std::sqrt(range / std::clamp(spread, spread_least * range, range));
}

double Detector::report(double surprise) {
    if (rows_ < warm_up) return 0;
    const double limit = peak_ * std::max(0.0, 1 - (rows_ - reported_) / quiet_rows);
    if (surprise <= limit) return std::min(surprise, damped);
    peak_ = surprise;
    reported_ = rows_;
    return surprise;
}

bool Detector::sound() const {
    for (const double each : {least_, most_, percentile_1_.value(), percentile_99_.value(), median_.value(),
                              deviation_.value(), peak_})
        if (!std::isfinite(each)) return false;
    return method_ <= DetectorMethod::ensemble && season_length_.us() >= 1000 && grid_.sound() &&
           forecaster_.sound() && neighbours_.sound() && season_.sound() && seasons_.sound() &&
           std::all_of(calibrations_.begin(), calibrations_.end(), [](const Calibration& c) { return c.sound(); });
}

}  // namespace weir
