// The ledger in Kafka: one PartitionWriter for each partition of the marks topic, topics made if they are
// missing, and the mock cluster of the demo. With [bridge] advertise the partitions are shared with other bridges
// (bridge_group.h): writers come and go with them, and one that was fenced is opened again only if the partition still
// is ours when the group has had time to say otherwise.
// Memory: that of its writers. Cost: as theirs. Threads: as ledger.h; one a partition inside.
// Errors: prepare() says why Kafka cannot be used; later ones are events.
#pragma once

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include <functional>
#include <memory>
#include <mutex>

#include "uplink/bridge/bridge_group.h"
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

class KafkaLedger final : public Ledger, private BridgeGroup::Handler {
public:
    // Waits for the cluster, asking stop() between tries; makes missing topics where config allows.
    // own_mock: the cluster is ours and has its topics. null: stopped, or failure says why.
    static std::unique_ptr<KafkaLedger> open(const BridgeConfig& config, bool own_mock,
                                             const std::function<bool()>& stop, std::string& failure);
    ~KafkaLedger() override;

    std::uint32_t partition_of(std::string_view agent) const override;
    void greet(SessionId session, std::string_view agent, const Incarnation& incarnation, std::uint64_t epoch) override;
    void deliver(SessionId session, std::string_view agent, std::vector<OutRecord> records) override;
    bool full(std::uint32_t partition) const override;
    Place place(std::uint32_t partition) const override;
    int descriptor() const override { return wake_; }
    std::vector<LedgerEvent> take_events() override;
    bool drain(Duration limit) override;
    // Records that Kafka would not take in any form.
    std::uint64_t skipped_records() const;

private:
    KafkaLedger(const BridgeConfig& config, std::uint32_t partitions);
    void add_event(LedgerEvent event);
    void post(std::uint32_t partition, LedgerRequest request);
    std::unique_ptr<PartitionWriter> make_writer(std::uint32_t partition);
    void came(std::uint32_t partition) override;
    void gone(std::uint32_t partition) override;
    void tend() override;

    const KafkaConfig config_;
    int wake_;  // eventfd
    std::mutex mutex_;
    std::vector<LedgerEvent> events_;
    Owner owner_;
    mutable std::mutex writers_mutex_;  // of the pointers: the group's thread changes them
    std::vector<std::unique_ptr<PartitionWriter>> writers_;  // null: another bridge's
    std::vector<std::chrono::steady_clock::time_point> ended_;  // when a writer of ours was seen to have ended
    std::unique_ptr<BridgeGroup> group_;                     // null: all partitions are ours, always
    const bool shared_;
};

}  // namespace weir
