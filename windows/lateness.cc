#include "windows/lateness.h"

#include <algorithm>
#include <cstring>

namespace weir {
namespace {

// From 512 us to 38 hours, in steps of 12.5 %.
constexpr LogHistogram::Params shape{3, 9, 28};

LogHistogram* make(Arena& arena) { return LogHistogram::create(arena.take<std::byte>(LogHistogram::need(shape)), shape); }

ByteSpan bytes_of(const LogHistogram* histogram) { return {reinterpret_cast<const std::byte*>(histogram), LogHistogram::need(shape)}; }

}  // namespace

Bytes Lateness::need(const LatenessParams& params) {
    return params.adaptive ? 3 * Arena::need<std::byte>(LogHistogram::need(shape)) : 0;
}

Lateness::Lateness(Arena& arena, const LatenessParams& params) : params_(params) {
    if (params_.adaptive) {
        older_ = make(arena);
        newer_ = make(arena);
        both_ = make(arena);
    }
    reset();
}

// Until something is known adaptive lateness is the widest: waiting costs less than losing.
void Lateness::reset() {
    now_ = params_.most().us();
    in_newer_ = unsettled_ = 0;
    if (!newer_) return;
    older_->reset();
    newer_->reset();
}

void Lateness::count(std::int64_t behind) {
    newer_->update(static_cast<double>(std::max<std::int64_t>(behind, 0)));
    ++in_newer_;
    ++unsettled_;
}

void Lateness::estimate() {
    unsettled_ = 0;
    both_->reset();
    const bool merged = both_->merge(*older_).ok() && both_->merge(*newer_).ok();
    WEIR_ASSERT(merged);  // one shape
    // The middle of a bucket is at most relative_error() of it below the bucket's end.
    const double middle = both_->quantile(1.0 - params_.late_share);
    const double end = middle + middle * both_->relative_error();
    now_ = std::clamp(static_cast<std::int64_t>(end), params_.floor.us(), params_.ceiling.us());
    if (in_newer_ < pane_events) return;
    std::swap(older_, newer_);
    newer_->reset();
    in_newer_ = 0;
}

Bytes Lateness::save_size_max(const LatenessParams& params) { return params.adaptive ? 24 + 2 * LogHistogram::need(shape) : 0; }

void Lateness::save(ByteWriter& out) const {
    if (!newer_) return;
    out.write(now_);
    out.write(in_newer_);
    out.write(unsettled_);
    out.bytes(bytes_of(older_));
    out.bytes(bytes_of(newer_));
}

bool Lateness::load(ByteReader& in) {
    reset();
    if (!newer_) return true;
    const auto now = in.read<std::int64_t>();
    const auto in_newer = in.read<std::uint64_t>();
    const auto unsettled = in.read<std::uint64_t>();
    const ByteSpan older = in.bytes(LogHistogram::need(shape));
    const ByteSpan newer = in.bytes(LogHistogram::need(shape));
    if (!in.ok() || now < params_.floor.us() || now > params_.ceiling.us()) return false;
    // What stands before the counts follows from the shape: it must be what is here already.
    if (std::memcmp(older_, older.data(), sizeof(LogHistogram)) != 0) return false;
    if (std::memcmp(newer_, newer.data(), sizeof(LogHistogram)) != 0) return false;
    now_ = now;
    in_newer_ = in_newer;
    unsettled_ = unsettled;
    std::memcpy(reinterpret_cast<std::byte*>(older_), older.data(), older.size());
    std::memcpy(reinterpret_cast<std::byte*>(newer_), newer.data(), newer.size());
    return true;
}

}  // namespace weir
