#include "agent/receiver.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "agent/base/log.h"

namespace weir {
namespace {

constexpr auto ring_full_pause = std::chrono::milliseconds(1);
constexpr Bytes topic_bytes_max = 1024;

std::string log_name(const MqttConfig& mqtt, std::size_t lane) {
    return "mqtt" + (mqtt.name.empty() ? "" : "." + mqtt.name) + (lane == 0 ? "" : "-lane" + std::to_string(lane));
}

}  // namespace

Receiver::Receiver(const Assembly& assembly, std::span<Journal* const> journals, std::size_t connection, std::size_t lane,
                   const Clock& clock, unsigned sampling_level)
    : journals_(journals.begin(), journals.end()),
      journal_(*journals[lane]),
      lane_(lane),
      link_(static_cast<std::uint16_t>(lane * assembly.config().mqtt.size() + connection)),
      name_(log_name(assembly.config().mqtt[connection], lane)),
      clock_(clock),
      message_max_(assembly.config().mqtt[connection].max_message),
      thinning_(journal_, link_, sampling_level, assembly.config().mqtt[connection].overflow == MqttConfig::Overflow::sample) {
    if (journals_.size() == 1) return;
    for (std::size_t source = 0; source < assembly.codecs().size(); ++source) {
        if (assembly.link_of_source(source) != connection) continue;
        const std::vector<TopicTemplate>& topics = assembly.codecs()[source].topics;
        for (std::size_t i = 0; i < topics.size(); ++i)
            lanes_.add(topics[i].filter(), static_cast<std::uint32_t>(assembly.lane_of(source, i)));
    }
}

bool Receiver::on_message(const MqttMessage& message) {
    if (message.retained) {  // a state told to a new subscriber: the event itself was counted when it came
        ++retained_;
        note(IntakeDrop::retained);
        return true;
    }
    if (message.payload.size() > message_max_ || message.topic.size() > topic_bytes_max) {
        ++oversized_;
        WEIR_LOG_WARNING(name_.c_str(), "a message of %zu bytes is above max_message: counted and dropped",
                         message.payload.size());
        note(IntakeDrop::oversized);
        return true;
    }
    JournalEntry entry;
    entry.arrival = clock_.wall();
    entry.clock_trusted = clock_.wall_trusted();
    entry.link = link_;
    entry.connection = connection_;
    entry.packet_id = message.packet_id;
    entry.qos = static_cast<std::uint8_t>(message.qos);
    entry.dup = message.duplicate;
    entry.topic = message.topic;
    entry.payload = message.payload;
    if (!thinning_.keep(entry.arrival, entry.clock_trusted)) entry.kind = EntryKind::shed;
    Journal& journal = journal_for(message.topic);
    // What moved to another lane was known here.
    if (&journal != &journal_ && journal_.is_repeated(entry)) {
        note(IntakeDrop::duplicates);
        return true;
    }
    const Result<Journal::Appended> appended = append(journal, entry);
    if (!appended.ok()) {
        ++oversized_;
        note(IntakeDrop::oversized);
    } else if (appended->duplicate) {
        note(IntakeDrop::duplicates);
    }
    return true;
}

// Of a topic that no source has the connection's own.
Journal& Receiver::journal_for(std::string_view topic) {
    if (journals_.size() == 1) return journal_;
    const std::span<const std::uint32_t> lanes = lanes_.find(topic);
    return lanes.empty() ? journal_ : *journals_[lanes.front()];
}

void Receiver::on_connected(bool session_present) {
    ++connection_;
    if (session_present) return;
    for (Journal* journal : journals_) journal->forget_session(link_);
}

void Receiver::on_subscription_refused(std::string_view filter) {
    WEIR_LOG_ERROR(name_.c_str(), "the broker refused the subscription to %.*s: no message will come from there",
                   static_cast<int>(filter.size()), filter.data());
}

void Receiver::on_silence(Duration silent) {
    WEIR_LOG_WARNING(name_.c_str(), "connected, but no message for %lld s: subscribing again",
                     static_cast<long long>(silent.us() / 1000000));
}

Result<Journal::Appended> Receiver::append(Journal& journal, const JournalEntry& entry) {
    for (;;) {
        const Result<Journal::Appended> appended = journal.append(entry);
        if (appended.ok() || appended.error() != Error::full) return appended;
        // The high mark leaves room for what was read ahead; without the gate, wait for the engine, which
        // runs until the connections have stopped.
        std::this_thread::sleep_for(ring_full_pause);
    }
}

// What is acknowledged without being journaled is counted from the journal, too: so a kill does not change the count.
void Receiver::note(IntakeDrop drop) {
    const auto payload = Intake::write_drop(drop);
    JournalEntry entry;
    entry.kind = EntryKind::connection;
    entry.arrival = clock_.wall();
    entry.clock_trusted = clock_.wall_trusted();
    entry.link = link_;
    entry.connection = connection_;
    entry.payload = payload;
    (void)append(journal_, entry).ok();
}

}  // namespace weir
