// One agent's connection: its bytes in and out as frames, its phase, and what Kafka still owes it.
// Memory: a TLS session (tls_session_bytes), an input buffer of 4 KiB that grows to the frame being
// received (frame_bytes_max at most) and shrinks when it is empty, an output buffer of
// output_bytes_max at most. Cost: O(bytes). Threads: the server's.
// Errors: closed, io and the like end the session; out_of_range is a peer that is not ours.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "uplink/bridge/ledger.h"
#include "uplink/tls.h"
#include "uplink/wire.h"

namespace weir {

inline constexpr Bytes output_bytes_max = 4096;
// What a session takes at most, beside its records on their way to Kafka (those the partition's queue bounds).
inline constexpr Bytes session_bytes_max = tls_session_bytes + frame_bytes_max + output_bytes_max;
// Rendered records an agent may have waiting for Kafka; then its socket is not read.
inline constexpr Bytes outstanding_bytes_max = Bytes{2} << 20;

class Session {
public:
    enum class Phase { handshake, greeting, waiting, serving, closing };

    Session(SessionId id, std::unique_ptr<TlsStream> stream, std::string address);

    const SessionId id;
    const std::string address;
    Phase phase = Phase::handshake;
    std::string agent;  // known from Hello on
    Incarnation incarnation{};
    std::uint32_t partition = 0;
    MonotonicTime deadline{};   // of the phase; while serving, of silence
    std::uint64_t generation = 0;  // of the certificates it was made with
    bool pinged = false;        // since the agent was heard last
    bool parted = false;        // closing: all is sent, and our direction has ended
    std::uint32_t events = 0;   // what epoll watches

    TlsStream& stream() { return *stream_; }

    // Takes what the socket has, one bufferful: ok when something came, busy when there is nothing.
    Status fill();
    // The next whole frame, prefix included; it stays until drop_frame(). Error::truncated: not yet.
    Result<ByteSpan> front_frame() const;
    void drop_frame(Bytes size);

    // Queues a frame; false: the peer takes nothing and the buffer is full.
    template <typename Frame>
    bool queue(const Frame& frame) {
        if (output_.size() > output_bytes_max / 2) return false;
        std::array<std::byte, output_bytes_max / 2> bytes;
        ByteWriter writer(bytes);
        if (!encode_frame(frame, writer).ok()) return false;
        output_.insert(output_.end(), writer.written().begin(), writer.written().end());
        return true;
    }
    // Acknowledgements overtake each other: only the greatest is sent.
    void acknowledge(std::uint64_t ship) { acknowledge_ = ship; }
    Status flush();  // ok: all is sent; busy: the socket is full
    bool has_output() const { return !output_.empty() || acknowledge_.has_value(); }

    // What was handed to the ledger, and what it has committed.
    void owe(std::uint64_t ship, Bytes bytes);
    void settle(std::uint64_t ship);
    Bytes outstanding() const { return outstanding_; }

private:
    std::unique_ptr<TlsStream> stream_;
    std::vector<std::byte> input_;
    Bytes used_ = 0;
    std::vector<std::byte> output_;
    std::optional<std::uint64_t> acknowledge_;
    std::deque<std::pair<std::uint64_t, Bytes>> owed_;
    Bytes outstanding_ = 0;
};

}  // namespace weir
