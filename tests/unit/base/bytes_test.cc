#include "agent/base/bytes.h"

#include <array>
#include <limits>
#include <vector>

#include "agent/base/entropy.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(Bytes) { std::array<std::byte, 64> memory{}; };

TEST(Bytes, align_up_rounds_to_the_next_multiple) {
    UNSIGNED_LONGS_EQUAL(0, align_up(0, 8));
    UNSIGNED_LONGS_EQUAL(8, align_up(1, 8));
    UNSIGNED_LONGS_EQUAL(8, align_up(8, 8));
    UNSIGNED_LONGS_EQUAL(16, align_up(9, 8));
}

TEST(Bytes, what_is_written_is_read_back) {
    ByteWriter out(memory);
    out.write<std::uint8_t>(200);
    out.write<std::uint16_t>(0x1234);
    out.write<std::int64_t>(-5);
    out.write(2.5);
    out.text("abc");
    out.text("");
    CHECK(out.ok());
    ByteReader in(out.written());
    CHECK_EQUAL(200, in.read<std::uint8_t>());
    CHECK_EQUAL(0x1234, in.read<std::uint16_t>());
    CHECK(in.read<std::int64_t>() == -5);
    DOUBLES_EQUAL(2.5, in.read<double>(), 0);
    CHECK(in.text() == "abc");
    CHECK(in.text().empty());
    CHECK(in.ok());
    UNSIGNED_LONGS_EQUAL(0, in.remaining());
}

TEST(Bytes, numbers_are_little_endian) {
    ByteWriter out(memory);
    out.write<std::uint32_t>(0x01020304);
    CHECK(memory[0] == std::byte{4} && memory[3] == std::byte{1});
}

TEST(Bytes, reading_past_the_end_fails_and_stays_failed) {
    const ByteSpan input = memory;
    ByteReader in(input.first(3));
    CHECK_EQUAL(0, in.read<std::uint16_t>());
    CHECK(in.ok());
    UNSIGNED_LONGS_EQUAL(0, in.read<std::uint32_t>());
    CHECK_FALSE(in.ok());
    CHECK_EQUAL(0, in.read<std::uint8_t>());  // there would have been one
    CHECK(in.bytes(0).empty());
    CHECK_FALSE(in.ok());
}

TEST(Bytes, hostile_length_of_a_text_is_caught) {
    store_le<std::uint32_t>(memory.data(), std::numeric_limits<std::uint32_t>::max());
    ByteReader in(memory);
    CHECK(in.text().empty());
    CHECK_FALSE(in.ok());
}

TEST(Bytes, reader_never_leaves_its_input) {
    SeededEntropy random(1);
    for (int round = 0; round < 2000; ++round) {
        std::vector<std::byte> input(random.word() % 40);
        random.fill(input);
        ByteReader in(input);
        while (in.ok() && in.remaining() > 0) {
            switch (random.word() % 4) {
                case 0: (void)in.read<std::uint64_t>(); break;
                case 1: (void)in.text(); break;
                case 2: {
                    const ByteSpan view = in.bytes(random.word() % 50);
                    if (!view.empty())
                        CHECK(view.data() >= input.data() && view.data() + view.size() <= input.data() + input.size());
                    break;
                }
                default: (void)in.read<std::uint8_t>();
            }
            CHECK(in.position() <= input.size());
        }
    }
}

TEST(Bytes, writing_past_the_end_fails_writes_nothing_and_stays_failed) {
    const MutableByteSpan room = memory;
    ByteWriter out(room.first(5));
    out.write<std::uint32_t>(1);
    out.write<std::uint16_t>(0xFFFF);
    CHECK_FALSE(out.ok());
    UNSIGNED_LONGS_EQUAL(4, out.size());
    out.write<std::uint8_t>(9);
    UNSIGNED_LONGS_EQUAL(4, out.size());
    CHECK(memory[4] == std::byte{0});
}

TEST(Bytes, patch_overwrites_only_what_was_written) {
    ByteWriter out(memory);
    out.write<std::uint32_t>(0);
    out.patch<std::uint32_t>(0, 77);
    out.patch<std::uint32_t>(1, 88);
    UNSIGNED_LONGS_EQUAL(77, load_le<std::uint32_t>(memory.data()));
}
