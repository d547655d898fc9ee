// The windows of sources that several lanes share: the lanes' engines leave partial states of their groups
// (Emission::partials), and here they become the records that one engine would have made.
// A source's merged watermark is the least of the lanes that hold it; without one the furthest. What it passes is emitted in
// the order of end, window, key. Records are a function of the calls, in their order: a caller that makes them in an order
// that does not depend on threads gets the same records every time.
// Memory: need(plan): for each such window its cells once more, with what waits for a lane until that is idle.
// Cost: absorb() O(states of a group); passed() O(cells) when a boundary is passed. Threads: one owner.
// Errors: absorb() and load() refuse what cannot have been written; what has no place is counted (status()): there
// rows, counted, late and so on are groups of a lane, not rows, and rows = counted + late + late_after_eviction.
// Source: Flink's StatusWatermarkValve; DESIGN.md section 5, point 8.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/bytes.h"
#include "agent/base/record.h"
#include "agent/base/result.h"
#include "agent/base/time.h"
#include "windows/engine.h"
#include "windows/plan.h"

namespace weir {

class MergerState;

class LaneMerger {
public:
    static std::vector<EnginePlan::Part> parts(const EnginePlan& plan, std::size_t lanes);
    static Bytes need(const EnginePlan& plan, std::size_t lanes);
    // plan and sink must outlive it.
    LaneMerger(Arena& arena, const EnginePlan& plan, std::size_t lanes, RecordSink& sink);

    void leave_out_sketches();  // as of the engine

    // A partial of a lane.
    Status absorb(ByteSpan partial);
    // How far a source has come in a lane; what all lanes have passed is emitted. A watermark never goes back, and a lane
    // of which nothing was said holds.
    void passed(std::size_t lane, std::size_t source, Timestamp watermark, bool holds);
    // Emits revisions that wait. Where all lanes have done the same part of their input.
    void settle();
    // The end: every window closes.
    void finish();

    // As of the engine; Error::missing: no such window here.
    Status set_frontier(std::uint64_t definition, Timestamp end);
    void mark_gap(Timestamp from, Timestamp to);
    Timestamp watermark(std::size_t source) const;
    WindowStatus status(std::size_t window) const;  // all zero for a window that needs no merging

    static Bytes save_size_max(const EnginePlan& plan, std::size_t lanes);
    Status save(ByteWriter& out) const;
    // Of the same plan and number of lanes. After an error it must not be used but for reset().
    Status load(ByteReader& in);
    void reset();

private:
    MergerState* state_;  // in the arena
};

}  // namespace weir
