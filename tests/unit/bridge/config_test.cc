#include "uplink/bridge/config.h"

#include <cstdlib>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

const std::string good_bridge = "[bridge]\ntls.ca = \"ca.pem\"\ntls.cert = \"b.pem\"\ntls.key = \"b.key\"\n";
const std::string good_kafka = "[kafka]\nbrokers = \"k1:9092\"\n";

BridgeConfig parsed(const std::string& text) {
    LoadedConfig loaded = parse_config(text, "/etc/weir/bridge.toml");
    STRCMP_EQUAL("", loaded.failure.c_str());
    CHECK(loaded.config.has_value());
    return *loaded.config;
}

void fails(const std::string& text, const char* where, const char* with) {
    const LoadedConfig loaded = parse_config(text, "b.toml");
    CHECK_FALSE(loaded.config.has_value());
    STRCMP_CONTAINS(with, loaded.failure.c_str());
    const std::string start = std::string("b.toml:") + where;
    STRCMP_EQUAL(start.c_str(), loaded.failure.substr(0, start.size()).c_str());
}

}  // namespace

TEST_GROUP(bridge_config) {};

TEST(bridge_config, smallest_configuration_has_the_documented_defaults) {
    const BridgeConfig config = parsed(good_bridge + good_kafka);
    STRCMP_EQUAL("0.0.0.0", config.host.c_str());
    LONGS_EQUAL(7400, config.port);
    LONGS_EQUAL(1000, config.max_agents);
    STRCMP_EQUAL("k1:9092", config.kafka.brokers.c_str());
    STRCMP_EQUAL("weir.results", config.kafka.topic.c_str());
    STRCMP_EQUAL("weir.alerts", config.kafka.alerts.c_str());
    STRCMP_EQUAL("weir.marks", config.kafka.marks.c_str());
    CHECK(config.kafka.value == ValueForm::json);
    CHECK(config.kafka.create_topics);
    CHECK_FALSE(config.name.empty());
}

TEST(bridge_config, relative_paths_are_relative_to_the_file) {
    const BridgeConfig config = parsed("[bridge]\ntls.ca = \"/ca.pem\"\ntls.cert = \"b.pem\"\ntls.key = \"k/b.key\"\n" + good_kafka);
    STRCMP_EQUAL("/ca.pem", config.tls.ca.c_str());
    STRCMP_EQUAL("/etc/weir/b.pem", config.tls.certificate.c_str());
    STRCMP_EQUAL("/etc/weir/k/b.key", config.tls.key.c_str());
}

TEST(bridge_config, every_key_is_taken) {
    const BridgeConfig config = parsed(
        good_bridge + "listen = \"[::1]:0\"\nname = \"b1\"\nmax_agents = 7\n" + good_kafka +
        "topic = \"r\"\nalerts = \"a\"\nmarks = \"m\"\nvalue = \"protobuf\"\ncreate_topics = false\n"
        "options = { \"security.protocol\" = \"SASL_SSL\", \"socket.timeout.ms\" = 5000, \"socket.keepalive.enable\" = true }\n");
    STRCMP_EQUAL("::1", config.host.c_str());
    LONGS_EQUAL(0, config.port);
    STRCMP_EQUAL("b1", config.name.c_str());
    LONGS_EQUAL(7, config.max_agents);
    STRCMP_EQUAL("r", config.kafka.topic.c_str());
    STRCMP_EQUAL("a", config.kafka.alerts.c_str());
    STRCMP_EQUAL("m", config.kafka.marks.c_str());
    CHECK(config.kafka.value == ValueForm::protobuf);
    CHECK_FALSE(config.kafka.create_topics);
    STRCMP_EQUAL("SASL_SSL", config.kafka.options.at("security.protocol").c_str());
    STRCMP_EQUAL("5000", config.kafka.options.at("socket.timeout.ms").c_str());
    STRCMP_EQUAL("true", config.kafka.options.at("socket.keepalive.enable").c_str());
}

TEST(bridge_config, variables_are_replaced_inside_strings) {
    setenv("WEIR_TEST_BROKER", "k9", 1);
    unsetenv("WEIR_TEST_NONE");
    const BridgeConfig config =
        parsed(good_bridge + "[kafka]\nbrokers = \"${WEIR_TEST_BROKER}:${WEIR_TEST_NONE:-9092}\"\n");
    STRCMP_EQUAL("k9:9092", config.kafka.brokers.c_str());
    fails(good_bridge + "[kafka]\nbrokers = \"${WEIR_TEST_NONE}\"\n", "6:11", "WEIR_TEST_NONE is not set");
}

TEST(bridge_config, what_is_wrong_is_named_with_its_place) {
    struct Case {
        std::string text;
        const char* where;
        const char* with;
    };
    const Case cases[] = {
        {"[bridge\n", "1:8", ""},
        {good_kafka, " ", "[bridge] is missing"},
        {good_bridge, " ", "[kafka] is missing"},
        {"[brigde]\n" + good_kafka, "1:2", "did you mean \"bridge\""},
        {good_bridge + "lisen = \"x:1\"\n" + good_kafka, "5:1", "did you mean \"listen\""},
        {good_bridge + "tls.cipher = \"x\"\n" + good_kafka, "5:5", "unknown key \"cipher\""},
        {good_bridge + "tls.crl = 1\n" + good_kafka, "5:11", "must be a string"},
        {good_bridge + "advertise = \"b1\"\n" + good_kafka, "5:13", "HOST:PORT"},
        {good_bridge + "advertise = \"b1:0\"\n" + good_kafka, "5:13", "HOST:PORT"},
        {good_bridge + "zzzzzzzz = 1\n" + good_kafka, "5:1", "Known: listen, tls, name, max_agents, advertise."},
        {good_bridge + "listen = 7400\n" + good_kafka, "5:10", "must be a string"},
        {good_bridge + "listen = \"7400\"\n" + good_kafka, "5:10", "ADDRESS:PORT"},
        {good_bridge + "listen = \"h:65536\"\n" + good_kafka, "5:10", "ADDRESS:PORT"},
        {good_bridge + "listen = \"::1:7400\"\n" + good_kafka, "5:10", "ADDRESS:PORT"},
        {good_bridge + "max_agents = 0\n" + good_kafka, "5:14", "from 1 to 100000"},
        {good_bridge + "max_agents = 100001\n" + good_kafka, "5:14", "from 1 to 100000"},
        {good_bridge + "max_agents = \"9\"\n" + good_kafka, "5:14", "whole number"},
        {"[bridge]\n" + good_kafka, "1:1", "tls.ca"},
        {"[bridge]\ntls.ca = \"c\"\ntls.key = \"k\"\n" + good_kafka, "2:1", "\"cert\" is missing"},
        {"[bridge]\ntls.ca = \"\"\ntls.cert = \"c\"\ntls.key = \"k\"\n" + good_kafka, "2:10", "must not be empty"},
        {good_bridge + "[kafka]\n", "5:1", "\"brokers\" is missing"},
        {good_bridge + good_kafka + "topic = \"a b\"\n", "7:9", "name of a Kafka topic"},
        {good_bridge + good_kafka + "marks = \"weir.results\"\n", "5:1", "topic of its own"},
        {good_bridge + good_kafka + "value = \"avro\"\n", "7:9", "\"json\" or \"protobuf\""},
        {good_bridge + good_kafka + "create_topics = 1\n", "7:17", "true or false"},
        {good_bridge + good_kafka + "brokers = \"x\"\n", "7:1", ""},
        {good_bridge + good_kafka + "options = { acks = \"1\" }\n", "7:13", "set by the bridge"},
        {good_bridge + good_kafka + "options.security.protocol = \"SSL\"\n", "7:9", "keys with dots in quotes"},
        {good_bridge + good_kafka + "options = 3\n", "7:11", "must be a table"},
    };
    for (const Case& c : cases) fails(c.text, c.where, c.with);
}

TEST(bridge_config, text_that_is_no_toml_is_a_problem_not_an_abort) {
    for (const char* text : {"a = [ } ]", "key = ]", "[", "a = \"", "= 1", "a.b = {", "\x01"}) {
        const LoadedConfig loaded = parse_config(text, "b.toml");
        CHECK_FALSE(loaded.config.has_value());
        STRCMP_CONTAINS("b.toml:1:", loaded.failure.c_str());
    }
}

TEST(bridge_config, unreadable_file_is_named) {
    const LoadedConfig loaded = load_config("/nonexistent/bridge.toml");
    STRCMP_CONTAINS("/nonexistent/bridge.toml", loaded.failure.c_str());
}
