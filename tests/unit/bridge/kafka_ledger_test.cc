#include "uplink/bridge/kafka_ledger.h"

#include <poll.h>

#include <map>
#include <string>
#include <vector>

#include "tests/unit/bridge/bridge_fixture.h"
#include "uplink/bridge/marks_reader.h"

#include <CppUTest/TestHarness.h>
#include <CppUTest/MemoryLeakWarningPlugin.h>

using namespace weir;
using namespace weir::test;

// Against librdkafka's mock cluster: the way of records and marks, and what follows errors. That nothing is
// lost or doubled needs a real Kafka: tests/unit/bridge/exactly_once.
TEST_GROUP(bridge_kafka_ledger) {
    BridgeConfig config;
    std::unique_ptr<MockCluster> mock;
    std::unique_ptr<KafkaLedger> ledger;

    void setup() override {
        MemoryLeakWarningPlugin::turnOnThreadSafeNewDeleteOverloads();
        config.name = "test-bridge";
        config.kafka.options["fetch.wait.max.ms"] = "10";
        std::string failure;
        mock = MockCluster::start(config.kafka, failure);
        CHECK(mock != nullptr);
        config.kafka.brokers = mock->address();
        open();
    }
    void teardown() override {
        ledger.reset();
        mock.reset();
        config = BridgeConfig{};
    }
    void open() {
        ledger.reset();
        std::string failure;
        ledger = KafkaLedger::open(config, true, [] { return false; }, failure);
        STRCMP_EQUAL("", failure.c_str());
        CHECK(ledger != nullptr);
    }
    std::vector<OutRecord> records(std::uint64_t first, std::uint64_t last, bool alert = false) {
        RecordForm form(ValueForm::json);
        std::vector<OutRecord> out;
        for (std::uint64_t ship = first; ship <= last; ++ship) {
            ShippedRecord shipped;
            shipped.ship = ship;
            shipped.record.window = "w";
            shipped.record.end = Timestamp::seconds(static_cast<std::int64_t>(ship));
            if (alert) shipped.record.kind = RecordKind::alert;
            out.push_back(form.render("a1", incarnation(1), shipped));
        }
        return out;
    }
    std::vector<LedgerEvent> pending;
    LedgerEvent next_event() {
        while (pending.empty()) {
            pollfd entry{ledger->descriptor(), POLLIN, 0};
            CHECK_TEXT(poll(&entry, 1, 30000) == 1, "no event in 30 s");
            pending = ledger->take_events();
        }
        const LedgerEvent event = pending.front();
        pending.erase(pending.begin());
        return event;
    }
    void expect(LedgerEvent::Kind kind, SessionId session, std::uint64_t ship) {
        const LedgerEvent event = next_event();
        CHECK(event.kind == kind);
        CHECK(event.session == session);
        CHECK_EQUAL(ship, event.ship);
    }
    void greet(SessionId session, unsigned incarnation_number, std::uint64_t expected) {
        ledger->greet(session, "a1", incarnation(incarnation_number), 1);
        expect(LedgerEvent::Kind::welcomed, session, expected);
    }
    // How often each ship number is in a topic.
    std::map<std::uint64_t, int> ships_in(const std::string& topic) {
        std::string failure;
        const auto consumer = make_client(RD_KAFKA_CONSUMER, config.kafka,
                                          {{"group.id", "t"}, {"enable.partition.eof", "true"}}, failure);
        rd_kafka_topic_partition_list_t* all = rd_kafka_topic_partition_list_new(4);
        for (int p = 0; p < 4; ++p)
            rd_kafka_topic_partition_list_add(all, topic.c_str(), p)->offset = RD_KAFKA_OFFSET_BEGINNING;
        rd_kafka_assign(consumer.get(), all);
        rd_kafka_topic_partition_list_destroy(all);
        std::map<std::uint64_t, int> out;
        for (int ends = 0; ends < 4;) {
            const KafkaOwned<rd_kafka_message_t> message(rd_kafka_consumer_poll(consumer.get(), 1000));
            if (!message) continue;
            if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) ++ends;
            rd_kafka_headers_t* headers = nullptr;
            if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR || rd_kafka_message_headers(message.get(), &headers) != 0) continue;
            const void* value = nullptr;
            std::size_t size = 0;
            CHECK(rd_kafka_header_get_last(headers, "ship", &value, &size) == RD_KAFKA_RESP_ERR_NO_ERROR);
            ++out[std::stoull(std::string(static_cast<const char*>(value), size))];
        }
        return out;
    }
};

TEST(bridge_kafka_ledger, records_and_mark_are_there_when_the_commit_is_announced) {
    greet(1, 1, 0);
    ledger->deliver(1, "a1", records(1, 3));
    expect(LedgerEvent::Kind::committed, 1, 3);
    CHECK(ships_in("weir.results") == (std::map<std::uint64_t, int>{{1, 1}, {2, 1}, {3, 1}}));
    std::string failure;
    const auto marks = read_marks(config.kafka, ledger->partition_of("a1"), [] { return false; }, failure);
    CHECK(marks.ok());
    CHECK(marks->marks.at("a1").ship == 3);
    CHECK(marks->owner && marks->owner->partitions == 4);
}

TEST(bridge_kafka_ledger, alerts_go_to_their_own_topic) {
    greet(1, 1, 0);
    ledger->deliver(1, "a1", records(1, 2, true));
    expect(LedgerEvent::Kind::committed, 1, 2);
    CHECK(ships_in("weir.alerts") == (std::map<std::uint64_t, int>{{1, 1}, {2, 1}}));
    CHECK(ships_in("weir.results").empty());
}

TEST(bridge_kafka_ledger, what_is_sent_again_is_written_once_and_acknowledged_again) {
    greet(1, 1, 0);
    ledger->deliver(1, "a1", records(1, 5));
    expect(LedgerEvent::Kind::committed, 1, 5);
    ledger->deliver(1, "a1", records(3, 5));
    expect(LedgerEvent::Kind::committed, 1, 5);
    ledger->deliver(1, "a1", records(4, 7));
    expect(LedgerEvent::Kind::committed, 1, 7);
    for (const auto& [ship, count] : ships_in("weir.results")) CHECK_EQUAL(1, count);
    CHECK_EQUAL(7u, ships_in("weir.results").size());
}

TEST(bridge_kafka_ledger, new_owner_knows_the_marks_of_the_one_before) {
    greet(1, 1, 0);
    ledger->deliver(1, "a1", records(1, 5));
    expect(LedgerEvent::Kind::committed, 1, 5);
    open();
    greet(1, 1, 5);
}

TEST(bridge_kafka_ledger, new_incarnation_starts_at_zero_and_the_replaced_one_is_refused_for_ever) {
    greet(1, 1, 0);
    ledger->deliver(1, "a1", records(1, 5));
    expect(LedgerEvent::Kind::committed, 1, 5);
    greet(2, 2, 0);
    ledger->greet(3, "a1", incarnation(1), 9);
    CHECK(next_event().kind == LedgerEvent::Kind::stale);
    open();
    ledger->greet(4, "a1", incarnation(1), 9);
    CHECK(next_event().kind == LedgerEvent::Kind::stale);
    greet(5, 2, 0);
}

TEST(bridge_kafka_ledger, records_of_a_session_that_was_replaced_are_ignored) {
    greet(1, 1, 0);
    greet(2, 1, 0);
    ledger->deliver(1, "a1", records(1, 5));
    ledger->deliver(2, "a1", records(1, 2));
    expect(LedgerEvent::Kind::committed, 2, 2);
    CHECK_EQUAL(2u, ships_in("weir.results").size());
}

TEST(bridge_kafka_ledger, commit_that_ends_in_doubt_loses_the_sessions_and_goes_on_from_the_marks) {
    greet(1, 1, 0);
    ledger->deliver(1, "a1", records(1, 2));
    expect(LedgerEvent::Kind::committed, 1, 2);
    constexpr std::int16_t end_txn = 26;
    rd_kafka_mock_push_request_errors(mock->cluster(), end_txn, 1, RD_KAFKA_RESP_ERR_INVALID_TXN_STATE);
    ledger->deliver(1, "a1", records(3, 4));
    CHECK(next_event().kind == LedgerEvent::Kind::lost);
    // Of the session before: must not count, whatever it carries.
    ledger->deliver(1, "a1", records(9, 9));
    ledger->greet(2, "a1", incarnation(1), 1);
    const LedgerEvent event = next_event();
    CHECK(event.kind == LedgerEvent::Kind::welcomed);
    CHECK(event.ship == 2 || event.ship == 4);  // the mock shows what was aborted; never 9
    ledger->deliver(2, "a1", records(event.ship + 1, 5));
    expect(LedgerEvent::Kind::committed, 2, 5);
}

TEST(bridge_kafka_ledger, aborted_transaction_is_tried_again_as_a_whole) {
    greet(1, 1, 0);
    constexpr std::int16_t produce = 0;
    rd_kafka_mock_push_request_errors(mock->cluster(), produce, 1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    ledger->deliver(1, "a1", records(1, 3));
    expect(LedgerEvent::Kind::committed, 1, 3);
    for (std::uint64_t ship = 1; ship <= 3; ++ship) CHECK(ships_in("weir.results")[ship] >= 1);
}

TEST(bridge_kafka_ledger, record_that_is_too_large_goes_without_its_sketches_or_is_skipped_and_blocks_nobody) {
    config.kafka.options["message.max.bytes"] = "12000";
    open();
    greet(1, 1, 0);
    std::vector<OutRecord> some = records(1, 5);
    RecordForm form(ValueForm::json);
    const std::vector<std::byte> sketch(20000);
    const std::string text(20000, 'x');
    Value unique;
    unique.kind = ValueKind::estimate;
    unique.sketch = {SketchKind::hll, ItemType::text, sketch};
    const std::array with_sketch = {Field{"u", unique}};
    const std::array with_text = {Field{"t", Value::of_text(text)}};
    ShippedRecord shipped;
    shipped.record.window = "w";
    shipped.ship = 2;
    shipped.record.values = with_sketch;
    some[1] = form.render("a1", incarnation(1), shipped);
    shipped.ship = 3;
    shipped.record.values = with_text;
    some[2] = form.render("a1", incarnation(1), shipped);
    shipped.ship = 4;
    shipped.record.key = with_text;
    some[3] = form.render("a1", incarnation(1), shipped);
    ledger->deliver(1, "a1", some);
    expect(LedgerEvent::Kind::committed, 1, 5);
    const auto ships = ships_in("weir.results");
    for (const std::uint64_t ship : {1, 2, 3, 5}) CHECK(ships.count(ship) == 1);
    CHECK(ships.count(4) == 0);
    CHECK_EQUAL(1, ledger->skipped_records());
    ledger->deliver(1, "a1", records(6, 6));
    expect(LedgerEvent::Kind::committed, 1, 6);
}

TEST(bridge_kafka_ledger, record_that_brokers_always_refuse_is_skipped_and_those_after_it_are_not) {
    greet(1, 1, 0);
    constexpr std::int16_t produce = 0;
    for (int i = 0; i < 500; ++i)
        rd_kafka_mock_push_request_errors(mock->cluster(), produce, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    ledger->deliver(1, "a1", records(1, 1));
    for (int i = 0; i < 3000 && ledger->skipped_records() == 0; ++i) usleep(10000);
    rd_kafka_mock_clear_request_errors(mock->cluster(), produce);
    expect(LedgerEvent::Kind::committed, 1, 1);
    CHECK_EQUAL(1, ledger->skipped_records());
    ledger->deliver(1, "a1", records(2, 3));
    expect(LedgerEvent::Kind::committed, 1, 3);
    CHECK_EQUAL(1, ledger->skipped_records());
}

// The mock gives the error to whichever request comes first, the mark's included: either way nothing is lost.
TEST(bridge_kafka_ledger, one_refusal_of_a_message_set_skips_nothing) {
    greet(1, 1, 0);
    constexpr std::int16_t produce = 0;
    rd_kafka_mock_push_request_errors(mock->cluster(), produce, 1, RD_KAFKA_RESP_ERR_INVALID_RECORD);
    ledger->deliver(1, "a1", records(1, 3));
    expect(LedgerEvent::Kind::committed, 1, 3);
    CHECK_EQUAL(0, ledger->skipped_records());
    for (std::uint64_t ship = 1; ship <= 3; ++ship) CHECK(ships_in("weir.results")[ship] >= 1);
}

TEST(bridge_kafka_ledger, drain_writes_what_is_queued) {
    greet(1, 1, 0);
    ledger->deliver(1, "a1", records(1, 50));
    CHECK(ledger->drain(Duration::seconds(20)));
    expect(LedgerEvent::Kind::committed, 1, 50);
}

TEST(bridge_kafka_ledger, marks_of_something_else_stop_the_bridge) {
    ledger.reset();
    std::string failure;
    {
        const auto producer = make_client(RD_KAFKA_PRODUCER, config.kafka, {}, failure);
        for (int partition = 0; partition < 4; ++partition)
            rd_kafka_producev(producer.get(), RD_KAFKA_V_TOPIC("weir.marks"), RD_KAFKA_V_PARTITION(partition),
                              RD_KAFKA_V_KEY("a1", 2), RD_KAFKA_V_VALUE(const_cast<char*>("hello"), 5), RD_KAFKA_V_END);
        rd_kafka_flush(producer.get(), 10000);
    }
    open();
    CHECK(next_event().kind == LedgerEvent::Kind::failed);
}

// The whole bridge: TLS, frames, transactions.
TEST(bridge_kafka_ledger, agent_delivers_through_server_and_kafka) {
    const Certificates certificates;
    config.host = "127.0.0.1";
    config.port = 0;
    config.tls = certificates.of("localhost");
    RunningServer server(config, *ledger);
    ScriptedAgent agent({"a1", certificates.of("a1"), incarnation(1), 1});
    CHECK(agent.connect("127.0.0.1", server.port()).ok());
    CHECK(*agent.greet() == 0);
    CHECK(agent.send_records(1, 100).ok());
    CHECK(agent.wait_for_ack(100).ok());
    CHECK(agent.send_records(51, 150).ok());
    CHECK(agent.wait_for_ack(150).ok());
    agent.disconnect();
    CHECK(agent.connect("127.0.0.1", server.port()).ok());
    CHECK(*agent.greet() == 150);
    const auto ships = ships_in("weir.results");
    CHECK_EQUAL(150u, ships.size());
    for (const auto& [ship, count] : ships) CHECK_EQUAL(1, count);
    server.signal();
    LONGS_EQUAL(0, server.join());
}
