// What an agent has left where it lies: journal, crash checkpoint, and the database with outbox and flash checkpoint.
// For `weir state`: every checksum is tested, nothing is written. Journal and checkpoint are copied and recovered in
// memory, as a start would; the state in a checkpoint is loaded under the configuration that it carries.
// Memory: copies of the journal and the checkpoint, the analysis of that configuration; a tool's, not the agent's.
// Cost: reads every file once. Threads: one. Errors: what is wrong is a StateProblem, with what to do.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "agent/config.h"
#include "agent/journal.h"
#include "uplink/outbox_reader.h"

namespace weir {

struct StateProblem {
    std::string what;
    std::string then;  // what to do, or what a start will do about it
};

struct JournalView {
    std::string path;
    Bytes bytes = 0;  // 0: no file
    JournalParams shape;
    std::uint64_t oldest = 0;  // entries that no checkpoint released; newest < oldest: none
    std::uint64_t newest = 0;
    std::uint64_t messages = 0;
    std::optional<Timestamp> first;  // arrival of the oldest and the newest
    std::optional<Timestamp> last;
    std::uint64_t stranded = 0;      // whole entries behind one that is not
};

struct CrashCheckpointView {
    std::string path;
    Bytes bytes = 0;
    bool whole = false;
    std::uint64_t epoch = 0;
    std::uint64_t journal_position = 0;
    Bytes state_bytes = 0;
    Bytes staged_bytes = 0;
};

struct DatabaseView {
    std::string path;
    Bytes bytes = 0;
    Bytes log_bytes = 0;
    bool busy = false;  // an agent has it
    std::optional<StoreState> state;
    OutboxReader::Rows rows;
    std::uint64_t alerts = 0;
    std::uint64_t results = 0;
    std::uint64_t numbered = 0;
    std::size_t frontiers = 0;
    std::optional<Timestamp> oldest;  // ends of windows that wait
    std::optional<Timestamp> newest;
};

// The state in a checkpoint, as it would go on.
struct AnalysisView {
    struct Source {
        std::string name;
        std::optional<Timestamp> watermark;
        std::size_t partitions = 0;
    };
    struct Window {
        std::string name;
        std::size_t open_intervals = 0;
        std::size_t groups = 0;
    };
    struct Pattern {
        std::string name;
        std::size_t groups = 0;
    };
    struct Alert {
        std::string name;
        std::size_t raised = 0;
    };
    bool from_crash_checkpoint = false;
    bool other_program = false;  // it was written by another version, or under another configuration
    std::vector<Source> sources;
    std::vector<Window> windows;
    std::vector<Pattern> patterns;
    std::vector<Alert> alerts;
};

struct StateView {
    std::vector<JournalView> journals;  // one, or one a lane
    CrashCheckpointView crash;
    DatabaseView database;
    std::optional<AnalysisView> analysis;
    std::vector<StateProblem> problems;
};

// each_row: hears every row of the outbox that is whole, and may end the look with an error.
StateView look_at_state(const AgentConfig& config, const std::function<Status(const OutboxReader::Row&)>& each_row);

}  // namespace weir
