// How time is cut into intervals: every so many microseconds since the epoch, or by the civil days or hours of a
// place, which daylight saving time makes longer or shorter. Intervals are half-open and follow each other
// without gap or overlap, so an interval's first instant in UTC names it.
// Memory: that of the zone's table, on the heap, at start-up. Cost: start() and end() a few instructions of a
// fixed size, O(log changes of the zone) of a calendar. Threads: constant once made. Errors: none.
// Source: DESIGN.md section 5; zone.h says what happens to days and hours when clocks change.
#pragma once

#include <cstdint>

#include "windows/zone.h"

namespace weir {

// Rounded down to a multiple of size. REQUIRES: size > 0.
std::int64_t floor_to(std::int64_t time, std::int64_t size);

enum class CalendarUnit : std::uint8_t { none, day, hour };

class Calendar {
public:
    // REQUIRES: unit is not none.
    Calendar(CalendarUnit unit, ZoneTable zone) : unit_(unit), zone_(std::move(zone)) {}

    // Of the interval that holds at, microseconds.
    std::int64_t start(std::int64_t at) const;
    std::int64_t end(std::int64_t at) const;
    Bytes memory() const { return sizeof *this - sizeof zone_ + zone_.memory(); }

private:
    CalendarUnit unit_;
    ZoneTable zone_;
};

struct Cut {
    std::int64_t size = 0;               // of a calendar what is usual
    const Calendar* calendar = nullptr;  // none: multiples of size

    std::int64_t start(std::int64_t at) const { return calendar ? calendar->start(at) : floor_to(at, size); }
    std::int64_t end(std::int64_t at) const { return calendar ? calendar->end(at) : floor_to(at, size) + size; }
};

}  // namespace weir
