#include "uplink/send_buffer.h"

#include <array>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(SendBuffer) {
    static constexpr Bytes capacity = 1024;
    ArenaBlock memory{SendBuffer::need(capacity)};
    Arena arena{memory.memory()};
    SendBuffer buffer{arena, capacity};
    std::array<ShipRow, 16> rows;
    std::vector<std::byte> space = std::vector<std::byte>(400);

    bool append(std::uint64_t ship, std::string_view text) {
        return buffer.append(buffer.cursor(), {ship, 1, as_byte_span(text)});
    }
};

TEST(SendBuffer, nothing_is_loaded_before_the_uplink_asks) {
    CHECK_FALSE(buffer.cursor().wanted);
    CHECK_TRUE(buffer.take(5, rows, space).wants_more);
    CHECK_TRUE(buffer.cursor().wanted);
    CHECK_EQUAL(5, buffer.cursor().after_ship);
}

TEST(SendBuffer, rows_come_out_in_order_as_far_as_the_space_goes) {
    (void)buffer.take(0, rows, space);
    const std::string text(150, 'x');
    for (std::uint64_t ship = 1; ship <= 5; ++ship) CHECK_TRUE(append(ship, text));
    CHECK_FALSE(append(6, text));
    CHECK_EQUAL(2, buffer.take(0, rows, space).rows);
    CHECK_EQUAL(2, rows[1].ship);
    CHECK_EQUAL(2, buffer.take(2, rows, space).rows);
    CHECK_TRUE(append(6, text));  // moved to the front to make room
    CHECK_EQUAL(2, buffer.take(4, rows, space).rows);
    CHECK_EQUAL(6, rows[1].ship);
    CHECK_TRUE(as_text(rows[1].record) == text);
}

TEST(SendBuffer, a_jump_back_empties_it_and_a_refill_begun_before_is_void) {
    (void)buffer.take(0, rows, space);
    CHECK_TRUE(append(1, "a"));
    const SendBuffer::Cursor before = buffer.cursor();
    (void)buffer.take(0, rows, space);
    CHECK_EQUAL(0, buffer.take(0, rows, space).rows);  // a jump: 1 was taken
    CHECK_FALSE(buffer.append(before, {2, 1, {}}));
    CHECK_EQUAL(0, buffer.cursor().after_ship);
    CHECK_TRUE(append(1, "a"));
    CHECK_EQUAL(1, buffer.take(0, rows, space).rows);
}

TEST(SendBuffer, after_clear_it_waits_to_be_asked_again) {
    (void)buffer.take(0, rows, space);
    CHECK_TRUE(append(1, "a"));
    buffer.clear();
    CHECK_EQUAL(0, buffer.take(0, rows, space).rows);
}
