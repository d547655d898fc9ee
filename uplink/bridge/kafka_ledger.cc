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
    std::unique_ptr<KafkaLedger> ledger(new KafkaLedger(config, static_cast<std::uint32_t>(marks)));
    if (!ledger->shared_) return ledger;
    ledger->group_ = BridgeGroup::join(ledger->config_, config.advertise, static_cast<std::uint32_t>(marks), *ledger, failure);
    return ledger->group_ ? std::move(ledger) : nullptr;
}

KafkaLedger::KafkaLedger(const BridgeConfig& config, std::uint32_t partitions)
    : config_(config.kafka), wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)), owner_{{}, partitions, config.name},
      writers_(partitions), ended_(partitions), shared_(!config.advertise.empty()) {
    WEIR_ASSERT(wake_ >= 0);
    SystemEntropy entropy;
    entropy.fill(owner_.instance);
    for (std::uint32_t i = 0; i < partitions && !shared_; ++i) writers_[i] = make_writer(i);
}

std::unique_ptr<PartitionWriter> KafkaLedger::make_writer(std::uint32_t partition) {
    return std::make_unique<PartitionWriter>(config_, owner_, partition, [this](LedgerEvent event) { add_event(std::move(event)); });
}

KafkaLedger::~KafkaLedger() {
    group_.reset();
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
    post(partition_of(agent), std::move(request));
}

void KafkaLedger::deliver(SessionId session, std::string_view agent, std::vector<OutRecord> records) {
    LedgerRequest request;
    request.session = session;
    request.agent = agent;
    request.records = std::move(records);
    post(partition_of(agent), std::move(request));
}

// What is meant for a partition that has just gone is dropped: the agent sends it to the next owner.
void KafkaLedger::post(std::uint32_t partition, LedgerRequest request) {
    const std::lock_guard lock(writers_mutex_);
    if (writers_[partition]) writers_[partition]->post(std::move(request));
}

bool KafkaLedger::full(std::uint32_t partition) const {
    const std::lock_guard lock(writers_mutex_);
    return writers_[partition] && writers_[partition]->full();
}

Place KafkaLedger::place(std::uint32_t partition) const {
    {
        const std::lock_guard lock(writers_mutex_);
        if (writers_[partition] && !writers_[partition]->done()) return {};
    }
    return {false, group_ ? group_->place(partition) : std::string()};
}

void KafkaLedger::came(std::uint32_t partition) {
    auto writer = make_writer(partition);
    const std::lock_guard lock(writers_mutex_);
    writers_[partition] = std::move(writer);
    ended_[partition] = {};
}

// What is queued is committed before the next owner begins; if he has begun already, Kafka refuses it.
void KafkaLedger::gone(std::uint32_t partition) {
    std::unique_ptr<PartitionWriter> writer;
    {
        const std::lock_guard lock(writers_mutex_);
        writer = std::move(writers_[partition]);
    }
    writer.reset();
    add_event({LedgerEvent::Kind::moved, 0, 0, partition, {}});
}

// A writer that was fenced has ended. If the partition was taken from us the group says so meanwhile.
void KafkaLedger::tend() {
    constexpr auto settled = std::chrono::seconds(5);
    const auto now = std::chrono::steady_clock::now();
    for (std::uint32_t i = 0; i < writers_.size(); ++i) {
        if (!writers_[i] || !writers_[i]->done()) continue;
        if (ended_[i] == std::chrono::steady_clock::time_point{}) ended_[i] = now;
        if (now - ended_[i] < settled) continue;
        WEIR_LOG_WARNING("bridge", "%s[%u] was taken from us, and the group says that it is ours: taking it again",
                         config_.marks.c_str(), i);
        gone(i);
        came(i);
    }
}

std::vector<LedgerEvent> KafkaLedger::take_events() {
    eventfd_t count = 0;
    eventfd_read(wake_, &count);
    const std::lock_guard lock(mutex_);
    return std::exchange(events_, {});
}

void KafkaLedger::add_event(LedgerEvent event) {
    // Where bridges share, a partition that has another owner is no reason to end.
    if (shared_ && event.kind == LedgerEvent::Kind::fenced) {
        WEIR_LOG_WARNING("bridge", "ALERT bridge %s has taken over %s[%u] while we did not look: its agents are sent there",
                         event.text.c_str(), config_.marks.c_str(), event.partition);
        event.kind = LedgerEvent::Kind::moved;
    }
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
    eventfd_write(wake_, 1);
}

std::uint64_t KafkaLedger::skipped_records() const {
    std::uint64_t total = 0;
    const std::lock_guard lock(writers_mutex_);
    for (const auto& writer : writers_) total += writer ? writer->skipped_records() : 0;
    return total;
}

bool KafkaLedger::drain(Duration limit) {
    {
        const std::lock_guard lock(writers_mutex_);
        for (const auto& writer : writers_)
            if (writer) writer->drain();
    }
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(limit.ms());
    const auto all_done = [&] {
        const std::lock_guard lock(writers_mutex_);
        return std::all_of(writers_.begin(), writers_.end(), [](const auto& writer) { return !writer || writer->done(); });
    };
    while (!all_done() && std::chrono::steady_clock::now() < until)
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    return all_done();
}

}  // namespace weir
