// Messages on their way to a broker, without holding up whoever says them: a bounded queue of bytes and a thread. What
// cannot be published now (no connection) is tried again until it can; when the queue is full the oldest waiting
// messages make room, and are counted. What waits is lost with the process.
// Memory: need(params), from the arena. Cost: push() copies the message under a short lock.
// Threads: push() one; published() and dropped() any; a thread of its own publishes. Errors: push() of what is longer
// than params allow is refused and counted.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "agent/base/arena.h"
#include "agent/base/bytes.h"
#include "agent/base/time.h"

namespace weir {

class PublishQueue {
public:
    // Publishes on the named connection; false: try again later.
    using Publish = std::function<bool(const std::string& connection, std::string_view topic, std::string_view payload,
                                       int qos, bool retain)>;
    struct Params {
        Bytes ring_bytes = 0;     // at least twice the longest message and 64
        Bytes payload_bytes = 0;  // of the longest, at most 60,000
    };
    struct Message {
        const std::string* connection = nullptr;  // outlives the queue
        std::string_view topic;                   // at most topic_bytes_max
        std::string_view payload;
        int qos = 1;
        bool retain = false;
    };
    static constexpr Bytes topic_bytes_max = 1024;

    static Bytes need(const Params& params);
    PublishQueue(Arena& arena, const Params& params, Publish publish);
    ~PublishQueue();
    PublishQueue(const PublishQueue&) = delete;
    PublishQueue& operator=(const PublishQueue&) = delete;

    void start();
    // Publishes what can be, within limit, and ends the thread.
    void stop(Duration limit);
    // False: it is empty or too long, dropped and counted.
    bool push(const Message& message);

    std::uint64_t published() const { return published_; }
    std::uint64_t dropped() const { return dropped_; }

private:
    struct Entry {
        const std::string* connection = nullptr;  // none: the rest of the ring is unused
        std::uint32_t bytes = 0;                  // with all that belongs to it
        std::uint16_t topic_size = 0;
        std::uint16_t payload_size = 0;
        std::uint8_t qos = 0;
        std::uint8_t retain = 0;
    };
    Bytes place(std::uint64_t position) const { return static_cast<Bytes>(position % ring_.size()); }
    Entry entry_at(std::uint64_t position) const;
    void put(std::uint64_t position, const Entry& entry);
    void pass_unused();
    void drop_oldest();
    void run();

    const Params params_;
    const Publish publish_;
    std::span<std::byte> ring_;
    std::span<std::byte> sending_;

    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t head_ = 0;  // of the oldest message, counted from the start
    std::uint64_t tail_ = 0;
    bool stopping_ = false;
    std::atomic<std::uint64_t> published_{0};
    std::atomic<std::uint64_t> dropped_{0};
    std::thread thread_;
};

}  // namespace weir
