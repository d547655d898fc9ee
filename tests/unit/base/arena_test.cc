#include "agent/base/arena.h"

#include <cstring>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(Arena){};

TEST(Arena, takes_exactly_what_need_says_aligned_and_zeroed) {
    const Bytes need = Arena::need<double>(3) + Arena::need<char>(1) + Arena::need<std::uint64_t>(8) + Arena::need<int>(0);
    ArenaBlock block(need);
    std::memset(block.memory().data(), 0xFF, need);
    Arena arena(block.memory());
    const std::span<double> reals = arena.take<double>(3);
    const std::span<char> letters = arena.take<char>(1);
    const std::span<std::uint64_t> words = arena.take<std::uint64_t>(8);
    CHECK(arena.take<int>(0).empty());
    UNSIGNED_LONGS_EQUAL(need, arena.used());
    UNSIGNED_LONGS_EQUAL(arena.size(), arena.used());
    for (const void* start : {static_cast<const void*>(reals.data()), static_cast<const void*>(letters.data()),
                              static_cast<const void*>(words.data())})
        UNSIGNED_LONGS_EQUAL(0, reinterpret_cast<std::uintptr_t>(start) % Arena::alignment);
    DOUBLES_EQUAL(0, reals[2], 0);
    CHECK(letters[0] == 0 && words[7] == 0);
}

TEST(Arena, parts_do_not_overlap) {
    ArenaBlock block(3 * 64);
    Arena arena(block.memory());
    const MutableByteSpan first = arena.take_bytes(1);
    const MutableByteSpan second = arena.take_bytes(65);
    CHECK(first.data() + first.size() <= second.data());
    UNSIGNED_LONGS_EQUAL(64, first.size());
    UNSIGNED_LONGS_EQUAL(128, second.size());
}

TEST(Arena, makes_objects_with_their_arguments) {
    struct Pair {
        Pair(int x, int y) : a(x), b(y) {}
        int a, b;
    };
    ArenaBlock block(Arena::need<Pair>());
    Arena arena(block.memory());
    const Pair* pair = arena.make<Pair>(1, 2);
    CHECK(pair->a == 1 && pair->b == 2);
}
