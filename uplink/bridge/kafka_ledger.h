// The ledger in Kafka: one PartitionWriter for each partition of the marks topic, topics made if they are
// missing, and the mock cluster of the demo.
// Memory: that of its writers. Cost: as theirs. Threads: as ledger.h; one a partition inside.
// Errors: prepare() says why Kafka cannot be used; later ones are events.
#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <functional>
#include <memory>
#include <mutex>

#include "uplink/bridge/partition_writer.h"

namespace weir {

// librdkafka's cluster inside this process, for demonstrations: it shows aborted records and fences
// nobody, so it proves nothing about exactly-once.
class MockCluster {
public:
    // null: failure says why. Makes the topics of config.
    static std::unique_ptr<MockCluster> start(const KafkaConfig& config, std::string& failure);
    const std::string& address() const { return address_; }  // "127.0.0.1:PORT,..."
    rd_kafka_mock_cluster_t* cluster() { return cluster_; }  // to have faults put in

private:
    MockCluster() = default;
    KafkaOwned<rd_kafka_t> holder_;
    rd_kafka_mock_cluster_t* cluster_ = nullptr;  // the holder's
    std::string address_;
};

class KafkaLedger final : public Ledger {
public:
    // Waits for the cluster, asking stop() between tries; makes missing topics where config allows.
    // own_mock: the cluster is ours and has its topics. null: stopped, or failure says why.
    static std::unique_ptr<KafkaLedger> open(const BridgeConfig& config, bool own_mock,
                                             const std::function<bool()>& stop, std::string& failure);
    ~KafkaLedger() override;

    std::uint32_t partition_of(std::string_view agent) const override;
    void greet(SessionId session, std::string_view agent, const Incarnation& incarnation, std::uint64_t epoch) override;
    void deliver(SessionId session, std::string_view agent, std::vector<OutRecord> records) override;
    bool full(std::uint32_t partition) const override { return writers_[partition]->full(); }
    int descriptor() const override { return wake_; }
    std::vector<LedgerEvent> take_events() override;
    bool drain(Duration limit) override;
    // Records that Kafka would not take in any form.
    std::uint64_t skipped_records() const;

private:
    KafkaLedger(const BridgeConfig& config, std::uint32_t partitions);
    void add_event(LedgerEvent event);

    const KafkaConfig config_;
    int wake_;  // eventfd
    std::mutex mutex_;
    std::vector<LedgerEvent> events_;
    std::vector<std::unique_ptr<PartitionWriter>> writers_;
};

}  // namespace weir
