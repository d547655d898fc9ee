#include "drivers/topic_template.h"

#include <array>
#include <string>
#include <vector>

#include "agent/base/entropy.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

TopicTemplate parsed(std::string_view text) {
    Problem problem;
    auto result = TopicTemplate::parse(text, problem);
    WEIR_ASSERT(result.ok());
    return *result;
}

std::size_t problem_offset(std::string_view text) {
    Problem problem;
    CHECK_FALSE(TopicTemplate::parse(text, problem).ok());
    CHECK_FALSE(problem.what.empty());
    return problem.offset;
}

// The rules of section 4.7 written down as slowly as they are stated.
bool slow_match(const std::vector<std::string>& filter, const std::vector<std::string>& topic, std::size_t f = 0, std::size_t t = 0) {
    if (f == 0 && t == 0 && topic[0].starts_with('$') && (filter[0] == "+" || filter[0] == "#")) return false;
    if (f == filter.size()) return t == topic.size();
    if (filter[f] == "#") return true;
    if (t == topic.size()) return false;
    return (filter[f] == "+" || filter[f] == topic[t]) && slow_match(filter, topic, f + 1, t + 1);
}

std::string joined(const std::vector<std::string>& levels) {
    std::string text;
    for (const std::string& level : levels) text += (&level == levels.data() ? "" : "/") + level;
    return text;
}

}  // namespace

TEST_GROUP(TopicTemplate){};

TEST(TopicTemplate, named_levels_become_plus_in_the_filter) {
    const TopicTemplate t = parsed("city/{site}/loop/{lane:int}/#");
    STRCMP_EQUAL("city/+/loop/+/#", t.filter().c_str());
    LONGS_EQUAL(2, t.captures().size());
    STRCMP_EQUAL("lane", t.captures()[1].name.c_str());
    CHECK(t.captures()[1].type == ColumnType::integer);
}

TEST(TopicTemplate, captures_are_views_and_typed) {
    const TopicTemplate t = parsed("city/{site}/loop/{lane:int}/{w:float}");
    std::array<TopicValue, 3> values;
    const std::string topic = "city/s1/loop/42/2.5";
    CHECK(t.match(topic, values));
    CHECK(values[0].text.data() == topic.data() + 5);
    STRCMP_EQUAL("s1", std::string(values[0].text).c_str());
    LONGS_EQUAL(42, values[1].integer);
    DOUBLES_EQUAL(2.5, values[2].real, 0);
}

TEST(TopicTemplate, a_level_of_another_type_matches_but_is_not_typed) {
    const TopicTemplate t = parsed("loop/{lane:int}");
    std::array<TopicValue, 1> values;
    for (const char* topic : {"loop/x", "loop/", "loop/1.5", "loop/99999999999999999999"}) {
        CHECK(t.match(topic, values));
        CHECK_FALSE(values[0].typed);
    }
}

TEST(TopicTemplate, the_number_of_levels_must_agree) {
    const TopicTemplate t = parsed("a/{b}");
    CHECK(t.matches("a/"));
    CHECK_FALSE(t.matches("a"));
    CHECK_FALSE(t.matches("a/b/c"));
    CHECK_FALSE(t.matches("x/b"));
}

TEST(TopicTemplate, hash_matches_the_parent_too) {
    const TopicTemplate t = parsed("a/#");
    CHECK(t.matches("a"));
    CHECK(t.matches("a/b/c"));
    CHECK_FALSE(t.matches("ab"));
}

TEST(TopicTemplate, wildcards_do_not_match_dollar_topics_in_first_place) {
    CHECK_FALSE(parsed("#").matches("$SYS/x"));
    CHECK_FALSE(parsed("{a}/x").matches("$SYS/x"));
    CHECK(parsed("$SYS/#").matches("$SYS/x"));
    CHECK(parsed("a/+").matches("a/$x"));
}

TEST(TopicTemplate, problems_say_where) {
    LONGS_EQUAL(2, problem_offset("a/#/b"));
    LONGS_EQUAL(3, problem_offset("a/b+"));
    LONGS_EQUAL(2, problem_offset("a/{b"));
    LONGS_EQUAL(3, problem_offset("a/{}"));
    LONGS_EQUAL(3, problem_offset("a/{1b}"));
    LONGS_EQUAL(5, problem_offset("a/{b:bool}"));
    LONGS_EQUAL(7, problem_offset("a/{b}/{b}"));
    LONGS_EQUAL(0, problem_offset(""));
    LONGS_EQUAL(0, problem_offset(std::string_view("a\0b", 3)));
}

TEST(TopicTemplate, matcher_finds_the_first_and_the_next) {
    TopicMatcher matcher;
    matcher.add(parsed("a/{x}"));
    matcher.add(parsed("b/#"));
    matcher.add(parsed("+/c"));
    LONGS_EQUAL(0, matcher.find("a/c"));
    LONGS_EQUAL(2, matcher.find("a/c", 1));
    LONGS_EQUAL(1, matcher.find("b/c"));
    LONGS_EQUAL(3, matcher.find("d/e"));
}

TEST(TopicTemplate, filters_are_valid_only_with_whole_wildcards) {
    for (const char* good : {"#", "+", "a/+/b", "a/#", "/", "a//b", "$share/g/a"}) CHECK(valid_filter(good));
    for (const char* bad : {"", "a#", "a/#/b", "a+/b", "#/"}) CHECK_FALSE(valid_filter(bad));
    CHECK(valid_topic("a/b"));
    CHECK_FALSE(valid_topic("a/+"));
    CHECK_FALSE(valid_topic(""));
}

TEST(TopicTemplate, matching_and_overlap_agree_with_the_slow_rules) {
    SeededEntropy random(7);
    const std::vector<std::string> words = {"a", "b", "", "$s"};
    const auto levels = [&](bool wild) {
        std::vector<std::string> result;
        for (std::uint64_t n = 1 + random.word() % 3; n > 0; --n) {
            const std::uint64_t pick = random.word() % (wild ? 6 : 4);
            result.push_back(pick == 4 ? "+" : pick == 5 ? "#" : words[pick]);
            if (pick == 5) break;
        }
        return result;
    };
    for (int i = 0; i < 20000; ++i) {
        const auto filter = levels(true), other = levels(true), topic = levels(false);
        if (joined(topic).empty() || joined(filter).empty() || joined(other).empty()) continue;
        const bool expected = slow_match(filter, topic);
        CHECK_EQUAL(expected, filter_matches(joined(filter), joined(topic)));
        CHECK_EQUAL(expected, parsed(joined(filter)).matches(joined(topic)));
        if (expected && slow_match(other, topic)) {
            CHECK(filters_overlap(joined(filter), joined(other)));
        }
    }
    CHECK_FALSE(filters_overlap("a/+", "b/+"));
    CHECK_FALSE(filters_overlap("a/+", "a/b/c"));
    CHECK_FALSE(filters_overlap("#", "$SYS/x"));
    CHECK_FALSE(filters_overlap("a", "a/+"));
    CHECK(filters_overlap("a", "a/#"));
}

TEST(TopicTemplate, a_shared_subscription_matches_by_what_stands_behind_its_group) {
    Problem problem;
    const Result<TopicTemplate> shared = TopicTemplate::parse("$share/group/city/{site}/#", problem);
    CHECK(shared.ok());
    CHECK(shared->is_shared());
    STRCMP_EQUAL("city/+/#", shared->filter().c_str());
    STRCMP_EQUAL("$share/group/city/+/#", shared->subscription().c_str());
    CHECK(shared->matches("city/s1/loop"));
    CHECK(!shared->matches("$share/group/city/s1/loop"));
    CHECK(!TopicTemplate::parse("city/+", problem)->is_shared());
    STRCMP_EQUAL("city/+", TopicTemplate::parse("city/{site}", problem)->subscription().c_str());
    for (const char* bad : {"$share/group", "$share/group/", "$share//city", "$share/a+b/city", "$share/{g}/city"})
        CHECK(!TopicTemplate::parse(bad, problem).ok());
    CHECK(!TopicTemplate::parse("$share/g/a+", problem).ok());
    LONGS_EQUAL(10, problem.offset);  // of what was written
}
