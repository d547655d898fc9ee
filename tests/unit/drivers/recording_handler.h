// Writes down what an MqttSource tells its handler.
#pragma once

#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "drivers/mqtt_source.h"

namespace weir {

class RecordingHandler : public MqttHandler {
public:
    bool ready() override { return ready_; }
    bool on_message(const MqttMessage& message) override {
        add(messages_, std::string(message.topic) + " " + std::string(as_text(message.payload)) + (message.duplicate ? " DUP" : "") +
                           (message.retained ? " RETAINED" : ""));
        if (message.qos > 0 && message.packet_id == 0) add(messages_, "a message without packet id");
        return true;
    }
    void on_connected(bool session_present) override { add(events_, session_present ? "resumed" : "connected"); }
    void on_disconnected(std::string_view reason) override { add(events_, "disconnected: " + std::string(reason)); }
    void on_subscribed(std::string_view filter, int qos) override { add(events_, "subscribed " + std::string(filter) + " " + std::to_string(qos)); }
    void on_subscription_refused(std::string_view filter) override { add(events_, "refused " + std::string(filter)); }
    void on_silence(Duration) override { add(events_, "silence"); }

    std::vector<std::string> messages() const { return copy(messages_); }
    std::vector<std::string> events() const { return copy(events_); }
    int count(std::string_view prefix) const {
        int n = 0;
        for (const std::string& event : events()) n += event.starts_with(prefix);
        return n;
    }
    void set_ready(bool ready) { ready_ = ready; }

private:
    void add(std::vector<std::string>& to, std::string text) {
        const std::lock_guard lock(mutex_);
        to.push_back(std::move(text));
    }
    std::vector<std::string> copy(const std::vector<std::string>& from) const {
        const std::lock_guard lock(mutex_);
        return from;
    }

    mutable std::mutex mutex_;
    std::vector<std::string> messages_;
    std::vector<std::string> events_;
    std::atomic<bool> ready_{true};
};

}  // namespace weir
