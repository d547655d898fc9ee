// The stretches of a source's event time in which only a share of its messages was kept, because they came faster than
// they could be worked off. Results that overlap one say what share (sampled_flags() of record.h); values and bounds
// speak of the events that were kept.
// A stretch begins at the source's watermark, since what is before it would count nowhere, and ends at the newest event
// there is when all are kept again. Eight are remembered; then the two oldest become one, with the lesser share.
// Memory: 200 bytes. Cost: O(8) a result. Threads: plain value. Errors: load() of hostile bytes is false.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "agent/base/bytes.h"
#include "agent/base/record.h"
#include "windows/watermark.h"

namespace weir {

class SampledSpans {
public:
    static constexpr std::size_t places = 8;

    // From now on one message in 2^level is kept. The source's watermark and newest event time, as they are now.
    void change(unsigned level, std::int64_t watermark, std::int64_t newest) {
        if (level == level_) return;
        if (level_ > 0) spans_[used_ - 1].to = std::max(newest + 1, spans_[used_ - 1].from);
        level_ = std::min(level, sampled_level_max);
        if (level_ == 0) return;
        if (used_ == places) {
            spans_[0] = {std::min(spans_[0].from, spans_[1].from), std::max(spans_[0].to, spans_[1].to),
                         std::max(spans_[0].level, spans_[1].level)};
            std::copy(spans_.begin() + 2, spans_.end(), spans_.begin() + 1);
            --used_;
        }
        spans_[used_++] = {watermark, forever_us, level_};
    }
    unsigned level() const { return level_; }
    // For a record of [start, end).
    std::uint16_t flags(std::int64_t start, std::int64_t end) const {
        unsigned flags = 0;
        for (std::size_t i = 0; i < used_; ++i)
            if (spans_[i].from < end && spans_[i].to > start) flags |= sampled_flags(spans_[i].level);
        return static_cast<std::uint16_t>(flags);
    }

    static constexpr Bytes save_size_max() { return 2 + places * 17; }
    void save(ByteWriter& out) const {
        out.write(static_cast<std::uint8_t>(level_));
        out.write(static_cast<std::uint8_t>(used_));
        for (std::size_t i = 0; i < used_; ++i) {
            out.write(spans_[i].from);
            out.write(spans_[i].to);
            out.write(static_cast<std::uint8_t>(spans_[i].level));
        }
    }
    bool load(ByteReader& in) {
        level_ = in.read<std::uint8_t>();
        used_ = in.read<std::uint8_t>();
        if (level_ > sampled_level_max || used_ > places || (level_ > 0 && used_ == 0)) return false;
        for (std::size_t i = 0; i < used_; ++i) {
            spans_[i].from = in.read<std::int64_t>();
            spans_[i].to = in.read<std::int64_t>();
            spans_[i].level = in.read<std::uint8_t>();
            if (spans_[i].level > sampled_level_max) return false;
        }
        return in.ok();
    }
    void reset() { level_ = 0, used_ = 0; }

private:
    struct Span {
        std::int64_t from = 0;
        std::int64_t to = 0;
        unsigned level = 0;
    };
    std::array<Span, places> spans_;
    std::size_t used_ = 0;
    unsigned level_ = 0;  // the last span's, which is open, or 0
};

}  // namespace weir
