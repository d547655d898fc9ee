// The engine thread's work: from the journal through the analysis to outbox, printer and alert actions,
// with the crash checkpoint that makes it repeatable.
// A checkpoint holds the analysis' state, the results that the outbox has not committed, the journal
// position, what repetitions of entries up to it are known by (duplicates.h: a power cut takes the journal), and the
// configuration's text under which it must be replayed. Loading it and replaying the journal
// behind it gives the same output with the same numbers; the outbox ignores what it has.
// With several lanes their threads take the entries, and what is said here of the journal and the analysis holds of all of
// them: checkpoints are taken at barriers, where all stand (lane_group.h); pipeline_lanes.cc.
// Memory: need(), from the arena: one encoded record. The checkpoint's slots are the file's.
// Cost: of the analysis; a checkpoint copies the live state. Threads: the engine's; requests by atomics.
// Errors: a journal or checkpoint that cannot be written is counted and told; the analysis goes on.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/accounting.h"
#include "agent/alert_publisher.h"
#include "agent/analysis.h"
#include "agent/base/clock.h"
#include "agent/checkpoint_file.h"
#include "agent/journal.h"
#include "agent/lane_group.h"
#include "agent/recent_results.h"
#include "agent/result_printer.h"
#include "agent/result_publisher.h"
#include "uplink/outbox.h"

namespace weir {

struct PipelineCounters {
    std::uint64_t results = 0;
    std::uint64_t provisional = 0;       // early results, not among results
    std::uint64_t alerts = 0;
    std::uint64_t staging_dropped = 0;   // the outbox had no room in memory, and could not make any
    std::uint64_t staging_waits = 0;     // for the store thread to make room
    std::uint64_t checkpoints = 0;
    std::uint64_t checkpoint_failures = 0;
    std::uint64_t ticks = 0;
    OutputAccounting output;
};

class Pipeline final : private OutputSink, public CheckpointReader {
public:
    struct Options {
        Duration checkpoint = Duration::seconds(5);
        Duration flush = Duration::minutes(5);
        Duration tick = Duration::seconds(1);
        bool release_after_flush_only = false;  // journal on disk: entries outlive the crash checkpoint
        bool deliver = false;                   // stage results for the uplink
        Bytes staging_bytes = 0;                // of the outbox
    };
    // Any but analysis may be missing in a part of the process' life (recovery, a local analyser).
    struct Parts {
        Journal* journal = nullptr;
        CheckpointFile* checkpoints = nullptr;
        Outbox* outbox = nullptr;
        ResultPrinter* printer = nullptr;
        AlertPublisher* publisher = nullptr;
        const Clock* clock = nullptr;
        ResultPublisher* results = nullptr;
        RecentResults* recent = nullptr;  // with a page
    };

    static Bytes need(const Assembly& assembly);
    // No result or alert encodes to more.
    static Bytes record_bytes_max(const Assembly& assembly);
    static Bytes state_bytes_max(const Assembly& assembly);
    static Bytes checkpoint_content_max(const Assembly& assembly, std::string_view configuration,
                                        const JournalParams& journal, Bytes staged_bytes_max);
    // configuration: explain() of the assembly's; carried in each checkpoint.
    Pipeline(Arena& arena, const Assembly& assembly, const Analysis::Options& analysis, const Options& options,
             const Parts& parts, std::string configuration);

    // What numbers the output and decides alerts. Has no engine where there are several lanes.
    Analysis& analysis() { return analysis_; }
    // Null: there is one lane.
    LaneGroup* lanes() { return lanes_.get(); }
    // Each that takes rows. REQUIRES: lanes stand.
    std::size_t engines() const { return lanes_ ? lanes_->size() : 1; }
    Analysis& analysis_of(std::size_t lane) { return lanes_ ? lanes_->lane(lane).analysis() : analysis_; }
    const Analysis& analysis_of(std::size_t lane) const { return lanes_ ? lanes_->lane(lane).analysis() : analysis_; }
    SourceStatus source_status(std::size_t source) const;
    WindowStatus window_status(std::size_t window) const;
    PatternStatus pattern_status(std::size_t pattern) const;
    JoinStatus join_status(std::size_t join) const;
    // Groups of a lane that came behind what the merger had passed: their rows count as counted in the window.
    std::uint64_t lane_groups_late(std::size_t window) const;
    const Intake& intake() const { return intake_; }  // of one lane
    LinkAccounting link_accounting(std::size_t link) const;
    std::uint64_t messages() const;
    // To every engine, and to what puts lanes together: Engine::set_frontier(), Engine::mark_gap().
    Status set_frontier(std::uint64_t definition, std::uint64_t partition, Timestamp end);
    void mark_gap(Timestamp from, Timestamp to, std::uint64_t definition = 0);
    // What connections of the same name have counted under an earlier configuration.
    void adopt_intake(const Pipeline& from);
    const PipelineCounters& counters() const { return counters_; }
    std::uint64_t epoch() const { return epoch_; }
    std::uint64_t journal_position() const { return cursor_.sequence == 0 ? 0 : cursor_.sequence - 1; }
    // For other threads: entries of a lane's journal up to here have had their effect.
    std::uint64_t done_position(std::size_t lane = 0) const { return done_positions_[lane]; }

    // ---- at start-up ------------------------------------------------------------------------------
    // State as a checkpoint holds it; the caller has compared fingerprints.
    Status restore(ByteSpan state);
    // What restore() refused: nothing of it stays.
    void reset_state();
    void begin(std::uint64_t epoch, std::uint64_t journal_sequence_from);
    // The same of several lanes: each journal behind its position. Error::full: a journal has no room for a missing tick.
    Status begin(std::uint64_t epoch, std::span<Journal* const> journals, std::span<const std::uint64_t> positions);
    // Where it is, in another epoch.
    void begin_epoch(std::uint64_t epoch);
    // Everything the journal has, without waiting. Of several lanes at start-up and at the end only: pipeline_lanes.cc.
    void catch_up();
    // The same from another journal, behind sequence: one whose file has another shape.
    void catch_up_from(Journal& other, std::uint64_t sequence);
    // Every window closes, and results from here on say that they are partial: what is open cannot be kept.
    void finish_partial();
    // The end of a test: every window closes.
    void finish();
    // All that was emitted so far is complete: the outbox may number it. Between two journal entries.
    void seal();
    // From now on the store thread commits; before, a full staging ring is committed here.
    void store_runs() { store_runs_ = true; }

    // ---- engine thread ----------------------------------------------------------------------------
    // Takes what the journal has, waiting at most limit for it; makes ticks and checkpoints when due.
    void step(Duration limit);
    // keep_journal: an older checkpoint may still be needed, with the journal behind it.
    Status checkpoint(bool keep_journal = false);

    // ---- store thread -----------------------------------------------------------------------------
    // A checkpoint to be written to flash, if one is due: its bytes stay put until bytes_taken().
    std::optional<FlashCheckpoint> flash_due();
    void bytes_taken() override;
    void flash_done(bool written);
    // Asks for one now (an orderly end). Engine thread, or when it has ended.
    void request_flash() { flash_wanted_ = true; }

    // What stands before the state in a checkpoint's bytes.
    struct Preamble {
        std::string_view configuration;
        ByteSpan horizon;  // for Journal::load_horizon(); empty in those of earlier versions
    };
    struct FlashContent {
        Preamble preamble;
        ByteSpan state;
    };
    static std::optional<FlashContent> split(ByteSpan flash_bytes, std::uint64_t format);
    // Of the configuration's part of a crash checkpoint.
    static Preamble read_preamble(ByteReader& in);

private:
    void result(const Record& record) override;
    void alert(const AlertTransition& transition, const Record& record) override;
    void stage(const Record& record);
    bool take_entry(Journal& journal);
    void append_tick();
    bool checkpoint_due() const;
    bool slot_is_being_read() const;
    bool make_room(Bytes bytes);
    void schedule();
    bool is_merged(std::size_t window) const;
    void step_lanes(Duration limit);
    void end_round();
    void checkpoint_if_due();
    void run_round(LaneRunner::Until until);
    void catch_up_lanes();
    void close_lanes();
    bool journals_fill() const;
    std::uint64_t position(std::size_t lane) const;
    Journal& journal(std::size_t lane) const;
    void release_journals();

    const Assembly& assembly_;
    const Options options_;
    const Parts parts_;
    const std::string configuration_;
    std::span<std::byte> encoded_;
    Intake intake_;
    Analysis analysis_;
    std::unique_ptr<LaneGroup> lanes_;
    PipelineCounters counters_;
    std::uint64_t epoch_ = 0;
    std::uint64_t sealed_ = 0;  // of the output
    JournalCursor cursor_;
    MonotonicTime next_tick_;
    MonotonicTime next_checkpoint_;
    MonotonicTime next_flush_;

    // Whose flash_ is: the engine's (none), anybody's who takes it (offered), the store thread's (reading).
    enum class Flash : std::uint8_t { none, offered, reading };
    std::atomic<bool> flash_wanted_{false};
    std::atomic<Flash> flash_state_{Flash::none};
    FlashCheckpoint flash_;                 // written before it is offered
    // Positions in the lanes' journals:
    std::array<std::uint64_t, lanes_max> offered_positions_{};  // of flash_
    std::array<std::uint64_t, lanes_max> flash_positions_{};    // the store thread's: of what it is writing
    std::array<std::atomic<std::uint64_t>, lanes_max> flushed_positions_{};
    std::array<std::atomic<std::uint64_t>, lanes_max> done_positions_{};
    unsigned checkpoints_since_flash_ = 0;  // a second one would overwrite flash_'s slot
    bool store_runs_ = false;
    std::optional<OutputPosition> stuck_at_;  // the store made no room in time, and has committed nothing since
};

}  // namespace weir
