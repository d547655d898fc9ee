#include "agent/lanes.h"

#include <algorithm>
#include <chrono>

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
    changed_.wait(lock, [&] { return capacity_ - filled_ >= size || closed_; });
    if (closed_) return;
    std::byte* const at = filling_.get() + filled_;
    store_le(at, static_cast<std::uint32_t>(word));
    store_le(at + 4, static_cast<std::uint32_t>(bytes.size()));
    if (!bytes.empty()) std::memcpy(at + head_bytes, bytes.data(), bytes.size());
    const bool was_empty = filled_ == 0;
    filled_ += size;
    lock.unlock();
    if (was_empty) changed_.notify_one();
}

std::optional<LaneQueue::Item> LaneQueue::try_take() {
    if (drained_ == drain_end_) {
        std::unique_lock lock(mutex_);
        if (filled_ == 0) return std::nullopt;
        std::swap(filling_, draining_);
        drain_end_ = filled_;
        drained_ = filled_ = 0;
        lock.unlock();
        changed_.notify_one();
    }
    const std::byte* const at = draining_.get() + drained_;
    const auto size = load_le<std::uint32_t>(at + 4);
    drained_ += head_bytes + align_up(size, 8);
    return Item{static_cast<LaneWord>(load_le<std::uint32_t>(at)), {at + head_bytes, size}};
}

bool LaneQueue::wait(Duration at_most) {
    if (drained_ < drain_end_) return true;
    std::unique_lock lock(mutex_);
    const bool came = changed_.wait_for(lock, std::chrono::microseconds(at_most.us()), [&] { return filled_ > 0 || poked_; });
    poked_ = false;
    return came;
}

void LaneQueue::poke() {
    {
        const std::lock_guard lock(mutex_);
        poked_ = true;
    }
    changed_.notify_all();
}

void LaneQueue::close() {
    {
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }
    changed_.notify_all();
}

Bytes LaneOutput::item_bytes_max(const Assembly& assembly) {
    return std::max({early_bytes + assembly.engine().record_size_max(), assembly.engine().partial_size_max(), sizeof(Passed)});
}

LaneOutput::LaneOutput(const Assembly& assembly, std::size_t lane)
    : assembly_(assembly), lane_(lane), queue_(item_bytes_max(assembly)), encoded_(early_bytes + assembly.engine().record_size_max()) {}

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
        passed(source, status.watermark, status.holds && assembly_.has_topics(source, lane_));
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
        const Heard heard = hear_next();
        if (heard == Heard::end) break;
        if (heard == Heard::dry) wait(Duration::minutes(60));
    }
    merger_.finish();
}

LaneMerge::Heard LaneMerge::hear_next() {
    if (Lane* const lane = next_lane()) return hear(*lane) ? Heard::stretch : Heard::dry;
    merger_.settle();
    bool all_ended = true;
    for (Lane& lane : lanes_) {
        lane.round_over = false;
        all_ended &= lane.ended;
    }
    return all_ended ? Heard::end : Heard::round;
}

void LaneMerge::wait(Duration at_most) {
    if (Lane* const lane = next_lane()) (void)lane->queue->wait(at_most);
}

// None: the round is over.
LaneMerge::Lane* LaneMerge::next_lane() {
    Lane* next = nullptr;
    for (Lane& lane : lanes_)
        if (!lane.round_over && !lane.ended && (!next || lane.progress < next->progress)) next = &lane;
    return next;
}

// Up to the lane's next word on time: there what one message made it say is complete. False: it has not said it yet.
bool LaneMerge::hear(Lane& lane) {
    while (const std::optional<LaneQueue::Item> item = lane.queue->try_take())
        if (take_in(lane, *item)) return true;
    return false;
}

bool LaneMerge::take_in(Lane& lane, const LaneQueue::Item& item) {
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
            return false;
        }
        case LaneWord::partial: WEIR_ASSERT(merger_.absorb(item.bytes).ok()); return false;
        case LaneWord::passed: {
            const auto passed = load_le<Passed>(item.bytes.data());
            const auto number = static_cast<std::size_t>(&lane - lanes_.data());
            lane.progress = std::max(lane.progress, Timestamp::micros(passed.watermark));
            merger_.passed(number, static_cast<std::size_t>(passed.source), Timestamp::micros(passed.watermark), passed.holds != 0);
            return true;
        }
        case LaneWord::round: lane.round_over = true; return true;
        case LaneWord::end: lane.ended = true; return true;
    }
    return true;
}

Status LaneMerge::save(ByteWriter& out) const {
    for (const Lane& lane : lanes_) out.write(lane.progress.us());
    return merger_.save(out);
}

Status LaneMerge::load(ByteReader& in) {
    for (Lane& lane : lanes_) lane.progress = Timestamp::micros(in.read<std::int64_t>());
    return merger_.load(in);
}

void LaneMerge::reset() {
    for (Lane& lane : lanes_) lane.progress = Timestamp::min();
    merger_.reset();
}

}  // namespace weir
