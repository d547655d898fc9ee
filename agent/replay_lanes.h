// A replay in several lanes: each on a thread of its own with its own view of the file, merged on the caller's thread.
// Memory: an analysis and a read buffer a lane, the merger. Cost: each lane reads all lines and decodes its own.
// Threads: joined before it returns. Errors: of reading and writing.
#pragma once

#include <memory>
#include <optional>

#include "agent/analysis.h"
#include "agent/replay.h"
#include "drivers/replay_reader.h"

namespace weir {

// images: of the tables, in their order.
Status replay_in_lanes(const Assembly& assembly, const ReplayRequest& request, const ReplayOptions& file, std::optional<std::size_t> source,
                       std::span<const std::string> images, OutputSink& out, Problem& problem);

}  // namespace weir
