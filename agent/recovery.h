// What a start finds and what it makes of it: agent/ARCHITECTURE.md, "What a start does".
// Memory: copies of the state found, and at most one more analysis for a changed configuration; all gone
// before the limit is set. Cost: reads the crash checkpoint and the journal behind it once. Threads: start-up.
// Errors: only of the medium; damaged state is set aside or given up, and said.
#pragma once

#include <memory>
#include <string>

#include "agent/base/entropy.h"
#include "agent/memory_plan.h"
#include "agent/pipeline.h"

namespace weir {

struct RunFiles {
    std::string journal;     // on tmpfs, or in the state folder with journal.on = "disk"
    std::string checkpoint;  // on tmpfs

    // Lane 0 has the name above.
    std::string journal_of(std::size_t lane) const { return lane == 0 ? journal : journal + "-lane" + std::to_string(lane); }
};
RunFiles run_files(const AgentConfig& config);

struct Recovered {
    std::unique_ptr<Journal> journal;
    std::unique_ptr<CheckpointFile> checkpoints;
    std::vector<std::unique_ptr<Journal>> more_journals;  // of lanes 1, 2 ...
};

class Recovery {
public:
    struct Options {
        bool deliver = false;         // there is an uplink to stage results for
        bool outbox_is_fresh = false; // its file was made now: epochs of the earlier one mean nothing
        AlertPublisher* publisher = nullptr;  // of what an earlier configuration decides while its journal is replayed
    };
    Recovery(const Assembly& assembly, const PartOptions& parts, Files& files, Entropy& entropy, const Clock& clock,
             Outbox& outbox, const Options& options);
    ~Recovery();

    // Before the pipeline is made: finishes what another configuration left, and opens the files.
    Status prepare(Recovered& recovered, std::string& reason);
    // Fills the pipeline, and replays the journal behind the state it had. Ends with a checkpoint.
    Status fill(Pipeline& pipeline, Recovered& recovered, std::string& reason);

private:
    // State of an earlier process, from either checkpoint.
    struct Found {
        bool after_crash = false;  // from tmpfs: the epoch goes on. Else from flash: a new one begins.
        std::uint64_t program = 0;
        std::uint64_t epoch = 0;
        std::uint64_t journal_sequence = 0;
        std::string configuration;
        std::string horizon;  // what repetitions of entries in the state are known by
        std::string state;
        std::string staged;
    };
    // Another configuration's analysis, with its state and the journal behind it.
    struct Earlier;
    std::optional<Found> find_crash_checkpoint();
    std::optional<Found> crash_checkpoint_at(const std::string& path, bool any_epoch);
    std::optional<Found> find_flash_checkpoint();
    void note_trouble(Error error);
    Status not_read(std::string& reason) const;
    struct OldJournal {
        std::unique_ptr<Journal> journal;  // if there was a readable one
        bool same = false;                 // its file is of the shape this configuration wants
    };
    OldJournal open_old_journal(const std::string& path);
    bool journal_continues(std::uint64_t sequence) const;
    bool nothing_behind(const Found& found) const;
    static std::optional<Timestamp> latest_seen(Pipeline& pipeline);
    bool may_go_on(const Found& found) const;
    bool run_other_configuration(const Found& found);
    Status take_over(Pipeline& pipeline);
    Status begin_epoch(std::uint64_t behind, std::uint64_t& epoch, std::string& reason);
    Status leave_foreign_results(Pipeline& pipeline, std::uint64_t& epoch, std::string& reason);
    Status move_next_files();
    void forget_next_files();
    Status open_files(Recovered& recovered, std::string& reason);
    Status open_journal(Recovered& recovered, std::string& reason);
    std::vector<std::uint16_t> links_now() const;
    bool same_links() const;
    void carry_horizon(Journal& to, Journal* old, std::uint64_t position, ByteSpan saved, std::span<const std::uint16_t> links);
    // ---- several lanes, in the state that was found or in this configuration: recovery_lanes.cc ----
    void open_old_lanes(const Found* found);
    bool lane_continues(std::size_t lane) const;
    void stand_in_for_lost_journals();
    Status replay_old_lanes(Pipeline& pipeline, std::uint64_t epoch);
    Status open_lane_journals(Recovered& recovered, std::string& reason);
    Result<std::unique_ptr<Journal>> open_lane_journal(std::size_t lane, std::string& reason);
    std::vector<std::uint16_t> lane_links_now() const;
    Status replay_lanes(Pipeline& pipeline, Recovered& recovered, std::uint64_t epoch);
    void remove_other_lanes();
    Status restage(const std::string& staged);
    bool restore(Pipeline& pipeline);
    void replay(Pipeline& pipeline, Recovered& recovered, std::uint64_t epoch, std::uint64_t from);
    Status set_frontiers(Pipeline& pipeline, std::span<const std::uint64_t> but = {});
    void mark_gap(Pipeline& pipeline);
    void mark_beginnings(Pipeline& pipeline);

    const Assembly& assembly_;
    const PartOptions& parts_;
    Files& files_;
    Entropy& entropy_;
    const Clock& clock_;
    Outbox& outbox_;
    const Options options_;
    // With several lanes, instead of what speaks of one journal below; and outlives the earlier pipeline.
    struct OldLane {
        OldJournal old;
        std::uint64_t position = 0;
        std::string horizon;
        bool lost = false;  // it is an empty one that stands for what is gone
    };
    std::vector<OldLane> old_lanes_;
    bool several_ = false;
    std::optional<Found> found_;            // to go on from, under this configuration
    std::unique_ptr<Earlier> earlier_;
    std::vector<std::uint64_t> adopted_;    // definitions that go on from it
    std::uint64_t position_ = 0;            // of either: the newest entry in its state
    std::string horizon_;                   // and what it knows repetitions by
    bool keep_checkpoint_ = false;          // the file on tmpfs is needed until a new one holds the state
    std::unique_ptr<Journal> old_journal_;  // with entries behind found_, if there was a readable one
    bool same_journal_ = false;             // its file is of the shape this configuration wants
    bool journal_covers_ = false;           // every entry behind found_ can be replayed
    Status trouble_;                        // the medium or memory stood in the way of reading: nothing may be given up
    bool something_was_lost_ = false;       // windows may miss events: a power cut, or state given up
    std::optional<Timestamp> seen_;  // of events, by an earlier configuration in several lanes
};

}  // namespace weir
