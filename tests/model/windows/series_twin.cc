#include "tests/model/windows/series_twin.h"

#include <algorithm>
#include <limits>

namespace weir::test {
namespace {

constexpr long double u = 0x1p-53L;

// DESIGN.md section 5, of a compensated sum; and how far the twin's own may be off.
Bounded sum_of(const std::vector<long double>& terms) {
    Bounded sum;
    long double magnitude = 0;
    for (const long double term : terms) {
        sum.value += term;
        magnitude += std::fabs(term);
    }
    const auto n = static_cast<long double>(terms.size());
    sum.bound = 2 * u * std::fabs(sum.value) + (n * n * u * u + n * std::numeric_limits<long double>::epsilon()) * magnitude;
    return sum;
}

// A quotient whose divisor is as good as exact.
Bounded divided(const Bounded& by, long double divisor) {
    const long double value = by.value / divisor;
    return {value, by.bound / std::fabs(divisor) + 3 * u * std::fabs(value)};
}

}  // namespace

std::optional<std::size_t> SeriesTwin::place(std::int64_t time) const {
    const auto next = std::upper_bound(rows_.begin(), rows_.end(), time, [](std::int64_t t, const Row& row) { return t < row.time; });
    const auto at = static_cast<std::size_t>(next - rows_.begin());
    if (at > 0 && at < rows_.size() && !open_[at - 1]) return std::nullopt;
    return at;
}

std::size_t SeriesTwin::count_open() const { return static_cast<std::size_t>(std::count(open_.begin(), open_.end(), true)); }

void SeriesTwin::add(std::int64_t time, long double value) {
    const auto at = place(time);
    if (!at) {
        ++lost_;
        return;
    }
    rows_.insert(rows_.begin() + static_cast<std::ptrdiff_t>(*at), {time, value});
    if (rows_.size() > 1) open_.insert(open_.begin() + static_cast<std::ptrdiff_t>(*at > 0 ? *at - 1 : 0), true);
    if (count_open() > open_max) *std::find(open_.begin(), open_.end(), true) = false;
}

void SeriesTwin::merge(const SeriesTwin& other) {
    lost_ += other.lost_;
    for (std::size_t first = 0; first < other.rows_.size();) {
        std::size_t last = first;
        while (last + 1 < other.rows_.size() && !other.open_[last]) ++last;
        const auto at = place(other.rows_[first].time);
        if (!at || (*at < rows_.size() && rows_[*at].time <= other.rows_[last].time)) {
            lost_ += last - first + 1;
        } else {
            const bool was_empty = rows_.empty();
            rows_.insert(rows_.begin() + static_cast<std::ptrdiff_t>(*at), other.rows_.begin() + static_cast<std::ptrdiff_t>(first),
                         other.rows_.begin() + static_cast<std::ptrdiff_t>(last + 1));
            std::vector<bool> gaps(last - first, false);
            if (!was_empty) gaps.insert(*at > 0 ? gaps.begin() : gaps.end(), true);
            open_.insert(open_.begin() + static_cast<std::ptrdiff_t>(*at > 0 ? *at - 1 : 0), gaps.begin(), gaps.end());
        }
        first = last + 1;
    }
    while (count_open() > open_max) {
        std::size_t smallest = open_.size();
        const auto gap = [this](std::size_t i) { return rows_[i + 1].time - rows_[i].time; };
        for (std::size_t i = 0; i < open_.size(); ++i)
            if (open_[i] && (smallest == open_.size() || gap(i) < gap(smallest))) smallest = i;
        open_[smallest] = false;
    }
}

std::optional<Bounded> SeriesTwin::increase() const {
    if (rows_.size() < 2) return std::nullopt;
    std::vector<long double> terms = {rows_.back().value, -rows_.front().value};
    for (std::size_t i = 1; i < rows_.size(); ++i)
        if (rows_[i].value < rows_[i - 1].value) terms.push_back(rows_[i - 1].value);
    return sum_of(terms);
}

std::optional<Bounded> SeriesTwin::rate() const {
    const auto gained = increase();
    if (!gained || rows_.front().time == rows_.back().time) return std::nullopt;
    return divided(*gained, static_cast<long double>(rows_.back().time - rows_.front().time) / 1e6L);
}

std::optional<Bounded> SeriesTwin::time_mean() const {
    if (rows_.empty()) return std::nullopt;
    if (rows_.front().time == rows_.back().time) return Bounded{rows_.back().value, 0};
    std::vector<long double> terms;
    long double rounded = 0;
    for (std::size_t i = 1; i < rows_.size(); ++i) {
        terms.push_back(rows_[i - 1].value * static_cast<long double>(rows_[i].time - rows_[i - 1].time));
        rounded += u * std::fabs(terms.back());
    }
    Bounded area = sum_of(terms);
    area.bound += rounded * 1.001L;
    return divided(area, static_cast<long double>(rows_.back().time - rows_.front().time));
}

std::optional<Bounded> slope_of(const std::vector<SeriesTwin::Row>& rows) {
    if (rows.empty()) return std::nullopt;
    const auto n = static_cast<long double>(rows.size());
    long double mean_time = 0, mean_value = 0, times = 0, products = 0, raw_times = 0, raw_values = 0;
    const auto time = [&](const SeriesTwin::Row& row) { return static_cast<long double>(row.time - rows[0].time); };
    for (const auto& row : rows) {
        mean_time += time(row) / n;
        mean_value += row.value / n;
        raw_times += time(row) * time(row);
        raw_values += row.value * row.value;
    }
    for (const auto& row : rows) {
        times += (time(row) - mean_time) * (time(row) - mean_time);
        products += (time(row) - mean_time) * (row.value - mean_value);
    }
    if (std::all_of(rows.begin(), rows.end(), [&](const auto& row) { return row.time == rows[0].time; })) return std::nullopt;
    return Bounded{products / times * 1e6L, 4 * n * u * std::sqrt(raw_times * raw_values) / times * 1e6L};
}

Bounded decayed_of(const std::vector<SeriesTwin::Row>& rows, std::int64_t end, std::int64_t half_life) {
    Bounded sum;
    for (const auto& row : rows) {
        const long double age = static_cast<long double>(end - row.time) / static_cast<long double>(half_life);
        sum.value += row.value * std::exp2(-age);
        sum.bound += 1e-12L * std::fabs(row.value) * std::exp2(-age);
    }
    return sum;
}

}  // namespace weir::test
