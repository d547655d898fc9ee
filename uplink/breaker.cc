#include "uplink/breaker.h"

#include <algorithm>

namespace weir {

std::string_view name(CircuitState state) {
    switch (state) {
        case CircuitState::closed: return "closed";
        case CircuitState::open: return "open";
        case CircuitState::half_open: return "half-open";
    }
    return "?";
}

Duration CircuitBreaker::failed(MonotonicTime now, bool hopeless) {
    const std::int64_t doublings = std::min<std::int64_t>(failures_++, 20);
    Duration pause = std::min(options_.pause_max, options_.pause_min * (std::int64_t{1} << doublings));
    if (hopeless) pause = options_.pause_max;
    if (hopeless || failures_ >= options_.open_after || state_ == CircuitState::half_open) state_ = CircuitState::open;
    const double share = 0.5 + 0.5 * entropy_.unit();
    pause = Duration::micros(static_cast<std::int64_t>(static_cast<double>(pause.us()) * share));
    next_try_ = now + pause;
    return pause;
}

}  // namespace weir
