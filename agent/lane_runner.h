// One lane of a running agent: a thread that takes entries from the lane's journal, through an engine of its own, into
// the queue to what stands behind the lanes. Ticks are the barriers: all journals have the same ones, by number, and a lane
// that has done one stands still until it is sent on. While it stands, all of it belongs to whoever made it.
// Memory: need(), from the arena; heap_need() beside it. Cost: of the analysis. Threads: its own, begun by the first begin().
// Errors: none on the event path; restore() refuses what save() cannot have written.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "agent/accounting.h"
#include "agent/journal.h"
#include "agent/lanes.h"

namespace weir {

// A barrier, as an entry of a journal.
struct LaneTick {
    std::uint64_t number = 0;  // 1, 2, 3 ..., the same in all journals
    Timestamp arrival;
    bool clock_trusted = false;

    static std::optional<LaneTick> read(const JournalEntry& entry);
    Status append_to(Journal& journal) const;
};

class LaneRunner {
public:
    static Bytes need(const Assembly& assembly, const Analysis::Options& options);
    static Bytes heap_need(const Assembly& assembly);
    // hurry: told on the lane's thread that the next barrier should come soon, since its journal fills.
    LaneRunner(Arena& arena, const Assembly& assembly, const Analysis::Options& options, std::size_t number, LaneOutput& output,
               std::function<void()> hurry);
    ~LaneRunner();

    // ---- while it stands ---------------------------------------------------------------------------
    // From the entry behind `position` on; ticks up to `tick` have had their effect.
    void begin(Journal& journal, std::uint64_t position, std::uint64_t tick);
    void begin_behind(std::uint64_t tick) { tick_ = tick; }
    Analysis& analysis() { return analysis_; }
    const Analysis& analysis() const { return analysis_; }
    const Intake& intake() const { return intake_; }
    Journal& journal() const { return *journal_; }
    std::uint64_t position() const { return cursor_.sequence == 0 ? 0 : cursor_.sequence - 1; }
    std::uint64_t tick() const { return tick_; }
    static Bytes save_size_max(const Assembly& assembly);
    Status save(ByteWriter& out) const;
    Status load(ByteReader& in);
    void reset();

    // ---- any time ----------------------------------------------------------------------------------
    // To the next tick; or to the end of what the journal has, where the round ends, too; or there closes every window.
    enum class Until : std::uint8_t { tick, dry, closed };
    void go(Until until);
    void wait_until_it_stands();

private:
    void loop();
    void work();
    bool stands_at_the_end();
    bool take(const JournalEntry& entry);

    const std::size_t number_;
    const std::size_t links_;  // of the configuration: a journal numbers them a lane
    LaneOutput& output_;
    Intake intake_;
    Analysis analysis_;
    const std::function<void()> hurry_;
    Journal* journal_ = nullptr;
    JournalCursor cursor_;
    std::uint64_t tick_ = 0;
    bool hurried_ = false;
    std::atomic<Until> until_{Until::tick};

    std::mutex mutex_;
    std::condition_variable changed_;
    bool runs_ = false;  // guarded by mutex_
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

}  // namespace weir
