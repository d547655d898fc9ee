#include "agent/lanes.h"

#include <string>
#include <thread>

#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

std::string item(std::uint64_t number) { return std::string((number * 7919) % 40'000, static_cast<char>('a' + number % 26)); }

LaneQueue::Item take(LaneQueue& queue) {
    for (;;) {
        if (const std::optional<LaneQueue::Item> item = queue.try_take()) return *item;
        (void)queue.wait();
    }
}

}  // namespace

TEST_GROUP(LaneQueue) {};

TEST(LaneQueue, a_wait_ends_with_an_item_a_poke_or_in_time) {
    LaneQueue queue(100);
    CHECK(!queue.try_take());
    CHECK(!queue.wait(Duration::millis(1)));
    queue.poke();
    CHECK(queue.wait());
    CHECK(!queue.wait(Duration::millis(1)));  // once
    queue.put(LaneWord::round, {});
    CHECK(queue.wait());
    CHECK(queue.try_take()->word == LaneWord::round);
}

TEST(LaneQueue, that_is_closed_keeps_nobody_waiting) {
    LaneQueue queue(40'000);
    std::thread writer([&] {
        for (std::uint64_t i = 0; i < 2'000; ++i) queue.put(LaneWord::record, as_byte_span(item(i)));
    });
    (void)queue.wait();
    queue.close();
    writer.join();
}

TEST(LaneQueue, holds_a_writer_back_and_loses_nothing) {
    constexpr std::uint64_t items = 2'000;  // 150 times what the queue holds
    LaneQueue queue(40'000);
    std::thread writer([&] {
        for (std::uint64_t i = 0; i < items; ++i) queue.put(i % 2 == 0 ? LaneWord::record : LaneWord::partial, as_byte_span(item(i)));
        queue.put(LaneWord::end, {});
    });
    bool equal = true;
    for (std::uint64_t i = 0; i < items; ++i) {
        const LaneQueue::Item got = take(queue);
        equal &= got.word == (i % 2 == 0 ? LaneWord::record : LaneWord::partial) && as_text(got.bytes) == item(i);
    }
    const LaneQueue::Item last = take(queue);
    writer.join();
    CHECK(equal);
    CHECK(last.word == LaneWord::end && last.bytes.empty());
}

TEST(LaneQueue, has_room_for_the_longest_item_whatever_is_in_it) {
    LaneQueue queue(1 << 20);
    const std::string longest(1 << 20, 'x');
    queue.put(LaneWord::round, {});
    queue.put(LaneWord::record, as_byte_span(longest));
    CHECK(take(queue).word == LaneWord::round);
    CHECK(as_text(take(queue).bytes) == longest);
    CHECK(LaneQueue::need(1 << 20) >= 4 * longest.size());
}

TEST_GROUP(LaneMerge) {
    Assembled assembled{std::string(small_config)};
};

TEST(LaneMerge, hears_the_lane_that_is_furthest_behind_and_ties_in_their_order) {
    std::string text = small_config;
    text.replace(text.find("[\"city/{site}/loop/{lane:int}\"]"), 31, "[\"a/{site}/{lane:int}\", \"b/{site}/{lane:int}\"]");
    const Assembled two(text);
    std::vector<ConfigProblem> problems;
    const auto assembly = Assembly::make(two.load.config, problems, 2);
    CHECK(assembly->is_split(0));
    Collected out;
    Analysis::Options options;
    options.part = Analysis::Options::Part::behind_lanes;
    ArenaBlock block(Analysis::need(*assembly, options) + LaneMerge::need(*assembly));
    Arena arena(block.memory());
    Analysis behind(arena, *assembly, options, out);
    std::vector<std::unique_ptr<LaneOutput>> lanes;
    for (std::size_t i = 0; i < 2; ++i) lanes.push_back(std::make_unique<LaneOutput>(*assembly, i));
    LaneMerge merge(arena, *assembly, lanes, behind);
    // Lane 0 is at 10 s, then 30 s; lane 1 at 20 s, then 40 s; each says a record behind each word on time.
    const auto say = [&](std::size_t lane, std::int64_t seconds) {
        Record record;
        record.window = "w";
        record.end = Timestamp::millis(seconds * 1000);
        lanes[lane]->passed(0, Timestamp::millis(seconds * 1000), true);
        lanes[lane]->result(record);
    };
    for (std::int64_t seconds : {10, 30}) say(0, seconds);
    for (std::int64_t seconds : {20, 40}) say(1, seconds);
    for (auto& lane : lanes) lane->end();
    merge.run();
    LONGS_EQUAL(4, out.results.size());
    const char* const order[] = {"\"end\":10000", "\"end\":20000", "\"end\":30000", "\"end\":40000"};
    for (std::size_t i = 0; i < 4; ++i) {
        STRCMP_CONTAINS(order[i], out.results[i].c_str());
        STRCMP_CONTAINS((std::to_string(i + 1) + " ").c_str(), out.results[i].substr(0, 2).c_str());
    }
}
