// The undisturbed twin of an agent's engine: it reads the same journal and is never killed, so what it says is what the
// agent must have said, however often that was killed: the same records with the same numbers. A new epoch (after a power
// cut or an edit) begins with the state that recovery has made.
// Memory: an analysis, and what it has said. Cost: of an analysis. Threads: one. Errors: none.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "agent/analysis.h"
#include "agent/journal.h"
#include "tests/sim/kafka.h"

namespace weir::sim {

class Twin final : private OutputSink {
public:
    // What was said in an epoch behind sequence `behind`: hashes of the records behind + 1, behind + 2, ...
    struct Said {
        std::uint64_t behind = 0;
        std::vector<std::uint64_t> contents;
        bool tail_may_be_lost = false;  // it ended in a power cut
    };

    // Goes on from an agent's engine.
    void begin(const Assembly& assembly, Analysis& from, std::uint64_t epoch, std::uint64_t journal_sequence);
    // The same epoch, after a kill: from the journal that was opened again.
    void reopen() { cursor_valid_ = false; }
    void follow(Journal& journal);
    // All windows close, as they do in the agent.
    void finish() { analysis_->finish(); }

    bool running() const { return analysis_ != nullptr; }
    std::uint64_t epoch() const { return epoch_; }
    std::uint64_t last_sequence() const { return analysis_->last_sequence(); }
    std::uint64_t alerts() const { return alerts_; }
    std::map<std::uint64_t, Said>& said() { return said_; }

private:
    void result(const Record& record) override;
    void alert(const AlertTransition&, const Record& record) override;

    std::unique_ptr<ArenaBlock> block_;
    std::unique_ptr<Arena> arena_;
    std::unique_ptr<Analysis> analysis_;
    std::uint64_t epoch_ = 0;
    std::uint64_t sequence_ = 0;  // of the last entry that was read
    JournalCursor cursor_;
    bool cursor_valid_ = false;
    std::uint64_t alerts_ = 0;
    std::map<std::uint64_t, Said> said_;
    std::vector<std::byte> scratch_;
};

}  // namespace weir::sim
