#include "sketches/pool.h"

#include <algorithm>
#include <cstring>

namespace weir {

// After a compaction at least a fifteenth of the limit is free, so that the next one is that far away.
Bytes SketchPool::span_bytes(const Params& params) {
    const Bytes most = limit(params);
    return align_up(most + most / 15 + (most > 0 ? 8 : 0), 8);
}

Bytes SketchPool::need(const Params& params) {
    return Arena::need<std::uint32_t>(params.slots) + Arena::need<std::byte>(span_bytes(params));
}

SketchPool::SketchPool(Arena& arena, const Params& params)
    : places_(arena.take<std::uint32_t>(params.slots)),
      memory_(arena.take<std::byte>(span_bytes(params))),
      first_(params.first),
      limit_(limit(params)) {}

void SketchPool::reset() {
    std::fill(places_.begin(), places_.end(), 0U);
    used_ = top_ = 0;
    open_ = 0;
}

MutableByteSpan SketchPool::open(std::size_t slot) {
    WEIR_ASSERT(!is_open(slot));
    places_[slot] = append(slot, first_, true);
    ++open_;
    return {at(slot), first_};
}

MutableByteSpan SketchPool::restore(std::size_t slot, Bytes bytes) {
    WEIR_ASSERT(!is_open(slot));
    if (bytes < first_ || bytes > limit_ || taken() - cost(first_) + cost(bytes) > limit_) return {};
    places_[slot] = append(slot, bytes, false);
    ++open_;
    return {at(slot), bytes};
}

void SketchPool::close(std::size_t slot) {
    WEIR_ASSERT(is_open(slot));
    used_ -= cost(size(slot));
    places_[slot] = 0;
    if (--open_ == 0) top_ = 0;
}

// Behind all others. The slot still points to the block it had, if it had one.
std::uint32_t SketchPool::append(std::size_t slot, Bytes bytes, bool zeroed) {
    if (cost(bytes) > memory_.size() - top_) compact();
    WEIR_ASSERT(cost(bytes) <= memory_.size() - top_);
    std::byte* const begin = memory_.data() + top_;
    if (zeroed) std::memset(begin, 0, cost(bytes));
    const Header made{static_cast<std::uint32_t>(slot), static_cast<std::uint32_t>(bytes)};
    std::memcpy(begin, &made, sizeof made);
    const auto place = static_cast<std::uint32_t>((top_ + header_bytes) / 8);
    used_ += cost(bytes);
    top_ += cost(bytes);
    return place;
}

void SketchPool::compact() {
    Bytes to = 0;
    for (Bytes from = 0; from < top_;) {
        const auto place = static_cast<std::uint32_t>((from + header_bytes) / 8);
        const Header block = header(place);
        const Bytes bytes = cost(block.bytes);
        if (places_[block.slot] == place) {
            if (from != to) {
                std::memmove(memory_.data() + to, memory_.data() + from, bytes);
                bytes_moved_ += bytes;
            }
            places_[block.slot] = static_cast<std::uint32_t>((to + header_bytes) / 8);
            to += bytes;
        }
        from += bytes;
    }
    top_ = to;
}

}  // namespace weir
