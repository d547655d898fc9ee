#include "agent/recent_results.h"

#include <thread>

#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(RecentResults) {
    Assembled assembled{small_config};
    ArenaBlock block{RecentResults::need(*assembled.assembly)};
    Arena arena{block.memory()};
    RecentResults recent{arena, *assembled.assembly};
    std::vector<char> scratch = std::vector<char>(RecentResults::ring_bytes(*assembled.assembly));
    std::vector<std::string_view> out;

    void add(std::int64_t n, std::string_view window = "w", RecordKind kind = RecordKind::result) {
        const Field value{"n", Value::of_integer(n)};
        Record record;
        record.window = window;
        record.kind = kind;
        record.values = {&value, 1};
        recent.add(record);
    }
};

TEST(RecentResults, what_came_behind_a_place_is_read_in_order) {
    std::uint64_t place = 0;
    recent.read(0, place, scratch, out);
    LONGS_EQUAL(0, out.size());
    add(1);
    add(2);
    recent.read(0, place, scratch, out);
    LONGS_EQUAL(2, out.size());
    CHECK(out[0].find("\"n\":1}") != std::string_view::npos);
    CHECK(out[1].find("\"n\":2}") != std::string_view::npos);
    out.clear();
    add(3);
    recent.read(0, place, scratch, out);
    LONGS_EQUAL(1, out.size());
    CHECK(out[0].find("\"n\":3}") != std::string_view::npos);
}

TEST(RecentResults, alerts_have_a_ring_of_their_own_and_strangers_none) {
    add(1, "slow", RecordKind::alert);
    add(2, "unknown");
    std::uint64_t place = 0;
    recent.read(0, place, scratch, out);
    LONGS_EQUAL(0, out.size());
    place = 0;
    recent.read(recent.alerts(), place, scratch, out);
    LONGS_EQUAL(1, out.size());
}

TEST(RecentResults, a_full_ring_loses_the_oldest_and_keeps_whole_ones) {
    for (std::int64_t n = 0; n < 5000; ++n) add(n);
    std::uint64_t place = 0;
    recent.read(0, place, scratch, out);
    CHECK(out.size() > 100 && out.size() < 2000);
    for (std::size_t i = 0; i < out.size(); ++i)
        CHECK(out[i].find("\"n\":" + std::to_string(5000 - out.size() + i) + "}") != std::string_view::npos);
}

TEST(RecentResults, one_that_is_too_long_is_left_out) {
    const std::string text(3000, 'x');
    const Field value{"t", Value::of_text(text)};
    Record record;
    record.window = "w";
    record.values = {&value, 1};
    recent.add(record);
    LONGS_EQUAL(1, recent.left_out());
}

TEST(RecentResults, a_reader_beside_the_writer_sees_only_whole_ones_in_order) {
    constexpr std::int64_t last = 60'000;
    std::thread writer([this] {
        for (std::int64_t n = 1; n <= last; ++n) add(n);
    });
    std::uint64_t place = 0;
    std::int64_t seen = 0;
    bool good = true;
    while (good && seen < last) {
        out.clear();
        recent.read(0, place, scratch, out);
        for (const std::string_view text : out) {
            const std::size_t at = text.find("\"n\":");
            good = good && text.starts_with("{\"window\":\"w\"") && text.ends_with("}}") && at != std::string_view::npos;
            const std::int64_t n = good ? std::atoll(std::string(text.substr(at + 4)).c_str()) : 0;
            good = good && n > seen;
            seen = n;
        }
    }
    writer.join();
    CHECK(good);
}
