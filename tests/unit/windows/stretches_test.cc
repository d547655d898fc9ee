#include "windows/stretches.h"

#include <cstring>
#include <memory>
#include <vector>

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

template <typename Series>
Series empty() {
    Series series;
    std::memset(static_cast<void*>(&series), 0, sizeof series);
    return series;
}

// What a counter gained from its first row to its last.
std::int64_t gained(const IntegerCounter& counter) {
    const auto whole = counter.whole();
    return whole.last - whole.first + whole.inside.lost.integer();
}

}  // namespace

TEST_GROUP(Stretches) {
    IntegerCounter counter = empty<IntegerCounter>();
};

TEST(Stretches, a_fall_is_a_reset_from_zero) {
    for (const auto& [time, value] : {std::pair{1, 10}, {2, 15}, {3, 4}, {4, 4}, {5, 9}}) CHECK(counter.add(time, value));
    LONGS_EQUAL(5 + 4 + 0 + 5, gained(counter));
    LONGS_EQUAL(5, static_cast<long>(counter.whole().rows));
}

TEST(Stretches, a_row_finds_its_place_behind_seven_later_ones_and_not_behind_eight) {
    for (int i = 0; i < 30; ++i)
        if (i != 22) CHECK(counter.add(10 * i, i < 22 ? 100 + i : i));  // 121 at 210, 23 at 230: a reset between them
    IntegerCounter later = counter;
    CHECK(counter.add(220, 500));  // the reset was from 500
    LONGS_EQUAL(500 - 100 + 29, gained(counter));
    CHECK(later.add(300, 30));     // now there are eight behind its place
    CHECK_FALSE(later.add(220, 500));
    LONGS_EQUAL(121 - 100 + 30, gained(later));
}

TEST(Stretches, a_row_before_all_others_always_finds_its_place) {
    for (int i = 100; i-- > 0;) CHECK(counter.add(10 * i, i));
    LONGS_EQUAL(99, gained(counter));
}

TEST(Stretches, rows_of_one_time_keep_the_order_in_which_they_came) {
    for (int value : {5, 9, 2, 6}) CHECK(counter.add(7, value));
    LONGS_EQUAL(4 + 2 + 4, gained(counter));
    for (int value = 7; value < 40; ++value) CHECK(counter.add(7, value));
    LONGS_EQUAL(10 + 33, gained(counter));
    CHECK(counter.add(8, 39));
    CHECK(counter.add(7, 39));
}

TEST(Stretches, a_row_between_two_series_that_are_merged_finds_its_place) {
    IntegerCounter second = empty<IntegerCounter>();
    for (int i = 0; i < 20; ++i) CHECK(counter.add(i, 100 + i));
    for (int i = 0; i < 20; ++i) CHECK(second.add(1000 + i, i));
    IntegerCounter other_way = second;
    UNSIGNED_LONGS_EQUAL(0, counter.merge(second));
    LONGS_EQUAL(19 + 19, gained(counter));
    CHECK(counter.add(500, 300));
    LONGS_EQUAL(200 + 19, gained(counter));
    UNSIGNED_LONGS_EQUAL(0, other_way.merge(empty<IntegerCounter>()));
    LONGS_EQUAL(19, gained(other_way));
}

TEST(Stretches, what_overlaps_is_left_out_and_counted) {
    IntegerCounter second = empty<IntegerCounter>();
    for (int i = 0; i < 20; ++i) {
        CHECK(counter.add(10 * i, i));
        CHECK(second.add(10 * i + 5, 100 + i));
    }
    // Its stretch of 13 rows finds no place, the seven that stand alone do.
    UNSIGNED_LONGS_EQUAL(13, counter.merge(second));
    UNSIGNED_LONGS_EQUAL(27, counter.whole().rows);
}

TEST(Stretches, a_value_holds_until_the_next_row) {
    HeldValue held = empty<HeldValue>();
    for (const auto& [time, value] : {std::pair{0, 10.0}, {4, 20.0}, {10, 7.0}}) CHECK(held.add(time, value));
    DOUBLES_EQUAL(40 + 120, held.whole().inside.area.real(), 0);
    CHECK(held.add(2, 0.0));
    DOUBLES_EQUAL(20 + 0 + 120, held.whole().inside.area.real(), 0);
}

TEST(Stretches, sums_of_counters_leave_64_bits) {
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    for (int i = 0; i < 4; ++i) CHECK(counter.add(i, i % 2 ? 0 : most));
    CHECK(counter.add(4, most));
    const auto whole = counter.whole();
    WideInteger sum = whole.inside.lost;
    CHECK_FALSE(sum.fits());
    sum.add(whole.last);
    sum.subtract(whole.first);
    DOUBLES_EQUAL(2.0 * 9223372036854775807.0, sum.real(), 0);
    WideInteger least{};
    least.subtract(std::numeric_limits<std::int64_t>::min());
    CHECK_FALSE(least.fits());
    DOUBLES_EQUAL(9223372036854775808.0, least.real(), 0);
}

TEST(Stretches, bytes_that_are_no_series_are_refused) {
    for (int i = 0; i < 20; ++i) CHECK(counter.add(10 * i, i));
    CHECK(counter.valid());
    const auto changed = [&](std::size_t at, std::int64_t value) {
        IntegerCounter bad = counter;
        std::memcpy(reinterpret_cast<char*>(&bad) + at, &value, sizeof value);
        return bad.valid();
    };
    CHECK_FALSE(changed(0, 9));                // more stretches than there are places
    CHECK_FALSE(changed(0, -1));
    CHECK_FALSE(changed(8, 100000));           // begins after its end
    CHECK_FALSE(changed(16, 150));             // ends within the next
    CHECK_FALSE(changed(8 + 48, 0));           // no row
    CHECK_FALSE(changed(8, std::numeric_limits<std::int64_t>::min()));
    CHECK(changed(24, -5));                    // a value may be anything
}
