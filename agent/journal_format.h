// The journal's file: structures and checksums, private to journal.cc, journal_tail.cc and their tests.
// A page with the header and two release slots; the duplicate horizon; the ring; a page's slack behind it.
// An entry is a header, the topic, the payload, padded to 8 bytes; it never wraps: a skip entry (kind 0)
// fills the rest, unless that is shorter than a header. Each checksum is seeded with the entry's before,
// so that what an earlier life left behind never continues a later one. Little-endian.
// Memory, Cost: none of its own. Threads: plain values. Errors: none; the caller judges.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "agent/base/bytes.h"
#include "agent/base/hash.h"
#include "agent/duplicates.h"

namespace weir {
struct JournalEntry;
}

namespace weir::journal_format {

constexpr std::uint64_t file_magic = 0x4c4e524a52494557;  // "WEIRJRNL"
constexpr std::uint32_t file_version = 1;
constexpr Bytes page_bytes = 4096;
constexpr Bytes ring_alignment = 64;
constexpr Bytes entry_alignment = 8;
constexpr Bytes topic_bytes_max = 0xFFFF;
constexpr std::uint16_t links_max = 255;
// In sectors of their own, so that a torn write hits one of them.
constexpr Bytes release_slot_offset[2] = {1024, 2048};

struct FileHeader {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t crc;  // of the fields behind it
    std::uint64_t ring_bytes;
    std::uint64_t salt;  // random: a payload cannot be made to look like an entry
    std::uint16_t links;
    std::uint16_t horizon_rows;
    std::uint32_t reserved;
};
static_assert(sizeof(FileHeader) == 40);

struct ReleaseSlot {
    std::uint64_t generation;  // the greater one is the newer
    std::uint64_t sequence;    // of the newest released entry
    std::uint64_t offset;      // behind it
    std::uint32_t chain;       // its checksum
    std::uint32_t crc;         // of the fields before, seeded with the salt
};
static_assert(sizeof(ReleaseSlot) == 32);

struct EntryHeader {
    std::uint32_t length;  // of the whole entry, with padding; stored last
    std::uint32_t crc;     // of everything behind it but the padding, seeded with the entry's before
    std::uint64_t sequence;
    std::int64_t arrival_us;
    std::uint32_t payload_length;
    std::uint32_t connection;
    std::uint16_t topic_length;
    std::uint16_t source;
    std::uint16_t packet_id;
    std::uint8_t link;
    std::uint8_t kind_flags;
};
static_assert(sizeof(EntryHeader) == 40);

// The entry whose header this is and that begins at `at`; its topic and payload are views of what follows there.
JournalEntry unpack(const std::byte* at, const EntryHeader& header);

// kind_flags
constexpr unsigned kind_mask = 7;
constexpr unsigned kind_skip = 0;
constexpr unsigned kind_greatest = 5;
constexpr unsigned flag_dup = 8;
constexpr unsigned flag_retained = 16;
constexpr unsigned flag_clock_trusted = 32;
constexpr unsigned qos_shift = 6;

constexpr Bytes crc_from = offsetof(EntryHeader, sequence);

template <typename T>
ByteSpan bytes_of(const T& value, Bytes from, Bytes to) {
    return std::as_bytes(std::span(&value, 1)).subspan(from, to - from);
}

inline std::uint32_t checksum(const FileHeader& header) {
    return crc32c(bytes_of(header, offsetof(FileHeader, ring_bytes), sizeof header), header.version);
}
inline std::uint32_t checksum(const ReleaseSlot& slot, std::uint64_t salt) {
    return crc32c(bytes_of(slot, 0, offsetof(ReleaseSlot, crc)), static_cast<std::uint32_t>(salt >> 32));
}
inline std::uint32_t checksum(const EntryHeader& header, ByteSpan content, std::uint32_t before) {
    return crc32c(content, crc32c(bytes_of(header, crc_from, sizeof header), before));
}
// Of an entry as it lies in the ring; bytes without the padding.
inline std::uint32_t checksum(const std::byte* entry, Bytes bytes, std::uint32_t before) {
    return crc32c({entry + crc_from, bytes - crc_from}, before);
}

template <typename Params>
Bytes ring_offset(const Params& params) {
    return page_bytes + align_up(DuplicateHorizon::need(params.links, params.horizon_rows), page_bytes);
}

constexpr std::uint64_t align_up64(std::uint64_t size, std::uint64_t alignment) {
    return (size + alignment - 1) / alignment * alignment;
}

inline bool is_zero(ByteSpan bytes) {
    return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

}  // namespace weir::journal_format
