#include "windows/lateness.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

LatenessParams adaptive(Duration floor, Duration ceiling, double late_share) {
    LatenessParams params;
    params.adaptive = true;
    params.floor = floor;
    params.ceiling = ceiling;
    params.late_share = late_share;
    return params;
}

struct Made {
    explicit Made(const LatenessParams& of) : params(of), block(Lateness::need(of)), arena(block.memory()), lateness(arena, of) {
        CHECK_EQUAL(arena.used(), block.memory().size());
    }
    void message(std::initializer_list<std::int64_t> behind) {
        for (std::int64_t each : behind) lateness.observe(each);
        lateness.settle();
    }
    LatenessParams params;
    ArenaBlock block;
    Arena arena;
    Lateness lateness;
};

}  // namespace

TEST_GROUP(Lateness) {};

TEST(Lateness, fixed_takes_no_memory_and_learns_nothing) {
    CHECK_EQUAL(0, Lateness::need(Duration::seconds(3)));
    Made m(Duration::seconds(3));
    for (int i = 0; i < 1000; ++i) m.message({50'000'000});
    CHECK_EQUAL(3'000'000, m.lateness.now());
}

TEST(Lateness, waits_longest_until_something_is_known) {
    Made m(adaptive(Duration::millis(100), Duration::seconds(20), 0.01));
    CHECK_EQUAL(20'000'000, m.lateness.now());
    for (int i = 0; i < 63; ++i) m.message({0});
    CHECK_EQUAL(20'000'000, m.lateness.now());
    m.message({0});
    CHECK_EQUAL(100'000, m.lateness.now());
}

TEST(Lateness, is_settled_at_the_end_of_a_message_only) {
    Made m(adaptive({}, Duration::seconds(20), 0.01));
    for (int i = 0; i < 200; ++i) m.lateness.observe(1000);
    CHECK_EQUAL(20'000'000, m.lateness.now());
    m.lateness.settle();
    CHECK(m.lateness.now() < 20'000'000);
}

TEST(Lateness, stays_between_floor_and_ceiling) {
    Made low(adaptive(Duration::seconds(1), Duration::seconds(20), 0.01));
    Made high(adaptive({}, Duration::seconds(20), 0.01));
    for (int i = 0; i < 100; ++i) {
        low.message({5000});
        high.message({3600'000'000});
    }
    CHECK_EQUAL(1'000'000, low.lateness.now());
    CHECK_EQUAL(20'000'000, high.lateness.now());
}

TEST(Lateness, follows_the_quantile_of_what_was_observed_lately) {
    std::mt19937_64 random(5);
    for (const double share : {0.5, 0.05, 0.01, 0.001}) {
        Made m(adaptive({}, Duration::minutes(600), share));
        std::vector<std::int64_t> older, newer;
        for (int i = 0; i < 20'000; ++i) {
            const std::int64_t scale = i < 9'000 ? 1'000'000 : 50'000;
            const std::int64_t behind = 512 + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(scale));
            newer.push_back(behind);
            m.message({behind});
            if ((i + 1) % 64 != 0) continue;
            std::vector<std::int64_t> all = older;
            all.insert(all.end(), newer.begin(), newer.end());
            std::sort(all.begin(), all.end());
            const auto beyond = std::count_if(all.begin(), all.end(), [&](std::int64_t b) { return b > m.lateness.now(); });
            CHECK(static_cast<double>(beyond) <= share * static_cast<double>(all.size()));
            const auto rank = static_cast<std::size_t>(std::ceil((1.0 - share) * static_cast<double>(all.size())));
            CHECK(static_cast<double>(m.lateness.now()) <= 1.13 * static_cast<double>(all[std::max<std::size_t>(rank, 1) - 1]));
            if (newer.size() < Lateness::pane_events) continue;
            older = std::move(newer);
            newer.clear();
        }
        CHECK(m.lateness.now() < 60'000);  // the times of a million have been forgotten
    }
}

TEST(Lateness, goes_on_from_a_saved_state_as_if_nothing_had_happened) {
    std::mt19937_64 random(6);
    const auto params = adaptive({}, Duration::minutes(60), 0.02);
    Made one(params);
    Made two(params);
    for (int i = 0; i < 5'000; ++i) one.message({static_cast<std::int64_t>(random() % 900'000)});
    std::vector<std::byte> bytes(Lateness::save_size_max(params));
    ByteWriter out(bytes);
    one.lateness.save(out);
    CHECK(out.ok());
    ByteReader in(out.written());
    CHECK(two.lateness.load(in));
    for (int i = 0; i < 5'000; ++i) {
        const auto behind = static_cast<std::int64_t>(random() % 90'000);
        one.message({behind});
        two.message({behind});
        CHECK_EQUAL(one.lateness.now(), two.lateness.now());
    }
}

TEST(Lateness, refuses_bytes_of_another_shape) {
    const auto params = adaptive({}, Duration::minutes(60), 0.02);
    Made m(params);
    std::vector<std::byte> bytes(Lateness::save_size_max(params));
    ByteWriter out(bytes);
    m.lateness.save(out);
    for (const std::size_t at : {std::size_t{0} + 7, std::size_t{24}, 24 + (bytes.size() - 24) / 2}) {
        std::vector<std::byte> damaged = bytes;
        damaged[at] ^= std::byte{0x80};
        ByteReader in(damaged);
        CHECK_FALSE(m.lateness.load(in));
    }
    ByteReader half(ByteSpan(bytes).first(bytes.size() / 2));
    CHECK_FALSE(m.lateness.load(half));
}
