// Alerts over records: a condition on the results of a window, or on the matches of a pattern, or the score of a detector. Which key stands, and what is
// said of it: alert_life.h, alert_table.h. Only a window's first word on an interval counts (revision 0): what was acted on is not taken back by a
// late event.
// Time: what an alert waits for (hold, missing, clear_after, flap) goes by the watermark that closes its key: the source's, or its partition's. A tick
// tells it; and each emission tells the source's of the one before, whose records are all judged by then, so that without ticks, in the replay of a file
// without times of arrival, it goes on for keys that are closed by the source's.
// Memory: need(): of each alert, what its table takes. Cost: one condition a result and alert. Threads: one owner (the engine's).
// Errors: none; what is given up is counted (alert_table.h).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "agent/alert_absence.h"
#include "agent/alert_life.h"
#include "agent/alert_rows.h"
#include "agent/assembly.h"
#include "agent/base/arena.h"
#include "agent/base/record.h"
#include "windows/expression.h"

namespace weir {

class Alerts {
public:
    static Bytes need(const Assembly& assembly);
    Alerts(Arena& arena, const Assembly& assembly, AlertSink& sink);

    // A result of the engine, in order.
    void observe(const Record& result);
    // A score of the detector of alert (an index into Assembly::alerts()) and what it is of.
    void observe(std::size_t alert, double score, const Record& record);

    // Rows of a source, in the order they came; of a message all, before what they make the engine say.
    void observe(std::size_t source, const Batch& batch);
    // Time of arrival, behind the rows before it.
    void tick(Timestamp arrival, bool trusted) { absence_.tick(arrival, trusted); }
    // A person has seen what stands for this key of the alert, or for all its keys (0). at: of arrival.
    std::size_t acknowledge(std::size_t alert, std::uint64_t key, Timestamp at);

    // Sources whose watermark an alert waits for.
    std::span<const std::size_t> timed_sources() const { return timed_; }
    // Every result up to the source's watermark has been observed: between two emissions.
    void advance(std::size_t source, Timestamp watermark, const PartitionTimes* partitions);
    // An emission at this watermark begins: every result up to the one of the emission before has been observed.
    void begin_emission(std::size_t source, Timestamp watermark);

    std::size_t raised(std::size_t alert) const { return rules_[alert]->life.table().raised(); }
    std::size_t alerts() const { return rules_.size(); }
    const AlertTable& table(std::size_t alert) const { return rules_[alert]->life.table(); }
    std::uint64_t transitions() const { return teller_.said(); }
    std::uint64_t forgotten() const { return teller_.forgotten(); }  // keys that had to go
    std::uint64_t stale() const;                                     // results older than the newest of their key
    std::uint64_t unwatched() const { return absence_.unwatched(); }  // rows of keys beyond max_groups, of alerts with absent
    std::uint64_t quarantined() const { return rows_.quarantined(); }

    // What stands in an Alerts of another configuration goes on here, where a definition is the same. How many raised keys had no such place.
    // REQUIRES: this one is new.
    std::size_t adopt(const Alerts& from);

    static Bytes save_size_max(const Assembly& assembly);
    void save(ByteWriter& out) const;
    Status load(ByteReader& in);

private:
    struct Rule {
        Rule(Arena& arena, const AlertLife::Params& params, AlertTeller& teller) : life(arena, params, teller) {}
        const AlertPlan* plan = nullptr;
        std::string_view from;
        std::uint64_t from_definition = 0;
        std::optional<Condition> when;
        std::optional<Condition> clear;
        AlertLife life;
    };
    static AlertLife::Params params(const Assembly& assembly, const AlertPlan& plan);
    std::optional<bool> clears(Rule& rule, const Record& result, std::optional<bool> when);

    AlertTeller teller_;
    std::vector<std::unique_ptr<Rule>> rules_;
    AlertRows rows_;
    AlertAbsence absence_;
    std::vector<std::size_t> timed_;
    std::vector<Timestamp> emitted_;  // of timed_: the watermark of the last emission
};

}  // namespace weir
