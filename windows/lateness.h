// How long a source's watermark stays behind its greatest event: fixed, or adaptive, which follows the
// disorder that was observed so that a declared share of events comes behind the watermark.
// An event is observed by how far it lies behind the greatest of its partition's earlier messages: with a
// lateness of L exactly the events beyond L are late. Adaptive: the quantile 1 - late_share of the last
// 2,000 to 4,000 events, kept between floor and ceiling, worked out again at the end of each message that brought
// the number of events since the last time to 64.
// Memory: need(params): nothing when fixed, 5.5 KiB (three log-histograms) when adaptive.
// Cost: observe() O(1); settle() O(1), every 64 events 500 additions.
// Accuracy: the quantile is too high by at most 13 %, never too low: buckets count by their upper end; what
// is below 512 us counts as 512 us.
// Threads: one owner. Errors: load() of hostile bytes.
// Source: adaptive slack as in Ji et al., Quality-Driven Disorder Handling, 2016, by a quantile sketch.
#pragma once

#include <cstdint>

#include "agent/base/arena.h"
#include "agent/base/bytes.h"
#include "agent/base/time.h"
#include "sketches/log_histogram.h"

namespace weir {

struct LatenessParams {
    LatenessParams() = default;
    LatenessParams(Duration duration) : fixed(duration) {}

    Duration fixed = Duration::seconds(2);
    bool adaptive = false;
    Duration floor;                              // of adaptive, as the rest
    Duration ceiling = Duration::seconds(30);
    double late_share = 0.01;                    // of events; more than 0, less than 1

    // The most that it can ever be: what memory for open windows follows from.
    Duration most() const { return adaptive ? ceiling : fixed; }
};

class Lateness {
public:
    static constexpr std::size_t pane_events = 2000;
    static constexpr std::size_t settle_events = 64;

    static Bytes need(const LatenessParams& params);
    Lateness(Arena& arena, const LatenessParams& params);

    // In microseconds.
    std::int64_t now() const { return now_; }
    // An event so far behind the greatest of its partition; 0 or less: in order.
    void observe(std::int64_t behind) {
        if (newer_) count(behind);
    }
    // A message is over.
    void settle() {
        if (unsettled_ >= settle_events) estimate();
    }

    static Bytes save_size_max(const LatenessParams& params);
    void save(ByteWriter& out) const;
    bool load(ByteReader& in);
    void reset();

private:
    void count(std::int64_t behind);
    void estimate();

    LatenessParams params_;
    LogHistogram* older_ = nullptr;
    LogHistogram* newer_ = nullptr;
    LogHistogram* both_ = nullptr;
    std::int64_t now_ = 0;
    std::uint64_t in_newer_ = 0;
    std::uint64_t unsettled_ = 0;
};

}  // namespace weir
