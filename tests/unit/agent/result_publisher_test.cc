#include "agent/result_publisher.h"

#include <deque>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "agent/memory_plan.h"
#include "agent/status.h"
#include "tests/unit/agent/fixture.h"
#include "tests/unit/agent/gateway.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(PublishQueue) {};

// Against a deque: what is pushed while nothing goes out, in a ring of a few hundred bytes, and what of it is left.
TEST(PublishQueue, keeps_the_newest_in_order_whatever_their_lengths) {
    const std::string connection = "c";
    for (unsigned seed = 0; seed < 200; ++seed) {
        std::mt19937 random(seed);
        const PublishQueue::Params params{(1024 + 200 + 64) * 2 + random() % 999, 200};
        ArenaBlock block(PublishQueue::need(params));
        Arena arena(block.memory());
        std::deque<std::string> out;
        PublishQueue queue(arena, params, [&](const std::string& on, std::string_view topic, std::string_view payload, int qos, bool retain) {
            out.push_back(on + std::string(topic) + std::string(payload) + std::to_string(qos) + (retain ? "r" : ""));
            return true;
        });
        LONGS_EQUAL(PublishQueue::need(params), arena.used());
        std::deque<std::string> in;
        const unsigned count = 1 + random() % 100;
        for (unsigned i = 0; i < count; ++i) {
            const std::string topic = "t" + std::to_string(i) + std::string(random() % 300, 'x');
            const std::string payload(1 + random() % 200, 'p');
            CHECK(queue.push({&connection, topic, payload, static_cast<int>(i % 2), i % 3 == 0}));
            in.push_back("c" + topic + payload + std::to_string(i % 2) + (i % 3 == 0 ? "r" : ""));
        }
        queue.start();
        queue.stop(Duration::seconds(20));
        LONGS_EQUAL(count - queue.dropped(), out.size());
        LONGS_EQUAL(queue.published(), out.size());
        CHECK(!out.empty());
        while (in.size() > out.size()) in.pop_front();
        CHECK(in == out);
    }
}

TEST(PublishQueue, refuses_and_counts_what_is_too_long_or_empty) {
    const std::string connection;
    const PublishQueue::Params params{8192, 100};
    ArenaBlock block(PublishQueue::need(params));
    Arena arena(block.memory());
    PublishQueue queue(arena, params, [](const std::string&, std::string_view, std::string_view, int, bool) { return true; });
    CHECK_FALSE(queue.push({&connection, "t", std::string(101, 'x')}));
    CHECK_FALSE(queue.push({&connection, std::string(1025, 't'), "x"}));
    CHECK_FALSE(queue.push({&connection, "", "x"}));
    CHECK_FALSE(queue.push({&connection, "t", ""}));
    LONGS_EQUAL(4, queue.dropped());
}

TEST(PublishQueue, goes_on_while_it_is_filled) {
    const std::string connection;
    const PublishQueue::Params params{4096, 100};
    ArenaBlock block(PublishQueue::need(params));
    Arena arena(block.memory());
    std::vector<int> out;
    PublishQueue queue(arena, params, [&](const std::string&, std::string_view, std::string_view payload, int, bool) {
        out.push_back(std::stoi(std::string(payload)));
        return true;
    });
    queue.start();
    for (int i = 0; i < 5000; ++i) CHECK(queue.push({&connection, "t", std::to_string(i)}));
    queue.stop(Duration::seconds(20));
    LONGS_EQUAL(5000, out.size() + queue.dropped());
    CHECK(std::is_sorted(out.begin(), out.end()) && out.back() == 4999);
}

TEST_GROUP(ResultPublisher) {
    TemporaryFolder folder;
    std::string with(const std::string& publish) {
        std::string config = Gateway::config_in(folder.path());
        config.replace(config.find("size = \"1m\""), 11, "size = \"1m\"\nearly = \"20s\"\npublish = " + publish);
        return config;
    }
};

TEST(ResultPublisher, publishes_early_results_and_results_as_json) {
    Assembled assembled(with("{ topic = \"weir/{agent}/{window}/{site}\", retain = true, qos = 0 }"));
    ArenaBlock block(ResultPublisher::need(*assembled.assembly));
    Arena arena(block.memory());
    std::vector<std::string> out;
    ResultPublisher publisher(arena, *assembled.assembly, [&](const std::string& on, std::string_view topic, std::string_view payload, int qos, bool retain) {
        out.push_back(on + "|" + std::string(topic) + "|" + std::to_string(qos) + (retain ? "r|" : "|") + std::string(payload));
        return true;
    });
    LONGS_EQUAL(ResultPublisher::need(*assembled.assembly), arena.used());
    Field key{"site", Value::of_text("s/1")};
    Field value{"n", Value::of_integer(7)};
    Record record;
    record.window = "w";
    record.start = Timestamp::millis(60000);
    record.end = Timestamp::millis(120000);
    record.flags = record_provisional;
    record.early = 2;
    record.key = std::span(&key, 1);
    record.values = std::span(&value, 1);
    publisher.result(record);
    record.flags = 0;
    record.early = 0;
    publisher.result(record);
    record.window = "another";
    publisher.result(record);
    publisher.start();
    publisher.stop(Duration::seconds(20));
    LONGS_EQUAL(2, out.size());
    const std::string json = "{\"agent\":\"a1\",\"window\":\"w\",\"definition\":\"0000000000000000\",\"start\":60000,\"end\":120000,\"revision\":0,"
                             "\"key\":{\"site\":\"s/1\"},\"values\":{\"n\":7}";
    STRCMP_EQUAL(("|weir/a1/w/s_1|0r|" + json + ",\"provisional\":true,\"early\":2}").c_str(), out[0].c_str());
    STRCMP_EQUAL(("|weir/a1/w/s_1|0r|" + json + "}").c_str(), out[1].c_str());
}

TEST(ResultPublisher, takes_memory_and_a_thread_only_where_a_window_publishes) {
    Assembled plain(Gateway::config_in(folder.path()));
    LONGS_EQUAL(0, ResultPublisher::need(*plain.assembly));
    Assembled publishing(with("\"weir/{window}\""));
    const auto total = [](const Assembled& assembled) {
        Bytes queue = 0;
        for (const PlanPart& part : make_plan(*assembled.assembly, part_options(*assembled.assembly), false).parts)
            if (part.name == "publish: queue") queue = part.bytes;
        return queue;
    };
    LONGS_EQUAL(0, total(plain));
    LONGS_EQUAL(ResultPublisher::need(*publishing.assembly), total(publishing));
}

TEST(ResultPublisher, the_pipeline_hands_it_every_result_of_the_window) {
    Gateway gateway(with("\"weir/{window}/{site}\""));
    ArenaBlock block(ResultPublisher::need(*gateway.assembled.assembly));
    Arena arena(block.memory());
    std::uint64_t count = 0;
    ResultPublisher publisher(arena, *gateway.assembled.assembly, [&](const std::string&, std::string_view, std::string_view, int, bool) {
        ++count;
        return true;
    });
    ArenaBlock other_block(Pipeline::need(*gateway.assembled.assembly));
    Arena other_arena(other_block.memory());
    Pipeline::Parts parts;
    parts.journal = gateway.recovered.journal.get();
    parts.clock = &gateway.clock;
    parts.results = &publisher;
    Pipeline pipeline(other_arena, *gateway.assembled.assembly, {}, {}, parts, "");
    gateway.send(0, 200);
    pipeline.begin(1, 1);
    pipeline.catch_up();
    CHECK(pipeline.counters().results > 0 && pipeline.counters().provisional > 0);
    publisher.start();
    publisher.stop(Duration::seconds(20));
    LONGS_EQUAL(pipeline.counters().results + pipeline.counters().provisional, count);

    StatusBoard board(*gateway.assembled.assembly);
    board.take(*gateway.pipeline);
    StatusParts status;
    status.config = &gateway.assembled.load.config;
    status.journal = gateway.recovered.journal.get();
    status.outbox = gateway.outbox.get();
    status.actions = gateway.actions.get();
    status.results = &publisher;
    status.clock = &gateway.clock;
    std::vector<char> buffer(1 << 18);
    STRCMP_CONTAINS("results published, 0 dropped", std::string(board.answer("status", status, buffer)).c_str());
    STRCMP_CONTAINS("\"results_publish_dropped\":0", std::string(board.answer("status json", status, buffer)).c_str());
}
