#include "agent/alert_publisher.h"

#include <charconv>
#include <chrono>
#include <cstring>

#include "agent/base/json_writer.h"
#include "agent/base/log.h"

namespace weir {
namespace {

constexpr auto retry_pause = std::chrono::milliseconds(200);

// Appends to a buffer of fixed size; overflows are sticky.
class TextBuffer {
public:
    explicit TextBuffer(std::span<char> buffer) : buffer_(buffer) {}
    void put(std::string_view text) {
        if (text.size() > buffer_.size() - used_) {
            ok_ = false;
            return;
        }
        std::memcpy(buffer_.data() + used_, text.data(), text.size());
        used_ += text.size();
    }
    // As part of one topic level.
    void put_level(std::string_view text) {
        if (text.empty()) return put("_");
        for (std::size_t i = 0; i < text.size(); ++i) {
            const char c = text[i];
            const bool forbidden = c == '/' || c == '+' || c == '#' || c == '\0' || (i == 0 && c == '-');
            put(forbidden ? std::string_view("_") : text.substr(i, 1));
        }
    }
    bool ok() const { return ok_; }
    std::string_view text() const { return {buffer_.data(), used_}; }

private:
    std::span<char> buffer_;
    std::size_t used_ = 0;
    bool ok_ = true;
};

void put_key_value(TextBuffer& out, const Value& value) {
    switch (value.kind) {
        case ValueKind::text: out.put_level(value.text); break;
        case ValueKind::boolean: out.put(value.boolean ? "true" : "false"); break;
        case ValueKind::integer: {
            char digits[24];
            const auto end = std::to_chars(digits, digits + sizeof digits, value.integer).ptr;
            out.put({digits, static_cast<std::size_t>(end - digits)});
            break;
        }
        default: out.put("null"); break;
    }
}

void put_whole_key(TextBuffer& out, const Record& record) {
    if (record.key.empty()) out.put("all");
    for (std::size_t i = 0; i < record.key.size(); ++i) {
        if (i > 0) out.put("_");
        put_key_value(out, record.key[i].value);
    }
}

void put_named(TextBuffer& out, std::string_view what, const AlertTransition& transition, std::string_view agent) {
    const Record& result = *transition.result;
    if (what == "agent") return out.put_level(agent);
    if (what == "alert") return out.put_level(transition.alert->name);
    if (what == "window") return out.put_level(result.window);
    if (what == "severity") return out.put_level(name(transition.alert->severity));
    if (what == "state") return out.put_level(name(transition.state));
    if (what == "key") return put_whole_key(out, result);
    for (const Field& field : result.key)
        if (field.name == what) return put_key_value(out, field.value);
    out.put("_");
}

}  // namespace

std::string_view render_alert(const AlertTransition& transition, std::string_view agent, std::span<char> buffer) {
    const Record& result = *transition.result;
    JsonWriter json(buffer);
    json.begin_object();
    const auto text = [&](std::string_view key, std::string_view value) {
        json.key(key);
        json.text(value);
    };
    text("alert", transition.alert->name);
    text("state", name(transition.state));
    text("severity", name(transition.alert->severity));
    text("agent", agent);
    text("window", result.window);
    json.key("start");
    json.integer(result.start.ms());
    json.key("end");
    json.integer(result.end.ms());
    json.key("key");
    json.begin_object();
    for (const Field& field : result.key) {
        json.key(field.name);
        write_value(json, field.value, false);
    }
    json.end_object();
    json.key("values");
    json.begin_object();
    for (const Field& field : result.values) {
        if (is_list(field.value.kind)) continue;
        json.key(field.name);
        write_value(json, field.value, false);
    }
    json.end_object();
    json.end_object();
    return json.ok() ? json.text() : std::string_view();
}

std::string_view expand_topic(std::string_view pattern, const AlertTransition& transition, std::string_view agent,
                              std::span<char> buffer) {
    TextBuffer out(buffer);
    while (!pattern.empty()) {
        const std::size_t open = pattern.find('{');
        out.put(pattern.substr(0, open));
        if (open == std::string_view::npos) break;
        const std::size_t close = pattern.find('}', open);
        if (close == std::string_view::npos) return {};
        put_named(out, pattern.substr(open + 1, close - open - 1), transition, agent);
        pattern.remove_prefix(close + 1);
    }
    return out.ok() ? out.text() : std::string_view();
}

Bytes AlertPublisher::need() { return Arena::need<Publication>(alert_queue_length); }

AlertPublisher::AlertPublisher(Arena& arena, std::string agent, Publish publish)
    : agent_(std::move(agent)),
      publish_(std::move(publish)),
      queue_(arena.take<Publication>(alert_queue_length)) {}

AlertPublisher::~AlertPublisher() { stop({}); }

void AlertPublisher::start() {
    thread_ = std::thread([this] { run(); });
}

void AlertPublisher::stop(Duration limit) {
    if (!thread_.joinable()) return;
    {
        std::unique_lock lock(mutex_);
        changed_.wait_for(lock, std::chrono::microseconds(limit.us()), [&] { return count_ == 0; });
        stopping_ = true;
    }
    changed_.notify_all();
    thread_.join();
}

void AlertPublisher::transition(const AlertTransition& transition) {
    const AlertConfig& alert = *transition.alert;
    char key_text[256];
    TextBuffer key(key_text);
    put_whole_key(key, *transition.result);
    const bool raised = transition.state == AlertState::raised;
    log(raised ? LogLevel::warning : LogLevel::info, "alert", "%s %s: %.*s (%s), window ending at %lld ms",
        alert.name.c_str(), raised ? "raised" : "cleared", static_cast<int>(key.text().size()), key.text().data(),
        std::string(name(alert.severity)).c_str(), static_cast<long long>(transition.result->end.ms()));

    for (const MqttActionConfig& action : alert.actions)
        if (raised ? action.on_raise : action.on_clear)
            enqueue(transition, action.connection, action.topic.text, action.qos, action.retain);
}

void AlertPublisher::enqueue(const AlertTransition& transition, const std::string& connection,
                             std::string_view pattern, int qos, bool retain) {
    bool fits = true;
    {
        const std::lock_guard lock(mutex_);
        if (count_ == queue_.size()) {
            first_ = (first_ + 1) % queue_.size();
            --count_;
            ++overflowed_;
            ++dropped_;
        }
        Publication& place = queue_[(first_ + count_) % queue_.size()];
        place.connection = &connection;
        place.qos = qos;
        place.retain = retain;
        place.topic_size = static_cast<std::uint16_t>(expand_topic(pattern, transition, agent_, place.topic).size());
        place.payload_size = static_cast<std::uint16_t>(render_alert(transition, agent_, place.payload).size());
        fits = place.topic_size > 0 && place.payload_size > 0;
        if (fits)
            ++count_;
        else
            ++dropped_;
    }
    if (!fits) WEIR_LOG_WARNING("alert", "%s: topic or message is too long to publish", transition.alert->name.c_str());
    changed_.notify_all();
}

void AlertPublisher::run() {
    std::unique_lock lock(mutex_);
    for (;;) {
        changed_.wait(lock, [&] { return stopping_ || count_ > 0; });
        if (stopping_) return;
        sending_ = queue_[first_];
        const std::uint64_t overflowed_before = overflowed_;
        lock.unlock();
        const bool done = publish_(*sending_.connection, {sending_.topic.data(), sending_.topic_size},
                                   {sending_.payload.data(), sending_.payload_size}, sending_.qos, sending_.retain);
        lock.lock();
        if (!done) {
            changed_.wait_for(lock, retry_pause, [&] { return stopping_; });
            continue;
        }
        ++published_;
        // The queue may have overflowed meanwhile and dropped the very publication that has now gone out.
        if (count_ > 0 && overflowed_ == overflowed_before) {
            first_ = (first_ + 1) % queue_.size();
            --count_;
        }
        changed_.notify_all();
    }
}

}  // namespace weir
