#include "uplink/bridge/bridge_group.h"

#include "agent/base/log.h"

namespace weir {
namespace {

constexpr int poll_ms = 200;
constexpr Duration ask_limit = Duration::seconds(3);
constexpr auto ask_every = std::chrono::seconds(3);
constexpr auto ask_pause = std::chrono::milliseconds(300);  // between two, however much they are wanted
constexpr std::string_view client_prefix = "weir-bridge@";

// Big-endian numbers and strings of Kafka's protocol, within bounds.
class ProtocolReader {
public:
    explicit ProtocolReader(std::string_view bytes) : rest_(bytes) {}
    bool ok() const { return ok_; }
    std::int32_t number(std::size_t bytes) {
        std::uint32_t value = 0;
        for (const char c : take(bytes)) value = value << 8 | static_cast<unsigned char>(c);
        return static_cast<std::int32_t>(value);
    }
    std::string_view text() { return take(static_cast<std::size_t>(static_cast<std::uint16_t>(number(2)))); }

private:
    std::string_view take(std::size_t count) {
        if (count > rest_.size()) {
            ok_ = false;
            rest_ = {};
            return {};
        }
        const std::string_view out = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return out;
    }
    std::string_view rest_;
    bool ok_ = true;
};

}  // namespace

std::vector<std::uint32_t> assigned_partitions(std::string_view assignment, std::string_view topic) {
    std::vector<std::uint32_t> out;
    ProtocolReader in(assignment);
    in.number(2);  // version
    for (std::int32_t topics = in.number(4); topics > 0 && in.ok(); --topics) {
        const bool wanted = in.text() == topic;
        for (std::int32_t count = in.number(4); count > 0 && in.ok(); --count) {
            const std::int32_t partition = in.number(4);
            if (wanted && in.ok() && partition >= 0) out.push_back(static_cast<std::uint32_t>(partition));
        }
    }
    if (!in.ok()) out.clear();
    return out;
}

BridgeGroup::BridgeGroup(const KafkaConfig& config, std::uint32_t partitions, Handler& handler)
    : config_(config), handler_(handler), name_("weir-bridge-" + config.marks), places_(partitions) {}

std::unique_ptr<BridgeGroup> BridgeGroup::join(const KafkaConfig& config, const std::string& advertise,
                                               std::uint32_t partitions, Handler& handler, std::string& failure) {
    std::unique_ptr<BridgeGroup> group(new BridgeGroup(config, partitions, handler));
    KafkaSettings settings = {{"group.id", group->name_},
                              {"client.id", std::string(client_prefix) + advertise},
                              {"enable.auto.commit", "false"},
                              {"enable.auto.offset.store", "false"},
                              {"partition.assignment.strategy", "cooperative-sticky"},
                              {"auto.offset.reset", "latest"}};
    // A bridge that died is replaced after this long.
    const KafkaSettings mild = {{"session.timeout.ms", "10000"}, {"heartbeat.interval.ms", "2000"}};
    for (const auto& [key, value] : mild)
        if (config.options.count(key) == 0) settings[key] = value;
    group->consumer_ = make_client(RD_KAFKA_CONSUMER, config, settings, failure, nullptr, group.get(), rebalanced);
    if (!group->consumer_) return nullptr;
    rd_kafka_poll_set_consumer(group->consumer_.get());
    const KafkaOwned<rd_kafka_topic_partition_list_t> topics(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(topics.get(), config.marks.c_str(), RD_KAFKA_PARTITION_UA);
    if (const auto error = rd_kafka_subscribe(group->consumer_.get(), topics.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        failure = rd_kafka_err2str(error);
        return nullptr;
    }
    group->thread_ = std::thread([raw = group.get()] { raw->run(); });
    return group;
}

BridgeGroup::~BridgeGroup() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
}

std::string BridgeGroup::place(std::uint32_t partition) const {
    wanted_ = true;
    const std::lock_guard lock(mutex_);
    return partition < places_.size() ? places_[partition] : std::string();
}

void BridgeGroup::run() {
    auto asked = std::chrono::steady_clock::now() - ask_every;
    while (!stopping_) {
        // Nothing is fetched: what comes is a change of hands, or an error to wait through.
        const KafkaOwned<rd_kafka_message_t> message(rd_kafka_consumer_poll(consumer_.get(), poll_ms));
        handler_.tend();
        const auto now = std::chrono::steady_clock::now();
        if (now - asked < (wanted_ ? std::chrono::steady_clock::duration(ask_pause) : ask_every)) continue;
        ask();
        asked = std::chrono::steady_clock::now();
    }
    rd_kafka_consumer_close(consumer_.get());
}

void BridgeGroup::rebalanced(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* self) {
    static_cast<BridgeGroup*>(self)->on_rebalance(error, list);
}

void BridgeGroup::on_rebalance(rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list) {
    wanted_ = true;
    const bool assigned = error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
    for (int i = 0; i < list->cnt; ++i) {
        const auto partition = static_cast<std::uint32_t>(list->elems[i].partition);
        WEIR_LOG_INFO("bridge", "%s[%u] is %s", config_.marks.c_str(), partition, assigned ? "ours now" : "ours no longer");
        if (!assigned) handler_.gone(partition);
        list->elems[i].offset = RD_KAFKA_OFFSET_END;
    }
    const KafkaOwned<rd_kafka_error_t> failed(assigned ? rd_kafka_incremental_assign(consumer_.get(), list)
                                                       : rd_kafka_incremental_unassign(consumer_.get(), list));
    if (failed) WEIR_LOG_WARNING("kafka", "sharing partitions: %s", rd_kafka_error_string(failed.get()));
    if (!assigned) return;
    rd_kafka_pause_partitions(consumer_.get(), list);
    for (int i = 0; i < list->cnt; ++i) handler_.came(static_cast<std::uint32_t>(list->elems[i].partition));
}

// Who has what. While the group is between two assignments nobody is sent anywhere.
void BridgeGroup::ask() {
    const rd_kafka_group_list* raw = nullptr;
    const auto error = rd_kafka_list_groups(consumer_.get(), name_.c_str(), &raw, milliseconds(ask_limit));
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (raw != nullptr) rd_kafka_group_list_destroy(raw);
        return;
    }
    std::vector<std::string> places(places_.size());
    for (int g = 0; g < raw->group_cnt; ++g) {
        const rd_kafka_group_info& group = raw->groups[g];
        if (group.state == nullptr || std::string_view(group.state) != "Stable") continue;
        for (int m = 0; m < group.member_cnt; ++m) {
            const rd_kafka_group_member_info& member = group.members[m];
            const std::string_view client = member.client_id != nullptr ? member.client_id : "";
            if (!client.starts_with(client_prefix)) continue;
            const std::string_view assignment(static_cast<const char*>(member.member_assignment),
                                              static_cast<std::size_t>(member.member_assignment_size));
            for (const std::uint32_t partition : assigned_partitions(assignment, config_.marks))
                if (partition < places.size()) places[partition] = client.substr(client_prefix.size());
        }
    }
    rd_kafka_group_list_destroy(raw);
    wanted_ = false;
    const std::lock_guard lock(mutex_);
    places_ = std::move(places);
}

}  // namespace weir
