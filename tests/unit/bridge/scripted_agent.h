// An agent reduced to its uplink, told what to do step by step: for tests of the bridge.
// Results are made from their ship numbers, so whoever reads Kafka can say what must be there.
// Memory: allocates. Threads: one owner. Errors: as the real client's; nothing is retried here.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/entropy.h"
#include "uplink/block.h"
#include "uplink/result_codec.h"
#include "uplink/tls.h"
#include "uplink/wire.h"

namespace weir::test {

struct AgentIdentity {
    std::string name;         // as greeted; the certificate decides whether it is believed
    TlsFiles tls;
    Incarnation incarnation{};
    std::uint64_t epoch = 1;
};

class ScriptedAgent {
public:
    explicit ScriptedAgent(const AgentIdentity& identity);

    // TCP and TLS. Error::unauthenticated and the like as TlsStream has them.
    Status connect(const std::string& host, std::uint16_t port);
    void disconnect() { stream_.reset(); }

    // Hello, then Welcome (its last ship number) or Error::refused (refusal() says why).
    Result<std::uint64_t> greet(Duration limit = Duration::seconds(20));
    // Results first..last in one block.
    Status send_records(std::uint64_t first, std::uint64_t last, RecordKind kind = RecordKind::result);
    template <typename Frame>
    Status send_frame(const Frame& frame) {
        std::vector<std::byte> bytes(frame_bytes_max);
        ByteWriter writer(bytes);
        if (const Status encoded = encode_frame(frame, writer); !encoded.ok()) return encoded;
        return send_bytes(writer.written());
    }
    Status send_bytes(ByteSpan bytes);
    // The next Ack; Error::timed_out, refused, closed.
    Result<std::uint64_t> next_ack(Duration limit = Duration::seconds(20));
    // Acks until one reaches ship.
    Status wait_for_ack(std::uint64_t ship, Duration limit = Duration::seconds(20));

    RefusalCode refusal() const { return refusal_; }
    const std::string& refusal_text() const { return refusal_text_; }
    const std::string& refusal_address() const { return refusal_address_; }
    std::string tls_reason() const { return stream_ ? std::string(stream_->reason()) : std::string(); }

private:
    Result<Frame> next_frame(Duration limit);  // answers pings itself

    AgentIdentity identity_;
    SystemClock clock_;
    SystemEntropy entropy_;
    SystemNetwork network_;
    std::unique_ptr<TlsStream> stream_;
    std::vector<std::byte> input_;
    Bytes front_ = 0;  // of the frame handed out, to be dropped
    RefusalCode refusal_ = RefusalCode::unspecified;
    std::string refusal_text_;
    std::string refusal_address_;
    ArenaBlock memory_;
    Arena arena_;
    BlockPacker packer_;
};

}  // namespace weir::test
