#include "uplink/bridge/marks_reader.h"

#include "agent/base/log.h"
#include "uplink/bridge/kafka_client.h"

namespace weir {
namespace {

constexpr int poll_ms = 200;

std::string_view view(const void* bytes, std::size_t size) { return {static_cast<const char*>(bytes), size}; }

Status take(MarksPartition& into, std::string_view key, const rd_kafka_message_t& message) {
    if (message.payload == nullptr) {  // deleted by an operator: the agent starts afresh
        if (const auto found = into.marks.find(key); found != into.marks.end()) into.marks.erase(found);
        return Status::success();
    }
    const std::string_view value = view(message.payload, message.len);
    if (key == owner_key) {
        const Result<Owner> owner = parse_owner(value);
        if (!owner) return owner.error();
        into.owner = *owner;
        return Status::success();
    }
    const Result<Mark> mark = parse_mark(value);
    if (!mark) return mark.error();
    into.marks.insert_or_assign(std::string(key), *mark);
    return Status::success();
}

// Whether the whole partition has been seen, given where an end was reported.
bool at_end(rd_kafka_t* consumer, const KafkaConfig& config, std::uint32_t partition, std::int64_t offset) {
    std::int64_t low = 0;
    std::int64_t high = 0;
    const auto error = rd_kafka_get_watermark_offsets(consumer, config.marks.c_str(),
                                                      static_cast<std::int32_t>(partition), &low, &high);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0 && offset >= high) return true;
    WEIR_LOG_WARNING("kafka", "%s[%u]: an open transaction hides offsets %lld to %lld; waiting for its end",
                     config.marks.c_str(), partition, static_cast<long long>(offset), static_cast<long long>(high));
    return false;
}

}  // namespace

Result<MarksPartition> read_marks(const KafkaConfig& config, std::uint32_t partition,
                                  const std::function<bool()>& stop, std::string& failure) {
    // A group id is obligatory though no group is joined: partitions are assigned by hand.
    const auto consumer = make_client(RD_KAFKA_CONSUMER, config,
                                      {{"group.id", "weir-bridge-marks"},
                                       {"enable.auto.commit", "false"},
                                       {"enable.auto.offset.store", "false"},
                                       {"enable.partition.eof", "true"},
                                       {"isolation.level", "read_committed"},
                                       {"auto.offset.reset", "error"},
                                       {"fetch.wait.max.ms", "50"},
                                       {"check.crcs", "true"}},
                                      failure);
    if (!consumer) return Error::invalid;
    const KafkaOwned<rd_kafka_topic_partition_list_t> list(rd_kafka_topic_partition_list_new(1));
    rd_kafka_topic_partition_list_add(list.get(), config.marks.c_str(), static_cast<std::int32_t>(partition))->offset =
        RD_KAFKA_OFFSET_BEGINNING;
    if (const auto error = rd_kafka_assign(consumer.get(), list.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        failure = rd_kafka_err2str(error);
        return Error::io;
    }
    MarksPartition out;
    while (!stop()) {
        const KafkaOwned<rd_kafka_message_t> message(rd_kafka_consumer_poll(consumer.get(), poll_ms));
        if (!message) continue;
        if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            if (at_end(consumer.get(), config, partition, message->offset)) return out;
        } else if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
            failure = rd_kafka_message_errstr(message.get());
            if (message->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) return Error::io;
            WEIR_LOG_WARNING("kafka", "reading %s[%u]: %s", config.marks.c_str(), partition, failure.c_str());
        } else if (const Status taken = take(out, view(message->key, message->key_len), *message); !taken) {
            failure = config.marks + "[" + std::to_string(partition) + "] offset " + std::to_string(message->offset) +
                      ": not a mark of this version (key \"" +
                      std::string(view(message->key, message->key_len)) + "\")";
            return taken.error();
        }
    }
    return Error::closed;
}

}  // namespace weir
