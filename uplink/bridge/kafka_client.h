// librdkafka's handles with owners, its settings and its log; and what the bridge asks of topics.
// Memory: librdkafka's. Cost: threads of librdkafka for each client. Threads: clients may be used from
// any thread; the functions here wait for the cluster at most as long as they are told.
// Errors: sentences from librdkafka, for a person.
#pragma once

#include <librdkafka/rdkafka.h>

#include <map>
#include <memory>
#include <string>

#include "agent/base/time.h"
#include "uplink/bridge/config.h"

namespace weir {

struct KafkaDestroy {
    void operator()(rd_kafka_t* client) const { rd_kafka_destroy(client); }
    void operator()(rd_kafka_error_t* error) const { rd_kafka_error_destroy(error); }
    void operator()(rd_kafka_message_t* message) const { rd_kafka_message_destroy(message); }
    void operator()(rd_kafka_topic_partition_list_t* list) const { rd_kafka_topic_partition_list_destroy(list); }
    void operator()(rd_kafka_topic_t* topic) const { rd_kafka_topic_destroy(topic); }
    void operator()(rd_kafka_queue_t* queue) const { rd_kafka_queue_destroy(queue); }
    void operator()(rd_kafka_event_t* event) const { rd_kafka_event_destroy(event); }
    void operator()(const rd_kafka_metadata_t* metadata) const { rd_kafka_metadata_destroy(metadata); }
};
template <typename T>
using KafkaOwned = std::unique_ptr<T, KafkaDestroy>;

using KafkaSettings = std::map<std::string, std::string>;

// A client with our defaults, then the user's options, then settings. null: failure says why.
// report hears what became of each message, on the thread that polls, flushes, commits or aborts.
using DeliveryReport = void (*)(rd_kafka_t* client, const rd_kafka_message_t* message, void* opaque);
// rebalance: of consumers that share partitions, on the thread that polls.
using Rebalance = void (*)(rd_kafka_t* client, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* opaque);
KafkaOwned<rd_kafka_t> make_client(rd_kafka_type_t type, const KafkaConfig& config, const KafkaSettings& settings,
                                   std::string& failure, DeliveryReport report = nullptr, void* opaque = nullptr,
                                   Rebalance rebalance = nullptr);

int milliseconds(Duration duration);

// Partitions of a topic; 0: it is not there. Error::closed: the cluster did not answer within limit.
// AutoCreate::yes asks for it by name, on which many clusters make it.
enum class AutoCreate { no, yes };
Result<int> partition_count(rd_kafka_t* client, const std::string& topic, AutoCreate create, Duration limit,
                            std::string& failure);

struct TopicPlan {
    std::string name;
    int partitions = 4;
    bool compacted = false;
};
// false: failure says why (the mock cluster, for one, never answers).
bool create_topic(rd_kafka_t* client, const TopicPlan& plan, Duration limit, std::string& failure);
// cleanup.policy of a topic; empty: failure says why it is unknown.
std::string cleanup_policy(rd_kafka_t* client, const std::string& topic, Duration limit, std::string& failure);

}  // namespace weir
