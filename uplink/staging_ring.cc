#include "uplink/staging_ring.h"

#include <algorithm>

namespace weir {
namespace {

// u32 size of the record (all ones: nothing more up to the end of the memory), u32 kind and flags, then the rest.
constexpr std::uint32_t gap_mark = UINT32_MAX;
constexpr Bytes header_bytes = 4 + 4 + 5 * 8;
constexpr Bytes entry_alignment = 8;
constexpr std::uint32_t closes_flag = 0x100;
constexpr std::uint32_t revises_flag = 0x200;
// A snapshot begins with these: its mark, and the version of the entries.
constexpr std::uint32_t snapshot_mark = 0x53726557;  // "WerS"
constexpr std::uint32_t snapshot_version = 2;        // 1 had neither mark nor closes

void put_entry(const StagedRecord& record, ByteWriter& out) {
    out.write(static_cast<std::uint32_t>(record.bytes.size()));
    out.write(static_cast<std::uint32_t>(record.kind) | (record.closes ? closes_flag : 0) | (record.revises ? revises_flag : 0));
    out.write(record.epoch);
    out.write(record.sequence);
    out.write(record.definition);
    out.write(record.partition);
    out.write(record.end.us());
    out.bytes(record.bytes);
}

StagedRecord get_entry(ByteReader& in) {
    StagedRecord record;
    const auto size = in.read<std::uint32_t>();
    const auto kind_and_flags = in.read<std::uint32_t>();
    const std::uint32_t kind = kind_and_flags & ~(closes_flag | revises_flag);
    record.closes = (kind_and_flags & closes_flag) != 0;
    record.revises = (kind_and_flags & revises_flag) != 0;
    if (kind < 1 || kind > static_cast<std::uint32_t>(record_kind_last)) in.fail();
    record.kind = static_cast<RecordKind>(kind);
    record.epoch = in.read<std::uint64_t>();
    record.sequence = in.read<std::uint64_t>();
    record.definition = in.read<std::uint64_t>();
    record.partition = in.read<std::uint64_t>();
    record.end = Timestamp::micros(in.read<std::int64_t>());
    record.bytes = in.bytes(size);
    return record;
}

}  // namespace

Bytes StagingRing::entry_bytes(Bytes record_bytes) { return align_up(header_bytes + record_bytes, entry_alignment); }

// Entries, a gap before the end in which one more did not fit, and the eighth of the alerts.
Bytes StagingRing::capacity_for(std::size_t records, Bytes record_bytes) {
    const std::uint64_t entries = (std::uint64_t{records} + 1) * entry_bytes(record_bytes);
    const std::uint64_t capacity = (entries + 6) / 7 * 8;
    return static_cast<Bytes>(std::min<std::uint64_t>(capacity, SIZE_MAX / 2 + 1));
}

std::uint64_t StagingRing::place_for(Bytes size) const {
    const Bytes to_end = memory_.size() - static_cast<Bytes>(tail_ % memory_.size());
    return size <= to_end ? tail_ : tail_ + to_end;
}

std::uint64_t StagingRing::skip_gap(std::uint64_t position) const {
    const Bytes offset = static_cast<Bytes>(position % memory_.size());
    if (load_le<std::uint32_t>(memory_.data() + offset) != gap_mark) return position;
    return position + (memory_.size() - offset);
}

Status StagingRing::push(const StagedRecord& record) {
    const std::lock_guard lock(mutex_);
    return push_locked(record);
}

Status StagingRing::push_locked(const StagedRecord& record) {
    const Bytes size = entry_bytes(record.bytes.size());
    const Bytes reserved = record.kind == RecordKind::alert ? 0 : memory_.size() / 8;
    // From the front again: else a large record could find the end too near for ever.
    if (head_ == tail_ && tail_ % memory_.size() != 0) head_ = tail_ = tail_ + memory_.size() - tail_ % memory_.size();
    const std::uint64_t place = place_for(size);
    if (place + size + reserved > head_ + memory_.size()) return Error::full;
    if (place != tail_) store_le(memory_.data() + tail_ % memory_.size(), gap_mark);
    ByteWriter out(memory_.subspan(static_cast<Bytes>(place % memory_.size()), size));
    put_entry(record, out);
    tail_ = place + size;
    if (record.closes) sealed_ = std::max(sealed_, {record.epoch, record.sequence});
    return {};
}

bool StagingRing::seal(OutputPosition position) {
    const std::lock_guard lock(mutex_);
    if (position <= sealed_) return false;
    sealed_ = position;
    return true;
}

void StagingRing::snapshot(ByteWriter& out) const {
    const std::lock_guard lock(mutex_);
    if (head_ == tail_) return;
    out.write(snapshot_mark);
    out.write(snapshot_version);
    for (std::uint64_t position = head_; position != tail_;) {
        StagedRecord record = read(position);
        // Only the last one that is sealed says so: a smaller ring may take them in parts.
        const bool sealed = is_sealed(record);
        std::uint64_t after = position;
        record.closes = sealed && (after == tail_ || !is_sealed(read(after)));
        put_entry(record, out);
    }
}

Status StagingRing::restore(ByteSpan snapshot, std::uint64_t& oversize) {
    if (snapshot.empty()) return {};
    ByteReader in(snapshot);
    if (in.read<std::uint32_t>() != snapshot_mark) return Error::invalid;
    if (in.read<std::uint32_t>() != snapshot_version) return in.ok() ? Error::unsupported : Error::invalid;
    const ByteSpan entries = snapshot.subspan(in.position());
    while (in.remaining() > 0) {
        (void)get_entry(in);
        if (!in.ok()) return Error::invalid;
    }
    in = ByteReader(entries);
    const std::lock_guard lock(mutex_);
    while (in.remaining() > 0) {
        const StagedRecord record = get_entry(in);
        const OutputPosition position{record.epoch, record.sequence};
        if (position <= restored_) continue;
        if (!fits_empty(record.bytes.size()))
            ++oversize;
        else if (const Status pushed = push_locked(record); !pushed)
            return pushed;
        restored_ = position;
    }
    return {};
}

StagingRing::Range StagingRing::peek() const {
    const std::lock_guard lock(mutex_);
    return {head_, tail_, sealed_};
}

// The store thread comes here without the lock: entries between head and a peeked tail do not change.
StagedRecord StagingRing::read(std::uint64_t& position) const {
    position = skip_gap(position);
    ByteReader in(memory_.subspan(static_cast<Bytes>(position % memory_.size())));
    const StagedRecord record = get_entry(in);
    WEIR_ASSERT(in.ok());
    position += entry_bytes(record.bytes.size());
    return record;
}

void StagingRing::release(std::uint64_t end) {
    const std::lock_guard lock(mutex_);
    if (end <= head_) return;  // nothing was read; an empty ring may have begun from the front since
    WEIR_ASSERT(end <= tail_);
    head_ = end;
}

Bytes StagingRing::used_bytes() const {
    const std::lock_guard lock(mutex_);
    return static_cast<Bytes>(tail_ - head_);
}

}  // namespace weir
