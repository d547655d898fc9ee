#include "agent/action_runner.h"

#include <atomic>
#include <chrono>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "agent/mqtt_outlet.h"
#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// A way out that does as the test says, by the payload: "later" twice is put off, "fails N" fails so often, "hangs" waits.
class ScriptedOutlet final : public ActionOutlet {
public:
    std::size_t parallel_max() const override { return 2; }
    Begun begin(const Action& action, std::uint32_t token) override {
        const std::lock_guard lock(mutex);
        const std::string payload(action.payload);
        ++tries[payload];
        if (payload.starts_with("later") && tries[payload] <= 2) return Begun::later;
        begun.push_back(payload);
        if (payload.starts_with("hangs") && !released) {
            hanging.push_back(token);
            return Begun::under_way;
        }
        const bool fails = payload.starts_with("fails") && tries[payload] <= payload[6] - '0';
        ends.push_back({token, !fails, "scripted"});
        wake();
        return Begun::under_way;
    }
    bool hear(Ended& ended) override {
        const std::lock_guard lock(mutex);
        if (ends.empty()) return false;
        ended = ends.front();
        ends.pop_front();
        return true;
    }
    std::vector<std::string> all_begun() {
        const std::lock_guard lock(mutex);
        return begun;
    }

    std::mutex mutex;
    std::map<std::string, int> tries;
    std::vector<std::string> begun;
    std::vector<std::uint32_t> hanging;
    std::deque<Ended> ends;
    bool released = false;
    std::function<void()> wake;
};

}  // namespace

TEST_GROUP(ActionRunner) {
    TemporaryFolder folder;
    SystemFiles files;
    SystemClock clock;
    ArenaBlock block{ActionRunner::need()};
    Arena arena{block.memory()};
    std::unique_ptr<ActionQueue> queue;
    ScriptedOutlet exec;
    std::unique_ptr<ActionRunner> runner;
    std::uint64_t sequence = 0;

    void setup() override {
        ActionQueue::Report report;
        Result<std::unique_ptr<ActionQueue>> opened = ActionQueue::open(files, folder.path() + "/actions", report);
        CHECK(opened.ok());
        queue = std::move(*opened);
        queue->begin(1);
    }
    void run(ActionOutlet* mqtt = nullptr) {
        ActionRunner::Outlets outlets{};
        outlets[0] = mqtt;
        outlets[1] = &exec;
        runner = std::make_unique<ActionRunner>(arena, *queue, outlets, clock);
        exec.wake = [this] { runner->wake(); };
        runner->start();
    }
    void add(std::string_view destination, std::string_view payload, ActionKind kind = ActionKind::exec, unsigned retries = 1) {
        Action action;
        action.kind = kind;
        action.id = {1, ++sequence, 0};
        action.texts[0] = destination;
        action.texts[1] = "topic";
        action.count = 2;
        action.timeout = Duration::seconds(1);
        action.retries = static_cast<std::uint8_t>(retries);
        action.payload = payload;
        queue->add(action);
    }
    template <typename Done>
    void wait(Done done) {
        for (int i = 0; i < 6000 && !done(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        CHECK(done());
    }
};

TEST(ActionRunner, what_waits_is_done_in_order_and_marked) {
    add("/bin/a", "1");
    add("/bin/a", "2");
    run();
    add("/bin/a", "later");
    add("/bin/a", "3");
    wait([&] { return queue->waiting() == 0; });
    runner->stop(Duration::seconds(10));
    CHECK(exec.begun == (std::vector<std::string>{"1", "2", "later", "3"}));
    LONGS_EQUAL(4, queue->counters(ActionKind::exec).done);
}

TEST(ActionRunner, a_destination_that_hangs_holds_up_no_other_and_keeps_its_order) {
    run();
    add("/bin/a", "hangs");
    add("/bin/a", "behind it");
    add("/bin/b", "other");
    wait([&] { return queue->waiting() == 2; });
    CHECK(exec.all_begun() == (std::vector<std::string>{"hangs", "other"}));
    {
        const std::lock_guard lock(exec.mutex);
        exec.ends.push_back({exec.hanging.at(0), true, {}});
    }
    runner->wake();
    wait([&] { return queue->waiting() == 0; });
    runner->stop({});
    CHECK(exec.begun.back() == "behind it");
}

TEST(ActionRunner, failures_are_tried_again_and_given_up_in_the_end) {
    run();
    add("/bin/a", "fails 1");
    add("/bin/b", "fails 9");
    wait([&] { return queue->waiting() == 0; });
    runner->stop({});
    const ActionCounters counters = queue->counters(ActionKind::exec);
    LONGS_EQUAL(1, counters.done);
    LONGS_EQUAL(1, counters.given_up);
    LONGS_EQUAL(2, runner->retries(ActionKind::exec));
    LONGS_EQUAL(2, exec.tries["fails 1"]);
    LONGS_EQUAL(2, exec.tries["fails 9"]);
}

TEST(ActionRunner, what_is_under_way_when_the_helper_goes_is_begun_again) {
    run();
    add("/bin/a", "hangs");
    wait([&] { return exec.all_begun().size() == 1; });
    {
        const std::lock_guard lock(exec.mutex);
        exec.released = true;
        exec.ends.push_back({0, false, "gone"});
    }
    runner->wake();
    wait([&] { return queue->waiting() == 0; });
    runner->stop({});
    LONGS_EQUAL(2, exec.tries["hangs"]);
}

TEST(ActionRunner, what_is_not_done_at_the_end_waits_for_the_next_start) {
    run();
    add("/bin/a", "hangs");
    wait([&] { return exec.all_begun().size() == 1; });
    runner->stop(Duration::millis(50));
    LONGS_EQUAL(1, queue->waiting());
    runner.reset();
    exec.released = true;
    Arena again(block.memory());
    ActionRunner::Outlets outlets{};
    outlets[1] = &exec;
    ActionRunner next(again, *queue, outlets, clock);
    exec.wake = [&next] { next.wake(); };
    next.start();
    next.stop(Duration::seconds(10));
    LONGS_EQUAL(0, queue->waiting());
}

TEST(ActionRunner, actions_of_a_kind_that_is_not_there_are_given_up) {
    add("chip", "x", ActionKind::gpio, 0);
    run();
    wait([&] { return queue->waiting() == 0; });
    runner->stop({});
    LONGS_EQUAL(1, queue->counters(ActionKind::gpio).given_up);
}

TEST_GROUP_BASE(ActionRunnerMqtt, TEST_GROUP_CppUTestGroupActionRunner) {
    std::mutex mutex;
    std::vector<std::pair<std::string, std::uint32_t>> sent;
    std::atomic<bool> away{false};
    MqttOutlet mqtt{[this](std::string_view, std::string_view, std::string_view payload, int, bool, std::uint32_t token) {
        if (away) return MqttOutlet::Sent::later;
        const std::lock_guard lock(mutex);
        sent.emplace_back(payload, token);
        return MqttOutlet::Sent::under_way;
    }};
    std::vector<std::string> payloads() {
        const std::lock_guard lock(mutex);
        std::vector<std::string> all;
        for (const auto& [payload, token] : sent) all.push_back(payload);
        return all;
    }
    std::uint32_t token(std::size_t index) {
        const std::lock_guard lock(mutex);
        return sent.at(index).second;
    }
    void go() {
        run(&mqtt);
        mqtt.on_delivered([this] { runner->wake(); });
    }
};

TEST(ActionRunnerMqtt, a_message_is_done_when_the_broker_has_it_and_not_before) {
    go();
    add("", "a", ActionKind::mqtt);
    add("", "b", ActionKind::mqtt);
    wait([&] { return payloads().size() == 2; });
    LONGS_EQUAL(2, queue->waiting());
    mqtt.delivered(token(1), true);  // out of order: what came before it is not done
    mqtt.delivered(token(0), true);
    wait([&] { return queue->waiting() == 0; });
    runner->stop({});
    CHECK(payloads() == (std::vector<std::string>{"a", "b"}));
}

TEST(ActionRunnerMqtt, what_the_broker_does_not_take_goes_again_with_all_that_came_behind_it) {
    go();
    for (const char* text : {"a", "b", "c"}) add("", text, ActionKind::mqtt);
    wait([&] { return payloads().size() == 3; });
    mqtt.delivered(token(0), true);
    mqtt.delivered(token(2), true);
    mqtt.delivered(token(1), false);
    wait([&] { return payloads().size() == 5; });
    CHECK(payloads() == (std::vector<std::string>{"a", "b", "c", "b", "c"}));
    mqtt.delivered(token(3), true);
    mqtt.delivered(token(4), true);
    wait([&] { return queue->waiting() == 0; });
    runner->stop({});
}

TEST(ActionRunnerMqtt, a_session_that_is_lost_sends_all_again) {
    go();
    add("", "a", ActionKind::mqtt);
    add("", "b", ActionKind::mqtt);
    wait([&] { return payloads().size() == 2; });
    mqtt.delivered(0, false);
    wait([&] { return payloads().size() == 4; });
    mqtt.delivered(token(2), true);
    mqtt.delivered(token(3), true);
    wait([&] { return queue->waiting() == 0; });
    runner->stop({});
    LONGS_EQUAL(2, queue->counters(ActionKind::mqtt).done);
}

TEST(ActionRunnerMqtt, without_a_connection_they_wait_and_nothing_is_lost) {
    away = true;
    go();
    for (int i = 0; i < 40; ++i) add("", std::to_string(i), ActionKind::mqtt);
    runner->wake();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    CHECK(payloads().empty());
    away = false;
    for (std::size_t i = 0; i < 40; ++i) {
        wait([&] { return payloads().size() > i; });
        mqtt.delivered(token(i), true);
    }
    wait([&] { return queue->waiting() == 0; });
    runner->stop({});
    LONGS_EQUAL(40, payloads().size());
}
