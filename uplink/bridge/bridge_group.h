// Several bridges share the partitions of the marks topic as a consumer group shares those it reads; nothing is read.
// The group's coordinator says who owns what, to the owners (partitions come and go) and, asked as any tool may ask,
// to the others: a member's client id ends with the address that its bridge advertises. So there is one source of
// truth, with no record beside it that could be old.
// What an owner writes is guarded by Kafka's transactions and not by the group (partition_writer.h): a bridge that
// sleeps through the loss of a partition is fenced, whatever it believes.
// Memory: one client of librdkafka. Cost: a request every few seconds. Threads: one inside, on which the handler is
// called; place() from any. Errors: Kafka away is waited for; meanwhile nothing changes hands.
// Source: Kafka's consumer protocol, KIP-429 (cooperative rebalancing).
#pragma once

#include <librdkafka/rdkafka.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "uplink/bridge/kafka_client.h"

namespace weir {

class BridgeGroup {
public:
    // Called on the group's thread. gone() returns when nothing more is written.
    class Handler {
    public:
        virtual ~Handler() = default;
        virtual void came(std::uint32_t partition) = 0;
        virtual void gone(std::uint32_t partition) = 0;
        virtual void tend() = 0;  // a few times a second
    };

    // null: failure says why. config and handler outlive it.
    static std::unique_ptr<BridgeGroup> join(const KafkaConfig& config, const std::string& advertise,
                                             std::uint32_t partitions, Handler& handler, std::string& failure);
    ~BridgeGroup();  // leaves: its partitions go to others at once
    BridgeGroup(const BridgeGroup&) = delete;
    BridgeGroup& operator=(const BridgeGroup&) = delete;

    // The address of the bridge that owns a partition, as of a moment ago; empty: not known.
    std::string place(std::uint32_t partition) const;

private:
    BridgeGroup(const KafkaConfig& config, std::uint32_t partitions, Handler& handler);
    static void rebalanced(rd_kafka_t* consumer, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* self);
    void on_rebalance(rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list);
    void run();
    void ask();

    const KafkaConfig& config_;
    Handler& handler_;
    std::string name_;
    KafkaOwned<rd_kafka_t> consumer_;
    mutable std::mutex mutex_;
    std::vector<std::string> places_;  // by partition; guarded by mutex_
    mutable std::atomic<bool> wanted_{true};  // an answer that is newer
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

// Partitions of a topic in a member's assignment, as Kafka's consumer protocol writes it; empty for what is none.
std::vector<std::uint32_t> assigned_partitions(std::string_view assignment, std::string_view topic);

}  // namespace weir
