#include "uplink/send_buffer.h"

#include <cstring>

namespace weir {

SendBuffer::Taken SendBuffer::take(std::uint64_t after_ship, std::span<ShipRow> rows, MutableByteSpan space) {
    const std::lock_guard lock(mutex_);
    if (!asked_ || after_ship != taken_ship_) {
        head_ = tail_ = 0;
        taken_ship_ = loaded_ship_ = after_ship;
        ++round_;
        asked_ = true;
        return {0, true};
    }
    Taken taken;
    Bytes used = 0;
    while (taken.rows < rows.size() && head_ < tail_) {
        const std::byte* const entry = memory_.data() + head_;
        const auto size = static_cast<Bytes>(load_le<std::uint64_t>(entry + 16));
        if (size > space.size() - used) {
            if (size <= space.size() || taken.rows > 0) break;
            rows[taken.rows++] = {load_le<std::uint64_t>(entry), load_le<std::uint64_t>(entry + 8), {}};
            head_ += header_bytes + size;
            break;
        }
        std::memcpy(space.data() + used, entry + header_bytes, size);
        rows[taken.rows++] = {load_le<std::uint64_t>(entry), load_le<std::uint64_t>(entry + 8),
                              space.subspan(used, size)};
        used += size;
        head_ += header_bytes + size;
    }
    if (taken.rows > 0) taken_ship_ = rows[taken.rows - 1].ship;
    taken.wants_more = tail_ - head_ < memory_.size() / 2;
    return taken;
}

SendBuffer::Cursor SendBuffer::cursor() const {
    const std::lock_guard lock(mutex_);
    return {loaded_ship_, round_, asked_ && tail_ - head_ < memory_.size() / 2};
}

bool SendBuffer::append(const Cursor& from, const ShipRow& row) {
    const std::lock_guard lock(mutex_);
    const Bytes size = header_bytes + row.record.size();
    if (round_ != from.round || size > memory_.size() - (tail_ - head_)) return false;
    if (size > memory_.size() - tail_) {
        std::memmove(memory_.data(), memory_.data() + head_, tail_ - head_);
        tail_ -= head_;
        head_ = 0;
    }
    std::byte* const entry = memory_.data() + tail_;
    store_le(entry, row.ship);
    store_le(entry + 8, row.epoch);
    store_le(entry + 16, static_cast<std::uint64_t>(row.record.size()));
    if (!row.record.empty()) std::memcpy(entry + header_bytes, row.record.data(), row.record.size());
    tail_ += size;
    loaded_ship_ = row.ship;
    return true;
}

void SendBuffer::passed(const Cursor& from, std::uint64_t ship) {
    const std::lock_guard lock(mutex_);
    if (round_ != from.round || ship <= loaded_ship_) return;
    loaded_ship_ = ship;
}

void SendBuffer::clear() {
    const std::lock_guard lock(mutex_);
    head_ = tail_ = 0;
    taken_ship_ = loaded_ship_ = 0;
    ++round_;
    asked_ = false;
}

}  // namespace weir
