// The deterministic middle of Weir: messages and ticks in, results and alerts out, numbered in order.
// No clock, thread or I/O: the same calls give the same output, however rows are cut into batches.
// Memory: need(assembly), from the arena, and what codecs_need() says on the heap; after construction
// nothing is allocated. Cost: of decoding and of the engine. Threads: one owner.
// Errors: none on the event path; what is dropped is counted where it is dropped.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "agent/accounting.h"
#include "agent/alerts.h"
#include "agent/anomalies.h"
#include "agent/assembly.h"
#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "agent/base/record.h"
#include "drivers/codec.h"
#include "drivers/topic_index.h"
#include "windows/engine.h"

namespace weir {

// record and transition live during the call.
class OutputSink {
public:
    virtual ~OutputSink() = default;
    // Provisional ones, too: sequence 0, never to be stored.
    virtual void result(const Record& record) = 0;
    // record: the alert as it goes up the uplink.
    virtual void alert(const AlertTransition& transition, const Record& record) = 0;
    // Every score of an alert's detectors, before what it raises or clears.
    virtual void score(const AnomalyScore&) {}
};

class Analysis final : private BatchSink, private RecordSink, private AlertSink, private AnomalySink {
public:
    struct Options {
        std::size_t batch_rows = batch_rows_max;
        Bytes text_bytes = 64 * 1024;  // a batch, for strings with escapes
        // Messages without a topic are taken too; what a topic would say is then a field of its name, or null.
        bool topicless = false;
        bool sketches = true;  // results carry them
        // A lane has no alerts and numbers nothing: its results, and what its windows of split sources leave (partials),
        // go to the one behind all lanes, which has no engine, and is given results by take().
        enum class Part : std::uint8_t { whole, lane, behind_lanes } part = Part::whole;
        PartialSink* partials = nullptr;  // of a lane
    };
    static Bytes need(const Assembly& assembly, const Options& options);
    static Bytes codecs_need(const Assembly& assembly);

    Analysis(Arena& arena, const Assembly& assembly, const Options& options, OutputSink& out);

    // A message from a link: decoded for each source whose topics it fits. message must stay readable until
    // the rows are pushed, by flush() at the latest.
    void message(std::size_t link, const Message& message);
    // The same, for one source whatever the topic says about others.
    void message_of(std::size_t source, const Message& message);
    // Hands pending rows to the engine; before a tick, a checkpoint, or when the input pauses.
    void flush();
    void tick(Timestamp arrival, bool trusted);
    // A control entry of the journal (journal_control.h).
    void control(ByteSpan payload);
    // The whole content of a table at once, where there is no journal.
    Status load_table(std::size_t table, ByteSpan image);
    // The end of a replay: every window closes.
    void finish();
    // The same, each result marked as partial: what is open cannot be kept.
    void finish_partial();
    // Results are marked as partial from here on. REQUIRES: behind lanes.
    void mark_partial() { added_flags_ = record_partial; }
    // Behind lanes: a result of theirs, in the order that is to be numbered.
    void take(const Record& record) { emit(record); }

    // Output numbers 1, 2, 3 ...; results and alerts together.
    std::uint64_t last_sequence() const { return sequence_; }
    std::uint64_t messages() const { return messages_; }
    std::uint64_t unrouted() const { return unrouted_; }  // no source's topics fit
    // Of a connection's messages one in 2^level is kept.
    unsigned sampling_level(std::size_t link) const;
    const Codec& codec(std::size_t source) const { return *codecs_[source]; }
    const MessageEnds& message_ends_of(std::size_t source) const { return message_ends_[source]; }
    // After the engine has taken over the sources of an earlier configuration: what their decoders counted.
    void adopt_decoded(const Analysis& from);
    // Null unless options.topicless.
    const Codec* topicless_codec(std::size_t source) const {
        return topicless_.empty() ? nullptr : topicless_[source].get();
    }
    // REQUIRES, as all that takes input: not the part behind lanes.
    Engine& engine() { return *engine_; }
    const Engine& engine() const { return *engine_; }
    // REQUIRES: not a lane.
    const Anomalies& anomalies() const { return *anomalies_; }
    Anomalies& anomalies() { return *anomalies_; }
    const Alerts& alerts() const { return *alerts_; }
    Alerts& alerts() { return *alerts_; }
    const Assembly& assembly() const { return assembly_; }

    static Bytes save_size_max(const Assembly& assembly, Options::Part part = Options::Part::whole);
    // REQUIRES: flush() since the last message.
    Status save(ByteWriter& out) const;
    // Into a new Analysis of an assembly with the same fingerprint.
    Status load(ByteReader& in);
    // After load() has failed: windows and counters as new.
    void reset();

private:
    void push(Batch& batch) override;
    void emit(const Record& record) override;
    void transition(const AlertTransition& transition) override;
    void scored(const AnomalyScore& score) override;
    void select(std::size_t source);

    const Assembly& assembly_;
    OutputSink& out_;
    DecodeScratch scratch_;
    std::vector<TopicIndex> sources_;  // by topic, a link
    std::vector<std::unique_ptr<Codec>> codecs_;
    std::vector<std::unique_ptr<Codec>> topicless_;
    std::vector<MessageEnds> message_ends_;
    std::vector<bool> watches_rows_;  // of a source: each message by itself
    std::vector<std::unique_ptr<Batch>> batches_;
    std::size_t source_ = 0;  // whose batch is pending
    std::optional<Engine> engine_;
    std::optional<Alerts> alerts_;
    std::optional<Anomalies> anomalies_;
    std::array<Field, record_fields_max> alert_values_;
    std::uint64_t sequence_ = 0;
    std::uint64_t messages_ = 0;
    std::uint64_t unrouted_ = 0;
    std::uint16_t added_flags_ = 0;
    Timestamp arrival_;  // of the last tick
};

}  // namespace weir
