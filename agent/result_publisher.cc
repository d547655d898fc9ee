#include "agent/result_publisher.h"

#include <algorithm>

#include "agent/base/json_writer.h"
#include "agent/base/log.h"
#include "agent/publish_topic.h"

namespace weir {
namespace {

constexpr Bytes payload_bytes = Bytes{16} << 10;
constexpr Bytes usual_bytes = 512;  // of a result with topic
constexpr Bytes ring_bytes_least = Bytes{64} << 10;
constexpr Bytes ring_bytes_most = Bytes{512} << 10;

// Room for the results of one close of every window, as long as they usually are.
PublishQueue::Params params_of(const Assembly& assembly) {
    Bytes closing = 0;
    for (const WindowConfig& window : assembly.config().windows)
        if (window.publish) closing += (Bytes{window.max_groups} + 1) * usual_bytes;
    if (closing == 0) return {};
    return {std::clamp(closing, ring_bytes_least, ring_bytes_most), payload_bytes};
}

}  // namespace

Bytes ResultPublisher::need(const Assembly& assembly) {
    const PublishQueue::Params params = params_of(assembly);
    if (params.ring_bytes == 0) return 0;
    return PublishQueue::need(params) + Arena::need<char>(PublishQueue::topic_bytes_max) + Arena::need<char>(payload_bytes);
}

ResultPublisher::ResultPublisher(Arena& arena, const Assembly& assembly, Publish publish)
    : config_(assembly.config()),
      topic_(arena.take<char>(PublishQueue::topic_bytes_max)),
      payload_(arena.take<char>(payload_bytes)),
      queue_(arena, params_of(assembly), std::move(publish)) {}

void ResultPublisher::result(const Record& record) {
    const WindowConfig* const window = config_.find_window(record.window);
    if (window == nullptr || !window->publish) return;
    JsonWriter json(payload_);
    write_record(json, record, {.sketches = false, .identity = true, .agent = config_.agent.id});
    const std::string_view payload = json.ok() ? json.text() : std::string_view();
    const std::string_view topic = expand_topic(window->publish->topic.text, record, config_.agent.id, {}, topic_);
    if (queue_.push({&window->publish->connection, topic, payload, window->publish->qos, window->publish->retain}) || told_) return;
    told_ = true;
    WEIR_LOG_WARNING("publish", "%s: a topic or result is too long to publish; such are counted from now on", window->name.c_str());
}

}  // namespace weir
