// From the lanes' threads to the one behind them: what each lane says, in its order, and the order in which all of it is
// put together. That order follows from what the lanes say, never from when: the lane that is furthest behind in event
// time is heard next (ties: the first), until its next word on time; a lane that has ended its round waits for the others.
// So a lane's records and partials are a function of its input, and what comes out here of the lanes' inputs.
// Memory: LaneQueue: twice its capacity, on the heap at the start. LaneMerge: need(), from the arena.
// Cost: a copy an item. Threads: one writer and one reader a queue; a writer waits for room, a reader for a word. No
// deadlock: the reader waits only for a lane whose queue is empty, and that lane waits for nobody.
// Errors: none; what a lane wrote is read back in the same process.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "agent/analysis.h"
#include "agent/base/time.h"
#include "windows/lane_merger.h"

namespace weir {

enum class LaneWord : std::uint8_t { record, early, partial, passed, round, end };

class LaneQueue {
public:
    struct Item {
        LaneWord word = LaneWord::end;
        ByteSpan bytes;  // until the next take()
    };
    // item_bytes_max: of the longest item.
    static Bytes need(Bytes item_bytes_max) { return 2 * capacity(item_bytes_max); }
    explicit LaneQueue(Bytes item_bytes_max);

    void put(LaneWord word, ByteSpan bytes);
    // Nullopt: nothing was said since.
    std::optional<Item> try_take();
    // Until there is something to take, or somebody pokes; false after at_most.
    bool wait(Duration at_most = Duration::minutes(60));
    void poke();
    // Nobody will take any more: put() drops what it is given, and waits for nothing.
    void close();

private:
    static constexpr Bytes head_bytes = 8;
    static constexpr Bytes capacity(Bytes item_bytes_max) { return std::max<Bytes>(Bytes{256} << 10, 2 * (item_bytes_max + head_bytes)); }

    const Bytes capacity_;
    std::unique_ptr<std::byte[]> filling_;  // guarded by mutex_, as filled_ is
    std::unique_ptr<std::byte[]> draining_;
    Bytes filled_ = 0;
    Bytes drained_ = 0;
    Bytes drain_end_ = 0;
    bool poked_ = false;   // guarded by mutex_
    bool closed_ = false;  // the same
    std::mutex mutex_;
    std::condition_variable changed_;
};

// What a lane's Analysis puts out, into its queue.
class LaneOutput final : public OutputSink, public PartialSink {
public:
    static Bytes item_bytes_max(const Assembly& assembly);
    static Bytes need(const Assembly& assembly) { return LaneQueue::need(item_bytes_max(assembly)) + item_bytes_max(assembly); }  // on the heap
    LaneOutput(const Assembly& assembly, std::size_t lane);

    void result(const Record& record) override;
    void alert(const AlertTransition&, const Record&) override {}
    void partial(ByteSpan bytes) override { queue_.put(LaneWord::partial, bytes); }
    void passed(std::size_t source, Timestamp watermark, bool holds) override;
    // All lanes end their rounds at the same places of the input. REQUIRES: analysis.flush().
    void end_round(const Analysis& analysis);
    // After Analysis::finish(): nobody has to wait for this lane.
    void end();
    LaneQueue& queue() { return queue_; }

private:
    const Assembly& assembly_;
    const std::size_t lane_;
    LaneQueue queue_;
    std::vector<std::byte> encoded_;
};

class LaneMerge final : private RecordSink {
public:
    static Bytes need(const Assembly& assembly) { return LaneMerger::need(assembly.engine(), assembly.lanes()); }
    // behind: the Analysis behind all lanes.
    LaneMerge(Arena& arena, const Assembly& assembly, std::span<const std::unique_ptr<LaneOutput>> lanes, Analysis& behind);

    // Until every lane has ended.
    void run();

    // The same bit by bit: the next lane's words up to one on time (`stretch`: what was heard so far is complete), or as
    // far as they go (`dry`); behind the last lane's end of the round what all of them settles, and how it ended.
    enum class Heard : std::uint8_t { stretch, dry, round, end };
    Heard hear_next();
    // After `dry`: until the lane that is next has said more, or somebody pokes it.
    void wait(Duration at_most);
    // After `end`: every window closes.
    void finish() { merger_.finish(); }
    LaneMerger& merger() { return merger_; }
    const LaneMerger& merger() const { return merger_; }

    // Between two rounds.
    static Bytes save_size_max(const Assembly& assembly) {
        return LaneMerger::save_size_max(assembly.engine(), assembly.lanes()) + assembly.lanes() * sizeof(std::int64_t);
    }
    Status save(ByteWriter& out) const;
    Status load(ByteReader& in);
    void reset();

private:
    struct Lane {
        LaneQueue* queue = nullptr;
        Timestamp progress = Timestamp::min();
        bool round_over = false;
        bool ended = false;
    };
    void emit(const Record& record) override { behind_.take(record); }
    Lane* next_lane();
    bool hear(Lane& lane);
    bool take_in(Lane& lane, const LaneQueue::Item& item);

    Analysis& behind_;
    LaneMerger merger_;
    std::vector<Lane> lanes_;
    std::unique_ptr<RecordStorage> storage_;
};

}  // namespace weir
