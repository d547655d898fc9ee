// How far event time has come: a watermark for each partition of a source, and the least of the active
// ones for the source.
// A message's events count when it ends: propose() works out the new watermarks and says whether one of
// them passes a boundary of its caller's; adopt() makes them valid. In between, the caller still judges
// by the old ones.
// A source that is aligned with others has a limit: no watermark of it goes further. What it would have come to by itself
// is kept beside, and taken up when the limit rises.
// Memory: need(params): 96 bytes a partition, 8 to 16 for its hash table, 16 for the tree of minima; lateness.h.
// Cost: event() O(1), propose() O(partitions of the message x log partitions), tick() O(partitions).
// Threads: one owner. Errors: none. Partitions beyond the table share one, the last.
// Source: Akidau et al., The Dataflow Model, VLDB 2015; Flink's StatusWatermarkValve for idleness.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>

#include "agent/base/arena.h"
#include "agent/base/bytes.h"
#include "agent/base/time.h"
#include "windows/calendar.h"
#include "windows/lateness.h"

namespace weir {

// Far outside all event times, far inside int64: sums with durations of a plan cannot overflow.
inline constexpr std::int64_t never_us = std::numeric_limits<std::int64_t>::min() / 4;
inline constexpr std::int64_t forever_us = std::numeric_limits<std::int64_t>::max() / 4;

// The hash that stands for all partitions beyond the table, in records and frontiers.
inline constexpr std::uint64_t shared_partition_hash = 1;

// How many early results are due of what began at start when the watermark has come so far; at never_us none.
inline std::uint32_t early_count(std::int64_t start, std::int64_t early, std::int64_t watermark) {
    if (watermark <= start) return 0;
    return static_cast<std::uint32_t>(std::min<std::int64_t>((watermark - start) / early, std::numeric_limits<std::uint32_t>::max()));
}

// When a watermark closes something: where intervals meet, and again `allow` later; or gives an early result: every
// `early` since an interval's start.
struct Boundary {
    std::int64_t size = 0;
    std::int64_t allow = 0;
    const Calendar* calendar = nullptr;
    std::int64_t early = 0;

    Cut cut() const { return {size, calendar}; }
    // The first one behind watermark.
    std::int64_t next(std::int64_t watermark) const;
};

class Watermarks {
public:
    struct Params {
        std::size_t partitions_max = 1;  // the shared one included; 1 when there is no partition column
        LatenessParams lateness;
        Duration idle;
        Duration arrival_step_max;
        std::span<const Boundary> partition_boundaries;  // of windows that close by partition
        std::span<const Boundary> source_boundaries;     // of all windows
        bool aligned = false;                            // limit() will be called
    };
    static Bytes need(const Params& params);
    // The spans of params must outlive it.
    Watermarks(Arena& arena, const Params& params);

    // The partition's number; new ones are taken in until the table is full. label is for people.
    std::uint32_t partition(std::uint64_t hash, std::string_view label);
    bool is_shared(std::uint32_t partition) const { return params_.partitions_max > 1 && partition == params_.partitions_max - 1; }
    std::uint64_t hash(std::uint32_t partition) const { return partitions_[partition].hash; }
    std::int64_t watermark(std::uint32_t partition) const { return partitions_[partition].watermark; }
    std::int64_t watermark() const { return watermark_; }
    // The source's without its limit; forever_us while no partition is active: it holds nobody back.
    std::int64_t unlimited() const { return active_ > 0 ? own_ : forever_us; }
    bool is_limited() const { return own_ > watermark_; }
    // No watermark is beyond it, of a partition or of the source.
    std::int64_t furthest() const { return furthest_; }

    // Arrival time goes on. Returns false when not all of the step counted.
    bool arrive(Timestamp arrival, bool trusted);
    // An event of the message that is under way.
    void event(std::uint32_t which, std::int64_t time) {
        Partition& partition = partitions_[which];
        if (!partition.touched) {
            partition.touched = 1;
            touched_[touched_count_++] = which;
        }
        lateness_.observe(partition.greatest == never_us ? 0 : partition.greatest - time);
        partition.greatest_now = std::max(partition.greatest_now, time);
        partition.least_now = std::min(partition.least_now, time);
    }
    // The message is over. Returns whether a boundary is passed, so that work done under the old
    // watermarks has to be finished before adopt().
    bool propose();
    void adopt();
    // Between propose() and adopt(), or before catch_up() or tick(): how far watermarks may go from now on. Returns as
    // propose() does.
    bool limit(std::int64_t time);
    // In place of adopt(), where another source's message has moved the limit.
    void catch_up();
    // Arrival time alone: moves idle partitions and, when all are idle, the source.
    void tick();
    // Of a stream whose watermark comes from others: at least this now. REQUIRES: one partition.
    void follow(std::int64_t watermark);
    // The part of it that others in a group depend on.
    void find_idle();
    // The end of all: every watermark is at forever_us, those to come too.
    void finish();

    // Since the last clear_passed(): partitions whose watermark passed a boundary, and the source's.
    std::span<const std::uint32_t> passed() const { return passed_.first(passed_count_); }
    bool source_passed() const { return source_passed_; }
    void clear_passed();

    // The greatest event time of all; never_us before the first. Cost: O(partitions).
    std::int64_t newest() const;

    // Whether others that have rows of the same source should wait for this watermark: while a partition is active,
    // and when ticks have come but no event, until that would make it idle.
    bool holds() const {
        return active_ > 0 || (used_ == 0 && last_arrival_ != never_us && elapsed_ < params_.idle.us());
    }
    // How far watermarks stay behind, at present.
    Duration lateness() const { return Duration::micros(lateness_.now()); }
    std::size_t partitions() const { return used_; }
    std::size_t active() const { return active_; }
    // The active partition whose watermark is least; "" when there is none.
    std::string_view holder() const;
    // The label is cut; never_us before the first event.
    std::string_view label(std::uint32_t partition) const { return {partitions_[partition].label, partitions_[partition].label_size}; }
    std::int64_t greatest(std::uint32_t partition) const { return partitions_[partition].greatest; }
    bool is_active(std::uint32_t partition) const { return partitions_[partition].active != 0; }

    static Bytes save_size_max(const Params& params);
    void save(ByteWriter& out) const;
    bool load(ByteReader& in);
    void reset();

private:
    static constexpr std::size_t label_max = 32;
    static constexpr std::int64_t nothing_held = std::numeric_limits<std::int64_t>::max();  // beyond every limit
    struct Partition {
        std::uint64_t hash = 0;
        std::int64_t watermark = never_us;
        std::int64_t greatest = never_us;        // event time
        std::int64_t greatest_now = never_us;    // of the message under way
        std::int64_t least_now = forever_us;
        std::int64_t proposed = never_us;        // what it would be without a limit
        std::int64_t boundary = never_us;        // the watermark that passes the next boundary
        std::int64_t last = 0;                   // arrival, on the clock elapsed_
        std::uint8_t active = 0;
        std::uint8_t touched = 0;                // by the message under way
        std::uint8_t label_size = 0;
        char label[label_max] = {};
    };

    void raise(std::uint32_t partition, std::int64_t watermark);
    void raise_source(std::int64_t watermark);
    bool passes(const Partition& partition, std::int64_t watermark) const;
    void set_active(std::uint32_t partition, bool active);
    void set_minimum(std::uint32_t partition, std::int64_t value);
    std::int64_t own(std::size_t partition) const;
    void raise_within_limit(std::size_t partition, std::int64_t watermark);
    static std::int64_t next_boundary(std::span<const Boundary> boundaries, std::int64_t watermark);
    static std::int64_t last_boundary(std::span<const Boundary> boundaries, std::int64_t watermark);
    void rebuild();

    Params params_;
    Lateness lateness_;
    std::span<Partition> partitions_;
    std::span<std::uint32_t> table_;     // partition + 1, by hash
    std::span<std::int64_t> minima_;     // a tree: minima_[1] is the least watermark of active partitions
    std::span<std::uint32_t> touched_;
    std::span<std::uint32_t> passed_;
    bool partitions_early_ = false;      // some window that closes by partition has early results
    std::size_t leaves_ = 1;
    std::size_t used_ = 0;
    std::size_t active_ = 0;
    std::size_t touched_count_ = 0;
    std::size_t passed_count_ = 0;
    std::int64_t watermark_ = never_us;
    std::int64_t own_ = never_us;            // the same without the limit
    std::int64_t limit_ = forever_us;
    std::int64_t held_next_ = nothing_held;  // below it a limit lets no partition pass a boundary before which it is held
    std::int64_t furthest_ = never_us;
    std::int64_t boundary_ = never_us;
    std::int64_t elapsed_ = 0;           // arrival time that went by, steps of the clock left out
    std::int64_t next_idle_ = 0;         // no partition becomes idle before
    std::int64_t last_arrival_ = never_us;
    bool last_trusted_ = false;
    bool finished_ = false;
    bool source_passed_ = false;
};

}  // namespace weir
