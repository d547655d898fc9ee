#include "windows/watermark.h"

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <vector>

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

const Boundary boundaries[] = {{1000, 0}, {300, 500}};

struct Made {
    explicit Made(std::size_t partitions)
        : params{partitions, LatenessParams(Duration::micros(10)), Duration::micros(100), Duration::micros(50), boundaries, boundaries},
          block(Watermarks::need(params)),
          arena(block.memory()),
          marks(arena, params) {
        CHECK_EQUAL(arena.used(), block.memory().size());
    }
    bool message(std::uint64_t hash, std::int64_t time) {
        marks.event(marks.partition(hash, "p"), time);
        const bool passes = marks.propose();
        marks.adopt();
        marks.clear_passed();
        return passes;
    }
    Watermarks::Params params;
    ArenaBlock block;
    Arena arena;
    Watermarks marks;
};

}  // namespace

TEST_GROUP(Watermarks) {};

TEST(Watermarks, are_greatest_event_less_lateness) {
    Made m(8);
    m.message(7, 500);
    m.message(7, 400);
    CHECK_EQUAL(490, m.marks.watermark(m.marks.partition(7, "")));
    CHECK_EQUAL(490, m.marks.watermark());
}

TEST(Watermarks, source_follows_the_least_active_partition) {
    std::mt19937_64 random(1);
    Made m(33);
    std::map<std::uint64_t, std::int64_t> greatest;
    std::int64_t least = never_us;
    for (int i = 0; i < 5000; ++i) {
        const std::uint64_t hash = 2 + random() % 32;
        const auto time = static_cast<std::int64_t>(random() % 1000) + i;
        m.message(hash, time);
        auto& g = greatest.try_emplace(hash, never_us).first->second;
        g = std::max(g, time - 10);
        std::int64_t now = forever_us;
        for (auto& [h, t] : greatest) now = std::min(now, t);
        least = std::max(least, now);
        CHECK_EQUAL(least, m.marks.watermark());
    }
}

TEST(Watermarks, propose_says_when_a_boundary_is_passed) {
    Made m(1);
    m.message(0, 1010);
    CHECK(!m.message(0, 1100));
    CHECK(!m.message(0, 1109));   // watermark 1099
    CHECK(m.message(0, 1110));    // 1100 = 600 + 500: the allowance of [300, 600) ends
    CHECK(!m.message(0, 1209));
    CHECK(m.message(0, 1210));    // 1200 = 4 * 300
}

TEST(Watermarks, elapsed_time_counts_bounded_steps_forward) {
    Made m(1);
    CHECK(m.marks.arrive(Timestamp::micros(1000), true));
    m.message(0, 5000);
    CHECK(!m.marks.arrive(Timestamp::micros(9000), true));   // 50 of it
    CHECK(!m.marks.arrive(Timestamp::micros(100), true));    // back
    CHECK(m.marks.arrive(Timestamp::micros(140), true));     // 40
    m.marks.tick();
    CHECK_EQUAL(4990, m.marks.watermark());                  // 90: not idle
    CHECK(m.marks.arrive(Timestamp::micros(900000), false)); // another clock
    CHECK(m.marks.arrive(Timestamp::micros(900010), false)); // 100
    m.marks.tick();
    CHECK_EQUAL(5090, m.marks.watermark());
}

TEST(Watermarks, when_all_are_idle_the_source_follows_the_furthest) {
    Made m(8);
    m.marks.arrive(Timestamp::micros(0), true);
    m.message(5, 100);
    m.message(6, 900);
    CHECK_EQUAL(90, m.marks.watermark());
    for (int t = 0; t <= 200; t += 40) m.marks.arrive(Timestamp::micros(t), true);
    m.marks.tick();
    CHECK_EQUAL(0U, m.marks.active());
    CHECK_EQUAL(900 + 200 - 10, m.marks.watermark());
}

TEST(Watermarks, state_survives_and_nonsense_does_not) {
    Made m(8);
    m.marks.arrive(Timestamp::micros(77), true);
    for (std::uint64_t h = 2; h < 12; ++h) m.message(h, static_cast<std::int64_t>(h) * 100);
    std::vector<std::byte> bytes(Watermarks::save_size_max(m.params));
    ByteWriter out(bytes);
    m.marks.save(out);
    CHECK(out.ok());
    Made n(8);
    ByteReader in(out.written());
    CHECK(n.marks.load(in));
    CHECK_EQUAL(0U, in.remaining());
    CHECK_EQUAL(m.marks.watermark(), n.marks.watermark());
    CHECK_EQUAL(m.message(3, 5000), n.message(3, 5000));
    CHECK_EQUAL(m.marks.watermark(), n.marks.watermark());
    for (std::size_t length = 0; length < out.size(); ++length) {
        ByteReader cut(out.written().first(length));
        CHECK(!n.marks.load(cut));
    }
}
