#include "agent/lanes.h"

#include <algorithm>

namespace weir {
namespace {

constexpr Bytes early_bytes = 8;

struct Passed {
    std::uint64_t source = 0;
    std::int64_t watermark = 0;
    std::uint64_t holds = 0;
};

}  // namespace

LaneQueue::LaneQueue(Bytes item_bytes_max)
    : capacity_(capacity(item_bytes_max)), filling_(new std::byte[capacity_]), draining_(new std::byte[capacity_]) {}

void LaneQueue::put(LaneWord word, ByteSpan bytes) {
    const Bytes size = head_bytes + align_up(bytes.size(), 8);
    WEIR_ASSERT(size <= capacity_);
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return capacity_ - filled_ >= size; });
    std::byte* const at = filling_.get() + filled_;
    store_le(at, static_cast<std::uint32_t>(word));
    store_le(at + 4, static_cast<std::uint32_t>(bytes.size()));
    if (!bytes.empty()) std::memcpy(at + head_bytes, bytes.data(), bytes.size());
    const bool was_empty = filled_ == 0;
    filled_ += size;
    lock.unlock();
    if (was_empty) changed_.notify_one();
}

LaneQueue::Item LaneQueue::take() {
    if (drained_ == drain_end_) {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return filled_ > 0; });
        std::swap(filling_, draining_);
        drain_end_ = filled_;
        drained_ = filled_ = 0;
        lock.unlock();
        changed_.notify_one();
    }
    const std::byte* const at = draining_.get() + drained_;
    const auto size = load_le<std::uint32_t>(at + 4);
    drained_ += head_bytes + align_up(size, 8);
    return {static_cast<LaneWord>(load_le<std::uint32_t>(at)), {at + head_bytes, size}};
}

Bytes LaneOutput::item_bytes_max(const Assembly& assembly) {
    return std::max({early_bytes + assembly.engine().record_size_max(), assembly.engine().partial_size_max(), sizeof(Passed)});
}

LaneOutput::LaneOutput(const Assembly& assembly)
    : assembly_(assembly), queue_(item_bytes_max(assembly)), encoded_(early_bytes + assembly.engine().record_size_max()) {}

// What a provisional record is more than another stands before its bytes, which are for outboxes, too.
void LaneOutput::result(const Record& record) {
    const bool early = record.flags & record_provisional;
    ByteWriter out(encoded_);
    if (early) out.write(std::uint64_t{record.early});
    Record plain = record;
    plain.flags = static_cast<std::uint16_t>(plain.flags & ~record_provisional);
    WEIR_ASSERT(encode(plain, out).ok());  // record_size_max()
    queue_.put(early ? LaneWord::early : LaneWord::record, out.written());
}

void LaneOutput::passed(std::size_t source, Timestamp watermark, bool holds) {
    const Passed passed{source, watermark.us(), holds ? std::uint64_t{1} : 0};
    queue_.put(LaneWord::passed, std::as_bytes(std::span(&passed, 1)));
}

void LaneOutput::end_round(const Analysis& analysis) {
    for (std::size_t source = 0; source < assembly_.codecs().size(); ++source) {
        if (!assembly_.is_split(source)) continue;
        const SourceStatus status = analysis.engine().source_status(source);
        passed(source, status.watermark, status.holds);
    }
    queue_.put(LaneWord::round, {});
}

void LaneOutput::end() {
    for (std::size_t source = 0; source < assembly_.codecs().size(); ++source)
        if (assembly_.is_split(source)) passed(source, Timestamp::min(), false);
    queue_.put(LaneWord::end, {});
}

LaneMerge::LaneMerge(Arena& arena, const Assembly& assembly, std::span<const std::unique_ptr<LaneOutput>> lanes, Analysis& behind)
    : behind_(behind), merger_(arena, assembly.engine(), assembly.lanes(), *this), storage_(new RecordStorage) {
    for (const auto& lane : lanes) lanes_.push_back({&lane->queue(), Timestamp::min(), false, false});
}

void LaneMerge::run() {
    for (;;) {
        while (Lane* const lane = next_lane()) hear(*lane);
        merger_.settle();
        bool all_ended = true;
        for (Lane& lane : lanes_) {
            lane.round_over = false;
            all_ended &= lane.ended;
        }
        if (all_ended) break;
    }
    merger_.finish();
}

// None: the round is over.
LaneMerge::Lane* LaneMerge::next_lane() {
    Lane* next = nullptr;
    for (Lane& lane : lanes_)
        if (!lane.round_over && !lane.ended && (!next || lane.progress < next->progress)) next = &lane;
    return next;
}

// Up to the lane's next word on time: there what one message made it say is complete.
void LaneMerge::hear(Lane& lane) {
    for (;;) {
        const LaneQueue::Item item = lane.queue->take();
        switch (item.word) {
            case LaneWord::record:
            case LaneWord::early: {
                const bool early = item.word == LaneWord::early;
                Result<Record> record = decode_record(item.bytes.subspan(early ? early_bytes : 0), *storage_);
                WEIR_ASSERT(record.ok());
                if (early) {
                    record->flags |= record_provisional;
                    record->early = static_cast<std::uint32_t>(load_le<std::uint64_t>(item.bytes.data()));
                }
                behind_.take(*record);
                break;
            }
            case LaneWord::partial: WEIR_ASSERT(merger_.absorb(item.bytes).ok()); break;
            case LaneWord::passed: {
                const auto passed = load_le<Passed>(item.bytes.data());
                const auto number = static_cast<std::size_t>(&lane - lanes_.data());
                lane.progress = std::max(lane.progress, Timestamp::micros(passed.watermark));
                merger_.passed(number, static_cast<std::size_t>(passed.source), Timestamp::micros(passed.watermark), passed.holds != 0);
                return;
            }
            case LaneWord::round: lane.round_over = true; return;
            case LaneWord::end: lane.ended = true; return;
        }
    }
}

}  // namespace weir
