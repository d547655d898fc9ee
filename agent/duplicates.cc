#include "agent/duplicates.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <vector>

#include "agent/base/assert.h"
#include "agent/base/hash.h"

namespace weir {
namespace {

using Row = DuplicateHorizon::Row;

std::uint32_t checksum(const Row& row) { return crc32c(std::as_bytes(std::span(&row, 1)).first(offsetof(Row, crc))); }

constexpr Bytes saved_head_bytes = 4;
constexpr Bytes saved_row_bytes = 18;

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

const Row& DuplicateHorizon::row_back(std::uint16_t link, std::uint32_t back) const {
    return rows_of(link)[(link_at(link).next + rows_ - back) % rows_];
}

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
    // Newest first; the one row that is not looked at is the oldest, which the next entry overwrites.
    for (std::uint32_t back = 1; back < rows_; ++back) {
        const Row& row = row_back(link, back);
        if (row.sequence > state.forgotten_to && row.packet_id == packet_id) return row.hash == hash;
    }
    return false;
}

void DuplicateHorizon::remember(std::uint16_t link, std::uint16_t packet_id, std::uint64_t hash,
                                std::uint64_t sequence) {
    Link& state = link_at(link);
    if (row_back(link, 1).sequence >= sequence) return;
    Row& row = rows_of(link)[state.next];
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

// u16 links, u16 rows a link, and of each row: u64 sequence (0: none), u64 hash, u16 packet id. Oldest first.
Bytes DuplicateHorizon::save_bytes(std::uint16_t links, std::uint16_t horizon_rows) {
    return saved_head_bytes + Bytes{links} * horizon_rows * saved_row_bytes;
}

void DuplicateHorizon::save(std::uint64_t sequence, ByteWriter& out) const {
    out.write(links_);
    out.write(static_cast<std::uint16_t>(rows_ - 1));
    for (std::uint16_t link = 0; link < links_; ++link) {
        const std::uint64_t forgotten_to = link_at(link).forgotten_to;
        for (std::uint32_t back = rows_ - 1; back > 0; --back) {
            const Row& row = row_back(link, back);
            const Row saved = row.sequence > forgotten_to && row.sequence <= sequence ? row : Row{};
            out.write(saved.sequence);
            out.write(saved.hash);
            out.write(saved.packet_id);
        }
    }
}

Status DuplicateHorizon::load(ByteSpan saved, std::span<const std::uint16_t> link_of, std::uint64_t newest) {
    ByteReader in(saved);
    const auto links = in.read<std::uint16_t>();
    const auto rows = in.read<std::uint16_t>();
    if (!in.ok() || saved.size() != save_bytes(links, rows)) return Error::invalid;
    std::vector<std::vector<Row>> all(links);
    for (std::vector<Row>& of_link : all) {
        std::uint64_t before = 0;
        for (std::uint16_t i = 0; i < rows; ++i) {
            Row row{};
            row.sequence = in.read<std::uint64_t>();
            row.hash = in.read<std::uint64_t>();
            row.packet_id = in.read<std::uint16_t>();
            if (row.sequence == 0) continue;
            if (row.sequence <= before || row.sequence > newest) return Error::invalid;
            before = row.sequence;
            row.crc = checksum(row);
            of_link.push_back(row);
        }
    }
    for (std::size_t i = 0; i < std::min(all.size(), link_of.size()); ++i)
        if (link_of[i] < links_) add(link_of[i], all[i]);
    return {};
}

// Writes nothing if all of it is here. A crash on the way leaves less than both; whoever saved it has it still.
void DuplicateHorizon::add(std::uint16_t link, std::span<const Row> more) {
    Link& state = link_at(link);
    Row* rows = rows_of(link);
    std::vector<Row> all;
    for (std::uint32_t i = 0; i < rows_; ++i)
        if (rows[i].sequence != 0) all.push_back(rows[i]);
    const std::size_t before = all.size();
    for (const Row& row : more)
        if (row.sequence > state.forgotten_to) all.push_back(row);
    std::sort(all.begin(), all.end(), [](const Row& a, const Row& b) { return a.sequence < b.sequence; });
    const auto same = [](const Row& a, const Row& b) { return a.sequence == b.sequence; };
    all.erase(std::unique(all.begin(), all.end(), same), all.end());
    if (all.size() == before) return;
    if (all.size() > rows_) all.erase(all.begin(), all.end() - rows_);
    std::fill(rows, rows + rows_, Row{});
    std::copy(all.begin(), all.end(), rows);
    state.next = static_cast<std::uint32_t>(all.size() % rows_);
}

}  // namespace weir
