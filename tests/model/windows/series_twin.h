// The slow, obvious twins of the aggregates that go by event time: every row is kept, and which gaps between rows are
// still open to others. Sums in extended precision.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

namespace weir::test {

// A number and how far one in double precision may be from it.
struct Bounded {
    long double value = 0;
    long double bound = 0;
    bool holds(double seen) const { return std::fabs(static_cast<long double>(seen) - value) <= bound; }
};

class SeriesTwin {
public:
    struct Row {
        std::int64_t time;  // us
        long double value;
    };

    void add(std::int64_t time, long double value);
    void merge(const SeriesTwin& other);

    const std::vector<Row>& rows() const { return rows_; }
    std::uint64_t lost() const { return lost_; }
    std::optional<Bounded> increase() const;
    std::optional<Bounded> rate() const;
    std::optional<Bounded> time_mean() const;

private:
    static constexpr std::size_t open_max = 7;
    // Before which row one of this time belongs, if not into a closed gap.
    std::optional<std::size_t> place(std::int64_t time) const;
    std::size_t count_open() const;

    std::vector<Row> rows_;   // by time, ties as they came
    std::vector<bool> open_;  // open_[i]: the gap between rows i and i + 1
    std::uint64_t lost_ = 0;
};

// Of rows in any order. The slope of least squares, a second; none when all have one time.
std::optional<Bounded> slope_of(const std::vector<SeriesTwin::Row>& rows);
// The sum of value 2^-(age / half-life).
Bounded decayed_of(const std::vector<SeriesTwin::Row>& rows, std::int64_t end, std::int64_t half_life);

}  // namespace weir::test
