#include "uplink/proto_stream.h"

#include <array>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(ProtoStream){};

TEST(ProtoStream, a_nested_message_has_the_shortest_length_whatever_its_size) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{120}, std::size_t{124}, std::size_t{125},
                                   std::size_t{16378}, std::size_t{16379}, std::size_t{30000}}) {
        std::vector<std::byte> memory(40000);
        const std::vector<std::byte> payload(size, std::byte{0x33});
        ByteWriter out(memory);
        ProtoWriter proto(out);
        const auto mark = proto.begin(4);
        proto.always_bytes(1, payload);
        proto.end(mark);
        CHECK_TRUE(out.ok());
        ProtoReader outer(out.written());
        CHECK_TRUE(outer.next());
        CHECK_EQUAL(4, outer.tag());
        ProtoReader inner(outer.bytes());
        CHECK_TRUE(inner.next());
        CHECK_EQUAL(size, inner.bytes().size());
        CHECK_FALSE(inner.next());
        CHECK_TRUE(inner.ok() && outer.ok() && !outer.next());
        Bytes lengths = size < 128 ? 1 : size < 16384 ? 2 : 3;
        const Bytes body = 1 + lengths + size;
        lengths = body < 128 ? 1 : body < 16384 ? 2 : 3;
        CHECK_EQUAL(1 + lengths + body, out.size());
    }
}

TEST(ProtoStream, a_buffer_too_small_at_any_size_fails_cleanly) {
    for (std::size_t size = 0; size < 140; ++size) {
        std::vector<std::byte> memory(size);
        ByteWriter out(memory);
        ProtoWriter proto(out);
        const auto mark = proto.begin(1);
        proto.text(2, std::string(130, 'a'));
        proto.end(mark);
        CHECK_EQUAL(size >= 136, out.ok());
    }
}

TEST(ProtoStream, text_that_is_not_utf8_is_mended_when_written_and_refused_when_read) {
    CHECK_TRUE(valid_utf8("abc \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"));
    for (const char* bad : {"\xC3", "\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "\x80", "\xE2\x82", "\xF0\x80\x80\x80"})
        CHECK_FALSE(valid_utf8(bad));
    std::array<std::byte, 64> memory;
    ByteWriter out(memory);
    ProtoWriter(out).text(1, "a\xFFz");
    ProtoReader in(out.written());
    CHECK_TRUE(in.next());
    CHECK_TRUE(in.text() == "a\xEF\xBF\xBDz");
    const std::byte raw[] = {std::byte{0x0A}, std::byte{1}, std::byte{0xFF}};
    ProtoReader hostile(raw);
    CHECK_TRUE(hostile.next());
    (void)hostile.text();
    CHECK_FALSE(hostile.ok());
}

TEST(ProtoStream, a_wrong_wire_type_or_length_is_an_error) {
    const std::byte raw[] = {std::byte{0x08}, std::byte{5}};
    ProtoReader number_as_bytes(raw);
    CHECK_TRUE(number_as_bytes.next());
    (void)number_as_bytes.bytes();
    CHECK_FALSE(number_as_bytes.ok());
    const std::byte beyond[] = {std::byte{0x0A}, std::byte{9}, std::byte{1}};
    ProtoReader too_long(beyond);
    CHECK_TRUE(too_long.next());
    (void)too_long.bytes();
    CHECK_FALSE(too_long.ok());
    const std::byte endless[] = {std::byte{0x0A}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF},
                                 std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0xFF}, std::byte{0x01}};
    ProtoReader absurd(endless);
    CHECK_TRUE(absurd.next());
    (void)absurd.bytes();
    CHECK_FALSE(absurd.ok());
}
