// What a start finds and what it makes of it: the four cases of agent/ARCHITECTURE.md, "What a start does".
// Memory: at most one more analysis for the time of a changed configuration, before the limit is set.
// Cost: reads the crash checkpoint and the journal behind it once. Threads: start-up.
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
    Recovery(const Assembly& assembly, const PartOptions& options, Files& files, Entropy& entropy,
             const Clock& clock, Outbox& outbox, bool deliver)
        : assembly_(assembly), options_(options), files_(files), entropy_(entropy), clock_(clock), outbox_(outbox),
          deliver_(deliver) {}

    // Before the pipeline is made: finishes what another configuration left, and opens the files.
    Status prepare(Recovered& recovered, std::string& reason);
    // Fills the pipeline, and replays the journal behind the state it had. Ends with a checkpoint.
    Status fill(Pipeline& pipeline, Recovered& recovered, std::string& reason);

private:
    enum class Plan { resume, power_cut };
    struct Leftover {
        std::string_view configuration;
        ByteSpan state;
        ByteSpan staged;
        std::uint64_t fingerprint = 0;
        std::uint64_t journal_sequence = 0;
        std::uint64_t epoch = 0;   // 0: after a power cut, so a new one, behind the frontier
    };
    bool finish_other_configuration(const Leftover& left);
    void set_frontiers(Engine& engine);
    Status open_files(Recovered& recovered, std::string& reason);
    void look_at_crash_checkpoint();
    void look_at_flash_checkpoint();
    void remove_files();
    Status begin_new_epoch(Pipeline& pipeline, std::uint64_t& epoch);

    const Assembly& assembly_;
    const PartOptions& options_;
    Files& files_;
    Entropy& entropy_;
    const Clock& clock_;
    Outbox& outbox_;
    const bool deliver_;  // there is an uplink to stage results for
    Plan plan_ = Plan::power_cut;
    std::string state_;                      // of a flash checkpoint of this configuration
    std::uint64_t state_journal_position_ = 0;
    bool journal_continues_ = false;
};

}  // namespace weir
