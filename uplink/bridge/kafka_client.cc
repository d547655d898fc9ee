#include "uplink/bridge/kafka_client.h"

#include <array>
#include <cstring>

#include "agent/base/log.h"

namespace weir {
namespace {

void log_line(const rd_kafka_t*, int level, const char* facility, const char* text) {
    // Options are for all clients, and each warns of those that only the others know.
    if (std::strcmp(facility, "CONFWARN") == 0) return;
    // librdkafka calls a refused connection an error; to the bridge it is something to wait for.
    const LogLevel to = level <= 4 ? LogLevel::warning : level <= 6 ? LogLevel::info : LogLevel::debug;
    log(to, "kafka", "%s: %s", facility, text);
}

bool set(rd_kafka_conf_t* conf, const KafkaSettings& settings, std::string& failure) {
    std::array<char, 512> text{};
    for (const auto& [key, value] : settings) {
        if (rd_kafka_conf_set(conf, key.c_str(), value.c_str(), text.data(), text.size()) == RD_KAFKA_CONF_OK) continue;
        failure = text.data();
        return false;
    }
    return true;
}

}  // namespace

int milliseconds(Duration duration) { return static_cast<int>(duration.ms()); }

KafkaOwned<rd_kafka_t> make_client(rd_kafka_type_t type, const KafkaConfig& config, const KafkaSettings& settings,
                                   std::string& failure, DeliveryReport report, void* opaque, Rebalance rebalance) {
    const KafkaSettings defaults = {{"client.id", "weir-bridge"},
                                    {"log.connection.close", "false"},
                                    {"reconnect.backoff.max.ms", "2000"},
                                    {"topic.metadata.refresh.interval.ms", "60000"}};
    rd_kafka_conf_t* conf = rd_kafka_conf_new();
    rd_kafka_conf_set_log_cb(conf, log_line);
    if (rebalance != nullptr) rd_kafka_conf_set_rebalance_cb(conf, rebalance);
    if (report != nullptr) rd_kafka_conf_set_dr_msg_cb(conf, report);
    rd_kafka_conf_set_opaque(conf, opaque);
    KafkaSettings forced = settings;
    if (!config.brokers.empty()) forced["bootstrap.servers"] = config.brokers;
    if (!set(conf, defaults, failure) || !set(conf, config.options, failure) || !set(conf, forced, failure)) {
        rd_kafka_conf_destroy(conf);
        return nullptr;
    }
    std::array<char, 512> text{};
    KafkaOwned<rd_kafka_t> client(rd_kafka_new(type, conf, text.data(), text.size()));
    if (!client) {
        rd_kafka_conf_destroy(conf);
        failure = text.data();
    }
    return client;
}

Result<int> partition_count(rd_kafka_t* client, const std::string& topic, AutoCreate create, Duration limit,
                            std::string& failure) {
    const rd_kafka_metadata_t* raw = nullptr;
    KafkaOwned<rd_kafka_topic_t> handle;
    if (create == AutoCreate::yes) handle.reset(rd_kafka_topic_new(client, topic.c_str(), nullptr));
    const rd_kafka_resp_err_t error =
        rd_kafka_metadata(client, create == AutoCreate::no, handle.get(), &raw, milliseconds(limit));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        failure = rd_kafka_err2str(error);
        return Error::closed;
    }
    const KafkaOwned<const rd_kafka_metadata_t> metadata(raw);
    for (int i = 0; i < metadata->topic_cnt; ++i)
        if (topic == metadata->topics[i].topic) return metadata->topics[i].partition_cnt;
    return 0;
}

bool create_topic(rd_kafka_t* client, const TopicPlan& plan, Duration limit, std::string& failure) {
    std::array<char, 512> text{};
    rd_kafka_NewTopic_t* topic = rd_kafka_NewTopic_new(plan.name.c_str(), plan.partitions, -1, text.data(), text.size());
    if (topic == nullptr) {
        failure = text.data();
        return false;
    }
    if (plan.compacted) rd_kafka_NewTopic_set_config(topic, "cleanup.policy", "compact");
    rd_kafka_AdminOptions_t* options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_CREATETOPICS);
    rd_kafka_AdminOptions_set_request_timeout(options, milliseconds(limit), text.data(), text.size());
    const KafkaOwned<rd_kafka_queue_t> queue(rd_kafka_queue_new(client));
    rd_kafka_CreateTopics(client, &topic, 1, options, queue.get());
    const KafkaOwned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), milliseconds(limit) + 1000));
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_NewTopic_destroy(topic);
    failure = "no answer to the request";
    if (!event) return false;
    failure = rd_kafka_event_error_string(event.get());
    if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
    std::size_t count = 0;
    const auto* result = rd_kafka_event_CreateTopics_result(event.get());
    const auto** topics = rd_kafka_CreateTopics_result_topics(result, &count);
    if (count != 1) return false;
    const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(topics[0]);
    const char* why = rd_kafka_topic_result_error_string(topics[0]);
    failure = why != nullptr ? why : rd_kafka_err2str(error);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS;
}

std::string cleanup_policy(rd_kafka_t* client, const std::string& topic, Duration limit, std::string& failure) {
    std::array<char, 512> text{};
    rd_kafka_ConfigResource_t* resource = rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic.c_str());
    rd_kafka_AdminOptions_t* options = rd_kafka_AdminOptions_new(client, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
    rd_kafka_AdminOptions_set_request_timeout(options, milliseconds(limit), text.data(), text.size());
    const KafkaOwned<rd_kafka_queue_t> queue(rd_kafka_queue_new(client));
    rd_kafka_DescribeConfigs(client, &resource, 1, options, queue.get());
    const KafkaOwned<rd_kafka_event_t> event(rd_kafka_queue_poll(queue.get(), milliseconds(limit) + 1000));
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_ConfigResource_destroy(resource);
    failure = "no answer to the request";
    if (!event) return {};
    failure = rd_kafka_event_error_string(event.get());
    if (rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR) return {};
    std::size_t count = 0;
    const auto* result = rd_kafka_event_DescribeConfigs_result(event.get());
    const auto** resources = rd_kafka_DescribeConfigs_result_resources(result, &count);
    if (count != 1) return {};
    if (const char* why = rd_kafka_ConfigResource_error_string(resources[0])) failure = why;
    const auto** entries = rd_kafka_ConfigResource_configs(resources[0], &count);
    for (std::size_t i = 0; i < count; ++i)
        if (std::strcmp(rd_kafka_ConfigEntry_name(entries[i]), "cleanup.policy") == 0)
            return rd_kafka_ConfigEntry_value(entries[i]);
    return {};
}

}  // namespace weir
