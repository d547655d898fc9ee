// The thread that does what alerts say: takes actions from the queue, hands each to the outlet of its kind, tries again what
// fails (after 1 s, 2 s, 4 s ... 60 s) and marks what is done. Actions of one destination keep their order; a destination that is away
// holds up no other. The engine never waits for it.
// Memory: need(), from the arena. Cost: a wake-up an action. Threads: wake() any; a thread of its own.
// Errors: an action that fails as often as it may is given up: counted, and told in the log.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>

#include "agent/action_outlet.h"
#include "agent/action_queue.h"
#include "agent/base/arena.h"
#include "agent/base/clock.h"

namespace weir {

class ActionRunner {
public:
    static Bytes need();
    // Outlets by kind; null: actions of the kind are given up.
    using Outlets = std::array<ActionOutlet*, action_kinds>;
    ActionRunner(Arena& arena, ActionQueue& queue, const Outlets& outlets, const Clock& clock);
    ~ActionRunner();
    ActionRunner(const ActionRunner&) = delete;
    ActionRunner& operator=(const ActionRunner&) = delete;

    void start();
    // Does what can be done, within limit, and ends the thread; the rest waits for the next start.
    void stop(Duration limit);
    // There is something new in the queue, or for an outlet.
    void wake();

    std::uint64_t retries(ActionKind kind) const { return retries_[static_cast<std::size_t>(kind)]; }

private:
    static constexpr std::size_t works_max = 64;
    enum class State : std::uint8_t { free, under_way, delivered, pausing };
    struct Work {
        State state = State::free;
        ActionKind kind = ActionKind::mqtt;
        ActionQueue::Position position = 0;
        std::uint32_t destination = 0;
        std::uint32_t token = 0;
        unsigned tries = 0;
        unsigned retries = 0;
        MonotonicTime when;  // pausing: it goes on; under way: it is overdue
    };
    // Destinations that have to wait, of one look at a queue.
    struct Blocked {
        std::array<std::uint32_t, 16> destinations{};
        std::size_t count = 0;
        bool add(std::uint32_t destination);
        bool holds(std::uint32_t destination) const;
    };

    void run();
    bool hear();
    void begin_due(ActionKind kind);
    bool begin(Work& work);
    void settle(ActionKind kind, const ActionOutlet::Ended& ended);
    void settle_in_order(ActionKind kind, std::uint32_t destination);
    void again(Work& work, Duration pause);
    void failed(Work& work, std::string_view why);
    void look_after(MonotonicTime now);
    MonotonicTime keep_up();
    void wait(MonotonicTime until);
    Work* find(ActionKind kind, ActionQueue::Position position);
    Work* find_token(ActionKind kind, std::uint32_t token);
    Work* take(ActionKind kind, const ActionQueue::Waiting& waiting);
    std::size_t under_way(ActionKind kind) const;
    ActionOutlet* outlet(ActionKind kind) const { return outlets_[static_cast<std::size_t>(kind)]; }

    ActionQueue& queue_;
    const Outlets outlets_;
    const Clock& clock_;
    MutableByteSpan buffer_;
    std::array<Work, works_max> works_{};
    std::array<std::atomic<std::uint64_t>, action_kinds> retries_{};
    std::uint32_t tokens_ = 0;
    int wake_event_ = -1;
    std::atomic<bool> stopping_{false};
    std::atomic<std::int64_t> stop_by_us_{0};
    std::thread thread_;
};

}  // namespace weir
