#include "uplink/wire.h"

#include <pb_decode.h>

#include <string>
#include <vector>

#include "agent/base/entropy.h"
#include "uplink/wire.pb.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

template <typename Body>
std::vector<std::byte> frame_of(const Body& body) {
    std::vector<std::byte> bytes(8192);
    ByteWriter out(bytes);
    CHECK_TRUE(encode_frame(body, out).ok());
    bytes.resize(out.size());
    return bytes;
}

HelloFrame sample_hello() {
    HelloFrame hello;
    hello.agent = "junction-017";
    for (std::size_t i = 0; i < hello.incarnation.size(); ++i) hello.incarnation[i] = static_cast<std::byte>(i + 1);
    hello.epoch = 7;
    hello.software = "0.1.0";
    hello.configuration = 0x123456789ABCDEF0ULL;
    return hello;
}

RecordsFrame sample_records(ByteSpan block) {
    RecordsFrame records;
    records.first_ship = 10;
    records.last_ship = 14;
    records.count = 3;
    records.raw_size = 1000;
    records.block = block;
    return records;
}

// What nanopb's own decoder makes of a frame's message.
weir_v1_Frame second_opinion(ByteSpan frame) {
    static weir_v1_Frame message;
    message = weir_v1_Frame weir_v1_Frame_init_zero;
    pb_istream_t stream = pb_istream_from_buffer(reinterpret_cast<const pb_byte_t*>(frame.data()) + frame_prefix_bytes,
                                                 frame.size() - frame_prefix_bytes);
    CHECK_TRUE(pb_decode(&stream, weir_v1_Frame_fields, &message));
    return message;
}

}  // namespace

TEST_GROUP(Wire){};

TEST(Wire, prefix_is_the_size_of_the_message_in_big_endian) {
    const auto bytes = frame_of(AckFrame{300});
    CHECK_EQUAL(0, static_cast<int>(bytes[0]));
    CHECK_EQUAL(bytes.size() - 4, static_cast<std::size_t>(bytes[3]));
    CHECK_EQUAL(bytes.size(), *frame_size(bytes));
    CHECK_TRUE(frame_size(ByteSpan(bytes).first(3)).error() == Error::truncated);
}

TEST(Wire, every_frame_reads_back) {
    const auto hello_bytes = frame_of(sample_hello());
    const Result<Frame> hello = decode_frame(hello_bytes);
    CHECK_TRUE(hello.ok() && hello->kind == FrameKind::hello);
    CHECK_EQUAL(wire_protocol, hello->hello.protocol);
    CHECK_TRUE(hello->hello.agent == "junction-017" && hello->hello.software == "0.1.0");
    CHECK_TRUE(hello->hello.incarnation == sample_hello().incarnation);
    CHECK_EQUAL(7, hello->hello.epoch);
    CHECK_TRUE(hello->hello.configuration == 0x123456789ABCDEF0ULL);

    const auto welcome_bytes = frame_of(WelcomeFrame{99, "bridge-a"});
    const Result<Frame> welcome = decode_frame(welcome_bytes);
    CHECK_TRUE(welcome->kind == FrameKind::welcome && welcome->welcome.last_ship == 99 && welcome->welcome.bridge == "bridge-a");

    const std::vector<std::byte> block(3000, std::byte{0x5A});
    const auto records_bytes = frame_of(sample_records(block));
    const Result<Frame> records = decode_frame(records_bytes);
    CHECK_TRUE(records->kind == FrameKind::records && records->records.block.size() == 3000);
    CHECK_EQUAL(14, records->records.last_ship);
    CHECK_TRUE(records_bytes.size() - block.size() <= records_overhead_bytes_max);

    const auto ack_bytes = frame_of(AckFrame{0});
    CHECK_TRUE(decode_frame(ack_bytes)->kind == FrameKind::ack);
    const auto redirect_bytes = frame_of(RefusalFrame{RefusalCode::redirect, "elsewhere", "b2:7400"});
    const Result<Frame> redirect = decode_frame(redirect_bytes);
    CHECK_TRUE(redirect->refusal.code == RefusalCode::redirect && redirect->refusal.address == "b2:7400");
    const auto refusal_bytes = frame_of(RefusalFrame{RefusalCode::fenced, "another session"});
    const Result<Frame> refusal = decode_frame(refusal_bytes);
    CHECK_TRUE(refusal->refusal.code == RefusalCode::fenced && refusal->refusal.text == "another session");
    const auto ping_bytes = frame_of(PingFrame{5, true});
    const Result<Frame> ping = decode_frame(ping_bytes);
    CHECK_TRUE(ping->ping.number == 5 && ping->ping.reply);
}

TEST(Wire, nanopb_reads_what_is_written_by_hand) {
    const auto hello_bytes = frame_of(sample_hello());
    const weir_v1_Frame hello = second_opinion(hello_bytes);
    CHECK_EQUAL(weir_v1_Frame_hello_tag, hello.which_body);
    STRCMP_EQUAL("junction-017", hello.body.hello.agent);
    CHECK_EQUAL(16, hello.body.hello.incarnation[15]);
    CHECK_TRUE(hello.body.hello.configuration == 0x123456789ABCDEF0ULL);
    const std::vector<std::byte> block(200, std::byte{1});
    const weir_v1_Frame records = second_opinion(frame_of(sample_records(block)));
    CHECK_EQUAL(200, records.body.records.block.size);
    CHECK_EQUAL(3, records.body.records.count);
}

TEST(Wire, limits_agree_with_the_proto_options) {
    CHECK_EQUAL(agent_name_bytes_max + 1, sizeof(weir_v1_Hello{}.agent));
    CHECK_EQUAL(software_bytes_max + 1, sizeof(weir_v1_Hello{}.software));
    CHECK_EQUAL(refusal_text_bytes_max + 1, sizeof(weir_v1_Refusal{}.text));
    CHECK_EQUAL(static_cast<int>(RefusalCode::redirect), _weir_v1_Refusal_Code_MAX);
}

TEST(Wire, long_texts_are_cut_at_a_character) {
    std::string text(refusal_text_bytes_max - 1, 'x');
    text += "\xC3\xA9 more";
    const auto bytes = frame_of(RefusalFrame{RefusalCode::malformed, text});
    CHECK_EQUAL(refusal_text_bytes_max - 1, decode_frame(bytes)->refusal.text.size());
}

TEST(Wire, unknown_fields_are_skipped_and_unknown_bodies_said) {
    // Ack { ship = 5, field 9 = 1 }
    const std::byte ack[] = {std::byte{0}, std::byte{0}, std::byte{0}, std::byte{6}, std::byte{0x22}, std::byte{4},
                             std::byte{8}, std::byte{5}, std::byte{0x48}, std::byte{1}};
    CHECK_EQUAL(5, decode_frame(ack)->ack.ship);
    const std::byte other[] = {std::byte{0}, std::byte{0}, std::byte{0}, std::byte{2}, std::byte{0x7A}, std::byte{0}};
    CHECK_TRUE(decode_frame(other).error() == Error::unsupported);
}

TEST(Wire, sizes_beyond_the_limit_are_refused_before_they_are_read) {
    const std::byte huge[] = {std::byte{0x7F}, std::byte{0}, std::byte{0}, std::byte{0}};
    CHECK_TRUE(frame_size(huge).error() == Error::out_of_range);
    const std::byte empty[4] = {};
    CHECK_TRUE(frame_size(empty).error() == Error::out_of_range);
}

TEST(Wire, records_that_cannot_be_are_refused) {
    const std::byte block[1] = {};
    const auto refused = [&](auto change) {
        RecordsFrame records = sample_records(block);
        change(records);
        return decode_frame(frame_of(records)).error() == Error::invalid;
    };
    CHECK_TRUE(refused([](RecordsFrame& r) { r.first_ship = 0; }));
    CHECK_TRUE(refused([](RecordsFrame& r) { r.last_ship = 9; }));
    CHECK_TRUE(refused([](RecordsFrame& r) { r.count = 6; }));
    CHECK_TRUE(refused([](RecordsFrame& r) { r.count = 0; }));
    CHECK_TRUE(refused([](RecordsFrame& r) { r.raw_size = block_raw_bytes_max + 1; }));
    CHECK_TRUE(refused([](RecordsFrame& r) { r.block = {}; }));
}

TEST(Wire, mutated_frames_never_crash) {
    const std::vector<std::byte> block(60, std::byte{3});
    const std::vector<std::vector<std::byte>> seeds = {frame_of(sample_hello()), frame_of(WelcomeFrame{9, "b"}),
                                                       frame_of(sample_records(block)), frame_of(AckFrame{1}),
                                                       frame_of(RefusalFrame{RefusalCode::version, "x"})};
    SeededEntropy random(3);
    int decoded = 0;
    for (int i = 0; i < 60000; ++i) {
        std::vector<std::byte> bytes = seeds[random.word() % seeds.size()];
        for (std::uint64_t flips = random.word() % 4; flips-- > 0;)
            bytes[4 + random.word() % (bytes.size() - 4)] = static_cast<std::byte>(random.word());
        if (random.word() % 8 == 0) {
            bytes.resize(5 + random.word() % (bytes.size() - 4));
            bytes[3] = static_cast<std::byte>(bytes.size() - 4);
        }
        const Result<Frame> frame = decode_frame(bytes);
        decoded += frame.ok();
        if (frame && frame->kind == FrameKind::records)
            CHECK_TRUE(frame->records.block.data() >= bytes.data() &&
                       frame->records.block.data() + frame->records.block.size() <= bytes.data() + bytes.size());
    }
    CHECK_TRUE(decoded > 1000 && decoded < 59000);
}
