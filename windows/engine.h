// The engine: rows and ticks in, result records out, and nothing else. No clock, thread, file or
// exception; the same calls give the same records, byte for byte, on every machine, and how rows are
// cut into batches changes nothing.
// Memory: need(plan), taken once; nothing is allocated afterwards. Cost: push() O(rows x windows of the
// source); a close O(cells closed, sorted by key); tick() O(partitions).
// Threads: one owner. Errors: none on the event path: what cannot be counted where it belongs has a
// counter that names the reason, and for each window
//   rows = counted + filtered + where_null + late + late_after_power_cut + late_after_eviction + quarantined + gap_invalid.
// and for each pattern what pattern.h says. Records of windows come before the matches of the same watermark.
// Source: DESIGN.md section 5; Akidau et al., The Dataflow Model, VLDB 2015; idle partitions as Flink's
// StatusWatermarkValve: when all are idle the source follows the greatest.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "agent/base/bytes.h"
#include "agent/base/record.h"
#include "agent/base/result.h"
#include "agent/base/time.h"
#include "windows/counters.h"
#include "windows/partial_sink.h"
#include "windows/enrichment.h"
#include "windows/interval_join.h"
#include "windows/plan.h"

namespace weir {

struct SourceStatus {
    Timestamp watermark;              // Timestamp::min() before the first event
    Duration lateness;                // at present
    bool holds = false;               // whether the watermarks of other lanes should wait for this one
    std::size_t partitions = 0;
    std::size_t active_partitions = 0;
    unsigned sampling_level = 0;      // one message in 2^level is kept
    bool waits = false;               // for sources that it is aligned with: by itself it would be further
    std::string_view holder;          // the partition whose watermark is least; "" when there is none
    std::array<std::uint64_t, source_counters> counters{};
};

// A copy: it outlives the call.
struct PartitionStatus {
    std::array<char, 32> label{};  // cut; "" of a source without partitions
    std::uint8_t label_size = 0;
    bool active = false;
    Timestamp watermark;  // Timestamp::min() before the first event
    Timestamp newest;     // the greatest event time

    std::string_view name() const { return {label.data(), label_size}; }
};

struct WindowStatus {
    std::size_t open_intervals = 0;
    std::size_t cells = 0;      // groups of open intervals
    std::size_t cells_max = 0;
    std::array<std::uint64_t, window_counters> counters{};
};

struct PatternStatus {
    std::size_t groups = 0;     // keys with rows or runs under way
    std::size_t groups_max = 0;
    std::size_t pending = 0;    // rows that wait for the watermark
    std::size_t pending_max = 0;
    std::array<std::uint64_t, pattern_counters> counters{};
};

struct EnrichmentStatus {
    std::size_t table = 0;
    Enrichment::Status rows;
};

struct JoinStatus {
    std::array<std::size_t, 2> kept{};  // rows that wait for partners: left, right
    std::size_t rows_max = 0;
    std::array<std::uint64_t, join_counters> counters{};
};

class EngineState;

class Engine {
public:
    static Bytes need(const EnginePlan& plan) { return plan.need(); }
    // plan and sinks must outlive it. partials: this is the engine of a lane, and what its windows of split sources have
    // goes there; without it they make records like others.
    Engine(Arena& arena, const EnginePlan& plan, RecordSink& sink, PartialSink* partials = nullptr);
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;
    ~Engine();

    // Rows of a source, in journal order; a message may span batches of its source. Journal order holds
    // across sources too, so push what is there before the rows of another source, and before a tick.
    // The columns that come from tables are filled in here.
    void push(std::size_t source, Batch& batch);
    // A part of the content of a table (table.h), between the rows before and behind it.
    Status load_table(std::size_t table, ByteSpan part, Bytes offset, Bytes total);
    // Arrival time goes on without events. Of a step forward at most arrival_step_max counts as elapsed, of a
    // step back, or between an untrusted and a trusted reading, nothing: a clock that is set closes nothing.
    void tick(Timestamp arrival, bool trusted);
    // The end of a replay: every window closes. Rows pushed later are late.
    void close_all();

    // Records carry 1, 2, 3, ...
    std::uint64_t next_sequence() const;
    void set_next_sequence(std::uint64_t sequence);
    // Records carry no sketches from here on, only what is read from them: for a reader that would drop them.
    void leave_out_sketches();

    // After a power cut. Nothing of this window or pattern and partition that ends at or before `end` is emitted again;
    // its rows count as late_after_power_cut. Error::missing: no such definition; full: too many partitions.
    Status set_frontier(std::uint64_t definition, std::uint64_t partition, Timestamp end);
    // Events between these times may be lost: windows that overlap [from, to) carry record_partial; all, or those of
    // one definition.
    void mark_gap(Timestamp from, Timestamp to, std::uint64_t definition = 0);
    // From here on one message in 2^level of this source is kept, at random; 0: each. Records whose time it concerns say so
    // (record_sampled), those of joins over the source too. REQUIRES: level <= sampled_level_max.
    void sample(std::size_t source, unsigned level);
    // Takes over, from an engine of another plan, the watermarks of each source, what joins keep, and the state of each window and pattern
    // whose name and definition both have. What was taken is reset there, so that from.close_all() closes the rest. The
    // definitions of what it took; what finds no room here for its sketches stays. REQUIRES: this one is new.
    std::vector<std::uint64_t> adopt(Engine& from);

    // All state, at most plan.save_size_max() bytes. Between push() calls, also inside a message.
    Status save(ByteWriter& out) const;
    // Into a new engine of the same plan. Anything else, and hostile bytes, are an error, after which the
    // engine must not be used but for reset().
    Status load(ByteReader& in);
    // As newly made.
    void reset();

    SourceStatus source_status(std::size_t source) const;
    // Of one of its partitions, by the hash that records carry; the source's, if that is none of them. Cost: O(partitions).
    Timestamp partition_watermark(std::size_t source, std::uint64_t partition) const;
    // Those whose watermark is least, as many as there is room for, that one first. Returns how many. Cost: O(partitions).
    std::size_t partition_status(std::size_t source, std::span<PartitionStatus> out) const;
    WindowStatus window_status(std::size_t window) const;
    PatternStatus pattern_status(std::size_t pattern) const;
    Table::Status table_status(std::size_t table) const;
    // Of the source's tables, in their order.
    std::size_t enrichments(std::size_t source) const;
    JoinStatus join_status(std::size_t join) const;
    EnrichmentStatus enrichment_status(std::size_t source, std::size_t index) const;

    static constexpr Duration arrival_step_max = Duration::minutes(1);

private:
    EngineState* state_;  // in the arena
};

}  // namespace weir
