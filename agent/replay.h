// `weir replay`: a file through the very code that runs live, results or alerts to standard output, scores to files.
// No action is run.
// Time of arrival comes from the file where it says so; ticks are then made every second of it, as they
// are live. Without it nothing is ever idle and nothing lies in the future: only event times count.
// Memory: the analysis, and one read buffer. Cost: of the analysis. Threads: the caller's.
// Errors: failed reads and writes; what cannot be decoded is counted and told at the end.
#pragma once

#include <string>

#include "agent/assembly.h"
#include "agent/base/problem.h"
#include "agent/base/result.h"

namespace weir {

inline constexpr std::size_t replay_lanes_max = lanes_max;

struct ReplayRequest {
    std::string path;            // "-" is standard input
    std::string source;          // empty: the only one, or the one whose topics fit
    std::string topic;           // of lines that name none
    bool sketches = false;
    bool alerts = false;         // when each alert would have fired, instead of results: alert_list.h
    bool json = false;           // of alerts: an object a line
    std::size_t lanes = 1;       // engines, each on a thread of its own; topics go to them in turn
    std::string scores;          // a folder for the scores of alerts with anomaly; empty: none
    bool show_progress = false;  // on standard error
    int output = 1;              // a descriptor
};

// config as loaded; replay compiles its own variant of it for lines without a topic.
Status run_replay(const AgentConfig& config, const ReplayRequest& request, Problem& problem);

}  // namespace weir
