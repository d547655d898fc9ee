#include "drivers/socket_gate.h"

#include <algorithm>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "tests/unit/drivers/broker_fixture.h"
#include "tests/unit/drivers/recording_handler.h"

#include <CppUTest/TestHarness.h>
#include <CppUTest/MemoryLeakWarningPlugin.h>

using namespace weir;

namespace {

SystemClock the_clock;
SystemEntropy the_entropy;

MqttOptions gated(const Broker& broker) {
    MqttOptions options{.url = broker.url(), .client_id = "gated"};
    options.filters = {{"t/#", 1}};
    options.backoff_least = Duration::millis(20);
    return options;
}

}  // namespace

TEST_GROUP(SocketGate) {
    // Paho has threads, and keeps some of what it allocates.
    void setup() override {
        MemoryLeakWarningPlugin::turnOnThreadSafeNewDeleteOverloads();
        IGNORE_ALL_LEAKS_IN_TEST();
    }
};

TEST(SocketGate, is_linked_into_this_program) { CHECK(socket_gate::linked()); }

TEST(SocketGate, a_closed_gate_holds_messages_back_and_an_open_one_delivers_all_in_order) {
    Broker broker("max_queued_messages 0\nmax_inflight_messages 0");
    broker.start();
    RecordingHandler handler;
    MqttSource source(gated(broker), handler, the_clock, the_entropy);
    Problem problem;
    CHECK(source.start(problem).ok());
    CHECK(eventually([&] { return handler.count("subscribed") == 1; }));
    constexpr int count = 20000;
    handler.set_ready(false);
    broker.publish_numbers("t/n", count);
    const std::size_t held = handler.messages().size();
    CHECK(held <= 1);  // the one packet that Paho was already reading
    // Nothing more comes while the gate is shut, however much is waiting.
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    LONGS_EQUAL(held, handler.messages().size());
    handler.set_ready(true);
    CHECK(eventually([&] { return handler.messages().size() >= count; }));
    const auto messages = handler.messages();
    LONGS_EQUAL(count, messages.size());
    for (int i = 0; i < count; ++i) STRCMP_EQUAL(("t/n " + std::to_string(i)).c_str(), messages[static_cast<std::size_t>(i)].c_str());
    source.stop();
}

TEST(SocketGate, a_gate_that_opens_and_shuts_loses_and_repeats_nothing) {
    Broker broker("max_queued_messages 0");
    broker.start();
    RecordingHandler handler;
    MqttSource source(gated(broker), handler, the_clock, the_entropy);
    Problem problem;
    CHECK(source.start(problem).ok());
    CHECK(eventually([&] { return handler.count("subscribed") == 1; }));
    std::atomic<bool> stop{false};
    std::thread flicker([&] {
        for (int i = 0; !stop; ++i) {
            handler.set_ready(i % 3 != 0);
            std::this_thread::sleep_for(std::chrono::milliseconds(3));
        }
        handler.set_ready(true);
    });
    constexpr int count = 10000;
    broker.publish_numbers("t/n", count);
    CHECK(eventually([&] { return handler.messages().size() >= count; }));
    stop = true;
    flicker.join();
    const auto messages = handler.messages();
    LONGS_EQUAL(count, messages.size());
    for (int i = 0; i < count; ++i) STRCMP_EQUAL(("t/n " + std::to_string(i)).c_str(), messages[static_cast<std::size_t>(i)].c_str());
    source.stop();
}

TEST(SocketGate, messages_that_come_one_at_a_time_are_read_together) {
    Broker broker;
    broker.start();
    RecordingHandler handler;
    MqttOptions options = gated(broker);
    options.gather = Duration::millis(300);
    MqttSource source(options, handler, the_clock, the_entropy);
    Problem problem;
    CHECK(source.start(problem).ok());
    CHECK(eventually([&] { return handler.count("subscribed") == 1; }));
    const std::uint64_t reads = socket_gate::reads();
    constexpr int count = 100;
    const std::string command = "for i in $(seq 100); do echo $i; sleep 0.002; done | mosquitto_pub -h 127.0.0.1 -p " +
                                std::to_string(broker.port()) + " -q 0 -l -t t/n";
    CHECK_EQUAL(0, std::system(command.c_str()));
    CHECK(eventually([&] { return handler.messages().size() >= count; }));
    LONGS_EQUAL(count, handler.messages().size());
    CHECK(socket_gate::reads() - reads <= count / 2);  // one each without waiting; a slow machine makes it fewer
    source.stop();
}

TEST(SocketGate, messages_larger_than_the_read_ahead_are_whole) {
    Broker broker;
    broker.start();
    RecordingHandler handler;
    MqttSource source(gated(broker), handler, the_clock, the_entropy);
    Problem problem;
    CHECK(source.start(problem).ok());
    CHECK(eventually([&] { return handler.count("subscribed") == 1; }));
    std::string big;
    for (int i = 0; big.size() < 300000; ++i) big += std::to_string(i) + ",";
    broker.folder.write("big", big);
    const std::string command = "mosquitto_pub -h 127.0.0.1 -p " + std::to_string(broker.port()) + " -q 1 -t t/big -f " + (broker.folder / "big");
    for (int i = 0; i < 3; ++i) {
        CHECK_EQUAL(0, std::system(command.c_str()));
        broker.publish("t/small", "s");
    }
    CHECK(eventually([&] { return handler.messages().size() >= 6; }));
    const auto messages = handler.messages();
    for (std::size_t i = 0; i < 6; ++i) CHECK(messages[i] == (i % 2 ? "t/small s" : "t/big " + big));
    source.stop();
}

namespace {

// mosquitto_sub, writing down what it receives.
class Subscriber {
public:
    Subscriber(const Broker& broker, const std::string& filter) : path_(broker.folder / "received") {
        pid_ = fork();
        if (pid_ == 0) {
            std::freopen(path_.c_str(), "w", stdout);
            ::execlp("mosquitto_sub", "mosquitto_sub", "-h", "127.0.0.1", "-p", std::to_string(broker.port()).c_str(), "-q", "1", "-t",
                     filter.c_str(), nullptr);
            _exit(127);
        }
        // It has subscribed when a message arrives.
        WEIR_ASSERT(eventually([&] {
            broker.publish(filter.substr(0, filter.find('#')) + "ready", "ready");
            return !lines().empty();
        }));
    }
    ~Subscriber() {
        ::kill(pid_, SIGTERM);
        ::waitpid(pid_, nullptr, 0);
    }
    std::vector<std::string> lines() const {
        std::vector<std::string> all;
        std::ifstream file(path_);
        for (std::string line; std::getline(file, line);) all.push_back(line);
        return all;
    }
    bool receives(const std::string& line) const {
        return eventually([&] {
            const auto all = lines();
            return std::find(all.begin(), all.end(), line) != all.end();
        }, 5000);
    }

private:
    std::string path_;
    pid_t pid_ = -1;
};

}  // namespace

TEST(SocketGate, stopping_with_a_shut_gate_publishes_says_farewell_and_loses_nothing) {
    Broker broker("max_queued_messages 0\nmax_inflight_messages 0");
    broker.start();
    const Subscriber subscriber(broker, "out/#");
    MqttOptions options = gated(broker);
    options.will = MqttPublication{"out/status", "lost", 1, false};
    constexpr int count = 20000;
    std::vector<std::string> messages;
    {
        RecordingHandler handler;
        MqttSource source(options, handler, the_clock, the_entropy);
        Problem problem;
        CHECK(source.start(problem).ok());
        CHECK(eventually([&] { return handler.count("subscribed") == 1; }));
        handler.set_ready(false);
        broker.publish_numbers("t/n", count);  // much of it is in the socket now, unread
        const std::size_t held = handler.messages().size();
        // As many as may be under way, since no acknowledgement is read; the farewell has room yet.
        int accepted = 0;
        while (source.publish("out/alert", as_byte_span("alert " + std::to_string(accepted)), 1, false).ok()) ++accepted;
        LONGS_EQUAL(options.max_inflight, accepted);
        CHECK(subscriber.receives("alert " + std::to_string(accepted - 1)));  // sent at once, not only by stop()
        const MonotonicTime begin = the_clock.monotonic();
        source.stop(MqttPublication{"out/status", "offline", 1, false});
        CHECK(the_clock.monotonic() - begin < Duration::millis(2500));
        CHECK(handler.messages().size() <= std::max<std::size_t>(held, 1));
        messages = handler.messages();
    }
    CHECK(subscriber.receives("offline"));
    broker.publish("out/end", "end");
    CHECK(subscriber.receives("end"));
    for (const std::string& line : subscriber.lines()) CHECK(line != "lost");
    // What was not delivered comes with the next connection.
    RecordingHandler handler;
    MqttSource source(gated(broker), handler, the_clock, the_entropy);
    Problem problem;
    CHECK(source.start(problem).ok());
    CHECK(eventually([&] { return handler.messages().size() >= count - messages.size(); }));
    for (std::string& message : handler.messages()) messages.push_back(message.substr(0, message.find(" DUP")));
    std::set<std::string> seen(messages.begin(), messages.end());
    for (int i = 0; i < count; ++i) CHECK(seen.contains("t/n " + std::to_string(i)));
    source.stop();
}

TEST(SocketGate, stopping_with_an_open_gate_waits_for_what_was_published) {
    Broker broker;
    broker.start();
    const Subscriber subscriber(broker, "out/#");
    RecordingHandler handler;
    MqttSource source(gated(broker), handler, the_clock, the_entropy);
    Problem problem;
    CHECK(source.start(problem).ok());
    CHECK(eventually([&] { return handler.count("subscribed") == 1; }));
    for (int i = 0; i < 50; ++i) CHECK(source.publish("out/alert", as_byte_span(std::to_string(i)), 1, false).ok());
    source.stop(MqttPublication{"out/status", "offline", 1, false});
    CHECK(subscriber.receives("offline"));
    LONGS_EQUAL(0, source.counters().publish_failures);
    CHECK(subscriber.receives("49"));
}
