#include "agent/publish_queue.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "agent/base/assert.h"

namespace weir {
namespace {

constexpr auto retry_pause = std::chrono::milliseconds(200);

}  // namespace

Bytes PublishQueue::need(const Params& params) {
    return Arena::need<std::byte>(params.ring_bytes) + Arena::need<std::byte>(topic_bytes_max + params.payload_bytes);
}

PublishQueue::PublishQueue(Arena& arena, const Params& params, Publish publish)
    : params_(params),
      publish_(std::move(publish)),
      ring_(arena.take<std::byte>(params.ring_bytes)),
      sending_(arena.take<std::byte>(topic_bytes_max + params.payload_bytes)) {
    WEIR_ASSERT(ring_.size() >= 2 * (sizeof(Entry) + sending_.size()) && params.payload_bytes <= 60'000);
}

PublishQueue::~PublishQueue() { stop({}); }

void PublishQueue::start() {
    thread_ = std::thread([this] { run(); });
}

void PublishQueue::stop(Duration limit) {
    if (!thread_.joinable()) return;
    {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, std::chrono::microseconds(limit.us()), [&] { return head_ == tail_; });
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

PublishQueue::Entry PublishQueue::entry_at(std::uint64_t position) const {
    Entry entry;
    if (ring_.size() - place(position) >= sizeof entry) std::memcpy(&entry, ring_.data() + place(position), sizeof entry);
    return entry;
}

void PublishQueue::put(std::uint64_t position, const Entry& entry) {
    if (ring_.size() - place(position) >= sizeof entry) std::memcpy(ring_.data() + place(position), &entry, sizeof entry);
}

// An entry lies in one piece: what is left at the ring's end may be too short for it.
void PublishQueue::pass_unused() {
    if (head_ != tail_ && entry_at(head_).connection == nullptr) head_ += ring_.size() - place(head_);
}

void PublishQueue::drop_oldest() {
    pass_unused();
    if (head_ == tail_) return;
    head_ += entry_at(head_).bytes;
    ++dropped_;
    pass_unused();
}

bool PublishQueue::push(const Message& message) {
    const bool fits = !message.topic.empty() && message.topic.size() <= topic_bytes_max && !message.payload.empty() &&
                      message.payload.size() <= params_.payload_bytes;
    if (!fits) {
        ++dropped_;
        return false;
    }
    Entry entry;
    entry.connection = message.connection;
    entry.bytes = static_cast<std::uint32_t>(sizeof entry + message.topic.size() + message.payload.size());
    entry.topic_size = static_cast<std::uint16_t>(message.topic.size());
    entry.payload_size = static_cast<std::uint16_t>(message.payload.size());
    entry.qos = static_cast<std::uint8_t>(message.qos);
    entry.retain = message.retain ? 1 : 0;
    {
        const std::lock_guard lock(mutex_);
        const Bytes rest = ring_.size() - place(tail_);
        const Bytes unused = rest < entry.bytes ? rest : 0;
        while (head_ != tail_ && ring_.size() - (tail_ - head_) < unused + entry.bytes) drop_oldest();
        if (unused > 0) {
            if (head_ == tail_) head_ += unused;
            put(tail_, Entry{});
            tail_ += unused;
        }
        put(tail_, entry);
        std::byte* const to = ring_.data() + place(tail_) + sizeof entry;
        std::memcpy(to, message.topic.data(), message.topic.size());
        std::memcpy(to + message.topic.size(), message.payload.data(), message.payload.size());
        tail_ += entry.bytes;
    }
    changed_.notify_all();
    return true;
}

void PublishQueue::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return stopping_ || head_ != tail_; });
        if (stopping_) return;
        pass_unused();
        const std::uint64_t position = head_;
        const Entry entry = entry_at(position);
        std::memcpy(sending_.data(), ring_.data() + place(position) + sizeof entry, entry.topic_size + std::size_t{entry.payload_size});
        lock.unlock();
        const char* const text = reinterpret_cast<const char*>(sending_.data());
        const bool done = publish_(*entry.connection, {text, entry.topic_size}, {text + entry.topic_size, entry.payload_size},
                                   entry.qos, entry.retain != 0);
        lock.lock();
        if (!done) {
            changed_.wait_for(lock, retry_pause, [&] { return stopping_; });
            continue;
        }
        ++published_;
        // The queue may have overflowed meanwhile and dropped the very message that has now gone out.
        if (head_ == position) {
            head_ += entry.bytes;
            pass_unused();
        } else {
            --dropped_;
        }
        changed_.notify_all();
    }
}

}  // namespace weir
