// Reads one partition of the marks topic from its beginning to its end, as committed.
// "The end" is the partition's high watermark: a transaction still open before it (somebody else's) is
// waited for, since marks behind it are not visible yet.
// Memory: a Mark for each agent of the partition. Cost: the compacted partition once over the network.
// Threads: any; waits, asking stop() a few times a second.
// Errors: closed when stop() says so; invalid for a value that is no mark: the topic holds something
// else, and guessing would lose or repeat records.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "uplink/bridge/config.h"
#include "uplink/bridge/mark.h"

namespace weir {

struct MarksPartition {
    std::map<std::string, Mark, std::less<>> marks;
    std::optional<Owner> owner;
};

Result<MarksPartition> read_marks(const KafkaConfig& config, std::uint32_t partition,
                                  const std::function<bool()>& stop, std::string& failure);

}  // namespace weir
