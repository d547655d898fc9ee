#include "uplink/client.h"

#include <atomic>
#include <set>
#include <thread>

#include "tests/unit/uplink/cut_step.h"
#include "tests/unit/uplink/fake_bridge.h"
#include "tests/unit/uplink/outbox_fixture.h"
#include "tests/unit/uplink/sample_records.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(UplinkClient) {
    OutboxFixture fixture{"client-test"};
    std::unique_ptr<FakeBridge> bridge = std::make_unique<FakeBridge>();
    SystemNetwork network;
    ManualClock clock{Timestamp::seconds(1900000000)};
    SeededEntropy entropy{23};
    UplinkOptions options;
    std::unique_ptr<ArenaBlock> block;
    std::unique_ptr<Arena> arena;
    std::unique_ptr<UplinkClient> client;
    std::uint64_t sequence = 0;

    void setup() override {
        CHECK_TRUE(Certificates::get().ok());
        CHECK_TRUE(fixture.open().ok());
        options.host = "127.0.0.1";
        options.port = bridge->port;
        options.agent = "junction-017";
        options.software = "0.1.0";
        options.tls = Certificates::get().files("agent");
        options.record_bytes_max = fixture.options.record_bytes_max;
        start();
    }
    void start() {
        block = std::make_unique<ArenaBlock>(UplinkClient::need(options));
        arena = std::make_unique<Arena>(block->memory());
        client = std::make_unique<UplinkClient>(options, *arena, *fixture.outbox, network, clock, entropy);
    }
    void stage(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            SampleRecord sample(++sequence);
            const auto bytes = sample.encoded();
            StagedRecord record;
            record.epoch = 1;
            record.sequence = sequence;
            record.end = sample.record().end;
            record.bytes = bytes;
            CHECK_TRUE(fixture.outbox->stage(record).ok());
        }
        CHECK_TRUE(fixture.outbox->commit().ok());
    }
    void turn(Duration by = Duration::millis(20)) {
        client->step(Duration{});
        bridge->step();
        (void)fixture.outbox->commit();
        clock.advance(by);
    }
    template <typename Condition>
    bool until(Condition done, int turns = 20000, Duration by = Duration::millis(20)) {
        for (int i = 0; i < turns; ++i) {
            if (done()) return true;
            turn(by);
        }
        return done();
    }
    // Every record up to last, each once, in order, by ship number and by sequence.
    void check_all_delivered(std::uint64_t last) {
        STRCMP_EQUAL("", bridge->trouble.c_str());
        CHECK_EQUAL(last, bridge->records.size());
        for (std::uint64_t i = 0; i < last; ++i) CHECK_TRUE(bridge->records[i] == std::pair(i + 1, i + 1));
    }
};

TEST(UplinkClient, takes_exactly_the_memory_it_said) { CHECK_EQUAL(arena->size(), arena->used()); }

TEST(UplinkClient, delivers_in_order_and_the_outbox_empties) {
    stage(60);
    CHECK_TRUE(until([&] { return client->status().acknowledged_ship == 60; }));
    stage(60);
    CHECK_TRUE(until([&] { return client->status().acknowledged_ship == 120; }));
    check_all_delivered(120);
    const UplinkStatus status = client->status();
    CHECK_TRUE(status.state == UplinkState::streaming);
    STRCMP_EQUAL("fake", status.bridge.c_str());
    STRCMP_EQUAL("junction-017", bridge->agent.c_str());
    CHECK_TRUE(status.last_acknowledged > Timestamp::seconds(1900000000));
    CHECK_TRUE(fixture.outbox->close().ok());
    CHECK_EQUAL(0, fixture.outbox->counters().rows);
}

TEST(UplinkClient, records_that_cannot_be_rendered_do_not_block_those_after_them) {
    fixture.options.numbered_bytes_max = 5000;
    CHECK_TRUE(fixture.open().ok());
    start();
    stage(3);
    const std::vector<std::byte> garbage(100, std::byte{0xEE});
    for (int i = 0; i < 300; ++i) {  // six times what is numbered
        StagedRecord record;
        record.epoch = 1;
        record.sequence = ++sequence;
        record.bytes = garbage;
        CHECK_TRUE(fixture.outbox->stage(record).ok());
        if (i % 50 == 0) CHECK_TRUE(fixture.outbox->commit().ok());
    }
    stage(3);
    CHECK_TRUE(until([&] { return client->status().acknowledged_ship == 306; }));
    STRCMP_EQUAL("", bridge->trouble.c_str());
    CHECK_EQUAL(6, bridge->records.size());
    CHECK_TRUE(bridge->records.back() == std::pair(std::uint64_t{306}, std::uint64_t{306}));
    CHECK_EQUAL(300, fixture.outbox->counters().rejected_rows);
    CHECK_EQUAL(300, client->status().skipped_records);
}

TEST(UplinkClient, cuts_at_any_byte_lose_nothing_and_repeat_nothing) {
    options.backoff_min = Duration::millis(10);
    options.backoff_max = Duration::millis(100);
    fixture.options.numbered_bytes_max = 20000;
    CHECK_TRUE(fixture.open().ok());
    start();
    SeededEntropy random(31);
    std::uint64_t cuts_while_sending = 0;
    for (int round = 0; round < 40; ++round) {
        bridge->cut_after = 1 + random.word() % 9000;
        bridge->drop();
        const std::uint64_t before = client->status().failures;
        const std::uint64_t had = bridge->records.size();
        stage(30);
        for (int i = 0; i < 400 && client->status().failures < before + 3; ++i) turn();
        cuts_while_sending += bridge->records.size() > had;
    }
    bridge->cut_after = SIZE_MAX;
    bridge->drop();
    CHECK_TRUE(until([&] { return client->status().acknowledged_ship == 1200; }));
    check_all_delivered(1200);
    CHECK_TRUE(client->status().failures > 40);
    CHECK_TRUE(cuts_while_sending > 5);
}

// Hello, Welcome, Records, Ack: ended after each byte of it, in both directions together. (The handshake before: TlsCuts.)
TEST(UplinkClient, an_exchange_that_ends_after_any_byte_is_made_good) {
    options.backoff_min = Duration::millis(10);
    options.backoff_max = Duration::millis(20);
    start();
    stage(3);
    CHECK_TRUE(until([&] { return client->status().acknowledged_ship == 3; }));
    const Bytes handshake = bridge->handshake_bytes, whole = bridge->moved;
    std::uint64_t staged = 3, broken_before_records = 0, broken_after_records = 0;
    const Bytes step = cut_step();
    for (Bytes n = handshake - 20; n < whole + 20; n += step) {
        bridge->drop();
        bridge->cut_after = n;
        const std::uint64_t failures = client->status().failures;
        const std::size_t had = bridge->records.size();
        stage(3);
        staged += 3;
        // (The drop is a failure, too.)
        CHECK_TRUE(until([&] { return client->status().failures >= failures + 2 || client->status().acknowledged_ship == staged; }));
        (bridge->records.size() == had ? broken_before_records : broken_after_records) += 1;
        bridge->drop();
        bridge->cut_after = SIZE_MAX;
        CHECK_TRUE(until([&] { return client->status().acknowledged_ship == staged; }));
    }
    check_all_delivered(staged);
    CHECK_TRUE(broken_before_records > 100 / step && broken_after_records > 20 / step);
    UT_PRINT((std::to_string(broken_before_records + broken_after_records) + " cuts").c_str());
}

TEST(UplinkClient, a_lost_acknowledgement_is_made_good_by_the_welcome) {
    bridge->acknowledges = false;
    stage(40);
    CHECK_TRUE(until([&] { return bridge->records.size() == 40; }));
    CHECK_EQUAL(0, client->status().acknowledged_ship);
    bridge->drop();
    bridge->acknowledges = true;
    CHECK_TRUE(until([&] { return client->status().acknowledged_ship == 40; }));
    CHECK_EQUAL(0, bridge->repeated);
    check_all_delivered(40);
}

TEST(UplinkClient, no_more_is_unacknowledged_than_declared) {
    options.unacknowledged_bytes_max = 8000;
    fixture.options.numbered_bytes_max = Bytes{1} << 20;
    CHECK_TRUE(fixture.open().ok());
    start();
    bridge->acknowledges = false;
    for (int i = 0; i < 20; ++i) stage(50);
    (void)until([&] { return false; }, 300);
    CHECK_TRUE(bridge->connected());
    CHECK_TRUE(bridge->records.size() > 20 && bridge->records.size() < 1000);
    // One block may go beyond what was left of the window.
    CHECK_TRUE(bridge->unacknowledged_bytes < 8000 + 20000);
}

TEST(UplinkClient, a_declared_rate_is_kept) {
    options.rate_bytes_per_second = 2000;
    fixture.options.numbered_bytes_max = Bytes{1} << 20;
    CHECK_TRUE(fixture.open().ok());
    start();
    CHECK_TRUE(until([&] { return client->status().state == UplinkState::streaming; }));
    const MonotonicTime begun = clock.monotonic();
    for (int i = 0; i < 20; ++i) {
        stage(20);
        for (int k = 0; k < 10; ++k) turn();
    }
    CHECK_TRUE(until([&] { return client->status().acknowledged_ship == 400; }));
    const double seconds = (clock.monotonic() - begun).as_seconds();
    CHECK_TRUE(static_cast<double>(client->status().sent_bytes) <= 2000 * (seconds + 1) + 20000);
    check_all_delivered(400);
}

TEST(UplinkClient, a_bridge_that_proves_another_name_gets_no_byte_and_is_rarely_tried_again) {
    bridge = std::make_unique<FakeBridge>("elsewhere");
    options.port = bridge->port;
    start();
    stage(5);
    (void)until([&] { return false; }, 3600, Duration::seconds(1));  // an hour
    const UplinkStatus status = client->status();
    CHECK_TRUE(status.state == UplinkState::waiting);
    CHECK_TRUE(status.error == Error::unauthenticated);
    STRCMP_CONTAINS("is not for the name 127.0.0.1", status.reason.c_str());
    CHECK_EQUAL(0, bridge->application_bytes);
    CHECK_TRUE(status.failures >= 10 && status.failures <= 26);
}

TEST(UplinkClient, a_bridge_of_another_authority_or_out_of_date_gets_no_byte) {
    for (const char* who : {"fake", "old"}) {
        bridge = std::make_unique<FakeBridge>(who, "ca");
        options.port = bridge->port;
        start();
        CHECK_TRUE(until([&] { return client->status().failures > 0; }));
        CHECK_TRUE(client->status().error == Error::unauthenticated);
        CHECK_EQUAL(0, bridge->application_bytes);
    }
}

TEST(UplinkClient, a_refused_certificate_of_ours_is_explained) {
    options.tls = Certificates::get().files("stranger", "ca");
    start();
    CHECK_TRUE(until([&] { return client->status().failures > 0; }));
    STRCMP_CONTAINS("client certificate: is not signed", bridge->last_reason.c_str());
    CHECK_EQUAL(0, bridge->application_bytes);
}

TEST(UplinkClient, a_certificate_is_refused_twice_before_a_person_is_waited_for) {
    bridge = std::make_unique<FakeBridge>("elsewhere");  // for good, or damaged on the way
    options.port = bridge->port;
    start();
    CHECK_TRUE(until([&] { return client->status().failures == 1; }));
    CHECK_TRUE(client->status().until_next_try <= Duration::seconds(1));
    CHECK_TRUE(until([&] { return client->status().failures == 2; }));
    CHECK_TRUE(client->status().until_next_try >= Duration::seconds(149));
}

TEST(UplinkClient, a_certificate_for_another_agent_is_not_even_tried) {
    options.agent = "junction-018";
    start();
    turn();
    STRCMP_CONTAINS("is for junction-017, not for agent junction-018", client->status().reason.c_str());
    bridge->step();
    CHECK_FALSE(bridge->connected());
}

TEST(UplinkClient, new_certificate_files_are_used_without_a_restart) {
    const TlsFiles good = Certificates::get().files("agent");
    const std::string folder = fixture.folder;
    const auto install = [&](const TlsFiles& from) {
        for (const auto& [a, b] : {std::pair(from.certificate, "/c.pem"), std::pair(from.key, "/c.key")})
            std::filesystem::copy_file(a, folder + b, std::filesystem::copy_options::overwrite_existing);
    };
    install(Certificates::get().files("stranger"));
    options.tls = {good.ca, folder + "/c.pem", folder + "/c.key"};
    start();
    CHECK_TRUE(until([&] { return client->status().failures > 0; }));
    install(good);
    CHECK_TRUE(until([&] { return client->status().state == UplinkState::streaming; }, 3000, Duration::millis(500)));
}

TEST(UplinkClient, a_session_is_replaced_when_its_files_are_new_and_will_do) {
    const TlsFiles good = Certificates::get().files("agent");
    const std::string folder = fixture.folder;
    const auto install = [&](const std::string& from, const char* name) {
        std::filesystem::copy_file(from, folder + "/next");
        std::filesystem::rename(folder + "/next", folder + name);  // a new inode, whatever the clock says
    };
    install(good.certificate, "/c.pem");
    install(good.key, "/c.key");
    options.tls = {good.ca, folder + "/c.pem", folder + "/c.key"};
    start();
    stage(10);
    CHECK_TRUE(until([&] { return client->status().acknowledged_ship == 10; }));
    install(Certificates::get().files("bridge").key, "/c.key");  // on its way: it belongs to another certificate
    (void)until([&] { return false; }, 600);
    CHECK_EQUAL(0, client->status().reloads);
    CHECK_EQUAL(1, client->status().sessions);
    bridge->acknowledges = false;
    stage(10);
    CHECK_TRUE(until([&] { return bridge->records.size() == 20; }));
    install(good.key, "/c.key");
    CHECK_TRUE(until([&] { return client->status().reloads == 1; }));
    bridge->acknowledges = true;
    stage(10);
    CHECK_TRUE(until([&] { return client->status().acknowledged_ship == 30; }));
    CHECK_EQUAL(2, client->status().sessions);
    CHECK_EQUAL(0, client->status().failures);
    check_all_delivered(30);
}

TEST(UplinkClient, new_files_end_a_long_pause) {
    options.tls = Certificates::get().files("stranger", "ca");
    const std::string own = fixture.folder + "/c.pem";
    std::filesystem::copy_file(options.tls.certificate, own);
    options.tls.certificate = own;
    start();
    CHECK_TRUE(until([&] { return client->status().failures == 2; }));
    CHECK_TRUE(client->status().until_next_try > Duration::seconds(100));
    std::filesystem::remove(own);
    const TlsFiles good = Certificates::get().files("agent");
    std::filesystem::copy_file(good.certificate, own);
    CHECK_TRUE(until([&] { return client->status().failures == 3; }, 1000));  // (its key is still the other)
    CHECK_TRUE(client->status().error == Error::invalid);
}

TEST(UplinkClient, refusals_of_the_bridge_end_in_pauses) {
    bridge->refuse_with = RefusalCode::fenced;
    CHECK_TRUE(until([&] { return client->status().failures == 1; }));
    CHECK_TRUE(client->status().error == Error::fenced);
    STRCMP_EQUAL("the bridge refused (fenced): as the script says", client->status().reason.c_str());
    const std::uint64_t failures = client->status().failures;
    (void)until([&] { return false; }, 100, Duration::seconds(1));
    CHECK_EQUAL(failures, client->status().failures);
    bridge->refuse_with = RefusalCode::unspecified;
    CHECK_TRUE(until([&] { return client->status().state == UplinkState::streaming; }, 1000, Duration::seconds(1)));
}

TEST(UplinkClient, a_redirection_is_followed_at_once_and_forgotten_after_a_failure) {
    FakeBridge owner;
    bridge->refuse_with = RefusalCode::redirect;
    bridge->redirect_to = "127.0.0.1:" + std::to_string(owner.port);
    stage(10);
    const auto both = [&](auto done) {
        return until([&] {
            owner.step();
            return done();
        });
    };
    CHECK_TRUE(both([&] { return client->status().acknowledged_ship == 10; }));
    CHECK_EQUAL(1, client->status().redirects);
    CHECK_EQUAL(0, client->status().failures);
    CHECK_EQUAL(10, owner.records.size());
    CHECK_EQUAL(0, bridge->records.size());
    bridge->refuse_with = RefusalCode::unspecified;
    bridge->mark = 10;
    owner.drop();
    stage(10);
    CHECK_TRUE(both([&] { return client->status().acknowledged_ship == 20; }));
    CHECK_EQUAL(10, bridge->records.size());
    CHECK_EQUAL(1, client->status().failures);
}

TEST(UplinkClient, redirections_in_a_circle_and_to_nowhere_are_failures_with_pauses) {
    bridge->refuse_with = RefusalCode::redirect;
    bridge->redirect_to = "127.0.0.1:" + std::to_string(bridge->port);
    (void)until([&] { return false; }, 3600, Duration::seconds(1));
    CHECK_TRUE(client->status().failures >= 10 && client->status().failures <= 40);
    CHECK_EQUAL(3 * client->status().failures, client->status().redirects);
    bridge->redirect_to = "somewhere else";
    const std::uint64_t redirects = client->status().redirects;
    (void)until([&] { return false; }, 900, Duration::seconds(1));
    CHECK_TRUE(client->status().redirects <= redirects + 3);
}

TEST(UplinkClient, a_bridge_that_one_is_sent_to_must_prove_its_name) {
    FakeBridge other("elsewhere");
    bridge->refuse_with = RefusalCode::redirect;
    bridge->redirect_to = "127.0.0.1:" + std::to_string(other.port);
    stage(3);
    CHECK_TRUE(until([&] {
        other.step();
        return client->status().failures == 1;
    }));
    CHECK_TRUE(client->status().error == Error::unauthenticated);
    CHECK_EQUAL(0, other.application_bytes);
}

TEST(UplinkClient, an_old_copy_of_the_state_is_noticed_and_goes_on_as_a_new_incarnation) {
    stage(10);
    bridge->mark = 500;  // this incarnation has been further already
    const Incarnation before = fixture.outbox->identity().incarnation;
    CHECK_TRUE(until([&] { return client->status().acknowledged_ship == 0 && client->status().sessions == 1; }));
    CHECK_EQUAL(1, client->status().renewals);
    CHECK_FALSE(fixture.outbox->identity().incarnation == before);
    bridge->records.clear();
    stage(10);
    CHECK_TRUE(until([&] { return client->status().acknowledged_ship == 10; }));
    CHECK_EQUAL(10, bridge->records.size());
    CHECK_TRUE(bridge->records[0] == std::pair(std::uint64_t{1}, std::uint64_t{11}));
}

TEST(UplinkClient, an_old_copy_that_emits_before_its_first_greeting_takes_no_numbers_of_its_original) {
    client.reset();
    fixture.options.number_when_welcomed = true;
    CHECK_TRUE(fixture.open().ok());
    start();
    stage(10);
    CHECK_EQUAL(0, fixture.outbox->identity().last_ship);
    bridge->mark = 7;  // as far as the original came
    CHECK_TRUE(until([&] { return client->status().acknowledged_ship == 10; }));
    CHECK_EQUAL(1, client->status().renewals);
    check_all_delivered(10);
}

TEST(UplinkClient, silence_is_answered_by_a_ping_and_then_by_a_new_session) {
    CHECK_TRUE(until([&] { return client->status().state == UplinkState::streaming; }));
    (void)until([&] { return false; }, 100, Duration::seconds(1));
    CHECK_TRUE(bridge->pings >= 2);
    CHECK_EQUAL(1, bridge->sessions);
    bridge->acknowledges = false;
    CHECK_TRUE(until([&] { return client->status().failures == 1; }, 200, Duration::seconds(1)));
    CHECK_TRUE(client->status().error == Error::timed_out);
}

TEST(UplinkClient, a_bridge_that_never_welcomes_is_left) {
    bridge->welcomes = false;
    CHECK_TRUE(until([&] { return client->status().failures == 1; }, 200, Duration::seconds(1)));
    CHECK_TRUE(client->status().error == Error::timed_out);
}

TEST(UplinkClient, an_acknowledgement_of_what_was_never_sent_ends_the_session) {
    stage(3);
    CHECK_TRUE(until([&] { return client->status().acknowledged_ship == 3; }));
    bridge->say(AckFrame{4});
    CHECK_TRUE(until([&] { return client->status().failures == 1; }));
    CHECK_TRUE(client->status().error == Error::invalid);
}

TEST(UplinkClient, an_unreachable_bridge_is_tried_ever_more_rarely) {
    options.port = 1;
    start();
    (void)until([&] { return false; }, 3600, Duration::seconds(1));
    CHECK_TRUE(client->status().failures >= 10 && client->status().failures <= 40);
    CHECK_TRUE(client->status().circuit == CircuitState::open);
    STRCMP_CONTAINS("cannot connect", client->status().reason.c_str());
}

TEST(UplinkClient, after_many_failures_one_block_is_a_probe_until_it_is_acknowledged) {
    fixture.options.numbered_bytes_max = Bytes{1} << 20;
    CHECK_TRUE(fixture.open().ok());
    start();
    bridge->refuse_with = RefusalCode::unavailable;
    CHECK_TRUE(until([&] { return client->status().failures == 5; }));
    CHECK_TRUE(client->status().circuit == CircuitState::open);
    CHECK_EQUAL(5, client->status().failures_in_a_row);
    CHECK_TRUE(client->status().until_next_try > Duration::seconds(7));
    bridge->refuse_with = RefusalCode::unspecified;
    bridge->acknowledges = false;
    for (int i = 0; i < 20; ++i) stage(50);
    CHECK_TRUE(until([&] { return !bridge->records.empty(); }));
    (void)until([&] { return false; }, 300);
    CHECK_TRUE(bridge->records.size() < 500);
    CHECK_TRUE(client->status().circuit == CircuitState::half_open);
    CHECK_TRUE(client->status().until_next_try == Duration{});
    bridge->acknowledges = true;
    bridge->say(AckFrame{bridge->mark});
    CHECK_TRUE(until([&] { return client->status().acknowledged_ship == 1000; }));
    CHECK_TRUE(client->status().circuit == CircuitState::closed);
    CHECK_EQUAL(0, client->status().failures_in_a_row);
    check_all_delivered(1000);
}

// As in the agent: engine, store and uplink each on a thread, here with the bridge beside the engine.
TEST(UplinkClient, the_three_threads_deliver_everything_once) {
    SystemClock real;
    options.backoff_min = Duration::millis(5);
    options.backoff_max = Duration::millis(20);
    fixture.options.linger = Duration::millis(1);
    CHECK_TRUE(fixture.open().ok());
    block = std::make_unique<ArenaBlock>(UplinkClient::need(options));
    arena = std::make_unique<Arena>(block->memory());
    client = std::make_unique<UplinkClient>(options, *arena, *fixture.outbox, network, real, entropy);
    std::atomic<bool> done{false};
    std::thread store([&] {
        while (!done) {
            fixture.outbox->wait(Duration::millis(20));
            (void)fixture.outbox->commit();
        }
    });
    std::thread uplink([&] { client->run(); });
    std::vector<std::byte> snapshot(fixture.outbox->staged_snapshot_bytes_max());
    bool cut = false;
    const MonotonicTime give_up = real.monotonic() + Duration::seconds(60);
    while (bridge->records.size() < 3000 && real.monotonic() < give_up) {
        bridge->step();
        if (bridge->records.size() > 1000 && !std::exchange(cut, true)) bridge->drop();
        if (sequence == 3000) continue;
        SampleRecord sample(sequence + 1);
        const auto bytes = sample.encoded();
        StagedRecord record;
        record.epoch = 1;
        record.sequence = sequence + 1;
        record.end = sample.record().end;
        record.bytes = bytes;
        if (fixture.outbox->stage(record).ok()) ++sequence;
        ByteWriter out(snapshot);
        if (sequence % 100 == 0) fixture.outbox->staged_snapshot(out);
        (void)fixture.outbox->counters();
        (void)client->status();
    }
    client->stop();
    uplink.join();
    done = true;
    fixture.outbox->wake();
    store.join();
    // When the bridge was gone for long enough fresh results overtake what waited: in order are the numbers alone.
    STRCMP_EQUAL("", bridge->trouble.c_str());
    CHECK_EQUAL(3000U, bridge->records.size());
    std::set<std::uint64_t> sequences;
    for (std::uint64_t i = 0; i < 3000; ++i) {
        CHECK_EQUAL(i + 1, bridge->records[i].first);
        sequences.insert(bridge->records[i].second);
    }
    CHECK_EQUAL(3000U, sequences.size());
    CHECK_EQUAL(3000U, *sequences.rbegin());
    CHECK_TRUE(bridge->sessions >= 2);
}

TEST_GROUP(UplinkUrl) {
    std::string host;
    std::uint16_t port = 0;
};

TEST(UplinkUrl, host_and_port_are_read_and_nonsense_refused) {
    CHECK_TRUE(parse_uplink_url("tls://bridge.example.org:7401", host, port).ok());
    CHECK_TRUE(host == "bridge.example.org" && port == 7401);
    CHECK_TRUE(parse_uplink_url("tls://10.0.0.1", host, port).ok());
    CHECK_TRUE(host == "10.0.0.1" && port == 7400);
    CHECK_TRUE(parse_uplink_url("tls://[::1]:99", host, port).ok());
    CHECK_TRUE(host == "::1" && port == 99);
    for (const char* bad : {"", "tcp://a:1", "tls://", "tls://:5", "tls://a:0", "tls://a:65536", "tls://a:x", "tls://a:", "tls://[::1",
                            "tls://u@h:1", "tls://h/path:1"})
        CHECK_FALSE(parse_uplink_url(bad, host, port).ok());
}
