#include "windows/detector_grid.h"

#include <cmath>
#include <cstring>
#include <random>

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

void take(ValueGrid& grid, double value, bool tidy = false) {
    ValueGrid::Move move;
    grid.make_room(value, tidy, move);
    if (grid.started()) grid.mark(value);
}

ValueGrid between(double low, double high) {
    ValueGrid grid;
    take(grid, low);
    take(grid, high);
    return grid;
}

}  // namespace

TEST_GROUP(DetectorGrid) {};

TEST(DetectorGrid, starts_with_the_second_different_value) {
    ValueGrid grid;
    for (int i = 0; i < 5; ++i) take(grid, 3);
    CHECK_FALSE(grid.started());
    ValueGrid::Move move;
    CHECK_FALSE(grid.make_room(13, false, move));
    CHECK(grid.started());
    DOUBLES_EQUAL(10, grid.gap(13), 2 * grid.step());  // only the first is known
    DOUBLES_EQUAL(10, grid.range_with(13), 2 * grid.step());
}

TEST(DetectorGrid, a_known_value_has_no_gap_and_a_new_one_has_its_distance) {
    ValueGrid grid = between(0, 100);
    for (int i = 0; i <= 40; ++i) take(grid, i);
    CHECK_EQUAL(0.0, grid.gap(20));
    DOUBLES_EQUAL(20, grid.gap(60), grid.step());
    DOUBLES_EQUAL(25, grid.gap(75), grid.step());
}

TEST(DetectorGrid, values_not_seen_again_are_forgotten) {
    ValueGrid grid = between(0, 100);
    for (int i = 0; i < ValueGrid::life - 1; ++i) grid.age();
    CHECK_EQUAL(0.0, grid.gap(100));
    take(grid, 0);
    grid.age();
    DOUBLES_EQUAL(100, grid.gap(100), grid.step());
    DOUBLES_EQUAL(0, grid.range_with(0), grid.step() * 1.01);
}

TEST(DetectorGrid, makes_room_on_either_side_and_keeps_what_is_known) {
    for (const double far : {1000.0, -1000.0}) {
        ValueGrid grid = between(0, 100);
        for (int i = 0; i <= 100; ++i) take(grid, i);
        const double before = grid.position(50);
        ValueGrid::Move move;
        CHECK(grid.make_room(far, false, move));
        DOUBLES_EQUAL(grid.position(50), (before - move.offset) * move.factor, 1e-6);
        CHECK_EQUAL(grid.coordinate(50), move(static_cast<std::uint8_t>(before)));
        CHECK_EQUAL(0.0, grid.gap(50));
        CHECK(grid.gap(far) > 850);
        CHECK(std::fabs(grid.value_at(grid.position(far)) - far) < 1e-9);
    }
}

TEST(DetectorGrid, is_laid_finer_where_the_extremes_are_forgotten) {
    ValueGrid grid = between(0, 10000);
    for (int i = 0; i <= 100; ++i) take(grid, i);
    for (int age = 0; age < ValueGrid::life; ++age) {
        for (int i = 0; i <= 100; ++i) take(grid, i);
        grid.age();
    }
    const double coarse = grid.step();
    take(grid, 50, false);
    CHECK_EQUAL(coarse, grid.step());
    take(grid, 50, true);
    CHECK(grid.step() < coarse / 20);
    for (int i = 0; i <= 100; ++i) CHECK_EQUAL(0.0, grid.gap(i));  // a fine bin inside a known one is known
}

TEST(DetectorGrid, bears_the_extremes_of_what_is_allowed) {
    ValueGrid grid;
    std::mt19937_64 random(3);
    const double values[] = {0, 1e150, -1e150, 1e-150, -1e-150, 1, 1 + 1e-15, 3e-151, 4.9e-324};
    for (int i = 0; i < 5000; ++i) {
        const double value = values[random() % std::size(values)];
        take(grid, value, true);
        if (!grid.started()) continue;
        CHECK(grid.gap(value) == 0);
        CHECK(std::isfinite(grid.range_with(value)));
        CHECK(grid.sound());
    }
}

TEST(DetectorGrid, refuses_damage) {
    ValueGrid grid = between(0, 1);
    CHECK(grid.sound());
    const double nan = std::nan("");
    std::memcpy(static_cast<void*>(&grid), &nan, sizeof nan);
    CHECK_FALSE(grid.sound());
}
