#include "agent/base/clock.h"

#include <chrono>

#include "agent/base/build_info.h"

namespace weir {

bool Clock::wall_trusted() const { return wall() >= build_time_floor(); }

Timestamp SystemClock::wall() const {
    const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
    return Timestamp::micros(std::chrono::duration_cast<std::chrono::microseconds>(since_epoch).count());
}

MonotonicTime SystemClock::monotonic() const {
    const auto since_start = std::chrono::steady_clock::now().time_since_epoch();
    return {Duration::micros(std::chrono::duration_cast<std::chrono::microseconds>(since_start).count())};
}

}  // namespace weir
