#include "agent/duplicates.h"

#include <atomic>
#include <cstddef>

#include "agent/base/assert.h"
#include "agent/base/hash.h"

namespace weir {
namespace {

using Row = DuplicateHorizon::Row;

std::uint32_t checksum(const Row& row) { return crc32c(std::as_bytes(std::span(&row, 1)).first(offsetof(Row, crc))); }

}  // namespace

struct DuplicateHorizon::Link {
    std::uint64_t forgotten_to;  // rows up to this sequence mean nothing
    std::uint32_t next;          // the row to be written next; found again by recover()
    std::uint32_t reserved;
};

static_assert(sizeof(DuplicateHorizon::Row) == 24);

Bytes DuplicateHorizon::need(std::uint16_t links, std::uint16_t horizon_rows) {
    return Bytes{links} * (sizeof(Link) + (Bytes{horizon_rows} + 1) * sizeof(Row));
}

std::uint64_t DuplicateHorizon::hash(std::string_view topic, ByteSpan payload) {
    HashKey key;
    key.k0 ^= hash64(as_byte_span(topic));
    return hash64(payload, key);
}

DuplicateHorizon::DuplicateHorizon(MutableByteSpan memory, std::uint16_t links, std::uint16_t horizon_rows)
    : memory_(memory.data()), links_(links), rows_(std::uint32_t{horizon_rows} + 1) {
    WEIR_ASSERT(links > 0 && horizon_rows > 0 && memory.size() >= need(links, horizon_rows));
    WEIR_ASSERT(reinterpret_cast<std::uintptr_t>(memory_) % alignof(Row) == 0);
}

DuplicateHorizon::Link& DuplicateHorizon::link_at(std::uint16_t link) const {
    WEIR_ASSERT(link < links_);
    return *reinterpret_cast<Link*>(memory_ + link * (sizeof(Link) + rows_ * sizeof(Row)));
}

Row* DuplicateHorizon::rows_of(std::uint16_t link) const { return reinterpret_cast<Row*>(&link_at(link) + 1); }

void DuplicateHorizon::recover(std::uint64_t newest) {
    for (std::uint16_t link = 0; link < links_; ++link) {
        Row* rows = rows_of(link);
        std::uint64_t greatest = 0;
        std::uint32_t next = 0;
        for (std::uint32_t i = 0; i < rows_; ++i) {
            if (rows[i].sequence > newest || rows[i].crc != checksum(rows[i])) rows[i] = Row{};
            if (rows[i].sequence <= greatest) continue;
            greatest = rows[i].sequence;
            next = (i + 1) % rows_;
        }
        link_at(link).next = next;
        if (link_at(link).forgotten_to > newest) link_at(link).forgotten_to = newest;
    }
}

bool DuplicateHorizon::is_duplicate(std::uint16_t link, std::uint16_t packet_id, std::uint64_t hash) const {
    const Link& state = link_at(link);
    const Row* rows = rows_of(link);
    // Newest first; the one row that is not looked at is the oldest, which the next entry overwrites.
    for (std::uint32_t back = 1; back < rows_; ++back) {
        const Row& row = rows[(state.next + rows_ - back) % rows_];
        if (row.sequence > state.forgotten_to && row.packet_id == packet_id) return row.hash == hash;
    }
    return false;
}

void DuplicateHorizon::remember(std::uint16_t link, std::uint16_t packet_id, std::uint64_t hash,
                                std::uint64_t sequence) {
    Link& state = link_at(link);
    Row* rows = rows_of(link);
    if (rows[(state.next + rows_ - 1) % rows_].sequence >= sequence) return;
    Row& row = rows[state.next];
    row.sequence = 0;
    std::atomic_thread_fence(std::memory_order_release);
    Row fresh{sequence, hash, packet_id, 0, 0};
    fresh.crc = checksum(fresh);
    row.hash = hash;
    row.packet_id = packet_id;
    row.crc = fresh.crc;
    std::atomic_thread_fence(std::memory_order_release);
    row.sequence = sequence;  // the last store: a row torn by a crash is empty
    state.next = (state.next + 1) % rows_;
}

void DuplicateHorizon::forget(std::uint16_t link, std::uint64_t newest) { link_at(link).forgotten_to = newest; }

}  // namespace weir
