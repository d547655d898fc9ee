#include "uplink/bridge/server.h"

#include <sys/eventfd.h>

#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "tests/unit/bridge/bridge_fixture.h"

#include <CppUTest/TestHarness.h>
#include <CppUTest/MemoryLeakWarningPlugin.h>

using namespace weir;
using namespace weir::test;

namespace {

// Says only what the test tells it to say.
class FakeLedger final : public Ledger {
public:
    struct Call {
        SessionId session = 0;
        bool greeting = false;
        std::string agent;
        std::vector<std::uint64_t> ships;
    };

    FakeLedger() : wake_(eventfd(0, EFD_NONBLOCK)) {}
    ~FakeLedger() override { ::close(wake_); }

    std::uint32_t partition_of(std::string_view agent) const override { return agent == "a1" ? 1 : 2; }
    void greet(SessionId session, std::string_view agent, const Incarnation&, std::uint64_t) override {
        add({session, true, std::string(agent), {}});
    }
    void deliver(SessionId session, std::string_view agent, std::vector<OutRecord> records) override {
        Call call{session, false, std::string(agent), {}};
        for (const OutRecord& record : records) call.ships.push_back(record.ship);
        add(std::move(call));
    }
    bool full(std::uint32_t) const override { return full_; }
    Place place(std::uint32_t) const override {
        const std::lock_guard lock(mutex_);
        return place_;
    }
    void set_place(const Place& place) {
        const std::lock_guard lock(mutex_);
        place_ = place;
    }
    int descriptor() const override { return wake_; }
    std::vector<LedgerEvent> take_events() override {
        eventfd_t count = 0;
        eventfd_read(wake_, &count);
        const std::lock_guard lock(mutex_);
        return std::exchange(events_, {});
    }
    bool drain(Duration) override { return true; }

    void say(LedgerEvent event) {
        const std::lock_guard lock(mutex_);
        events_.push_back(std::move(event));
        eventfd_write(wake_, 1);
    }
    void set_full(bool full) { full_ = full; }
    // The call number n (from 0), waited for; nullopt after the time.
    std::optional<Call> call(std::size_t n, int ms = 10000) {
        std::unique_lock lock(mutex_);
        if (!made_.wait_for(lock, std::chrono::milliseconds(ms), [&] { return calls_.size() > n; })) return std::nullopt;
        return calls_[n];
    }

private:
    void add(Call call) {
        const std::lock_guard lock(mutex_);
        calls_.push_back(std::move(call));
        made_.notify_all();
    }

    int wake_;
    mutable std::mutex mutex_;
    Place place_;
    std::condition_variable made_;
    std::vector<Call> calls_;
    std::vector<LedgerEvent> events_;
    std::atomic<bool> full_{false};
};

using Kind = LedgerEvent::Kind;

}  // namespace

TEST_GROUP(bridge_server) {
    std::unique_ptr<Certificates> certificates;
    std::unique_ptr<FakeLedger> ledger;
    std::unique_ptr<RunningServer> server;

    void setup() override {
        MemoryLeakWarningPlugin::turnOnThreadSafeNewDeleteOverloads();
        certificates = std::make_unique<Certificates>();
        ledger = std::make_unique<FakeLedger>();
    }
    void teardown() override {
        server.reset();
        ledger.reset();
        certificates.reset();
    }
    void start(std::uint32_t max_agents = 10) {
        BridgeConfig config;
        config.name = "test-bridge";
        config.host = "127.0.0.1";
        config.port = 0;
        config.max_agents = max_agents;
        config.tls = certificates->of("localhost");
        server = std::make_unique<RunningServer>(config, *ledger);
    }
    AgentIdentity identity(const std::string& certificate) {
        return {certificate, certificates->of(certificate), incarnation(1), 1};
    }
    void connect(ScriptedAgent& agent) { CHECK(agent.connect("127.0.0.1", server->port()).ok()); }
    // Hello goes out, the ledger answers with ship.
    SessionId greet(ScriptedAgent& agent, std::size_t call_number, std::uint64_t ship) {
        std::optional<FakeLedger::Call> call;
        std::thread answer([&] {
            call = ledger->call(call_number);
            if (call) ledger->say({Kind::welcomed, call->session, ship, ledger->partition_of(call->agent), {}});
        });
        const Result<std::uint64_t> welcome = agent.greet();
        answer.join();
        CHECK(welcome.ok());
        CHECK(*welcome == ship);
        CHECK(call && call->greeting);
        return call->session;
    }
};

TEST(bridge_server, welcome_repeats_the_committed_ship_and_records_reach_the_ledger_in_order) {
    start();
    ScriptedAgent agent(identity("a1"));
    connect(agent);
    const SessionId session = greet(agent, 0, 41);
    CHECK(agent.send_records(42, 44).ok());
    CHECK(agent.send_records(50, 50).ok());
    const auto first = ledger->call(1);
    const auto second = ledger->call(2);
    CHECK(first && first->session == session && first->agent == "a1");
    CHECK(first->ships == (std::vector<std::uint64_t>{42, 43, 44}));
    CHECK(second && second->ships == std::vector<std::uint64_t>{50});
}

TEST(bridge_server, nothing_is_acknowledged_before_the_commit) {
    start();
    ScriptedAgent agent(identity("a1"));
    connect(agent);
    const SessionId session = greet(agent, 0, 0);
    CHECK(agent.send_records(1, 5).ok());
    CHECK(ledger->call(1).has_value());
    CHECK(agent.next_ack(Duration::millis(300)).error() == Error::timed_out);
    ledger->say({Kind::committed, session, 5, 1, {}});
    const Result<std::uint64_t> ack = agent.next_ack();
    CHECK(ack.ok());
    CHECK(*ack == 5);
}

TEST(bridge_server, agent_may_greet_only_as_its_certificate_says) {
    start();
    AgentIdentity liar = identity("a1");
    liar.name = "a2";
    ScriptedAgent agent(liar);
    connect(agent);
    CHECK(agent.greet().error() == Error::refused);
    CHECK(agent.refusal() == RefusalCode::identity);
    CHECK_FALSE(ledger->call(0, 100).has_value());
}

TEST(bridge_server, certificate_of_another_authority_gets_no_session) {
    start();
    const Certificates others;
    AgentIdentity stranger = identity("a1");
    stranger.tls.certificate = others.of("a1").certificate;
    stranger.tls.key = others.of("a1").key;
    ScriptedAgent agent(stranger);
    // With TLS 1.2 the server's alert ends the handshake.
    CHECK_FALSE(agent.connect("127.0.0.1", server->port()).ok() && agent.greet().ok());
    CHECK_FALSE(ledger->call(0, 100).has_value());
}

TEST(bridge_server, second_session_of_an_agent_fences_the_first) {
    start();
    ScriptedAgent first(identity("a1"));
    connect(first);
    greet(first, 0, 0);
    ScriptedAgent second(identity("a1"));
    connect(second);
    const SessionId session = greet(second, 1, 0);
    CHECK(first.next_ack().error() == Error::refused);
    CHECK(first.refusal() == RefusalCode::fenced);
    CHECK(second.send_records(1, 1).ok());
    CHECK(ledger->call(2)->session == session);
    ledger->say({Kind::committed, session, 1, 1, {}});
    CHECK(second.wait_for_ack(1).ok());
}

TEST(bridge_server, sessions_of_different_agents_live_side_by_side) {
    start();
    ScriptedAgent one(identity("a1"));
    ScriptedAgent two(identity("a2"));
    connect(one);
    connect(two);
    const SessionId first = greet(one, 0, 0);
    const SessionId other = greet(two, 1, 7);
    CHECK(first != other);
    ledger->say({Kind::lost, 0, 0, 2, {}});  // the partition of a2 only
    CHECK(two.next_ack().error() == Error::refused);
    CHECK(two.refusal() == RefusalCode::unavailable);
    CHECK(one.send_records(1, 2).ok());
    CHECK(ledger->call(2).has_value());
    ledger->say({Kind::committed, first, 2, 1, {}});
    CHECK(one.wait_for_ack(2).ok());
}

TEST(bridge_server, stale_clone_is_refused_as_fenced) {
    start();
    ScriptedAgent agent(identity("a1"));
    connect(agent);
    std::thread answer([&] { ledger->say({Kind::stale, ledger->call(0)->session, 0, 1, "00ff"}); });
    CHECK(agent.greet().error() == Error::refused);
    answer.join();
    CHECK(agent.refusal() == RefusalCode::fenced);
    STRCMP_CONTAINS("00ff", agent.refusal_text().c_str());
}

TEST(bridge_server, what_means_nothing_is_refused_as_malformed) {
    start();
    std::size_t calls = 0;
    const auto refused_after = [&](auto&& send) {
        ScriptedAgent agent(identity("a1"));
        connect(agent);
        greet(agent, calls++, 0);
        CHECK(send(agent).ok());
        CHECK(agent.next_ack().error() == Error::refused);
        return agent.refusal();
    };
    CHECK(refused_after([](auto& a) { return a.send_frame(AckFrame{1}); }) == RefusalCode::malformed);
    CHECK(refused_after([](auto& a) { return a.send_bytes(as_byte_span("\xff\xff\xff\xff")); }) == RefusalCode::malformed);
    CHECK(refused_after([](auto& a) { return a.send_bytes(as_byte_span(std::string_view("\0\0\0\4abcd", 8))); }) == RefusalCode::malformed);
    CHECK(refused_after([](auto& a) {
              RecordsFrame frame;
              frame.first_ship = frame.last_ship = frame.count = 1;
              frame.raw_size = 10;
              frame.block = as_byte_span("no zstd frame");
              return a.send_frame(frame);
          }) == RefusalCode::malformed);
}

TEST(bridge_server, first_frame_must_be_a_hello_of_a_known_protocol) {
    start();
    ScriptedAgent early(identity("a1"));
    connect(early);
    CHECK(early.send_records(1, 1).ok());
    CHECK(early.next_ack().error() == Error::refused);
    CHECK(early.refusal() == RefusalCode::malformed);
    ScriptedAgent later(identity("a1"));
    connect(later);
    HelloFrame hello;
    hello.protocol = 99;
    hello.agent = "a1";
    CHECK(later.send_frame(hello).ok());
    CHECK(later.next_ack().error() == Error::refused);
    CHECK(later.refusal() == RefusalCode::version);
}

TEST(bridge_server, ping_is_answered) {
    start();
    ScriptedAgent agent(identity("a1"));
    connect(agent);
    const SessionId session = greet(agent, 0, 0);
    for (std::uint64_t n = 1; n <= 300; ++n) CHECK(agent.send_frame(PingFrame{n, false}).ok());
    CHECK(agent.send_records(1, 1).ok());
    CHECK(ledger->call(1).has_value());
    ledger->say({Kind::committed, session, 1, 1, {}});
    CHECK(agent.wait_for_ack(1).ok());
}

TEST(bridge_server, full_ledger_is_not_fed_and_a_greeting_is_sent_away) {
    start();
    ScriptedAgent agent(identity("a1"));
    connect(agent);
    const SessionId session = greet(agent, 0, 0);
    ledger->set_full(true);
    CHECK(agent.send_records(1, 1).ok());
    CHECK(agent.send_records(2, 2).ok());
    CHECK_FALSE(ledger->call(2, 300).has_value());
    ScriptedAgent other(identity("a2"));
    connect(other);
    CHECK(other.greet().error() == Error::refused);
    CHECK(other.refusal() == RefusalCode::unavailable);
    ledger->set_full(false);
    ledger->say({Kind::committed, session, 0, 1, {}});
    CHECK(ledger->call(2).has_value());
}

TEST(bridge_server, agents_beyond_the_limit_are_turned_away) {
    start(1);
    ScriptedAgent first(identity("a1"));
    connect(first);
    greet(first, 0, 0);
    ScriptedAgent second(identity("a2"));
    CHECK_FALSE(second.connect("127.0.0.1", server->port()).ok());
    first.disconnect();
    while (!second.connect("127.0.0.1", server->port()).ok()) std::this_thread::yield();
    greet(second, 1, 0);
}

TEST(bridge_server, draining_acknowledges_what_was_read_and_ends_with_zero) {
    start();
    ScriptedAgent agent(identity("a1"));
    connect(agent);
    const SessionId session = greet(agent, 0, 0);
    CHECK(agent.send_records(1, 3).ok());
    CHECK(ledger->call(1).has_value());
    server->signal();
    ledger->say({Kind::committed, session, 3, 1, {}});
    CHECK(agent.wait_for_ack(3).ok());
    LONGS_EQUAL(0, server->join());
    CHECK(agent.next_ack().error() == Error::closed);
}

TEST(bridge_server, agents_of_another_bridge_are_sent_there) {
    start();
    ledger->set_place({false, "b2.example.org:7400"});
    ScriptedAgent agent(identity("a1"));
    connect(agent);
    CHECK(agent.greet().error() == Error::refused);
    CHECK(agent.refusal() == RefusalCode::redirect);
    STRCMP_EQUAL("b2.example.org:7400", agent.refusal_address().c_str());
    ledger->set_place({false, ""});
    ScriptedAgent early(identity("a2"));
    connect(early);
    CHECK(early.greet().error() == Error::refused);
    CHECK(early.refusal() == RefusalCode::unavailable);
    CHECK_FALSE(ledger->call(0, 50).has_value());
}

TEST(bridge_server, sessions_of_a_partition_that_moved_follow_it_and_the_others_stay) {
    start();
    ScriptedAgent moving(identity("a1"));
    connect(moving);
    greet(moving, 0, 0);
    ScriptedAgent staying(identity("a2"));
    connect(staying);
    const SessionId session = greet(staying, 1, 0);
    ledger->set_place({false, "b2:7400"});
    ledger->say({Kind::moved, 0, 0, 1, {}});
    CHECK(moving.next_ack().error() == Error::refused);
    CHECK(moving.refusal() == RefusalCode::redirect);
    STRCMP_EQUAL("b2:7400", moving.refusal_address().c_str());
    CHECK(staying.send_records(1, 1).ok());
    ledger->say({Kind::committed, session, 1, 2, {}});
    CHECK(staying.wait_for_ack(1).ok());
}

TEST(bridge_server, new_certificate_files_renew_sessions_once_they_will_do) {
    const TlsFiles own = certificates->of("localhost");
    TlsFiles live{own.ca, own.certificate + ".live", own.key + ".live"};
    const auto install = [](const std::string& from, const std::string& to) {
        CHECK_EQUAL(0, std::system(("cp " + from + " " + to + ".new && mv " + to + ".new " + to).c_str()));
    };
    install(own.certificate, live.certificate);
    install(own.key, live.key);
    BridgeConfig config;
    config.name = "test-bridge";
    config.host = "127.0.0.1";
    config.port = 0;
    config.tls = live;
    server = std::make_unique<RunningServer>(config, *ledger);
    ScriptedAgent agent(identity("a1"));
    connect(agent);
    const SessionId session = greet(agent, 0, 0);
    install(certificates->of("a1").key, live.key);  // of another certificate
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    CHECK(agent.send_records(1, 1).ok());
    ledger->say({Kind::committed, session, 1, 1, {}});
    CHECK(agent.wait_for_ack(1).ok());
    install(own.key, live.key);
    CHECK(agent.next_ack().error() == Error::refused);
    CHECK(agent.refusal() == RefusalCode::unavailable);
    STRCMP_CONTAINS("certificates are new", agent.refusal_text().c_str());
    ScriptedAgent again(identity("a1"));
    connect(again);
    greet(again, 2, 1);
}

TEST(bridge_server, bridge_that_was_taken_over_ends_with_one) {
    start();
    ScriptedAgent agent(identity("a1"));
    connect(agent);
    greet(agent, 0, 0);
    ledger->say({Kind::fenced, 0, 0, 3, "other-bridge"});
    LONGS_EQUAL(1, server->join());
    CHECK(agent.next_ack().error() == Error::refused);
    CHECK(agent.refusal() == RefusalCode::unavailable);
}
