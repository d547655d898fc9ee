// `weir record CONFIG`: what just happened, out of the journal, as lines that `weir replay` and `weir test` take.
// Of several lanes the journals are put together by time of arrival. Reads copies of the files: the agent, if one runs,
// notices nothing; if none runs any more, its journal is still there.
// Memory: the journals' files, and what JournalTail needs. Cost: O(bytes). Threads: the caller's.
// Errors: missing (no journal), io, corrupt; writing: closed, io. Each with a problem that says what to do.
#pragma once

#include <cstdint>
#include <string>

#include "agent/base/problem.h"
#include "agent/base/result.h"
#include "agent/config.h"

namespace weir {

struct RecordRequest {
    Duration last = Duration::minutes(10);  // before the newest entry
    int output = 1;                         // a descriptor
};

struct RecordReport {
    std::uint64_t messages = 0;
    std::uint64_t shed = 0;  // of which the journal has the head alone (overflow = "sample")
    Timestamp first;
    Timestamp newest;        // of all entries, ticks too
    bool reaches_back = true;  // to the beginning of what was asked for
    Bytes ring_bytes = 0;
};

Status run_record(const AgentConfig& config, Files& files, const RecordRequest& request, RecordReport& report, Problem& problem);

}  // namespace weir
