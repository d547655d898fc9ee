// The frames that agents and bridges exchange (wire.proto), as plain structs of views.
// Memory: none; decoded views point into the bytes given, encoding writes into the caller's buffer.
// Cost: O(bytes). Threads: pure functions.
// Errors: decoding validates everything that wire.proto states; hostile bytes give invalid,
// out_of_range, unsupported or truncated, never a crash. Encoding gives full when the buffer ends.
// Source: wire.proto; Protocol Buffers encoding; fields are walked with nanopb's stream functions.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/result.h"

namespace weir {

inline constexpr std::uint32_t wire_protocol = 1;
inline constexpr Bytes frame_prefix_bytes = 4;
inline constexpr Bytes frame_bytes_max = Bytes{512} << 10;     // prefix included
inline constexpr Bytes block_raw_bytes_max = Bytes{256} << 10; // of Results, before compression
inline constexpr Bytes agent_name_bytes_max = 64;
inline constexpr Bytes software_bytes_max = 32;
inline constexpr Bytes refusal_text_bytes_max = 256;

using Incarnation = std::array<std::byte, 16>;

struct HelloFrame {
    std::uint32_t protocol = wire_protocol;
    std::string_view agent;
    Incarnation incarnation{};
    std::uint64_t epoch = 0;
    std::string_view software;
    std::uint64_t configuration = 0;
};

struct WelcomeFrame {
    std::uint64_t last_ship = 0;
    std::string_view bridge;
};

struct RecordsFrame {
    std::uint64_t first_ship = 0;
    std::uint64_t last_ship = 0;
    std::uint32_t count = 0;
    std::uint32_t raw_size = 0;
    ByteSpan block;  // see block.h
};

struct AckFrame {
    std::uint64_t ship = 0;
};

enum class RefusalCode : std::uint8_t {
    unspecified = 0,
    version = 1,
    identity = 2,
    fenced = 3,
    malformed = 4,
    unavailable = 5,
    redirect = 6,
};
std::string_view name(RefusalCode code);

struct RefusalFrame {
    RefusalCode code = RefusalCode::unspecified;
    std::string_view text;
    std::string_view address = {};  // with redirect: HOST:PORT
};

struct PingFrame {
    std::uint64_t number = 0;
    bool reply = false;
};

enum class FrameKind : std::uint8_t { hello = 1, welcome = 2, records = 3, ack = 4, refusal = 5, ping = 6 };

// kind says which member counts.
struct Frame {
    FrameKind kind = FrameKind::ping;
    HelloFrame hello;
    WelcomeFrame welcome;
    RecordsFrame records;
    AckFrame ack;
    RefusalFrame refusal;
    PingFrame ping;
};

// Bytes of a Records frame beyond its block, prefix included, at most.
inline constexpr Bytes records_overhead_bytes_max = 64;

// Prefix and message. Texts longer than their limit are cut (at a character's start).
Status encode_frame(const HelloFrame& frame, ByteWriter& out);
Status encode_frame(const WelcomeFrame& frame, ByteWriter& out);
Status encode_frame(const RecordsFrame& frame, ByteWriter& out);
Status encode_frame(const AckFrame& frame, ByteWriter& out);
Status encode_frame(const RefusalFrame& frame, ByteWriter& out);
Status encode_frame(const PingFrame& frame, ByteWriter& out);

// Size, prefix included, of the frame at the front of received bytes. Error::truncated: fewer than
// 4 bytes are there; out_of_range: no frame is that large (or it is empty): the peer is not ours.
Result<Bytes> frame_size(ByteSpan received);

// frame: exactly one frame, prefix included. Error::unsupported: a body this build does not know.
Result<Frame> decode_frame(ByteSpan frame);

}  // namespace weir
