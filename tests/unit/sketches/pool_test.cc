#include "sketches/pool.h"

#include <cstring>
#include <memory>
#include <vector>

#include "sketches/kll.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

struct Pool {
    explicit Pool(const SketchPool::Params& params)
        : block(SketchPool::need(params)), arena(block.memory()), pool(arena, params) {}
    SketchPool* operator->() { return &pool; }

    // Grows a slot as sketches do: the content comes along.
    bool grow(std::size_t slot, Bytes bytes) {
        return pool.grow(slot, bytes, [&](const std::byte* from, MutableByteSpan to) {
            std::memcpy(to.data(), from, pool.size(slot));
        });
    }
    void write(std::size_t slot, unsigned char value) { std::memset(pool.at(slot), value, pool.size(slot)); }
    bool holds(std::size_t slot, unsigned char value, Bytes bytes) const {
        for (Bytes i = 0; i < bytes; ++i)
            if (pool.at(slot)[i] != std::byte{value}) return false;
        return true;
    }

    ArenaBlock block;
    Arena arena;
    SketchPool pool;
};

}  // namespace

TEST_GROUP(SketchPool) {};

TEST(SketchPool, takes_exactly_what_the_plan_says) {
    const SketchPool::Params params{10, 80, 5000};
    Pool pool(params);
    LONGS_EQUAL(SketchPool::need(params), pool.arena.used());
    CHECK(SketchPool::need(params) <= SketchPool::limit(params) * 16 / 15 + 3 * Arena::alignment);
}

TEST(SketchPool, every_slot_can_have_its_first_block_however_full_it_is) {
    Pool pool({4, 24, 40});
    pool->open(0);
    CHECK(pool.grow(0, 32));
    CHECK_FALSE(pool.grow(0, 40));  // both stand for a moment, and the other slots' first blocks are not to be had
    LONGS_EQUAL(32, pool->size(0));
    for (std::size_t slot = 1; slot < 4; ++slot) {
        LONGS_EQUAL(24, pool->open(slot).size());
        CHECK(pool->is_open(slot));
    }
    LONGS_EQUAL(4 * SketchPool::cost(24) + 8, pool->taken());
}

TEST(SketchPool, blocks_are_zeroed_and_aligned) {
    Pool pool({2, 20, 300});
    pool->open(0);
    CHECK(pool.holds(0, 0, 20));
    pool.write(0, 0xAB);
    pool->close(0);
    pool->open(1);
    CHECK(pool.holds(1, 0, 20));
    LONGS_EQUAL(0, reinterpret_cast<std::uintptr_t>(pool->at(1)) % 8);
    CHECK(pool.grow(1, 33));
    LONGS_EQUAL(33, pool->size(1));
    LONGS_EQUAL(0, reinterpret_cast<std::uintptr_t>(pool->at(1)) % 8);
}

TEST(SketchPool, a_hole_between_blocks_is_no_obstacle) {
    // Room for eight blocks of 56: every other one goes, and one that needs all these holes comes.
    Pool pool({9, 0, 8 * SketchPool::cost(56) + 8 * 8});
    for (std::size_t slot = 0; slot < 9; ++slot) pool->open(slot);
    for (std::size_t slot = 0; slot < 8; ++slot) {
        if (slot == 7) break;
        CHECK(pool.grow(slot, 56));
        pool.write(slot, static_cast<unsigned char>(slot + 1));
    }
    for (std::size_t slot = 0; slot < 7; slot += 2) pool->close(slot);
    const Bytes rest = pool->limit() - pool->taken() - 8;
    CHECK(rest > 4 * 56);
    CHECK(pool.grow(8, rest));
    CHECK_FALSE(pool.grow(8, 8));
    for (std::size_t slot = 1; slot < 7; slot += 2) CHECK(pool.holds(slot, static_cast<unsigned char>(slot + 1), 56));
    CHECK(pool->bytes_moved() > 0);
}

TEST(SketchPool, the_same_blocks_restored_leave_the_same_room) {
    const SketchPool::Params params{3, 16, 400};
    Pool grown(params);
    for (std::size_t slot = 0; slot < 3; ++slot) grown->open(slot);
    CHECK(grown.grow(0, 100) && grown.grow(0, 150) && grown.grow(2, 64));
    grown->close(1);
    Pool restored(params);
    LONGS_EQUAL(64, restored->restore(2, 64).size());
    LONGS_EQUAL(150, restored->restore(0, 150).size());
    LONGS_EQUAL(grown->taken(), restored->taken());
    // The largest block that fits is the same one.
    const Bytes largest = grown->limit() - grown->taken() - 8;
    CHECK_FALSE(grown.grow(2, largest + 1));
    CHECK_FALSE(restored.grow(2, largest + 1));
    CHECK(grown.grow(2, largest));
    CHECK(restored.grow(2, largest));
}

TEST(SketchPool, what_no_pool_can_have_saved_is_not_restored) {
    Pool pool({3, 16, 100});
    CHECK(pool->restore(0, 15).empty());
    CHECK(pool->restore(0, 16 + 101).empty());
    CHECK(pool->restore(0, ~Bytes{0} - 8).empty());
    CHECK_FALSE(pool->is_open(0));
    LONGS_EQUAL(112, pool->restore(0, 112).size());  // its first block's share, and 96 of the spare bytes
    CHECK(pool->restore(1, 24).empty());
    LONGS_EQUAL(16, pool->restore(1, 16).size());
    LONGS_EQUAL(16, pool->open(2).size());
}

TEST(SketchPool, a_sketch_lives_on_in_blocks_that_move) {
    using Kll = KllSketch<double>;
    const Kll::Params params{};
    Pool pool({3, Kll::need(params), 3 * SketchPool::cost(Kll::need(params))});
    for (std::size_t slot = 0; slot < 3; ++slot) Kll::create(pool->open(slot), params);
    std::vector<std::byte> memory(Kll::need(params));
    Kll* const still = Kll::create(memory, params);
    for (int i = 0; i < 30000; ++i) {
        Kll::at(pool->at(1))->update(i);
        still->update(i);
        if (i % 1000 == 0) CHECK(pool.grow(1, pool->size(1)));
        if (i % 3000 == 0) {
            pool->close(0);
            Kll::create(pool->open(0), params);
        }
    }
    CHECK(pool->bytes_moved() > 0);
    MEMCMP_EQUAL(still, pool->at(1), memory.size());
}

TEST(SketchPool, a_full_pool_moves_at_most_fifteen_bytes_for_each_that_is_taken) {
    Pool pool({100, 56, 0});
    for (std::size_t slot = 0; slot < 100; ++slot) pool->open(slot);
    std::uint64_t taken = 100 * SketchPool::cost(56);
    for (std::size_t i = 0; i < 10000; ++i) {
        pool->close(i % 100);
        pool->open(i % 100);
        taken += SketchPool::cost(56);
    }
    CHECK(pool->bytes_moved() > 5 * taken);
    CHECK(pool->bytes_moved() <= 15 * taken);
}

TEST(SketchPool, an_empty_pool_and_one_without_spare_bytes) {
    Pool none({0, 0, 0});
    LONGS_EQUAL(0, none->limit());
    Pool bare({2, 8, 0});
    bare->open(1);
    CHECK_FALSE(bare.grow(1, 16));
    bare->open(0);
    bare->reset();
    CHECK_FALSE(bare->is_open(0));
    LONGS_EQUAL(bare->limit(), bare->taken());
}
