// What the agent says of itself: a snapshot that the engine thread takes once a second, and its renderings
// for `weir status` (text and JSON) and `weir why`.
// Memory: a snapshot per agent, sized at start by the configuration. Cost: take() copies a few KiB.
// Threads: take() the engine's; the renderings any, under StatusBoard's lock. Errors: none.
#pragma once

#include <array>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "agent/actions.h"
#include "agent/alert_board.h"
#include "agent/base/clock.h"
#include "agent/journal.h"
#include "agent/memory_plan.h"
#include "agent/pipeline.h"
#include "agent/table_watch.h"
#include "drivers/mqtt_source.h"
#include "uplink/client.h"
#include "uplink/outbox.h"

namespace weir {

class JsonWriter;

struct SourceSnapshot {
    std::string name;
    DecodeCounters decode;
    MessageEnds ends;
    SourceStatus status;               // its holder points into holder below
    std::array<char, 64> holder_text{};
    std::size_t holder_size = 0;
    std::vector<DecodeSample> samples;
    std::size_t samples_used = 0;
    std::vector<PartitionStatus> partitions;  // with a page: those that are furthest behind
    std::size_t partitions_used = 0;
};

inline constexpr std::size_t partitions_shown = 32;  // of a source

struct WindowSnapshot {
    std::string name;
    std::size_t source = 0;
    WindowStatus status;
    std::uint64_t groups_late = 0;  // of a lane, behind what the others had passed: their rows count as counted
};

struct PatternSnapshot {
    std::string name;
    PatternStatus status;
};

struct EnrichmentSnapshot {
    std::size_t source = 0;
    std::size_t index = 0;
    EnrichmentStatus status;
};

struct AlertSnapshot {
    std::string name;
    std::size_t raised = 0;
};

// Parts that are read when asked, by whoever renders.
struct StatusParts {
    const AgentConfig* config = nullptr;
    Journal* journal = nullptr;
    std::vector<Journal*> more_journals;  // of lanes 1, 2 ...
    const Outbox* outbox = nullptr;
    const UplinkClient* uplink = nullptr;
    const Actions* actions = nullptr;
    const ResultPublisher* results = nullptr;  // where a window publishes
    std::vector<const MqttSource*> mqtt;
    std::vector<PartOptions::MqttOwner> mqtt_owners;  // of each
    std::vector<const TableWatch*> tables;            // one a lane; all read the same files
    const Clock* clock = nullptr;
    Bytes memory_budget = 0;
    Bytes memory_planned = 0;
    const MemoryPlan* plan = nullptr;
    std::uint64_t oversized_messages = 0;
    std::uint64_t retained_skipped = 0;
};

class StatusBoard {
public:
    explicit StatusBoard(const Assembly& assembly);
    // Engine thread, when no lane runs. Skipped when somebody is reading.
    void take(Pipeline& pipeline);

    // "status", "status json", "why NAME", "ack ALERT [KEY]": what the control socket is asked.
    std::string_view answer(std::string_view request, const StatusParts& parts, std::span<char> buffer);

    // For the page: with(*this) under the lock. What follows is for it.
    template <typename With>
    auto read(With&& with) const {
        const std::lock_guard lock(mutex_);
        return with(*this);
    }
    std::span<const SourceSnapshot> sources() const { return sources_; }
    std::span<const WindowSnapshot> windows() const { return windows_; }
    std::span<const AlertSnapshot> alerts() const { return alerts_; }
    const AlertBoard& open_alerts() const { return open_alerts_; }
    std::span<const LinkAccounting> links() const { return links_; }
    const PipelineCounters& pipeline() const { return pipeline_; }
    std::uint64_t messages() const { return messages_; }
    std::uint64_t unrouted() const { return unrouted_; }
    std::uint64_t epoch() const { return epoch_; }
    std::uint64_t sequence() const { return sequence_; }
    bool adds_up() const;

private:
    void take_source(std::size_t source, Pipeline& pipeline);
    std::string_view render_json(const StatusParts& parts, std::span<char> buffer) const;
    void put_accounting(JsonWriter& json, const StatusParts& parts) const;
    void put_tables(JsonWriter& json, const StatusParts& parts) const;
    void put_joins(JsonWriter& json, const StatusParts& parts) const;
    std::string_view why_joined(std::size_t window, const StatusParts& parts, std::span<char> buffer) const;
    std::string_view render_text(const StatusParts& parts, std::span<char> buffer) const;
    std::string_view render_why(std::string_view window, const StatusParts& parts, std::span<char> buffer) const;

    mutable std::mutex mutex_;
    std::vector<SourceSnapshot> sources_;
    std::vector<WindowSnapshot> windows_;
    std::vector<PatternSnapshot> patterns_;
    std::vector<LinkAccounting> links_;
    std::vector<std::uint64_t> lane_messages_;  // none of one lane
    std::vector<Table::Status> tables_;
    std::vector<EnrichmentSnapshot> enrichments_;
    std::vector<JoinStatus> joins_;
    std::vector<AlertSnapshot> alerts_;
    AlertBoard open_alerts_;
    PipelineCounters pipeline_;
    std::uint64_t messages_ = 0;
    std::uint64_t unrouted_ = 0;
    std::uint64_t epoch_ = 0;
    std::uint64_t sequence_ = 0;
};

}  // namespace weir
