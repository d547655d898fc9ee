#include "uplink/bridge/mark.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

Incarnation numbered(unsigned n) {
    Incarnation out{};
    out[0] = static_cast<std::byte>(n);
    out[15] = static_cast<std::byte>(255 - n);
    return out;
}

}  // namespace

TEST_GROUP(bridge_mark) {};

TEST(bridge_mark, reads_back_what_it_wrote) {
    Mark mark{numbered(1), 7, ~0ull, {numbered(2), numbered(3)}};
    const Result<Mark> back = parse_mark(format_mark(mark));
    CHECK(back.ok());
    CHECK(back->incarnation == mark.incarnation);
    CHECK(back->epoch == 7);
    CHECK(back->ship == ~0ull);
    CHECK(back->replaced == mark.replaced);
    CHECK(parse_mark(format_mark(Mark{}))->replaced.empty());
}

TEST(bridge_mark, owner_reads_back_what_it_wrote) {
    const Result<Owner> back = parse_owner(format_owner({numbered(9), 4, "bridge at the hall"}));
    CHECK(back.ok());
    CHECK(back->instance == numbered(9));
    LONGS_EQUAL(4, back->partitions);
    STRCMP_EQUAL("bridge at the hall", back->bridge.c_str());
}

TEST(bridge_mark, what_is_no_mark_is_refused) {
    // Cut anywhere, but where a shorter list of replaced incarnations happens to be a mark, too.
    const std::string good = format_mark(Mark{numbered(1), 1, 2, {numbered(2)}});
    const std::size_t list = good.find("replaced=") + 9;
    for (std::size_t i = 0; i < good.size(); ++i)
        if (i != list) CHECK_FALSE(parse_mark(good.substr(0, i)).ok());
    for (const char* text : {"", "weir-owner/1", "weir-mark/1 incarnation=zz epoch=1 ship=1 replaced=",
                             "weir-mark/1 incarnation=00000000000000000000000000000000 epoch=-1 ship=1 replaced=",
                             "weir-mark/1 incarnation=00000000000000000000000000000000 epoch=1 ship=99999999999999999999 replaced="})
        CHECK(parse_mark(text).error() == Error::invalid);
    CHECK(parse_mark("weir-mark/2 something new").error() == Error::unsupported);
    CHECK(parse_owner("weir-owner/2 something new").error() == Error::unsupported);
}

TEST(bridge_mark, same_incarnation_goes_on_where_it_was) {
    Mark mark;
    CHECK(greet(mark, false, numbered(1), 3) == Greeting::first);
    CHECK(mark.ship == 0 && mark.epoch == 3);
    mark.ship = 50;
    CHECK(greet(mark, true, numbered(1), 4) == Greeting::resumed);
    CHECK(mark.ship == 50 && mark.epoch == 4);
    CHECK(greet(mark, true, numbered(1), 2) == Greeting::resumed);
    CHECK(mark.epoch == 4);
}

TEST(bridge_mark, new_incarnation_starts_at_zero_and_the_old_one_is_stale) {
    Mark mark{numbered(1), 3, 50, {}};
    CHECK(greet(mark, true, numbered(2), 1) == Greeting::replaced);
    CHECK(mark.ship == 0 && mark.epoch == 1 && mark.incarnation == numbered(2));
    mark.ship = 5;
    CHECK(greet(mark, true, numbered(1), 9) == Greeting::stale);
    CHECK(mark.ship == 5 && mark.incarnation == numbered(2));
}

TEST(bridge_mark, replaced_incarnations_are_bounded_and_the_newest_kept) {
    Mark mark{numbered(0), 1, 1, {}};
    for (unsigned n = 1; n <= 20; ++n) CHECK(greet(mark, true, numbered(n), 1) == Greeting::replaced);
    LONGS_EQUAL(replaced_incarnations_max, mark.replaced.size());
    CHECK(greet(mark, true, numbered(19), 1) == Greeting::stale);
    CHECK(greet(mark, true, numbered(12), 1) == Greeting::stale);
    CHECK(greet(mark, true, numbered(11), 1) == Greeting::replaced);
}

TEST(bridge_mark, agents_keep_their_partition_and_spread) {
    int counts[4] = {};
    for (int i = 0; i < 1000; ++i) {
        const std::string agent = "junction-" + std::to_string(i);
        const std::uint32_t at = mark_partition(agent, 4);
        CHECK(at < 4);
        CHECK(at == mark_partition(agent, 4));
        ++counts[at];
    }
    for (const int count : counts) CHECK(count > 180 && count < 320);
}

// The placement is part of what is stored: a change would orphan every mark.
TEST(bridge_mark, placement_is_pinned) {
    LONGS_EQUAL(2, mark_partition("a1", 4));
}
