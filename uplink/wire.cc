#include "uplink/wire.h"

#include <algorithm>

#include "uplink/proto_stream.h"
#include "uplink/wire.pb.h"

namespace weir {
namespace {

std::string_view cut(std::string_view text, Bytes size_max) {
    if (text.size() <= size_max) return text;
    while (size_max > 0 && (static_cast<unsigned char>(text[size_max]) & 0xC0) == 0x80) --size_max;
    return text.substr(0, size_max);
}

void put(const HelloFrame& frame, ProtoWriter& out) {
    out.number(weir_v1_Hello_protocol_tag, frame.protocol);
    out.text(weir_v1_Hello_agent_tag, cut(frame.agent, agent_name_bytes_max));
    out.bytes(weir_v1_Hello_incarnation_tag, frame.incarnation);
    out.number(weir_v1_Hello_epoch_tag, frame.epoch);
    out.text(weir_v1_Hello_software_tag, cut(frame.software, software_bytes_max));
    out.fixed64(weir_v1_Hello_configuration_tag, frame.configuration);
}

void put(const WelcomeFrame& frame, ProtoWriter& out) {
    out.number(weir_v1_Welcome_last_ship_tag, frame.last_ship);
    out.text(weir_v1_Welcome_bridge_tag, cut(frame.bridge, agent_name_bytes_max));
}

void put(const RecordsFrame& frame, ProtoWriter& out) {
    out.number(weir_v1_Records_first_ship_tag, frame.first_ship);
    out.number(weir_v1_Records_last_ship_tag, frame.last_ship);
    out.number(weir_v1_Records_count_tag, frame.count);
    out.number(weir_v1_Records_raw_size_tag, frame.raw_size);
    out.bytes(weir_v1_Records_block_tag, frame.block);
}

void put(const AckFrame& frame, ProtoWriter& out) { out.number(weir_v1_Ack_ship_tag, frame.ship); }

void put(const RefusalFrame& frame, ProtoWriter& out) {
    out.number(weir_v1_Refusal_code_tag, static_cast<std::uint64_t>(frame.code));
    out.text(weir_v1_Refusal_text_tag, cut(frame.text, refusal_text_bytes_max));
    if (!frame.address.empty()) out.text(weir_v1_Refusal_address_tag, cut(frame.address, refusal_text_bytes_max));
}

void put(const PingFrame& frame, ProtoWriter& out) {
    out.number(weir_v1_Ping_number_tag, frame.number);
    out.number(weir_v1_Ping_reply_tag, frame.reply ? 1 : 0);
}

template <typename Body>
Status write_frame(std::uint32_t tag, const Body& body, ByteWriter& out) {
    const MutableByteSpan prefix = out.reserve(frame_prefix_bytes);
    const Bytes start = out.size();
    ProtoWriter proto(out);
    const ProtoWriter::Mark mark = proto.begin(tag);
    put(body, proto);
    proto.end(mark);
    if (!out.ok()) return Error::full;
    const Bytes size = out.size() - start;
    if (size + frame_prefix_bytes > frame_bytes_max) return Error::out_of_range;
    for (Bytes i = 0; i < frame_prefix_bytes; ++i)
        prefix[i] = static_cast<std::byte>((size >> (8 * (frame_prefix_bytes - 1 - i))) & 0xFF);
    return {};
}

// A text with a limit; longer ones are not from a peer of ours.
std::string_view limited_text(ProtoReader& in, Bytes size_max) {
    const std::string_view text = in.text();
    if (text.size() > size_max) in.fail();
    return text;
}

void get(ProtoReader& in, HelloFrame& hello) {
    bool has_incarnation = false;
    hello.protocol = 0;
    while (in.next()) {
        switch (in.tag()) {
            case weir_v1_Hello_protocol_tag: hello.protocol = in.number32(); break;
            case weir_v1_Hello_agent_tag: hello.agent = limited_text(in, agent_name_bytes_max); break;
            case weir_v1_Hello_incarnation_tag: {
                const ByteSpan bytes = in.bytes();
                has_incarnation = bytes.size() == hello.incarnation.size();
                if (has_incarnation) std::copy(bytes.begin(), bytes.end(), hello.incarnation.begin());
                break;
            }
            case weir_v1_Hello_epoch_tag: hello.epoch = in.number(); break;
            case weir_v1_Hello_software_tag: hello.software = limited_text(in, software_bytes_max); break;
            case weir_v1_Hello_configuration_tag: hello.configuration = in.fixed64(); break;
            default: in.skip();
        }
    }
    if (!has_incarnation || hello.agent.empty()) in.fail();
}

void get(ProtoReader& in, WelcomeFrame& welcome) {
    while (in.next()) {
        switch (in.tag()) {
            case weir_v1_Welcome_last_ship_tag: welcome.last_ship = in.number(); break;
            case weir_v1_Welcome_bridge_tag: welcome.bridge = limited_text(in, agent_name_bytes_max); break;
            default: in.skip();
        }
    }
}

void get(ProtoReader& in, RecordsFrame& records) {
    while (in.next()) {
        switch (in.tag()) {
            case weir_v1_Records_first_ship_tag: records.first_ship = in.number(); break;
            case weir_v1_Records_last_ship_tag: records.last_ship = in.number(); break;
            case weir_v1_Records_count_tag: records.count = in.number32(); break;
            case weir_v1_Records_raw_size_tag: records.raw_size = in.number32(); break;
            case weir_v1_Records_block_tag: records.block = in.bytes(); break;
            default: in.skip();
        }
    }
    const bool sound = records.first_ship > 0 && records.last_ship >= records.first_ship && records.count > 0 &&
                       records.count - 1 <= records.last_ship - records.first_ship && records.raw_size > 0 &&
                       records.raw_size <= block_raw_bytes_max && !records.block.empty();
    if (!sound) in.fail();
}

void get(ProtoReader& in, AckFrame& ack) {
    while (in.next()) {
        if (in.tag() == weir_v1_Ack_ship_tag)
            ack.ship = in.number();
        else
            in.skip();
    }
}

void get(ProtoReader& in, RefusalFrame& refusal) {
    while (in.next()) {
        switch (in.tag()) {
            case weir_v1_Refusal_code_tag: {
                const std::uint64_t code = in.number();
                if (code <= static_cast<std::uint64_t>(RefusalCode::redirect))
                    refusal.code = static_cast<RefusalCode>(code);
                break;
            }
            case weir_v1_Refusal_text_tag: refusal.text = limited_text(in, refusal_text_bytes_max); break;
            case weir_v1_Refusal_address_tag: refusal.address = limited_text(in, refusal_text_bytes_max); break;
            default: in.skip();
        }
    }
}

void get(ProtoReader& in, PingFrame& ping) {
    while (in.next()) {
        switch (in.tag()) {
            case weir_v1_Ping_number_tag: ping.number = in.number(); break;
            case weir_v1_Ping_reply_tag: ping.reply = in.number() != 0; break;
            default: in.skip();
        }
    }
}

template <typename Body>
void get_body(ProtoReader& outer, FrameKind kind, Frame& frame, Body& body) {
    ProtoReader in(outer.bytes());
    if (!outer.ok()) return;
    body = Body{};
    frame.kind = kind;
    get(in, body);
    if (!in.ok()) outer.fail();
}

}  // namespace

std::string_view name(RefusalCode code) {
    switch (code) {
        case RefusalCode::unspecified: return "unspecified";
        case RefusalCode::version: return "version";
        case RefusalCode::identity: return "identity";
        case RefusalCode::fenced: return "fenced";
        case RefusalCode::malformed: return "malformed";
        case RefusalCode::unavailable: return "unavailable";
        case RefusalCode::redirect: return "redirect";
    }
    return "unspecified";
}

Status encode_frame(const HelloFrame& f, ByteWriter& out) { return write_frame(weir_v1_Frame_hello_tag, f, out); }
Status encode_frame(const WelcomeFrame& f, ByteWriter& out) { return write_frame(weir_v1_Frame_welcome_tag, f, out); }
Status encode_frame(const RecordsFrame& f, ByteWriter& out) { return write_frame(weir_v1_Frame_records_tag, f, out); }
Status encode_frame(const AckFrame& f, ByteWriter& out) { return write_frame(weir_v1_Frame_ack_tag, f, out); }
Status encode_frame(const RefusalFrame& f, ByteWriter& out) { return write_frame(weir_v1_Frame_refusal_tag, f, out); }
Status encode_frame(const PingFrame& f, ByteWriter& out) { return write_frame(weir_v1_Frame_ping_tag, f, out); }

Result<Bytes> frame_size(ByteSpan received) {
    if (received.size() < frame_prefix_bytes) return Error::truncated;
    std::uint32_t size = 0;
    for (Bytes i = 0; i < frame_prefix_bytes; ++i) size = size << 8 | static_cast<std::uint32_t>(received[i]);
    if (size == 0 || size > frame_bytes_max - frame_prefix_bytes) return Error::out_of_range;
    return Bytes{size} + frame_prefix_bytes;
}

Result<Frame> decode_frame(ByteSpan bytes) {
    const Result<Bytes> size = frame_size(bytes);
    if (!size) return size.error();
    if (*size > bytes.size()) return Error::truncated;
    if (*size < bytes.size()) return Error::invalid;
    Frame frame;
    bool known = false;
    ProtoReader in(bytes.subspan(frame_prefix_bytes));
    while (in.next()) {
        known = true;
        switch (in.tag()) {
            case weir_v1_Frame_hello_tag: get_body(in, FrameKind::hello, frame, frame.hello); break;
            case weir_v1_Frame_welcome_tag: get_body(in, FrameKind::welcome, frame, frame.welcome); break;
            case weir_v1_Frame_records_tag: get_body(in, FrameKind::records, frame, frame.records); break;
            case weir_v1_Frame_ack_tag: get_body(in, FrameKind::ack, frame, frame.ack); break;
            case weir_v1_Frame_refusal_tag: get_body(in, FrameKind::refusal, frame, frame.refusal); break;
            case weir_v1_Frame_ping_tag: get_body(in, FrameKind::ping, frame, frame.ping); break;
            default: known = false; in.skip();
        }
        if (known) break;
    }
    if (!in.ok()) return Error::invalid;
    if (!known) return Error::unsupported;
    return frame;
}

}  // namespace weir
