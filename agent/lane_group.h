// The lanes of a running agent, and what puts them together: N runners, the merger, and the barriers between them.
// A barrier is a tick with the same number in every journal. Lanes stand still behind it until what all of them said has
// been put together; there, between two rounds, the state of all is one, and can be saved. What comes out is a function of
// the journals: of a crash nothing remains but them, and ticks that some had and others had not are given to those, so that
// all have the same, before they are read again.
// Memory: need(), from the arena; heap_need() beside it. Cost: of the lanes, and of the merger; a barrier is two switches of
// threads a lane. Threads: a thread a lane; all calls but append's of journals are the engine thread's.
// Errors: load() refuses what save() cannot have written.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "agent/lane_runner.h"

namespace weir {

// How a state of several lanes begins.
struct LaneStateHead {
    std::uint64_t tick = 0;                 // the newest in it
    std::vector<std::uint64_t> positions;   // in each lane's journal: the newest entry in it

    static Bytes size(std::size_t lanes) { return 8 + 4 + 8 + lanes * 8; }
    // Nullopt: the state is of one lane.
    static std::optional<LaneStateHead> read(ByteReader& in);
};

class LaneGroup {
public:
    static Bytes need(const Assembly& assembly, const Analysis::Options& options);
    static Bytes heap_need(const Assembly& assembly);
    // behind: the Analysis behind all lanes.
    LaneGroup(Arena& arena, const Assembly& assembly, const Analysis::Options& options, Analysis& behind);
    ~LaneGroup();

    // ---- while all stand ---------------------------------------------------------------------------
    static Bytes save_size_max(const Assembly& assembly);
    Status save(ByteWriter& out) const;
    Status load(ByteReader& in);
    void reset();
    // Reads these journals from now on, each behind its position, and evens out their ticks.
    Status begin(std::span<Journal* const> journals, std::span<const std::uint64_t> positions);
    // Each journal has room for the tick that ends the next round.
    bool may_go() const;

    // ---- engine thread -----------------------------------------------------------------------------
    bool stand() const { return stand_; }
    // Sends all on; again while they run changes how far.
    void go(LaneRunner::Until until);
    // The next barrier. REQUIRES: may_go() before go(); settled().
    void tick(Timestamp arrival, bool clock_trusted);
    // Every tick in the journals has been heard of all lanes.
    bool settled() const { return heard_ == issued_; }
    // Somebody's journal fills: the next barrier should come soon, and a checkpoint with it.
    bool hurries() const { return hurries_; }
    // Of all lanes. With `round`, and `end`, they stand.
    LaneMerge::Heard hear_next();
    // After `dry`.
    void wait(Duration at_most) { merge_.wait(at_most); }
    // After `end`: every window closes behind the lanes, too.
    void finish() { merge_.finish(); }

    std::size_t size() const { return runners_.size(); }
    LaneRunner& lane(std::size_t number) { return *runners_[number]; }
    const LaneRunner& lane(std::size_t number) const { return *runners_[number]; }
    LaneMerger& merger() { return merge_.merger(); }
    const LaneMerger& merger() const { return merge_.merger(); }

private:
    Status even_out_ticks();
    void hurry();

    const Assembly& assembly_;
    std::vector<std::unique_ptr<LaneOutput>> outputs_;
    std::vector<std::unique_ptr<LaneRunner>> runners_;
    LaneMerge merge_;
    std::uint64_t heard_ = 0;   // tick
    std::uint64_t issued_ = 0;  // tick
    bool stand_ = true;
    std::atomic<bool> hurries_{false};
};

}  // namespace weir
