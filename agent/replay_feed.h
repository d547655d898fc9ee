// The lines of a file on their way into an Analysis: which source they are of, when they arrived, the ticks between them;
// of several lanes each is fed all lines and takes its own, so that all end their rounds at the same lines.
// Memory: an index of topics. Cost: a look at the topics a line. Threads: one owner. Errors: none; what has no place is
// counted, and told on standard error.
#pragma once

#include <cstdint>
#include <optional>

#include "agent/analysis.h"
#include "agent/lanes.h"
#include "drivers/replay_reader.h"
#include "drivers/topic_index.h"

namespace weir {

class ReplayFeed {
public:
    // output: of a lane; else nullptr.
    ReplayFeed(const Assembly& assembly, Analysis& analysis, std::size_t lane, LaneOutput* output);

    // source: of all lines, whatever their topics say.
    void take(ReplayLine& line, std::optional<std::size_t> source);
    // Ticks up to a time, as a silence would bring them.
    void advance(Timestamp to) { tick_until(to); }
    std::uint64_t unrouted() const { return unrouted_; }
    void tell_what_had_no_place() const;

private:
    void take_of(ReplayLine& line, std::size_t source);
    void tick_until(Timestamp arrival);
    std::size_t lane_of(std::size_t source, std::string_view topic) const;

    const Assembly& assembly_;
    Analysis& analysis_;
    const std::size_t lane_;
    LaneOutput* const output_;
    TopicIndex sources_;  // by topic, of all connections
    bool ticking_ = false;
    std::uint64_t lines_ = 0;
    std::uint64_t unrouted_ = 0;
    std::uint64_t timeless_lines_ = 0;
    Timestamp last_tick_;
};

// What codecs, reader, windows and patterns counted, on standard error. reader: nullptr leaves its part out.
void tell_what_was_lost(const Analysis& analysis, const ReplayReader* reader);

}  // namespace weir
