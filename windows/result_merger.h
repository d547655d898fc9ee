// Makes one result of two of a window and key, as if the window had been longer: from the start of the first to the end of
// the second, values and sketches of both, expressions computed anew, flags or'ed.
// Memory: need(): for one window at a time two cells of its states at full size, and room for a record.
// Cost: merge() two decodings, the merging of the states, one record; another window than the last one O(its cells).
// Accuracy: as aggregate.h says of merge(); sketches that were settled stay as they are.
// Threads: one owner. Errors: head() knows no rows of sessions, counts, hopping windows, patterns, alerts and late records, nor
// of a definition that is not in the plan; merge() refuses rows that do not belong together, and bytes that are no states.
// Source: DESIGN.md section 2, Outbox; partial aggregates after Gray et al., Data Cube, 1997.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>

#include "agent/base/arena.h"
#include "agent/base/row_merger.h"
#include "windows/plan.h"

namespace weir {

class ResultMerger final : public RowMerger {
public:
    static Bytes need(const EnginePlan& plan);
    // Groups that have results at once, of all windows that it merges.
    static std::size_t groups_max(const EnginePlan& plan);
    // plan must outlive it; the rows' window is found by definition.
    ResultMerger(Arena& arena, const EnginePlan& plan);
    ~ResultMerger() override;

    std::optional<Head> head(ByteSpan row) override;
    Status merge(ByteSpan earlier, ByteSpan later, ByteWriter& out) override;

private:
    struct State;
    std::unique_ptr<State> state_;  // on the heap: which windows there are
};

}  // namespace weir
