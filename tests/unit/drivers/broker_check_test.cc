#include "drivers/broker_check.h"

#include <fstream>
#include <sstream>
#include <string>

#include "tests/unit/drivers/broker_fixture.h"

#include <CppUTest/TestHarness.h>
#include <CppUTest/MemoryLeakWarningPlugin.h>

using namespace weir;

namespace {

SystemEntropy some_entropy;

BrokerReport report_of(const Broker& broker, std::vector<MqttFilter> filters = {{"t/#", 1}}) {
    MqttOptions options{.url = broker.url(), .client_id = "agent"};
    options.filters = std::move(filters);
    return check_broker(options, {}, some_entropy);
}

}  // namespace

TEST_GROUP(BrokerCheck) {
    // Paho has threads, and keeps some of what it allocates.
    void setup() override {
        MemoryLeakWarningPlugin::turnOnThreadSafeNewDeleteOverloads();
        IGNORE_ALL_LEAKS_IN_TEST();
    }
};

TEST(BrokerCheck, a_default_mosquitto_drops_messages_of_an_absent_client) {
    Broker broker;
    broker.start();
    const BrokerReport report = report_of(broker);
    CHECK(report.connected);
    STRCMP_EQUAL("", report.queue_problem.c_str());
    CHECK(report.queue_measured);
    LONGS_EQUAL(1100, report.queue_sent);
    CHECK(report.queue_returned >= 1000);
    CHECK(report.queue_returned < 1100);
}

TEST(BrokerCheck, the_drop_in_that_ships_keeps_them) {
    std::ifstream file("board/mosquitto/weir.conf");
    CHECK(file.good());
    std::string limits;
    for (std::string line; std::getline(file, line);)
        if (!line.empty() && line[0] != '#' && !line.starts_with("persistence_location")) limits += line + "\n";
    Broker broker(limits);
    broker.start();
    const BrokerReport report = report_of(broker);
    STRCMP_EQUAL("", report.queue_problem.c_str());
    CHECK(report.queue_measured);
    LONGS_EQUAL(1100, report.queue_returned);
}

TEST(BrokerCheck, refused_filters_and_an_absent_broker_are_told) {
    Broker broker;
    broker.allow_only("t/#");
    broker.start();
    const BrokerReport report = report_of(broker, {{"t/#", 1}, {"no/#", 1}});
    LONGS_EQUAL(2, report.filters.size());
    LONGS_EQUAL(1, report.filters[0].granted_qos);
    LONGS_EQUAL(-1, report.filters[1].granted_qos);
    CHECK_FALSE(report.queue_measured);
    CHECK_FALSE(report.queue_problem.empty());
    broker.stop();
    const BrokerReport gone = report_of(broker);
    CHECK_FALSE(gone.connected);
    CHECK(gone.connect_problem.find("refused") != std::string::npos);
}
