// What an agent and weir-exec say to each other: one message a packet of a SOCK_SEQPACKET socket.
// Agent: requests. Helper: one hello when it begins to serve, then one outcome a request, in the order of their ends.
// Memory: views of the packet. Cost: O(bytes). Threads: pure functions. Errors: decode: invalid, for bytes that mean nothing;
// encode: full. Format: little-endian; a byte of version, a byte of kind, then the fields as written in protocol.cc.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/result.h"
#include "agent/base/time.h"

namespace weir {

inline constexpr Bytes exec_packet_bytes_max = 16384;
inline constexpr std::size_t exec_arguments_max = 32;
inline constexpr Bytes exec_output_bytes_max = 1024;  // of a program, what is passed on

struct ExecRequest {
    std::uint64_t token = 0;
    Duration timeout = Duration::seconds(10);
    std::uint64_t memory = 0;  // private bytes that the program may have; 0: no limit
    std::size_t count = 0;
    std::array<std::string_view, exec_arguments_max> arguments{};  // the first is the program, an absolute path
    std::string_view input;                                        // on its standard input
};

enum class ExecEnd : std::uint8_t {
    hello,        // no end: the helper serves from now on, and knows of no earlier request
    exited,       // code: what it returned
    signalled,    // code: the signal
    timed_out,
    not_started,  // code: errno
    refused,      // too many at once, or a request that means nothing
};
std::string_view name(ExecEnd end);

struct ExecOutcome {
    ExecEnd end = ExecEnd::hello;
    std::uint64_t token = 0;
    int code = 0;
    std::uint64_t output_bytes = 0;  // written by the program
    std::string_view output;         // the first of them

    bool done() const { return end == ExecEnd::exited && code == 0; }
};

Result<ByteSpan> encode(const ExecRequest& request, MutableByteSpan buffer);
Result<ByteSpan> encode(const ExecOutcome& outcome, MutableByteSpan buffer);
Result<ExecRequest> decode_exec_request(ByteSpan packet);
Result<ExecOutcome> decode_exec_outcome(ByteSpan packet);

}  // namespace weir
