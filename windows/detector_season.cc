#include "windows/detector_season.h"

#include <algorithm>

namespace weir {
namespace {

constexpr double learning_rate = 0.1;

int wrapped(std::int64_t part, int parts) {
    const auto rest = static_cast<int>(part % parts);
    return rest < 0 ? rest + parts : rest;
}

}  // namespace

std::int64_t season_part(Timestamp time, Duration season, int parts) {
    const std::int64_t length = std::max<std::int64_t>(season.us() / parts, 1);
    return time.us() / length - (time.us() % length < 0 ? 1 : 0);
}

template <int parts, int reach>
double SeasonEnvelope<parts, reach>::outside(Timestamp time, Duration season, std::uint8_t value) {
    const std::int64_t now = season_part(time, season, parts);
    if (now != now_ || visits_[0].begun == 0) {
        learn(visits_[reach]);
        for (std::size_t i = reach; i > 0; --i) visits_[i] = visits_[i - 1];
        visits_[0] = Visit{static_cast<std::uint8_t>(wrapped(now, parts)), nothing, 0, 1};
        now_ = now;
    }
    int least = ValueGrid::bins;
    for (int away = -reach; away <= reach; ++away) {
        const auto part = static_cast<std::size_t>(wrapped(visits_[0].part + away, parts));
        if (lower_[part] > upper_[part]) continue;
        least = std::min(least, std::max({0, lower_[part] - value, value - upper_[part]}));
    }
    visits_[0].lower = std::min(visits_[0].lower, value);
    visits_[0].upper = std::max(visits_[0].upper, value);
    return least == ValueGrid::bins ? 0 : least;
}

template <int parts, int reach>
void SeasonEnvelope<parts, reach>::learn(const Visit& visit) {
    if (visit.begun == 0) return;
    std::uint8_t& lower = lower_[visit.part];
    std::uint8_t& upper = upper_[visit.part];
    if (lower <= upper) {
        const int closer = static_cast<int>((upper - lower) * shrink / 2 + 0.5);
        lower = static_cast<std::uint8_t>(lower + closer);
        upper = static_cast<std::uint8_t>(upper - closer);
    }
    lower = std::min(lower, visit.lower);
    upper = std::max(upper, visit.upper);
}

template <int parts, int reach>
void SeasonEnvelope<parts, reach>::move(const ValueGrid::Move& move) {
    for (Visit& visit : visits_) {
        if (visit.begun == 0) continue;
        visit.lower = move(visit.lower);
        visit.upper = move(visit.upper);
    }
    for (std::size_t i = 0; i < parts; ++i) {
        if (lower_[i] > upper_[i]) continue;
        lower_[i] = move(lower_[i]);
        upper_[i] = move(upper_[i]);
    }
}

template <int parts, int reach>
bool SeasonEnvelope<parts, reach>::sound() const {
    return std::all_of(visits_.begin(), visits_.end(), [](const Visit& visit) { return visit.part < parts; });
}

template class SeasonEnvelope<12, 1>;
template class SeasonEnvelope<56, 0>;

double SeasonProfile::at(Timestamp time, Duration season) const {
    const std::int64_t length = std::max<std::int64_t>(season.us() / parts, 1);
    const Timestamp middle = time - Duration::micros(length / 2);
    const std::int64_t part = season_part(middle, season, parts);
    const std::uint16_t from = means_[static_cast<std::size_t>(wrapped(part, parts))];
    const std::uint16_t to = means_[static_cast<std::size_t>(wrapped(part + 1, parts))];
    if (from == 0 || to == 0) return -1;
    const std::int64_t rest = middle.us() % length;
    const double share = static_cast<double>(rest < 0 ? rest + length : rest) / static_cast<double>(length);
    return (from + share * (to - from)) / 256;
}

void SeasonProfile::learn(Timestamp time, Duration season, double position) {
    std::uint16_t& mean = means_[static_cast<std::size_t>(wrapped(season_part(time, season, parts), parts))];
    const double now = 256 * position;
    const double next = mean == 0 ? now : mean + learning_rate * (now - mean);
    mean = static_cast<std::uint16_t>(std::clamp(next + 0.5, 1.0, 65535.0));
}

void SeasonProfile::move(const ValueGrid::Move& move) {
    for (std::uint16_t& mean : means_)
        if (mean != 0) mean = std::max<std::uint16_t>(1, move.fine(mean));
}

}  // namespace weir
