#include "windows/frontier.h"

#include <algorithm>
#include <bit>

#include "windows/watermark.h"

namespace weir {
namespace {

std::size_t entries_for(std::size_t partitions) { return std::bit_ceil(partitions * 2); }

}  // namespace

Bytes Frontier::need(std::size_t partitions_max) { return Arena::need<Entry>(entries_for(partitions_max)); }

Frontier::Frontier(Arena& arena, std::size_t partitions_max)
    : entries_(arena.take<Entry>(entries_for(partitions_max))), partitions_max_(partitions_max) {
    reset();
}

void Frontier::reset() {
    for (Entry& entry : entries_) entry = Entry{};
    used_ = 0;
    furthest_ = shared_ = never_us;
}

std::size_t Frontier::place(std::uint64_t partition) const {
    std::size_t at = static_cast<std::size_t>(partition) & (entries_.size() - 1);
    while (entries_[at].used && entries_[at].partition != partition) at = (at + 1) & (entries_.size() - 1);
    return at;
}

std::int64_t Frontier::at(std::uint64_t partition) const {
    const Entry& entry = entries_[place(partition)];
    return entry.used ? entry.end : never_us;
}

Status Frontier::set(std::uint64_t partition, std::int64_t end) {
    Entry& entry = entries_[place(partition)];
    if (!entry.used) {
        if (used_ == partitions_max_) return Error::full;
        ++used_;
        entry = {partition, end, true};
    }
    entry.end = std::max(entry.end, end);
    furthest_ = std::max(furthest_, end);
    if (partition == shared_partition_hash) shared_ = std::max(shared_, end);
    return {};
}

void Frontier::save(ByteWriter& out) const {
    out.write(static_cast<std::uint32_t>(used_));
    for (const Entry& entry : entries_) {
        if (!entry.used) continue;
        out.write(entry.partition);
        out.write(entry.end);
    }
}

bool Frontier::load(ByteReader& in) {
    reset();
    const auto count = in.read<std::uint32_t>();
    for (std::uint32_t i = 0; i < count && in.ok(); ++i) {
        const auto partition = in.read<std::uint64_t>();
        if (!set(partition, in.read<std::int64_t>()).ok()) return false;
    }
    return in.ok();
}

}  // namespace weir
