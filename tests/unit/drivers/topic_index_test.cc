#include "drivers/topic_index.h"

#include "agent/base/entropy.h"
#include "drivers/topic_template.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(TopicIndex) {
    static std::vector<std::uint32_t> found(TopicIndex& index, std::string_view topic) {
        const auto targets = index.find(topic);
        return {targets.begin(), targets.end()};
    }
};

TEST(TopicIndex, targets_come_in_order_and_once) {
    TopicIndex index;
    index.add("city/+/loop", 3);
    index.add("city/a/loop", 1);
    index.add("city/a/#", 3);
    index.add("city/#", 2);
    CHECK((found(index, "city/a/loop") == std::vector<std::uint32_t>{1, 2, 3}));
    CHECK((found(index, "city/b/loop") == std::vector<std::uint32_t>{2, 3}));
    CHECK((found(index, "city") == std::vector<std::uint32_t>{2}));
    CHECK(found(index, "town/a/loop").empty());
    CHECK(found(index, "").empty());
}

TEST(TopicIndex, finds_what_the_filters_match) {
    SeededEntropy random(4);
    static constexpr std::string_view levels[] = {"a", "b", "", "$s", "+", "#"};
    const auto make = [&](std::size_t kinds) {
        std::string text;
        const std::size_t count = 1 + random.word() % 4;
        for (std::size_t i = 0; i < count; ++i) {
            const std::string_view level = levels[random.word() % kinds];
            if (i > 0) text += '/';
            text += level;
            if (level == "#") break;
        }
        return text;
    };
    std::size_t matches = 0;
    for (int round = 0; round < 300; ++round) {
        TopicIndex index;
        std::vector<std::string> filters;
        for (std::uint32_t i = 0; i < 1 + random.word() % 20; ++i) {
            filters.push_back(make(6));
            if (filters.back().empty()) filters.back() = "a";
            index.add(filters.back(), i);
        }
        for (int i = 0; i < 100; ++i) {
            const std::string topic = make(4);
            std::vector<std::uint32_t> expected;
            for (std::uint32_t f = 0; f < filters.size(); ++f)
                if (filter_matches(filters[f], topic)) expected.push_back(f);
            matches += expected.size();
            CHECK(found(index, topic) == expected);
        }
    }
    CHECK(matches > 10000);
}
