// What the engine of a lane says beside its records. What partials are made of is partial.h.
// Memory: none. Threads: the engine's. Errors: none.
#pragma once

#include <cstddef>

#include "agent/base/bytes.h"
#include "agent/base/time.h"

namespace weir {

// Where the engine of a lane leaves what its windows of split sources have, in order: for lane_merger.h.
class PartialSink {
public:
    virtual ~PartialSink() = default;
    // One group of one interval, for LaneMerger::absorb(); bytes live during the call.
    virtual void partial(ByteSpan bytes) = 0;
    // A source's watermark passed a boundary. holds: those of other lanes should wait for it.
    virtual void passed(std::size_t source, Timestamp watermark, bool holds) = 0;
};

}  // namespace weir
