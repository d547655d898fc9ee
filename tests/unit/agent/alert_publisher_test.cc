#include "agent/alert_publisher.h"

#include <atomic>

#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(AlertPublisher) {
    AlertConfig alert;
    std::vector<Field> key{{"site", Value::of_text("s/1")}, {"lane", Value::of_integer(-3)}};
    std::vector<Field> values{{"mean", Value::of_real(12.5)}};
    Record record;
    AlertTransition transition;

    void setup() override {
        alert.name = "slow";
        MqttActionConfig action;
        action.topic.text = "weir/{agent}/alert/{alert}/{key}";
        action.retain = true;
        alert.actions = {action};
        record.window = "w";
        record.start = Timestamp::millis(1000);
        record.end = Timestamp::millis(61000);
        record.key = key;
        record.values = values;
        transition = {&alert, 7, AlertState::raised, &record, 0xab, 3};
    }
};

TEST(AlertPublisher, renders_one_json_object) {
    char buffer[1024];
    const std::string text(render_alert(transition, "a1", buffer));
    STRCMP_EQUAL(
        "{\"alert\":\"slow\",\"state\":\"raised\",\"severity\":\"warning\",\"id\":\"00000000000000ab\",\"sequence\":3,\"reason\":\"condition\",\"agent\":\"a1\",\"window\":\"w\",\"start\":1000,"
        "\"end\":61000,\"key\":{\"site\":\"s/1\",\"lane\":-3},\"values\":{\"mean\":12.5}}",
        text.c_str());
}

TEST(AlertPublisher, expanded_values_cannot_change_the_topics_levels) {
    char buffer[256];
    STRCMP_EQUAL("weir/a1/alert/slow/s_1_-3",
                 std::string(expand_topic("weir/{agent}/alert/{alert}/{key}", transition, "a1", buffer)).c_str());
    key[0].value = Value::of_text("-+#");
    STRCMP_EQUAL("x/___", std::string(expand_topic("x/{site}", transition, "a1", buffer)).c_str());
    char tiny[4];
    CHECK(expand_topic("weir/{agent}", transition, "a1", tiny).empty());
}

TEST(AlertPublisher, tries_again_until_it_is_taken_and_keeps_order) {
    ArenaBlock block(AlertPublisher::need());
    Arena arena(block.memory());
    std::atomic<int> refusals{2};
    std::mutex mutex;
    std::vector<std::string> published;
    AlertPublisher publisher(arena, "a1",
                             [&](const std::string&, std::string_view topic, std::string_view, int qos, bool retain) {
                                 if (refusals-- > 0) return false;
                                 const std::lock_guard lock(mutex);
                                 published.push_back(std::string(topic) + (retain ? " r" : "") + std::to_string(qos));
                                 return true;
                             });
    publisher.start();
    publisher.transition(transition);
    key[0].value = Value::of_text("s2");
    publisher.transition(transition);
    publisher.stop(Duration::seconds(20));
    LONGS_EQUAL(2, published.size());
    STRCMP_EQUAL("weir/a1/alert/slow/s_1_-3 r1", published[0].c_str());
    STRCMP_EQUAL("weir/a1/alert/slow/s2_-3 r1", published[1].c_str());
    LONGS_EQUAL(0, publisher.dropped());
}

TEST(AlertPublisher, a_full_queue_drops_the_oldest_and_counts_it) {
    ArenaBlock block(AlertPublisher::need());
    Arena arena(block.memory());
    std::vector<std::string> published;
    AlertPublisher publisher(arena, "a1",
                             [&](const std::string&, std::string_view topic, std::string_view, int, bool) {
                                 published.emplace_back(topic);
                                 return true;
                             });
    const std::string much(900, 'x');
    values[0].value = Value::of_text(much);
    for (std::size_t i = 0; i < 200; ++i) {
        const std::string site = "s" + std::to_string(i);
        key[0].value = Value::of_text(site);
        publisher.transition(transition);
    }
    const std::uint64_t dropped = publisher.dropped();
    CHECK(dropped > 0 && dropped < 150);
    publisher.start();
    publisher.stop(Duration::seconds(20));
    LONGS_EQUAL(200 - dropped, published.size());
    STRCMP_EQUAL(("weir/a1/alert/slow/s" + std::to_string(dropped) + "_-3").c_str(), published[0].c_str());
    STRCMP_EQUAL("weir/a1/alert/slow/s199_-3", published.back().c_str());
}
