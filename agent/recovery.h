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
};
RunFiles run_files(const AgentConfig& config);

struct Recovered {
    std::unique_ptr<Journal> journal;
    std::unique_ptr<CheckpointFile> checkpoints;
};

class Recovery {
public:
    struct Options {
        bool deliver = false;         // there is an uplink to stage results for
        bool outbox_is_fresh = false; // its file was made now: epochs of the earlier one mean nothing
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
    void open_old_journal();
    void note_trouble(Error error);
    Status not_read(std::string& reason) const;
    bool journal_continues(std::uint64_t sequence) const;
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
    void carry_horizon(Journal& to);
    Status restage(const std::string& staged);
    bool restore(Pipeline& pipeline);
    Status set_frontiers(Engine& engine, std::span<const std::uint64_t> but = {});
    void mark_gap(Pipeline& pipeline);
    void mark_beginnings(Pipeline& pipeline);

    const Assembly& assembly_;
    const PartOptions& parts_;
    Files& files_;
    Entropy& entropy_;
    const Clock& clock_;
    Outbox& outbox_;
    const Options options_;
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
};

}  // namespace weir
