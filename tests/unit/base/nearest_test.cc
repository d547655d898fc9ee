#include "agent/base/nearest.h"

#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(Nearest) {};

TEST(Nearest, distance_counts_edits_and_swaps) {
    CHECK_EQUAL(0U, edit_distance("size", "size"));
    CHECK_EQUAL(1U, edit_distance("siez", "size"));
    CHECK_EQUAL(1U, edit_distance("sizes", "size"));
    CHECK_EQUAL(1U, edit_distance("sise", "size"));
    CHECK_EQUAL(4U, edit_distance("", "size"));
    CHECK_EQUAL(3U, edit_distance("kitten", "sitting"));
}

TEST(Nearest, only_a_near_word_is_meant) {
    const std::vector<std::string> keys = {"name", "from", "size", "max_groups"};
    STRCMP_EQUAL("max_groups", std::string(nearest_word("max_group", keys)).c_str());
    STRCMP_EQUAL("from", std::string(nearest_word("form", keys)).c_str());
    CHECK(nearest_word("colour", keys).empty());
    CHECK(nearest_word(std::string(10'000, 'x'), keys).empty());
}
