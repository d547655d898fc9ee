// From Paho's receive thread into a journal: one connection's messages, each before it is acknowledged.
// With several lanes each has connections of its own, and a message is for the lane that has its topic. That is another one
// than the connection's only where the broker's session is older than the configuration and queued what has moved since.
// Memory: its name, and with several lanes an index of the connection's topics. Cost: of append(); with several lanes a
// look-up of the topic. Threads: the handler's calls one at a time; close() and counters from any.
// Errors: none; what does not go into the journal is counted there.
#pragma once

#include <atomic>
#include <span>
#include <string>
#include <vector>

#include "agent/accounting.h"
#include "agent/assembly.h"
#include "agent/base/clock.h"
#include "agent/journal.h"
#include "agent/thinning.h"
#include "drivers/mqtt_source.h"
#include "drivers/topic_index.h"

namespace weir {

class Receiver final : public MqttHandler {
public:
    // journals: one a lane. connection: index into config.mqtt, in this lane.
    Receiver(const Assembly& assembly, std::span<Journal* const> journals, std::size_t connection, std::size_t lane,
             const Clock& clock, unsigned sampling_level);

    bool ready() override { return !closed_ && !journal_.above_high_mark(); }
    bool on_message(const MqttMessage& message) override;
    void on_connected(bool session_present) override;
    void on_disconnected(std::string_view) override {}
    void on_subscribed(std::string_view, int) override {}
    void on_subscription_refused(std::string_view filter) override;
    void on_silence(Duration silent) override;

    // Nothing more is read; what was read ahead still comes.
    void close() { closed_ = true; }
    std::uint64_t oversized() const { return oversized_; }
    std::uint64_t retained() const { return retained_; }

private:
    Journal& journal_for(std::string_view topic);
    Result<Journal::Appended> append(Journal& journal, const JournalEntry& entry);
    void note(IntakeDrop drop);

    const std::vector<Journal*> journals_;
    Journal& journal_;  // of its lane
    TopicIndex lanes_;  // of topics; empty of one lane
    const std::size_t lane_;
    const std::uint16_t link_;  // in the journals
    const std::string name_;
    const Clock& clock_;
    const Bytes message_max_;
    Thinning thinning_;
    std::atomic<std::uint32_t> connection_{0};
    std::atomic<std::uint64_t> oversized_{0};
    std::atomic<std::uint64_t> retained_{0};
    std::atomic<bool> closed_{false};
};

}  // namespace weir
