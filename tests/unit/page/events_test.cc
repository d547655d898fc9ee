#include "agent/page/events.h"

#include <array>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(PageEvents) {
    std::array<char, 64> ring;
    EventFeed feed{ring};

    std::string read(std::uint64_t& place, std::size_t most = 1000) {
        std::string room(most, '\0');
        const auto size = feed.read(place, room);
        return size ? room.substr(0, *size) : "gone";
    }
};

TEST(PageEvents, each_client_reads_from_where_it_came_in) {
    std::uint64_t first = feed.newest();
    feed.say("status", "{}");
    std::uint64_t second = feed.newest();
    feed.say("result", "{\"n\":1}");
    STRCMP_EQUAL("event: status\ndata: {}\n\nevent: result\ndata: {\"n\":1}\n\n", read(first).c_str());
    STRCMP_EQUAL("event: ", read(second, 7).c_str());
    STRCMP_EQUAL("result\ndata: {\"n\":1}\n\n", read(second).c_str());
    STRCMP_EQUAL("", read(second).c_str());
    feed.beat();
    STRCMP_EQUAL(":\n\n", read(second).c_str());
}

TEST(PageEvents, one_that_is_too_slow_is_gone_and_the_others_go_on) {
    std::uint64_t slow = feed.newest();
    std::uint64_t quick = slow;
    for (int i = 0; i < 100; ++i) {
        feed.say("s", std::to_string(i));
        STRCMP_EQUAL(("event: s\ndata: " + std::to_string(i) + "\n\n").c_str(), read(quick).c_str());
    }
    STRCMP_EQUAL("gone", read(slow).c_str());
}

TEST(PageEvents, one_that_cannot_fit_is_left_out) {
    std::uint64_t place = feed.newest();
    feed.say("s", std::string(64, 'x'));
    STRCMP_EQUAL("", read(place).c_str());
    feed.say("s", std::string(64 - 17, 'y'));
    LONGS_EQUAL(64, read(place).size());
}
