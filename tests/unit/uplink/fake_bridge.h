// A bridge for tests: real sockets and TLS, stepped by the test, scripted to cut, refuse or keep silent.
#pragma once

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/unit/uplink/certificates.h"
#include "uplink/block.h"
#include "uplink/result_codec.h"
#include "uplink/tls.h"
#include "uplink/wire.h"

namespace weir {

// Dies after so many bytes in both directions together.
class CuttingStream final : public Stream {
public:
    CuttingStream(std::unique_ptr<Stream> below, Bytes left, Bytes& moved)
        : below_(std::move(below)), left_(left), moved_(moved) {
        moved_ = 0;
    }
    Result<Bytes> receive(MutableByteSpan into) override { return count(below_->receive(into.first(room(into.size())))); }
    Result<Bytes> send(ByteSpan from) override { return count(below_->send(from.first(room(from.size())))); }
    Status wait_readable(Duration limit) override { return below_->wait_readable(limit); }
    Status wait_writable(Duration limit) override { return below_->wait_writable(limit); }
    int descriptor() const override { return below_->descriptor(); }

private:
    Bytes room(Bytes size) const { return std::max<Bytes>(1, std::min(size, left_)); }
    Result<Bytes> count(Result<Bytes> moved) {
        if (left_ == 0) {
            shutdown(below_->descriptor(), SHUT_RDWR);
            return Error::closed;
        }
        if (moved) left_ -= *moved;
        if (moved) moved_ += *moved;
        return moved;
    }
    std::unique_ptr<Stream> below_;
    Bytes left_;
    Bytes& moved_;
};

class FakeBridge {
public:
    explicit FakeBridge(const std::string& certificate = "bridge", const std::string& authority = "ca")
        : memory_(BlockUnpacker::need()), arena_(memory_.memory()), unpacker_(arena_) {
        std::string reason;
        context_ = *TlsContext::load(TlsRole::server, Certificates::get().files(certificate, authority), entropy_, reason);
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        if (bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 4) != 0) return;
        getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port = ntohs(address.sin_port);
    }
    FakeBridge(const FakeBridge&) = delete;
    FakeBridge& operator=(const FakeBridge&) = delete;
    ~FakeBridge() { close(listener_); }

    void step() {
        if (stream_ == nullptr && !accept_one()) return;
        if (!stream_->established()) {
            const Status shaken = stream_->handshake();
            if (shaken.error() == Error::busy) return;
            if (!shaken) {
                ++refused_handshakes;
                last_reason = stream_->reason();
                return drop();
            }
            handshake_bytes = moved;
        }
        std::byte into[4096];
        for (;;) {
            const Result<Bytes> got = stream_->receive(into);
            if (!got && got.error() == Error::busy) break;
            if (!got) return drop();
            application_bytes += *got;
            buffer_.insert(buffer_.end(), into, into + *got);
        }
        take_frames();
    }
    void drop() {
        stream_.reset();
        buffer_.clear();
    }
    bool connected() const { return stream_ != nullptr && stream_->established(); }

    template <typename Body>
    void say(const Body& body) {
        std::byte memory[1024];
        ByteWriter out(memory);
        if (!encode_frame(body, out)) return;
        for (ByteSpan rest = out.written(); !rest.empty() && stream_ != nullptr;) {
            const Result<Bytes> sent = stream_->send(rest);
            if (!sent && sent.error() != Error::busy) return drop();
            if (sent) rest = rest.subspan(*sent);
        }
    }

    std::uint16_t port = 0;
    std::size_t cut_after = SIZE_MAX;  // bytes, of each session
    bool acknowledges = true;
    bool welcomes = true;
    RefusalCode refuse_with = RefusalCode::unspecified;
    std::string redirect_to;  // with RefusalCode::redirect
    // What it has seen.
    Incarnation incarnation{};
    std::uint64_t mark = 0;  // committed, by this incarnation
    std::vector<std::pair<std::uint64_t, std::uint64_t>> records;  // (ship, sequence)
    std::string agent;
    std::string trouble;
    std::size_t sessions = 0, refused_handshakes = 0, frames = 0, pings = 0, repeated = 0;
    Bytes moved = 0;              // of the session, in both directions
    Bytes handshake_bytes = 0;    // of those, before it was established
    Bytes application_bytes = 0, unacknowledged_bytes = 0;
    std::string last_reason;

private:
    bool accept_one() {
        const int accepted = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (accepted < 0) return false;
        stream_ = std::move(*TlsStream::make(
            context_, std::make_unique<CuttingStream>(adopt_socket(accepted), cut_after, moved), ""));
        unacknowledged_bytes = 0;
        return true;
    }

    void take_frames() {
        while (stream_ != nullptr) {
            const Result<Bytes> size = frame_size(buffer_);
            if (!size || *size > buffer_.size()) return;
            const Result<Frame> frame = decode_frame(ByteSpan(buffer_).first(*size));
            if (!frame) {
                trouble = "a frame that does not decode";
                return drop();
            }
            const std::vector<std::byte> bytes(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(*size));
            buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(*size));
            handle(*decode_frame(bytes), *size);
        }
    }

    void handle(const Frame& frame, Bytes size) {
        ++frames;
        if (frame.kind == FrameKind::ping) {
            ++pings;
            if (!frame.ping.reply && acknowledges) say(PingFrame{frame.ping.number, true});
        } else if (frame.kind == FrameKind::hello) {
            agent = frame.hello.agent;
            if (agent != stream_->peer_name()) trouble = "the name is not the certificate's";
            if (frame.hello.incarnation != incarnation) mark = incarnation == Incarnation{} ? mark : 0;
            incarnation = frame.hello.incarnation;
            if (refuse_with != RefusalCode::unspecified) {
                say(RefusalFrame{refuse_with, "as the script says", redirect_to});
                return drop();
            }
            if (welcomes) say(WelcomeFrame{mark, "fake"});
            ++sessions;
        } else if (frame.kind == FrameKind::records) {
            unacknowledged_bytes += size;
            commit(frame.records);
        } else {
            trouble = "a frame that agents do not send";
        }
    }

    void commit(const RecordsFrame& frame) {
        const Result<ByteSpan> raw = unpacker_.unpack(frame.block, frame.raw_size, raw_);
        if (!raw) trouble = "a block that does not unpack";
        if (!raw) return;
        ResultReader reader(*raw);
        ByteSpan bytes;
        std::uint32_t count = 0;
        while (reader.next(bytes)) {
            const Result<ShippedRecord> shipped = decode_result(bytes, *storage_);
            if (!shipped) trouble = "a result that does not decode";
            if (!shipped) return;
            ++count;
            if (shipped->ship < frame.first_ship || shipped->ship > frame.last_ship) trouble = "a number beyond the frame's";
            if (shipped->ship <= mark) {
                ++repeated;
                continue;
            }
            mark = shipped->ship;
            records.push_back({shipped->ship, shipped->record.sequence});
        }
        if (!reader.ok() || count != frame.count) trouble = "a block of another count";
        if (!acknowledges) return;
        unacknowledged_bytes = 0;
        say(AckFrame{mark});
    }

    SystemEntropy entropy_;
    std::shared_ptr<const TlsContext> context_;
    int listener_ = -1;
    std::unique_ptr<TlsStream> stream_;
    std::vector<std::byte> buffer_;
    ArenaBlock memory_;
    Arena arena_;
    BlockUnpacker unpacker_;
    std::vector<std::byte> raw_ = std::vector<std::byte>(block_raw_bytes_max);
    std::unique_ptr<RecordStorage> storage_ = std::make_unique<RecordStorage>();
};

}  // namespace weir
