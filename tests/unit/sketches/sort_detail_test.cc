#include "sketches/sort_detail.h"

#include <algorithm>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::sort_detail;

template <typename T>
static void check_halves() {
    Random random(3);
    for (int trial = 0; trial < 2000; ++trial) {
        T items[64];
        T runs[32];
        for (T& item : items) item = static_cast<T>(random.below(trial % 2 ? 10 : 1000000)) - 5;
        const std::uint64_t coins = random.below(16);
        sort_and_halve(items, coins, runs);
        for (std::size_t lane = 0; lane < 4; ++lane) {
            std::vector<T> block;
            for (std::size_t i = 0; i < 16; ++i) block.push_back(items[4 * i + lane]);
            std::sort(block.begin(), block.end());
            for (std::size_t i = 0; i < 8; ++i)
                CHECK(runs[8 * lane + i] == block[2 * i + (coins >> lane & 1)]);
        }
        std::vector<T> both(runs, runs + 16);
        std::sort(both.begin(), both.end());
        merge_and_halve(runs, runs + 8, coins & 1, runs);
        for (std::size_t i = 0; i < 8; ++i) CHECK(runs[i] == both[2 * i + (coins & 1)]);
    }
}

TEST_GROUP(SortDetail) {};

TEST(SortDetail, blocks_are_sorted_and_halved) {
    check_halves<double>();
    check_halves<float>();
}
