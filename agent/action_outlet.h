// A way out of the device for one kind of action: what ActionRunner asks of MQTT, programs, webhooks and lines.
// Memory, cost: of each. Threads: the runner's, but for what an outlet says of others. Errors: an action that fails is told by hear(),
// with why; the runner decides what becomes of it.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/action_queue.h"
#include "agent/base/clock.h"

namespace weir {

class ActionOutlet {
public:
    enum class Begun : std::uint8_t {
        under_way,  // hear() tells its end
        done,
        later,      // not now; it is no failure
        failed,
    };
    struct Ended {
        std::uint32_t token = 0;  // 0: all that was under way is lost
        bool done = false;
        std::string_view why;     // it is not
    };

    virtual ~ActionOutlet() = default;
    virtual std::size_t parallel_max() const = 0;
    // Whether a second action of a destination may begin before the first has ended; they then are in order all the same.
    virtual bool pipelines() const { return false; }
    // Whether an action is tried until it is done, or else its `retries` count.
    virtual bool endless() const { return false; }
    // token: never 0. Views of action live during the call.
    virtual Begun begin(const Action& action, std::uint32_t token) = 0;
    // So long an action may be under way before overdue() is called; zero: for ever.
    virtual Duration patience(const Action&) const { return {}; }
    virtual void overdue(std::uint32_t) {}
    virtual bool hear(Ended& ended) = 0;
    // What is due by itself, and when there will be something.
    virtual MonotonicTime keep_up() { return {Duration::max()}; }
    virtual int descriptor() const { return -1; }  // to poll for input
};

}  // namespace weir
