#include "windows/detector_neighbours.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

struct Fed {
    Fed() { next(0), next(100); }
    double next(double value) {
        ValueGrid::Move move;
        if (grid.make_room(value, false, move)) neighbours.move(move);
        if (!grid.started()) return 0;
        const double distance = neighbours.distance(value, grid) * grid.step();
        grid.mark(value);
        return distance;
    }
    ValueGrid grid;
    LagNeighbours neighbours;
};

}  // namespace

TEST_GROUP(DetectorNeighbours) {};

TEST(DetectorNeighbours, a_pattern_that_recurs_is_near) {
    Fed fed;
    for (int i = 0; i < 300; ++i) fed.next(i % 10 * 10);
    for (int i = 0; i < 100; ++i) CHECK(fed.next(i % 10 * 10) <= 10);
}

TEST(DetectorNeighbours, known_values_in_an_unknown_order_are_far) {
    Fed fed;
    for (int i = 0; i < 300; ++i) fed.next(i % 10 * 10);
    double farthest = 0;
    for (int i = 0; i < 10; ++i) farthest = std::max(farthest, fed.next(90 - i % 10 * 10));
    CHECK(farthest >= 30);
}

TEST(DetectorNeighbours, the_rows_of_a_pattern_do_not_excuse_the_next_four) {
    Fed fed;
    for (int i = 0; i < 300; ++i) fed.next(i % 2 * 100);
    int far = 0;
    for (int i = 0; i < 4; ++i) far += fed.next(50) >= 30;
    CHECK_EQUAL(4, far);
}

TEST(DetectorNeighbours, the_first_rows_are_near_nothing_and_far_from_nothing) {
    Fed fed;
    for (int i = 0; i < 5; ++i) CHECK_EQUAL(0.0, fed.next(i * 20));
}

TEST(DetectorNeighbours, shapes_move_with_the_grid) {
    Fed fed;
    for (int i = 0; i < 300; ++i) fed.next(i % 10 * 10);
    fed.next(1000);  // a grid eight times as coarse
    for (int i = 0; i < 8; ++i) fed.next(i % 10 * 10);
    for (int i = 8; i < 50; ++i) CHECK(fed.next(i % 10 * 10) <= 25);
}

TEST(DetectorNeighbours, a_rank_is_the_share_of_past_measures_as_large) {
    ConformalRank rank;
    CHECK_EQUAL(1.0, rank.rank(0.5));
    for (int i = 0; i < 999; ++i) rank.rank(i % 10 == 0 ? 0.3 : 0.01);
    DOUBLES_EQUAL(0.1, rank.rank(0.3), 0.01);
    CHECK(rank.rank(2.0) < 0.002);
    CHECK(rank.rank(0) > 0.99);
}

TEST(DetectorNeighbours, ranks_forget) {
    ConformalRank rank;
    for (int i = 0; i < 3000; ++i) rank.rank(0.5);
    for (int i = 0; i < 40000; ++i) rank.rank(0);
    CHECK(rank.rank(0.5) < 0.05);
}
