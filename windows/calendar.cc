#include "windows/calendar.h"

namespace weir {

std::int64_t floor_to(std::int64_t time, std::int64_t size) {
    std::int64_t rest = time % size;
    if (rest < 0) rest += size;
    return time - rest;
}

std::int64_t Calendar::start(std::int64_t at) const {
    const Timestamp utc = Timestamp::micros(at);
    return (unit_ == CalendarUnit::day ? zone_.day_start(utc) : zone_.hour_start(utc)).us();
}

std::int64_t Calendar::end(std::int64_t at) const {
    const Timestamp utc = Timestamp::micros(at);
    return (unit_ == CalendarUnit::day ? zone_.day_end(utc) : zone_.hour_end(utc)).us();
}

}  // namespace weir
