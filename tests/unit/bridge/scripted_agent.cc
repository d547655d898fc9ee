#include "tests/unit/bridge/scripted_agent.h"

#include <array>

namespace weir::test {

ScriptedAgent::ScriptedAgent(const AgentIdentity& identity)
    : identity_(identity), memory_(BlockPacker::need()), arena_(memory_.memory()), packer_(arena_) {}

Status ScriptedAgent::connect(const std::string& host, std::uint16_t port) {
    stream_.reset();
    input_.clear();
    front_ = 0;
    std::string reason;
    auto context = TlsContext::load(TlsRole::client, identity_.tls, entropy_, reason);
    if (!context.ok()) return context.error();
    auto below = network_.connect(host, port, Duration::seconds(5));
    if (!below.ok()) return below.error();
    auto stream = TlsStream::make(*context, std::move(*below), host);
    if (!stream.ok()) return stream.error();
    stream_ = std::move(*stream);
    return stream_->handshake(clock_, Duration::seconds(10));
}

Status ScriptedAgent::send_bytes(ByteSpan bytes) {
    while (!bytes.empty()) {
        const Result<Bytes> sent = stream_->send(bytes);
        if (sent.ok()) {
            bytes = bytes.subspan(*sent);
        } else if (sent.error() != Error::busy) {
            return sent.error();
        } else if (const Status ready = stream_->wait_writable(Duration::seconds(20)); !ready.ok()) {
            return ready;
        }
    }
    return Status::success();
}

Result<Frame> ScriptedAgent::next_frame(Duration limit) {
    const MonotonicTime until = clock_.monotonic() + limit;
    input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(front_));
    front_ = 0;
    for (;;) {
        if (const Result<Bytes> size = frame_size(input_); size.ok() && *size <= input_.size()) {
            const Result<Frame> frame = decode_frame(ByteSpan(input_).first(*size));
            if (!frame.ok()) return frame.error();
            if (frame->kind != FrameKind::ping) {
                front_ = *size;
                return *frame;
            }
            const PingFrame answer{frame->ping.number, true};
            input_.erase(input_.begin(), input_.begin() + static_cast<std::ptrdiff_t>(*size));
            if (const Status sent = send_frame(answer); !sent.ok()) return sent.error();
            continue;
        }
        std::array<std::byte, 4096> bytes;
        const Result<Bytes> got = stream_->receive(bytes);
        if (got.ok()) {
            input_.insert(input_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(*got));
        } else if (got.error() != Error::busy) {
            return got.error();
        } else if (clock_.monotonic() >= until) {
            return Error::timed_out;
        } else {
            (void)stream_->wait_readable(Duration::millis(100));
        }
    }
}

Result<std::uint64_t> ScriptedAgent::greet(Duration limit) {
    HelloFrame hello;
    hello.agent = identity_.name;
    hello.incarnation = identity_.incarnation;
    hello.epoch = identity_.epoch;
    hello.software = "scripted";
    if (const Status sent = send_frame(hello); !sent.ok()) return sent.error();
    const Result<Frame> frame = next_frame(limit);
    if (!frame.ok()) return frame.error();
    if (frame->kind == FrameKind::welcome) return frame->welcome.last_ship;
    if (frame->kind != FrameKind::refusal) return Error::invalid;
    refusal_ = frame->refusal.code;
    refusal_text_ = frame->refusal.text;
    refusal_address_ = frame->refusal.address;
    return Error::refused;
}

Status ScriptedAgent::send_records(std::uint64_t first, std::uint64_t last, RecordKind kind) {
    std::vector<std::byte> raw(block_raw_bytes_max);
    ByteWriter block(raw);
    for (std::uint64_t ship = first; ship <= last; ++ship) {
        const std::string site = "s" + std::to_string(ship % 10);
        const std::array key = {Field{"site", Value::of_text(site)}};
        const std::array values = {Field{"n", Value::of_integer(static_cast<std::int64_t>(ship))}};
        ShippedRecord shipped;
        shipped.ship = ship;
        shipped.epoch = identity_.epoch;
        shipped.record.kind = kind;
        shipped.record.window = "minute";
        shipped.record.definition = 0xfeed;
        shipped.record.start = Timestamp::seconds(static_cast<std::int64_t>(ship) * 60);
        shipped.record.end = Timestamp::seconds(static_cast<std::int64_t>(ship + 1) * 60);
        shipped.record.sequence = ship;
        shipped.record.key = key;
        shipped.record.values = values;
        if (const Status appended = append_result(shipped, block); !appended.ok()) return appended;
    }
    std::vector<std::byte> packed(block_bound(block.size()));
    const Result<Bytes> size = packer_.pack(block.written(), packed);
    if (!size.ok()) return size.error();
    RecordsFrame frame;
    frame.first_ship = first;
    frame.last_ship = last;
    frame.count = static_cast<std::uint32_t>(last - first + 1);
    frame.raw_size = static_cast<std::uint32_t>(block.size());
    frame.block = ByteSpan(packed).first(*size);
    return send_frame(frame);
}

Result<std::uint64_t> ScriptedAgent::next_ack(Duration limit) {
    const Result<Frame> frame = next_frame(limit);
    if (!frame.ok()) return frame.error();
    if (frame->kind == FrameKind::ack) return frame->ack.ship;
    if (frame->kind != FrameKind::refusal) return Error::invalid;
    refusal_ = frame->refusal.code;
    refusal_text_ = frame->refusal.text;
    refusal_address_ = frame->refusal.address;
    return Error::refused;
}

Status ScriptedAgent::wait_for_ack(std::uint64_t ship, Duration limit) {
    const MonotonicTime until = clock_.monotonic() + limit;
    for (;;) {
        const Result<std::uint64_t> ack = next_ack(until - clock_.monotonic());
        if (!ack.ok()) return ack.error();
        if (*ack >= ship) return Status::success();
    }
}

}  // namespace weir::test
