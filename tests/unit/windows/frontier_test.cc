#include "windows/frontier.h"

#include <vector>

#include "windows/watermark.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

TEST_GROUP(Frontier) {};

TEST(Frontier, covers_what_it_was_told_and_never_moves_back) {
    ArenaBlock block(Frontier::need(3));
    Arena arena(block.memory());
    Frontier frontier(arena, 3);
    CHECK(!frontier.covers(5, 0));
    CHECK(frontier.set(5, 100).ok());
    CHECK(frontier.set(5, 50).ok());
    CHECK(frontier.covers(5, 100));
    CHECK(!frontier.covers(5, 101));
    CHECK(!frontier.covers(6, 100));
    CHECK(frontier.set(shared_partition_hash, 70).ok());
    CHECK(frontier.covers(6, 70));
    CHECK(frontier.set(9, 1).ok());
    CHECK(frontier.set(10, 1).error() == Error::full);
    std::vector<std::byte> bytes(Frontier::save_size_max(3));
    ByteWriter out(bytes);
    frontier.save(out);
    frontier.reset();
    CHECK(!frontier.covers(5, 100));
    ByteReader in(out.written());
    CHECK(frontier.load(in));
    CHECK(frontier.covers(5, 100));
}
