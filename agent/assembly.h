// What a configuration means, compiled: the engine's plan, a codec a source, the alerts' conditions.
// `check`, `plan`, `replay` and `run` all go through make(); there is no other way to an Analysis.
// Memory: on the heap, at start-up. Cost: O(text). Threads: constant once made.
// Errors: make() appends every problem it finds, each with its place in the file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/config.h"
#include "drivers/codec.h"
#include "windows/detector.h"
#include "windows/expression.h"
#include "windows/plan.h"

namespace weir {

// An alert with its conditions still as text: each Analysis compiles its own, since a Condition has state.
struct AnomalyPlan {
    bool of_source = false;
    std::size_t from = 0;    // index into the engine's plan: a source, or a window
    std::size_t column = 0;  // of a source
    std::string of;
    std::vector<std::size_t> by;  // columns of a source
    std::size_t keys_max = 1;
    Detector::Params detector;
    double score_above = 1;
};
enum class AlertKind : std::uint8_t { window, pattern, anomaly, rows, absence };  // what it watches
struct AlertPlan {
    std::size_t alert = 0;  // index into AgentConfig::alerts
    AlertKind kind = AlertKind::window;
    std::size_t from = 0;   // index into the engine's plan: a window, a pattern or a source; of a detector see anomaly
    std::vector<std::size_t> by;  // columns of a source
    // Of what is watched and what raises and clears: standing alerts go on in another configuration that has the same. The
    // fingerprint has the rest, too.
    std::uint64_t definition = 0;
    std::optional<AnomalyPlan> anomaly;  // instead of conditions
    std::size_t source = 0;              // whose watermark is its time
    std::vector<FieldType> fields;       // of the records it judges, keys first
    std::size_t keys = 0;                // of fields
    std::size_t keys_max = 1;            // that may stand at once
    std::optional<Duration> results_every;  // of a window with a size or a calendar: the next result of a key comes no later
};

class Assembly {
public:
    // config must outlive it. Nullopt: problems say why. In so many lanes as the configuration says...
    static std::unique_ptr<Assembly> make(const AgentConfig& config, std::vector<ConfigProblem>& problems);
    // ...or in others: for a replay.
    static std::unique_ptr<Assembly> make(const AgentConfig& config, std::vector<ConfigProblem>& problems, std::size_t lanes);

    const AgentConfig& config() const { return config_; }
    // Each with an engine of its own; which topics of a source go where.
    std::size_t lanes() const { return lanes_; }
    std::size_t lane_of(std::size_t source, std::size_t topic) const { return lane_of_[source][topic]; }
    bool is_split(std::size_t source) const;  // its topics are in several lanes
    bool has_topics(std::size_t source, std::size_t lane) const;
    const EnginePlan& engine() const { return *engine_; }
    const std::vector<CodecSpec>& codecs() const { return codecs_; }  // one a source, in its schema's order
    const std::vector<AlertPlan>& alerts() const { return alerts_; }
    // Alerts, detectors or their like see its rows as they come: each message goes to the engine by itself, so that what they
    // say stands where it does whatever the size of a batch.
    bool watches_rows(std::size_t source) const;
    Bytes max_message() const { return max_message_; }  // of all connections
    // Links: the MQTT connections, as journal entries number them.
    std::size_t link_of_source(std::size_t source) const { return links_[source]; }
    // Of all that determines the output for a given journal: how payloads are decoded, which connection is
    // which, the windows, the alerts, and the layout of saved state. Not of the program's version.
    std::uint64_t fingerprint() const { return fingerprint_; }
    // On the heap, of the conditions that Alerts compiles.
    Bytes condition_memory() const { return condition_memory_; }
    // The same, with the program's version: a journal is replayed under an equal one only.
    std::uint64_t program() const;

private:
    void warn_of_idle_lanes(std::vector<ConfigProblem>& problems) const;
    Assembly(const AgentConfig& config, std::size_t lanes) : config_(config), lanes_(lanes) {}
    void assign_lanes();
    bool may_split(std::size_t source) const;
    void make_codecs(std::vector<ConfigProblem>& problems);
    void make_engine(std::vector<ConfigProblem>& problems, Bytes sketch_bytes);
    Bytes spare_budget() const;
    void make_alerts(std::vector<ConfigProblem>& problems);
    void make_rows(AlertPlan plan, std::size_t source, std::vector<ConfigProblem>& problems);
    void make_condition(AlertPlan plan, std::vector<ConfigProblem>& problems);
    void make_anomaly(AlertPlan plan, std::vector<ConfigProblem>& problems);
    EngineSpec engine_spec(Bytes sketch_bytes) const;
    std::uint64_t hash_inputs(std::uint64_t hash) const;

    const AgentConfig& config_;
    const std::size_t lanes_;
    std::vector<std::vector<std::size_t>> lane_of_;  // of each source's topics
    std::optional<EnginePlan> engine_;
    std::vector<CodecSpec> codecs_;
    std::vector<std::size_t> links_;
    std::vector<AlertPlan> alerts_;
    Bytes max_message_ = 0;
    std::uint64_t fingerprint_ = 0;
    Bytes condition_memory_ = 0;
    Bytes spare_ = 0;  // of the budget, for sketches to grow in
};

}  // namespace weir
