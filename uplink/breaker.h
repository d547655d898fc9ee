// When the uplink may try its bridge: a circuit breaker with exponential, jittered pauses.
// Closed: all is well, or has failed a few times; the pause before the next try begins at pause_min and doubles.
// Open: open_after tries in a row have failed; pauses go on to pause_max. Half-open: a try after that, which is a
// probe: its owner sends little until succeeded() closes the circuit. Pauses are between half and all of their
// length, so that agents that lost their bridge together do not return together. With the defaults a bridge that
// stays away is tried 20 to 35 times an hour.
// Memory: a value. Cost: O(1). Threads: its owner's. Errors: none.
// Source: Nygard, Release It!, 2007 (circuit breaker); Brooker, Exponential Backoff and Jitter, 2015 (equal jitter).
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/clock.h"
#include "agent/base/entropy.h"

namespace weir {

enum class CircuitState : std::uint8_t { closed, open, half_open };
std::string_view name(CircuitState state);

class CircuitBreaker {
public:
    struct Options {
        Duration pause_min = Duration::seconds(1);
        Duration pause_max = Duration::minutes(5);
        std::uint32_t open_after = 5;
    };

    // The first try may be made at once. entropy outlives the breaker.
    CircuitBreaker(const Options& options, Entropy& entropy) : options_(options), entropy_(entropy) {}

    CircuitState state() const { return state_; }
    std::uint32_t failures_in_a_row() const { return failures_; }
    MonotonicTime next_try() const { return next_try_; }
    bool may_try(MonotonicTime now) const { return now >= next_try_; }

    void tried() {
        if (state_ == CircuitState::open) state_ = CircuitState::half_open;
    }
    // The pause that follows. hopeless: nothing but a person mends it, so the longest there is.
    Duration failed(MonotonicTime now, bool hopeless);
    // It works: what fails next is a first failure.
    void succeeded() {
        failures_ = 0;
        state_ = CircuitState::closed;
    }
    // For what is no failure (a redirection, new certificates): no pause.
    void try_at_once(MonotonicTime now) { next_try_ = now; }
    void put_off(MonotonicTime until) { next_try_ = until; }

private:
    Options options_;
    Entropy& entropy_;
    CircuitState state_ = CircuitState::closed;
    std::uint32_t failures_ = 0;
    MonotonicTime next_try_{};
};

}  // namespace weir
