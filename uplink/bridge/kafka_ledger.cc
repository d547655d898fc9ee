#include "uplink/bridge/kafka_ledger.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "agent/base/entropy.h"
#include "agent/base/log.h"

namespace weir {
namespace {

constexpr Duration ask_limit = Duration::seconds(5);
constexpr Duration create_limit = Duration::seconds(10);
constexpr int mock_brokers = 1;
constexpr int mock_partitions = 4;

// The number of partitions once the topic is there, having made it if need be. -1: stopped; 0: failure.
int ensure_topic(rd_kafka_t* client, const KafkaConfig& config, const TopicPlan& plan,
                 const std::function<bool()>& stop, std::string& failure) {
    while (!stop()) {
        const Result<int> count = partition_count(client, plan.name, AutoCreate::no, ask_limit, failure);
        if (!count.ok()) {
            WEIR_LOG_WARNING("bridge", "waiting for Kafka at %s: %s", config.brokers.c_str(), failure.c_str());
            continue;
        }
        if (*count > 0) return *count;
        if (!config.create_topics) {
            failure = "topic " + plan.name + " does not exist, and create_topics is false; `weir-bridge check` says how to make it";
            return 0;
        }
        if (create_topic(client, plan, create_limit, failure)) {
            WEIR_LOG_INFO("bridge", "made topic %s (%d partitions%s)", plan.name.c_str(), plan.partitions,
                          plan.compacted ? ", compacted" : "");
            std::this_thread::sleep_for(std::chrono::milliseconds(200));
            continue;
        }
        WEIR_LOG_WARNING("bridge", "topic %s cannot be made: %s", plan.name.c_str(), failure.c_str());
        const Result<int> by_itself = partition_count(client, plan.name, AutoCreate::yes, ask_limit, failure);
        if (by_itself.ok() && *by_itself > 0) {
            WEIR_LOG_WARNING("bridge", "topic %s was made by the cluster itself, with its defaults", plan.name.c_str());
            return *by_itself;
        }
        std::this_thread::sleep_for(std::chrono::seconds(1));
    }
    return -1;
}

// Marks that Kafka deletes after a week would let an old backlog in twice.
bool marks_are_kept(rd_kafka_t* client, const KafkaConfig& config, std::string& failure) {
    std::string why;
    const std::string policy = cleanup_policy(client, config.marks, ask_limit, why);
    if (policy == "compact") return true;
    if (policy.empty()) {
        WEIR_LOG_WARNING("bridge", "cleanup.policy of %s is unknown (%s); it must be compact", config.marks.c_str(), why.c_str());
        return true;
    }
    failure = "cleanup.policy of topic " + config.marks + " is \"" + policy +
              "\" and must be \"compact\": marks would expire and records repeat; `weir-bridge check` says how to change it";
    return false;
}

}  // namespace

std::unique_ptr<MockCluster> MockCluster::start(const KafkaConfig& config, std::string& failure) {
    std::unique_ptr<MockCluster> mock(new MockCluster);
    KafkaConfig own;
    own.options["test.mock.num.brokers"] = std::to_string(mock_brokers);
    mock->holder_ = make_client(RD_KAFKA_PRODUCER, own, {}, failure);
    if (!mock->holder_) return nullptr;
    mock->cluster_ = rd_kafka_handle_mock_cluster(mock->holder_.get());
    WEIR_ASSERT(mock->cluster_ != nullptr);
    mock->address_ = rd_kafka_mock_cluster_bootstraps(mock->cluster_);
    for (const std::string& topic : {config.topic, config.alerts, config.marks})
        rd_kafka_mock_topic_create(mock->cluster_, topic.c_str(), mock_partitions, 1);
    return mock;
}

std::unique_ptr<KafkaLedger> KafkaLedger::open(const BridgeConfig& config, bool own_mock,
                                               const std::function<bool()>& stop, std::string& failure) {
    const KafkaConfig& kafka = config.kafka;
    const auto client = make_client(RD_KAFKA_PRODUCER, kafka, {}, failure);
    if (!client) {
        failure = "[kafka] options: " + failure;
        return nullptr;
    }
    for (const std::string& topic : {kafka.topic, kafka.alerts})
        if (ensure_topic(client.get(), kafka, {topic, 4, false}, stop, failure) <= 0) return nullptr;
    const int marks = ensure_topic(client.get(), kafka, {kafka.marks, 4, true}, stop, failure);
    if (marks <= 0) return nullptr;
    if (!own_mock && !marks_are_kept(client.get(), kafka, failure)) return nullptr;
    failure.clear();
    return std::unique_ptr<KafkaLedger>(new KafkaLedger(config, static_cast<std::uint32_t>(marks)));
}

KafkaLedger::KafkaLedger(const BridgeConfig& config, std::uint32_t partitions)
    : config_(config.kafka), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    WEIR_ASSERT(wake_ >= 0);
    Owner owner{{}, partitions, config.name};
    SystemEntropy entropy;
    entropy.fill(owner.instance);
    for (std::uint32_t i = 0; i < partitions; ++i)
        writers_.push_back(std::make_unique<PartitionWriter>(config_, owner, i,
                                                             [this](LedgerEvent event) { add_event(std::move(event)); }));
}

KafkaLedger::~KafkaLedger() {
    writers_.clear();
    close(wake_);
}

std::uint32_t KafkaLedger::partition_of(std::string_view agent) const {
    return mark_partition(agent, static_cast<std::uint32_t>(writers_.size()));
}

void KafkaLedger::greet(SessionId session, std::string_view agent, const Incarnation& incarnation, std::uint64_t epoch) {
    LedgerRequest request;
    request.session = session;
    request.greeting = true;
    request.agent = agent;
    request.incarnation = incarnation;
    request.epoch = epoch;
    writers_[partition_of(agent)]->post(std::move(request));
}

void KafkaLedger::deliver(SessionId session, std::string_view agent, std::vector<OutRecord> records) {
    LedgerRequest request;
    request.session = session;
    request.agent = agent;
    request.records = std::move(records);
    writers_[partition_of(agent)]->post(std::move(request));
}

std::vector<LedgerEvent> KafkaLedger::take_events() {
    eventfd_t count = 0;
    eventfd_read(wake_, &count);
    const std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
}

void KafkaLedger::add_event(LedgerEvent event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    eventfd_write(wake_, 1);
}

std::uint64_t KafkaLedger::skipped_records() const {
    std::uint64_t total = 0;
    for (const auto& writer : writers_) total += writer->skipped_records();
    return total;
}

bool KafkaLedger::drain(Duration limit) {
    for (const auto& writer : writers_) writer->drain();
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit.ms());
    const auto all_done = [&] {
        return std::all_of(writers_.begin(), writers_.end(), [](const auto& writer) { return writer->done(); });
    };
    while (!all_done() && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return all_done();
}

}  // namespace weir
