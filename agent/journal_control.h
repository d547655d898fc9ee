// What control entries of the journal say: decisions that the engine must meet again in a replay.
// u8 kind, then what its kind has; a kind that is not known is passed over. Little-endian.
// Memory: views into the entry. Cost: O(1). Threads: pure functions. Errors: nullopt for what is too short.
#pragma once

#include <cstdint>
#include <optional>

#include "agent/base/bytes.h"

namespace weir {

enum class ControlKind : std::uint8_t {
    table = 1,     // a part of a table's content: u16 table, u32 total, u32 offset, the bytes
    acknowledgement = 3,  // somebody has seen what stands: u64 definition of the alert, u64 hash of the key, 0 for all
    sampling = 2,  // of the messages of a connection one in 2^level is kept from here on: u16 link, u8 level
};

struct TablePart {
    std::size_t table = 0;  // of the engine's plan
    Bytes offset = 0;
    Bytes total = 0;        // of the whole image
    ByteSpan bytes;
};
inline constexpr Bytes table_part_bytes_max = 4096;
inline constexpr Bytes table_part_head = 11;

inline void write_table_part(ByteWriter& out, const TablePart& part) {
    out.write(static_cast<std::uint8_t>(ControlKind::table));
    out.write(static_cast<std::uint16_t>(part.table));
    out.write(static_cast<std::uint32_t>(part.total));
    out.write(static_cast<std::uint32_t>(part.offset));
    out.bytes(part.bytes);
}

inline std::optional<TablePart> read_table_part(ByteSpan payload) {
    ByteReader in(payload);
    if (in.read<std::uint8_t>() != static_cast<std::uint8_t>(ControlKind::table)) return std::nullopt;
    TablePart part;
    part.table = in.read<std::uint16_t>();
    part.total = in.read<std::uint32_t>();
    part.offset = in.read<std::uint32_t>();
    part.bytes = in.bytes(in.remaining());
    return in.ok() ? std::optional<TablePart>(part) : std::nullopt;
}

struct Sampling {
    std::uint16_t link = 0;
    std::uint8_t level = 0;
};
inline constexpr Bytes sampling_bytes = 4;

inline void write_sampling(ByteWriter& out, const Sampling& sampling) {
    out.write(static_cast<std::uint8_t>(ControlKind::sampling));
    out.write(sampling.link);
    out.write(sampling.level);
}

inline std::optional<Sampling> read_sampling(ByteSpan payload) {
    ByteReader in(payload);
    if (in.read<std::uint8_t>() != static_cast<std::uint8_t>(ControlKind::sampling)) return std::nullopt;
    Sampling sampling;
    sampling.link = in.read<std::uint16_t>();
    sampling.level = in.read<std::uint8_t>();
    return in.ok() && in.remaining() == 0 ? std::optional<Sampling>(sampling) : std::nullopt;
}

struct Acknowledgement {
    std::uint64_t definition = 0;
    std::uint64_t key = 0;
};
inline constexpr Bytes acknowledgement_bytes = 17;

inline void write_acknowledgement(ByteWriter& out, const Acknowledgement& seen) {
    out.write(static_cast<std::uint8_t>(ControlKind::acknowledgement));
    out.write(seen.definition);
    out.write(seen.key);
}

inline std::optional<Acknowledgement> read_acknowledgement(ByteSpan payload) {
    ByteReader in(payload);
    if (in.read<std::uint8_t>() != static_cast<std::uint8_t>(ControlKind::acknowledgement)) return std::nullopt;
    Acknowledgement seen;
    seen.definition = in.read<std::uint64_t>();
    seen.key = in.read<std::uint64_t>();
    return in.ok() && in.remaining() == 0 ? std::optional<Acknowledgement>(seen) : std::nullopt;
}

}  // namespace weir
