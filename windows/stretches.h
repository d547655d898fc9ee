// What adds up between one row of a series and the next in event time, although rows come out of that order: the
// resets of a counter, the area under a value that holds until the next row.
// Rows that follow each other are joined to stretches, of which only the ends and what has added up inside are kept.
// The gaps between stretches are open to rows that are still to come. At most stretches_max - 1 gaps stay open; when
// one too many opens the oldest is closed. So the seven latest rows stand alone, and a row finds its place when at most
// seven rows later than it came before it, or when it is earlier than all. One that falls inside a stretch finds none.
// Rows of one time keep the order in which they came. When two series are merged the smallest gaps are closed: between
// sessions that are joined by a row, the gap where that row belongs is the greatest.
// Memory: 456 bytes; zeroed memory is the empty series. Cost: add() O(stretches_max), merge() its square.
// Accuracy: as if rows had come in the order of their times, but for those that found no place.
// Threads: plain values. Errors: add() and merge() say what found no place; valid() refuses what is no series.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "windows/civil.h"
#include "windows/sums.h"

namespace weir {

inline constexpr std::size_t stretches_max = 8;

// What a counter had counted when it began again. It fell, so it began at 0.
template <typename T, typename Sum>
struct Resets {
    Sum lost;
    void between(std::int64_t, T before, std::int64_t, T after) {
        if (after < before) lost.add(before);
    }
    void merge(const Resets& other) { lost.merge(other.lost); }
};

// A value holds until the next row.
struct Held {
    CompensatedSum area;  // value x microseconds
    void between(std::int64_t from, double before, std::int64_t to, double) {
        area.add(before * static_cast<double>(to - from));
    }
    void merge(const Held& other) { area.merge(other.area); }
};

template <typename T, typename Between>
class Stretches {
public:
    struct Part {
        std::int64_t from;  // the times of its first and last row
        std::int64_t to;
        T first;
        T last;
        Between inside;
        std::uint64_t rows;

        // REQUIRES: later.from >= to.
        void append(const Part& later) {
            inside.between(to, last, later.from, later.first);
            inside.merge(later.inside);
            to = later.to;
            last = later.last;
            rows += later.rows;
        }
    };

    bool empty() const { return count_ == 0; }

    // False: the row finds no place.
    bool add(std::int64_t time, T value) {
        const Part row{time, time, value, value, {}, 1};
        std::size_t at = static_cast<std::size_t>(count_);
        while (at > 0 && parts_[at - 1].from > time) --at;
        if (at > 0 && time < parts_[at - 1].to) return false;
        if (count_ < stretches_max) {
            std::copy_backward(parts_ + at, parts_ + count_, parts_ + count_ + 1);
            parts_[at] = row;
            ++count_;
        } else if (at == 0) {
            Part joined = row;
            joined.append(parts_[0]);
            parts_[0] = joined;
        } else if (at == 1) {
            parts_[0].append(row);
        } else {
            parts_[0].append(parts_[1]);
            std::copy(parts_ + 2, parts_ + at, parts_ + 1);
            parts_[at - 1] = row;
        }
        return true;
    }

    // Other's rows came after these in the journal. How many of them find no place: a stretch of other must fit into
    // an open gap as a whole.
    std::uint64_t merge(const Stretches& other) {
        std::array<Part, 2 * stretches_max> all;
        std::size_t count = static_cast<std::size_t>(count_);
        std::copy(parts_, parts_ + count, all.begin());
        std::uint64_t lost = 0;
        for (std::size_t i = 0; i < other.count_; ++i) {
            const Part& part = other.parts_[i];
            std::size_t at = count;
            while (at > 0 && all[at - 1].from > part.from) --at;
            if ((at > 0 && part.from < all[at - 1].to) || (at < count && part.to >= all[at].from)) {
                lost += part.rows;
                continue;
            }
            std::copy_backward(all.data() + at, all.data() + count, all.data() + count + 1);
            all[at] = part;
            ++count;
        }
        while (count > stretches_max) close_smallest_gap(all, count);
        std::copy(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(count), parts_);
        count_ = count;
        return lost;
    }

    // All of it as one stretch. REQUIRES: !empty().
    Part whole() const {
        Part all = parts_[0];
        for (std::size_t i = 1; i < count_; ++i) all.append(parts_[i]);
        return all;
    }

    bool valid() const {
        if (count_ > stretches_max) return false;
        std::int64_t before = timestamp_least_us;
        for (std::size_t i = 0; i < count_; ++i) {
            const Part& part = parts_[i];
            if (part.from < before || part.to < part.from || part.to > timestamp_greatest_us || part.rows == 0) return false;
            before = part.to;
        }
        return true;
    }

private:
    static void close_smallest_gap(std::array<Part, 2 * stretches_max>& all, std::size_t& count) {
        std::size_t smallest = 0;
        const auto gap = [&](std::size_t i) { return all[i + 1].from - all[i].to; };
        for (std::size_t i = 1; i + 1 < count; ++i)
            if (gap(i) < gap(smallest)) smallest = i;
        all[smallest].append(all[smallest + 1]);
        std::copy(all.data() + smallest + 2, all.data() + count, all.data() + smallest + 1);
        --count;
    }

    std::uint64_t count_;
    Part parts_[stretches_max];
};

using IntegerCounter = Stretches<std::int64_t, Resets<std::int64_t, WideInteger>>;
using RealCounter = Stretches<double, Resets<double, CompensatedSum>>;
using HeldValue = Stretches<double, Held>;
static_assert(sizeof(IntegerCounter) == 8 + stretches_max * 56 && sizeof(RealCounter) == sizeof(IntegerCounter));
static_assert(sizeof(HeldValue) == sizeof(RealCounter));

}  // namespace weir
