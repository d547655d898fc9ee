#include "drivers/mqtt_source.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "drivers/connect_probe.h"
#include "tests/unit/drivers/broker_fixture.h"
#include "tests/unit/drivers/recording_handler.h"
#include "tests/unit/drivers/scripted_broker.h"

#include <CppUTest/TestHarness.h>
#include <CppUTest/MemoryLeakWarningPlugin.h>

using namespace weir;

namespace {

SystemClock system_clock;
SystemEntropy system_entropy;

MqttOptions options_for(const std::string& url, std::vector<MqttFilter> filters = {{"t/#", 1}}) {
    MqttOptions options{.url = url, .client_id = "weir-test"};
    options.filters = std::move(filters);
    options.backoff_least = Duration::millis(20);
    options.backoff_most = Duration::millis(200);
    options.connect_limit = Duration::seconds(5);
    return options;
}

struct RunningSource {
    explicit RunningSource(const MqttOptions& options) : source(options, handler, system_clock, system_entropy) {
        Problem problem;
        WEIR_ASSERT(source.start(problem));
    }
    bool sees(const std::string& event) {
        return eventually([&] {
            const auto all = handler.events();
            return std::find(all.begin(), all.end(), event) != all.end();
        });
    }
    bool receives(std::size_t count) {
        return eventually([&] { return handler.messages().size() >= count; });
    }
    RecordingHandler handler;
    MqttSource source;
};

std::string output_of(const std::string& command) {
    std::string output;
    FILE* pipe = ::popen(command.c_str(), "r");
    WEIR_ASSERT(pipe != nullptr);
    for (char text[256]; std::fgets(text, sizeof text, pipe);) output += text;
    ::pclose(pipe);
    return output;
}

// A CA, another CA, and server certificates: good, for another host, expired.
void make_certificates(const TestFolder& folder) {
    folder.write("make.sh", R"(set -e
cd "$1"
ca() { openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.pem -days 2 -subj /CN=$1; }
ca ca; ca other
cat > ca.conf <<E
[ca]
default_ca=c
[c]
database=index
new_certs_dir=.
serial=serial
default_md=sha256
policy=p
rand_serial=yes
unique_subject=no
copy_extensions=copy
[p]
commonName=supplied
E
: > index
server() {
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout $1.key -out $1.csr -subj /CN=$1 -addext subjectAltName=$2
  openssl ca -batch -config ca.conf -cert ca.pem -keyfile ca.key -in $1.csr -out $1.pem -notext -startdate $3 -enddate $4
}
server good IP:127.0.0.1,DNS:broker.example 20200101000000Z 20700101000000Z
server wronghost DNS:elsewhere.example 20200101000000Z 20700101000000Z
server expired IP:127.0.0.1 20200101000000Z 20200102000000Z
)");
    WEIR_ASSERT(std::system(("sh " + (folder / "make.sh") + " " + (folder / "") + " >/dev/null 2>&1").c_str()) == 0);
}

std::string tls_configuration(const TestFolder& folder, const std::string& name) {
    return "cafile " + (folder / "ca.pem") + "\ncertfile " + (folder / (name + ".pem")) + "\nkeyfile " + (folder / (name + ".key"));
}

std::string tls_url(const Broker& broker) { return "mqtts://127.0.0.1:" + std::to_string(broker.port()); }

std::string problem_of(MqttOptions options) {
    Problem problem;
    return MqttSource::check(options, problem).ok() ? "" : problem.what;
}

}  // namespace

TEST_GROUP(MqttSource) {
    // Paho has threads, and keeps some of what it allocates.
    void setup() override {
        MemoryLeakWarningPlugin::turnOnThreadSafeNewDeleteOverloads();
        IGNORE_ALL_LEAKS_IN_TEST();
    }
};

TEST(MqttSource, messages_are_delivered_with_topic_payload_and_packet_id) {
    Broker broker;
    broker.start();
    RunningSource s(options_for(broker.url()));
    CHECK(s.sees("subscribed t/# 1"));
    broker.publish("t/a", "one");
    broker.publish("t/b", "two", "-q 0");
    CHECK(s.receives(2));
    STRCMP_EQUAL("t/a one", s.handler.messages()[0].c_str());
    STRCMP_EQUAL("t/b two", s.handler.messages()[1].c_str());
    LONGS_EQUAL(2, s.source.counters().messages);
}

TEST(MqttSource, what_comes_while_it_is_away_waits_at_the_broker) {
    Broker broker;
    broker.start();
    {
        RunningSource s(options_for(broker.url()));
        CHECK(s.sees("subscribed t/# 1"));
        s.source.stop();
    }
    broker.publish_numbers("t/x", 50);
    RunningSource s(options_for(broker.url()));
    CHECK(s.receives(50));
    CHECK(s.sees("resumed"));
    STRCMP_EQUAL("t/x 49", s.handler.messages()[49].c_str());
}

TEST(MqttSource, a_broker_that_forgot_the_session_is_subscribed_to_again) {
    Broker broker("persistence false");
    broker.start();
    RunningSource s(options_for(broker.url()));
    CHECK(s.sees("subscribed t/# 1"));
    broker.stop(SIGKILL);
    broker.start();
    CHECK(eventually([&] { return s.handler.count("connected") == 2 && s.handler.count("subscribed") == 2; }));
    broker.publish("t/a", "after");
    CHECK(s.receives(1));
    LONGS_EQUAL(1, s.source.counters().lost_connections);
}

TEST(MqttSource, a_filter_that_was_removed_is_unsubscribed) {
    Broker broker;
    broker.start();
    {
        RunningSource s(options_for(broker.url(), {{"t/#", 1}, {"old/#", 1}}));
        CHECK(s.sees("subscribed old/# 1"));
        s.source.stop();
    }
    MqttOptions options = options_for(broker.url());
    options.remembered = {"t/#", "old/#"};
    RunningSource s(options);
    CHECK(s.sees("resumed"));
    CHECK(s.sees("subscribed t/# 1"));  // requests are answered in order: the other is gone by now
    broker.publish("old/x", "unwanted");
    broker.publish("t/x", "wanted");
    CHECK(s.receives(1));
    STRCMP_EQUAL("t/x wanted", s.handler.messages()[0].c_str());
}

TEST(MqttSource, a_first_connection_that_drops_at_once_leaves_no_filter_unsubscribed) {
    // Holds the control thread, which alone asks for the time here, until the first connection is gone.
    struct HoldingClock final : Clock {
        explicit HoldingClock(const RecordingHandler& h) : handler(h) {}
        MonotonicTime monotonic() const override {
            if (handler.count("connected") == 1) eventually([&] { return handler.count("disconnected") == 1; });
            return system_clock.monotonic();
        }
        Timestamp wall() const override { return system_clock.wall(); }
        const RecordingHandler& handler;
    };
    ScriptedBroker broker({{.hang_up = true}, {.session_present = true}});
    RecordingHandler handler;
    const HoldingClock clock(handler);
    MqttSource source(options_for(broker.url()), handler, clock, system_entropy);
    Problem problem;
    CHECK(source.start(problem).ok());
    CHECK(eventually([&] { return handler.count("resumed") >= 1; }));
    CHECK(eventually([&] { return handler.count("subscribed t/# 1") == 1; }));
    CHECK(eventually([&] { return source.filters_settled(); }));
}

TEST(MqttSource, filters_are_settled_when_all_are_granted_and_old_ones_unsubscribed) {
    ScriptedBroker broker({{.session_present = true, .answers = [](ScriptedBroker::Packet p) { return p == ScriptedBroker::subscribe; }},
                           {.session_present = true}});
    MqttOptions options = options_for(broker.url());
    options.remembered = {"t/#", "old/#"};
    RunningSource s(options);
    CHECK(s.sees("subscribed t/# 1"));
    CHECK_FALSE(s.source.filters_settled());  // the UNSUBACK has not come
    broker.hang_up();
    CHECK(eventually([&] { return s.source.filters_settled(); }));
    LONGS_EQUAL(2, s.handler.count("resumed"));
    LONGS_EQUAL(1, s.handler.count("subscribed"));  // granted before: not asked for again
}

TEST(MqttSource, filters_are_not_settled_before_each_was_answered) {
    ScriptedBroker broker({{.answers = [](ScriptedBroker::Packet) { return false; }}, {.session_present = true}});
    RunningSource s(options_for(broker.url()));
    CHECK(s.sees("connected"));
    CHECK_FALSE(s.source.filters_settled());
    broker.hang_up();
    CHECK(s.sees("subscribed t/# 1"));
    CHECK(eventually([&] { return s.source.filters_settled(); }));
}

TEST(MqttSource, a_refused_subscription_is_reported_and_the_others_work) {
    Broker broker;
    broker.allow_only("t/#");
    broker.start();
    RunningSource s(options_for(broker.url(), {{"denied/#", 1}, {"t/#", 1}}));
    CHECK(s.sees("refused denied/#"));
    CHECK(s.sees("subscribed t/# 1"));
    LONGS_EQUAL(1, s.source.counters().refused_subscriptions);
}

TEST(MqttSource, birth_and_will_tell_others_whether_it_lives) {
    Broker broker;
    broker.start();
    MqttOptions options = options_for(broker.url(), {});
    options.birth = MqttPublication{"status/a", "online", 1, true};
    options.will = MqttPublication{"status/a", "lost", 1, true};
    RunningSource watcher([&] {
        MqttOptions o = options_for(broker.url(), {{"status/#", 1}});
        o.client_id = "watcher";
        return o;
    }());
    CHECK(watcher.sees("subscribed status/# 1"));
    {
        RunningSource s(options);
        CHECK(watcher.receives(1));
        STRCMP_EQUAL("status/a online", watcher.handler.messages()[0].c_str());
        // Another client with the same id makes the broker drop this one, which publishes the will.
        output_of("mosquitto_sub -h 127.0.0.1 -p " + std::to_string(broker.port()) + " -i weir-test -t x -E");
        CHECK(watcher.receives(3));
        STRCMP_EQUAL("status/a lost", watcher.handler.messages()[1].c_str());
        STRCMP_EQUAL("status/a online", watcher.handler.messages()[2].c_str());
        s.source.stop(MqttPublication{"status/a", "offline", 1, true});
    }
    CHECK(watcher.receives(4));
    STRCMP_EQUAL("status/a offline", watcher.handler.messages()[3].c_str());
}

TEST(MqttSource, a_message_that_was_not_acknowledged_comes_back_with_dup) {
    Broker broker;
    broker.start();
    const std::string receiver = std::string(WEIR_RECEIVER) + " " + broker.url() + " r1 't/#' ";
    STRCMP_EQUAL("", output_of("timeout 1 " + receiver + "1 exit >/dev/null").c_str());  // makes the session
    broker.publish_numbers("t/n", 3);
    // Dies inside the callback of the second message: the first is acknowledged, the second is not.
    const std::string first = output_of(receiver + "2 kill");
    CHECK(first.find("0\n1\n") != std::string::npos);
    const std::string second = output_of(receiver + "2 exit");
    CHECK(second.find("1 DUP\n") != std::string::npos);
    CHECK(second.find("0") == std::string::npos);
    CHECK(second.find("2") != std::string::npos);
}

// A sanitizer brings its own allocator, and the guard stands aside.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST(MqttSource, without_memory_it_ends_before_it_acknowledges_what_it_never_saw) {
    Broker broker;
    broker.start();
    const std::string receiver = std::string(WEIR_RECEIVER) + " " + broker.url() + " r2 't/#' ";
    output_of("timeout 1 " + receiver + "1 exit >/dev/null");
    // Small ones, until at the third all memory is taken away; then such as no chunk that they left can hold.
    constexpr int count = 8;
    std::string lines;
    for (int i = 0; i < count; ++i) lines += "<" + std::to_string(i) + ">" + std::string(i < 3 ? 1000 : 200000, 'x') + "\n";
    broker.folder.write("lines", lines);
    output_of("mosquitto_pub -h 127.0.0.1 -p " + std::to_string(broker.port()) + " -q 1 -l -t t/n < " + (broker.folder / "lines"));
    std::string seen = output_of("timeout 10 " + receiver + "3 starve 2>" + (broker.folder / "err"));
    CHECK_TEXT(seen.find("<" + std::to_string(count - 1) + ">") == std::string::npos, "memory did not run out");
    // Whatever had not been delivered is still at the broker.
    seen += output_of("timeout 10 " + receiver + std::to_string(count) + " exit 2>/dev/null");
    for (int i = 0; i < count; ++i) CHECK(seen.find("<" + std::to_string(i) + ">") != std::string::npos);
    CHECK_EQUAL(0, std::system(("grep -q 'out of memory on the receive thread' " + (broker.folder / "err")).c_str()));
}
#endif

TEST(MqttSource, publications_in_flight_are_bounded) {
    Broker broker;
    broker.start();
    MqttOptions options = options_for(broker.url());
    options.max_inflight = 4;
    RunningSource s(options);
    CHECK(s.sees("subscribed t/# 1"));
    int accepted = 0, full = 0;
    for (int i = 0; i < 200; ++i) {
        const Status status = s.source.publish("t/x", as_byte_span(std::to_string(i)), 1, false);
        accepted += status.ok();
        full += status.error() == Error::full;
    }
    CHECK(full > 0);
    CHECK(s.receives(static_cast<std::size_t>(accepted)));
    CHECK(eventually([&] { return s.source.publish("t/x", as_byte_span("later"), 1, false).ok(); }));
}

TEST(MqttSource, publishing_from_another_thread_while_it_stops_is_refused_at_worst) {
    Broker broker;
    broker.start();
    for (int round = 0; round < 10; ++round) {
        RunningSource s(options_for(broker.url()));
        CHECK(s.sees("subscribed t/# 1"));
        std::atomic<bool> done{false};
        std::thread publisher([&] {
            while (!done) (void)s.source.publish("x", as_byte_span("y"), 0, false);
        });
        s.source.stop();
        done = true;
        publisher.join();
        CHECK(s.source.publish("x", as_byte_span("y"), 0, false).error() == Error::closed);
    }
}

TEST(MqttSource, silence_is_reported_then_mended_by_connecting_again) {
    Broker broker;
    broker.start();
    MqttOptions options = options_for(broker.url());
    options.silence = Duration::millis(600);
    RunningSource s(options);
    CHECK(eventually([&] { return s.handler.count("subscribed") >= 2; }));
    CHECK(eventually([&] { return s.handler.count("resumed") >= 1; }));
    CHECK(s.handler.count("silence") >= 2);
    broker.publish("t/x", "there");
    CHECK(s.receives(1));
}

TEST(MqttSource, a_refused_connection_says_why_and_is_tried_again) {
    Broker broker("", false);
    broker.start();
    RunningSource s(options_for(broker.url()));
    CHECK(eventually([&] { return s.source.counters().failed_connections >= 2; }));
    STRCMP_EQUAL("disconnected: the broker says: not authorized", s.handler.events()[0].c_str());
    LONGS_EQUAL(1, s.handler.count("disconnected"));
}

TEST(MqttSource, a_broker_that_is_not_there_yet_is_waited_for) {
    Broker broker;
    RunningSource s(options_for(broker.url()));
    CHECK(eventually([&] { return s.handler.count("disconnected") == 1; }));
    CHECK(s.handler.events()[0].find("Connection refused") != std::string::npos);
    broker.start();
    CHECK(s.sees("subscribed t/# 1"));
}

TEST(MqttSource, tls_connects_only_to_a_server_that_proves_its_name) {
    TestFolder folder;
    make_certificates(folder);
    struct Case {
        const char* server;
        const char* ca;
        const char* name;
        const char* expected;
    };
    for (const Case& c : {Case{"good", "ca", "", ""}, Case{"good", "ca", "broker.example", ""},
                          Case{"good", "other", "", "was not issued by the CA"}, Case{"good", "ca", "elsewhere.example", "is not for 'elsewhere.example'"},
                          Case{"wronghost", "ca", "", "is not for '127.0.0.1'"}, Case{"wronghost", "ca", "elsewhere.example", ""},
                          Case{"expired", "ca", "", "has expired"}}) {
        Broker broker(tls_configuration(folder, c.server));
        broker.start();
        MqttOptions options = options_for(tls_url(broker));
        options.tls = {.ca = folder / (std::string(c.ca) + ".pem"), .server_name = c.name};
        RunningSource s(options);
        if (c.expected[0] == '\0') {
            CHECK_TEXT(s.sees("subscribed t/# 1"), c.server);
            continue;
        }
        CHECK(eventually([&] { return s.handler.count("disconnected") == 1; }));
        if (s.handler.events()[0].find(c.expected) == std::string::npos) FAIL(s.handler.events()[0].c_str());
        LONGS_EQUAL(0, s.source.counters().connections);
    }
}

TEST(MqttSource, options_that_cannot_work_are_refused) {
    MqttOptions good = options_for("mqtt://h");
    STRCMP_EQUAL("", problem_of(good).c_str());
    MqttOptions o = good;
    o.filters = {{"t/#", 2}};
    CHECK(problem_of(o).find("qos = 2 is refused") != std::string::npos);
    o = good;
    o.filters = {{"t/#/x", 1}};
    CHECK(problem_of(o).find("t/#/x") != std::string::npos);
    o = good;
    o.client_id = "";
    CHECK(problem_of(o).find("client id") != std::string::npos);
    o = good;
    o.tls.cert = "x.pem";
    CHECK(problem_of(o).find("tls.key") != std::string::npos);
    o = good;
    o.will = MqttPublication{"a/+", "", 1, true};
    CHECK(problem_of(o).find("last will") != std::string::npos);
}

TEST_GROUP(MqttUrl){};

TEST(MqttUrl, ports_default_by_scheme) {
    Problem problem;
    const auto plain = MqttUrl::parse("mqtt://192.168.1.10", problem);
    CHECK(plain.ok() && !plain->tls && plain->host == "192.168.1.10" && plain->port == 1883);
    const auto tls = MqttUrl::parse("mqtts://broker/", problem);
    CHECK(tls.ok() && tls->tls && tls->host == "broker" && tls->port == 8883);
    const auto six = MqttUrl::parse("mqtt://[fe80::1]:99", problem);
    CHECK(six.ok() && six->host == "fe80::1" && six->port == 99);
    const auto six_default = MqttUrl::parse("mqtts://[::1]", problem);
    CHECK(six_default.ok() && six_default->host == "::1" && six_default->port == 8883);
}

TEST(MqttUrl, what_is_no_url_is_a_problem) {
    for (const char* bad : {"", "broker", "http://x", "mqtt://", "mqtt://:1883", "mqtt://h:0", "mqtt://h:65536", "mqtt://h:x", "mqtt://u:p@h",
                            "mqtt://[::1", "mqtt://[::1]x", "mqtt://h/topic"}) {
        Problem problem;
        CHECK_FALSE_TEXT(MqttUrl::parse(bad, problem).ok(), bad);
        CHECK_FALSE(problem.what.empty());
    }
}
