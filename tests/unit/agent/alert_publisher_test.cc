#include "agent/alert_publisher.h"

#include <array>
#include <string>

#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(AlertPublisher) {
    AlertConfig alert;
    std::vector<Field> key{{"site", Value::of_text("s/1")}, {"lane", Value::of_integer(-3)}};
    std::vector<Field> values{{"mean", Value::of_real(12.5)}};
    Record record;
    AlertTransition transition;
    TemporaryFolder folder;
    SystemFiles files;
    ArenaBlock block{AlertPublisher::need()};
    Arena arena{block.memory()};
    std::unique_ptr<ActionQueue> queue;
    std::unique_ptr<AlertPublisher> publisher;
    std::array<std::array<std::byte, action_bytes_max>, action_kinds> buffer;

    void setup() override {
        alert.name = "slow";
        ActionConfig action;
        action.mqtt.topic.text = "weir/{agent}/alert/{alert}/{key}";
        action.mqtt.retain = true;
        alert.actions = {action};
        record.window = "w";
        record.start = Timestamp::millis(1000);
        record.end = Timestamp::millis(61000);
        record.key = key;
        record.values = values;
        transition = {&alert, 7, AlertState::raised, &record, 0xab, 3};
        ActionQueue::Report report;
        Result<std::unique_ptr<ActionQueue>> opened = ActionQueue::open(files, folder.path() + "/actions", report);
        CHECK(opened.ok());
        queue = std::move(*opened);
        publisher = std::make_unique<AlertPublisher>(arena, "a1", 77, *queue);
    }
    void publish(std::uint64_t number) { publisher->transition(transition, 9, number); }
    Action first(ActionKind kind) {
        Action action;
        CHECK(queue->read(kind, queue->next(kind, {})->position, buffer[static_cast<std::size_t>(kind)], action));
        return action;
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

TEST(AlertPublisher, each_entry_of_do_becomes_an_action_with_everything_expanded) {
    alert.actions[0].on_clear = false;
    ActionConfig program;
    program.kind = ActionKind::exec;
    program.exec = {{"/usr/local/bin/sign", {}, false}, {"{site}", {}, false}, {"--{state}={alert}", {}, false}};
    program.timeout = Duration::seconds(7);
    program.retry = 2;
    program.on_raise = false;
    alert.actions.push_back(program);
    publish(4);
    transition.state = AlertState::cleared;
    key[0].value = Value::of_text("-rf /");
    publish(5);
    const Action message = first(ActionKind::mqtt);
    CHECK(message.texts[0].empty() && message.texts[1] == "weir/a1/alert/slow/s_1_-3" && message.retain && message.qos == 1);
    CHECK(message.id == (ActionId{9, 4, 0}) && message.payload.find("\"raised\"") != std::string_view::npos);
    const Action run = first(ActionKind::exec);
    CHECK(run.id == (ActionId{9, 5, 1}) && run.count == 3 && run.number == 77 && run.timeout == Duration::seconds(7) && run.retries == 2);
    CHECK(run.texts[0] == "/usr/local/bin/sign" && run.texts[1] == "_rf _" && run.texts[2] == "--cleared=slow");
    LONGS_EQUAL(2, queue->waiting());
}

TEST(AlertPublisher, a_transition_decided_again_is_not_acted_on_again) {
    publish(4);
    publish(4);
    LONGS_EQUAL(1, queue->waiting());
    LONGS_EQUAL(1, queue->counters(ActionKind::mqtt).known);
}

TEST(AlertPublisher, what_is_too_long_is_left_out) {
    const std::string much(5000, 'x');
    values[0].value = Value::of_text(much);
    publish(4);
    LONGS_EQUAL(0, queue->waiting());
}
