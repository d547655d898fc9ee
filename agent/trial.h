// A configuration on trial. After a reload the agent watches itself: what was connected before must be connected again,
// and the engine must go on, within agent.trial (two minutes). If not, the configuration before runs again, until the file is
// edited. What a trial needs to know lies in agent.state, so that neither a crash nor a power cut leaves an untried
// configuration in charge: at its third start on trial it counts as failed.
// Memory: the earlier configuration's text while it is written. Cost: a file at a reload, its removal at the end. Threads: one owner.
// Errors: a file that cannot be read or is damaged is no trial; one that cannot be written refuses the reload.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/files.h"

namespace weir {

struct Trial {
    std::uint64_t configuration = 0;  // its hash
    std::uint32_t starts = 0;         // so far
    bool refused = false;
    bool mqtt = false;    // every broker was connected before
    bool uplink = false;  // and the bridge
    std::string reason;   // why it was refused
    std::string previous; // the configuration before, whole, as TOML
};

inline constexpr std::uint32_t trial_starts_max = 3;

class TrialFile {
public:
    TrialFile(Files& files, const std::string& state_folder) : files_(files), path_(state_folder + "/trial") {}

    std::optional<Trial> read() const;
    Status write(const Trial& trial);
    void end() { (void)files_.remove(path_); }

private:
    Files& files_;
    const std::string path_;
};

// How the agent is, in the words of the first thing that is wrong; empty: nothing is.
struct Health {
    bool engine_goes = true;
    bool mqtt_connected = true;
    bool uplink_connected = true;
};

class TrialWatch {
public:
    enum class Verdict : std::uint8_t { open, healthy, failed };

    TrialWatch(const Trial& trial, Duration limit, MonotonicTime now);
    Verdict look(const Health& health, MonotonicTime now);
    // What is wrong now, or was at the end.
    const std::string& complaint() const { return complaint_; }

private:
    std::string complaint_of(const Health& health) const;

    const bool mqtt_;
    const bool uplink_;
    const MonotonicTime end_;
    const Duration steady_;  // so long nothing may be wrong
    std::optional<MonotonicTime> well_since_;
    std::string complaint_;
};

}  // namespace weir
