// How the outbox, which knows rows as bytes, makes longer results of neighbouring ones when it is filling up. Those who
// know what is in them implement it (windows/result_merger.h).
// Memory: the implementer's. Cost: head() one decoding; merge() two, and the merging of what they hold.
// Threads: the store thread's; before it runs, whoever commits. Errors: merge() leaves both rows as they are.
// Source: DESIGN.md section 2, Outbox.
#pragma once

#include <cstdint>
#include <optional>

#include "agent/base/bytes.h"
#include "agent/base/result.h"
#include "agent/base/time.h"

namespace weir {

class RowMerger {
public:
    // What is to be known of a row that may be merged.
    struct Head {
        std::uint64_t group = 0;       // equal for rows of one window (its definition) and key; never 0
        std::uint64_t definition = 0;  // with partition, of its emission frontier
        std::uint64_t partition = 0;
        Timestamp start;
        Timestamp end;
        Duration size;                 // of one window
        Duration wait;                 // a revision may come until the frontier is so far beyond end
        std::uint32_t windows = 1;     // that it holds
        // How many revisions of its interval came before it and are not in it: 0 if it stands for all of them. Else it
        // can be merged with those alone.
        std::uint32_t missing = 0;
    };

    virtual ~RowMerger() = default;
    // Nullopt: never to be merged, by this configuration and build.
    virtual std::optional<Head> head(ByteSpan row) = 0;
    // Two rows of one group into one that says what both say; of one interval, revisions that follow one another, into the
    // later one. Error::refused: they are none of that.
    virtual Status merge(ByteSpan earlier, ByteSpan later, ByteWriter& out) = 0;
};

}  // namespace weir
