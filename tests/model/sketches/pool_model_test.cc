// The pool against a map of vectors: contents, and which growths are refused, for random operations.
#include "sketches/pool.h"

#include <cstdio>
#include <cstring>
#include <map>
#include <vector>

#include "tests/unit/sketches/sketch_support.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

using Block = std::vector<std::byte>;

struct Twin {
    SketchPool::Params params;
    std::map<std::size_t, Block> blocks;

    // Every slot has a share for its first block, whether it is there or not.
    Bytes taken() const {
        Bytes sum = params.slots * SketchPool::cost(params.first);
        for (const auto& [slot, block] : blocks) sum += SketchPool::cost(block.size()) - SketchPool::cost(params.first);
        return sum;
    }
    bool fits(Bytes bytes) const { return taken() + SketchPool::cost(bytes) <= SketchPool::limit(params); }
};

void fill(std::byte* to, Block& twin, Bytes from, Random& random) {
    for (Bytes i = from; i < twin.size(); ++i) to[i] = twin[i] = static_cast<std::byte>(random.next());
}

void check(const SketchPool& pool, const Twin& twin) {
    LONGS_EQUAL(twin.taken(), pool.taken());
    for (std::size_t slot = 0; slot < twin.params.slots; ++slot) {
        const auto found = twin.blocks.find(slot);
        CHECK_EQUAL(found != twin.blocks.end(), pool.is_open(slot));
        if (found == twin.blocks.end()) continue;
        LONGS_EQUAL(found->second.size(), pool.size(slot));
        MEMCMP_EQUAL(found->second.data(), pool.at(slot), found->second.size());
    }
}

}  // namespace

TEST_GROUP(SketchPoolModel) {};

TEST(SketchPoolModel, random_operations_agree_with_the_twin) {
    std::uint64_t grown = 0, refused = 0, moved = 0, taken = 0;
    for (std::uint64_t seed = 0; seed < 400; ++seed) {
        Random random(seed);
        Twin twin{{1 + random.below(30), 8 + random.below(60), random.below(20000)}, {}};
        ArenaBlock block(2 * SketchPool::need(twin.params));
        Arena arena(block.memory());
        SketchPool pools[] = {SketchPool(arena, twin.params), SketchPool(arena, twin.params)};
        std::size_t current = 0;
        std::uint64_t bytes_taken = 0;
        for (int step = 0; step < 800; ++step) {
            SketchPool& pool = pools[current];
            const std::size_t slot = random.below(twin.params.slots);
            if (!twin.blocks.contains(slot)) {
                const MutableByteSpan made = pool.open(slot);
                Block& content = twin.blocks[slot] = Block(made.size());
                MEMCMP_EQUAL(content.data(), made.data(), made.size());
                fill(made.data(), content, 0, random);
                bytes_taken += SketchPool::cost(made.size());
            } else if (random.below(6) == 0) {
                pool.close(slot);
                twin.blocks.erase(slot);
            } else if (random.below(300) == 0) {
                // A checkpoint: the blocks of the owners, into another pool, in whatever order.
                SketchPool& other = pools[1 - current];
                const std::uint64_t moved_before = other.bytes_moved();
                other.reset();
                for (const auto& [owner, content] : twin.blocks) {
                    const MutableByteSpan to = other.restore(owner, content.size());
                    LONGS_EQUAL(content.size(), to.size());
                    std::memcpy(to.data(), content.data(), to.size());
                }
                LONGS_EQUAL(moved_before, other.bytes_moved());
                current = 1 - current;
            } else {
                Block& content = twin.blocks[slot];
                const Bytes bytes = content.size() + random.below(random.below(4) == 0 ? 5000 : 200);
                const bool fits = twin.fits(bytes);
                const bool done = pool.grow(slot, bytes, [&](const std::byte* from, MutableByteSpan to) {
                    LONGS_EQUAL(bytes, to.size());
                    std::memcpy(to.data(), from, content.size());
                });
                CHECK_EQUAL(fits, done);
                (done ? grown : refused) += 1;
                if (done) {
                    const Bytes before = content.size();
                    content.resize(bytes);
                    fill(pool.at(slot), content, before, random);
                    bytes_taken += SketchPool::cost(bytes);
                }
            }
            check(pools[current], twin);
        }
        // The other pool's share of the taken bytes makes this only easier to hold, not trivial: one of
        // them holds them all until the first checkpoint.
        const std::uint64_t bytes_moved = pools[0].bytes_moved() + pools[1].bytes_moved();
        CHECK(bytes_moved <= 15 * bytes_taken);
        moved += bytes_moved;
        taken += bytes_taken;
    }
    std::printf("\npool: %llu growths, %llu refused, %.2f bytes moved a byte taken\n", static_cast<unsigned long long>(grown),
                static_cast<unsigned long long>(refused), static_cast<double>(moved) / static_cast<double>(taken));
    CHECK(grown > 10000 && refused > 10000 && moved > 0);
}
