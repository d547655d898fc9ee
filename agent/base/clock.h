// The seam for time: everything outside the engine asks a Clock, so that tests and the simulator own it.
// Memory: none. Cost: SystemClock one vDSO call. Threads: any. Errors: none.
#pragma once

#include "agent/base/time.h"

namespace weir {

// A reading of a clock that never steps; only differences mean anything.
struct MonotonicTime {
    Duration since_start;
    friend constexpr auto operator<=>(MonotonicTime, MonotonicTime) = default;
    friend constexpr Duration operator-(MonotonicTime a, MonotonicTime b) { return a.since_start - b.since_start; }
    friend constexpr MonotonicTime operator+(MonotonicTime a, Duration d) { return {a.since_start + d}; }
};

class Clock {
public:
    virtual ~Clock() = default;
    virtual Timestamp wall() const = 0;       // may step, may be wrong
    virtual MonotonicTime monotonic() const = 0;  // for every timer
    // Whether wall() can be believed: it is not before the time this program was built.
    bool wall_trusted() const;
};

class SystemClock final : public Clock {
public:
    Timestamp wall() const override;
    MonotonicTime monotonic() const override;
};

class ManualClock final : public Clock {
public:
    explicit ManualClock(Timestamp wall) : wall_(wall) {}
    Timestamp wall() const override { return wall_; }
    MonotonicTime monotonic() const override { return monotonic_; }
    void advance(Duration by) {
        wall_ = wall_ + by;
        monotonic_ = monotonic_ + by;
    }
    void step_wall(Timestamp to) { wall_ = to; }

private:
    Timestamp wall_;
    MonotonicTime monotonic_{};
};

}  // namespace weir
