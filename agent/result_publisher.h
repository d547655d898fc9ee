// Publishes results to the local broker as JSON, early and late ones too, for displays and flows beside the agent: what
// `publish` of a window asks for, through publish_queue.h. After a crash results since the last checkpoint may come again;
// what waited then, and what a full queue drops (counted), does not come: the uplink is what delivers exactly once.
// Memory: need(assembly), from the arena; none where no window publishes.
// Cost: result() renders one JSON object, without sketches. Threads: result() the engine's.
// Errors: a topic or payload too long is counted, and logged once.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "agent/assembly.h"
#include "agent/base/arena.h"
#include "agent/base/record.h"
#include "agent/publish_queue.h"

namespace weir {

class ResultPublisher {
public:
    using Publish = PublishQueue::Publish;
    static Bytes need(const Assembly& assembly);
    static bool is_needed(const Assembly& assembly) { return need(assembly) > 0; }
    // assembly must outlive it. REQUIRES: is_needed().
    ResultPublisher(Arena& arena, const Assembly& assembly, Publish publish);

    void start() { queue_.start(); }
    void stop(Duration limit) { queue_.stop(limit); }
    // Those of windows that do not publish are passed over.
    void result(const Record& record);

    std::uint64_t published() const { return queue_.published(); }
    std::uint64_t dropped() const { return queue_.dropped(); }

private:
    const AgentConfig& config_;
    std::span<char> topic_;
    std::span<char> payload_;
    PublishQueue queue_;
    bool told_ = false;
};

}  // namespace weir
