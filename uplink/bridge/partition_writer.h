// Writes the agents of one partition of the marks topic: their records and their new marks, together in
// one Kafka transaction after another, by a thread of its own.
//
// Exactly once stands on these, in this order:
//  1. transactional.id is "weir-bridge-MARKS-PARTITION": init_transactions() ends the transaction of whoever
//     had the partition before, and from then on Kafka refuses him.
//  2. Only then the partition's marks are read to their end: nothing can be added behind our back.
//  3. Greetings and records pass through one queue in order. A greeting writes the agent's mark (so a
//     bridge that was fenced while it slept cannot greet anybody); a record counts only if its session
//     was greeted since 2., and only above the agent's mark.
//  4. Events leave after the commit. An aborted transaction is tried again, all of it; one whose end is
//     not known means a new producer, from 1.: then the marks say what was committed, and agents greet
//     anew and send the rest.
//  5. A record that Kafka refuses for what it is (its size, its form) is written alone, so that it is known
//     which of a message set was meant; then in its reduced forms; then it is skipped, with an ALERT line,
//     and the mark moves on: it must not hold up all agents of the partition.
//
// Memory: the queue, which full() bounds at queue_bytes_max and one more delivery a session, librdkafka's
// queue of one transaction (batch_bytes_max) and the marks. Cost: a transaction every linger at most.
// Threads: post and full from the server's, the rest inside. Errors: by events (ledger.h).
// Source: Kafka KIP-98; RELIABILITY and design as in uplink/bridge/README.md.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "uplink/bridge/kafka_client.h"
#include "uplink/bridge/ledger.h"
#include "uplink/bridge/marks_reader.h"

namespace weir {

inline constexpr Bytes queue_bytes_max = Bytes{8} << 20;
inline constexpr Bytes batch_bytes_max = Bytes{4} << 20;

// A greeting (records empty, greeting true) or a delivery, as the queue holds it.
struct LedgerRequest {
    SessionId session = 0;
    bool greeting = false;
    std::string agent;
    Incarnation incarnation{};
    std::uint64_t epoch = 0;
    std::vector<OutRecord> records;
    Bytes bytes = 0;
};

class PartitionWriter {
public:
    using EventSink = std::function<void(LedgerEvent)>;

    // owner.instance and owner.partitions say who we are; config and sink outlive the writer.
    PartitionWriter(const KafkaConfig& config, const Owner& owner, std::uint32_t partition, EventSink sink);
    ~PartitionWriter();
    PartitionWriter(const PartitionWriter&) = delete;
    PartitionWriter& operator=(const PartitionWriter&) = delete;

    void post(LedgerRequest request);
    bool full() const { return queued_bytes_.load() >= queue_bytes_max; }
    void drain();                       // write what is queued, then end
    bool done() const { return done_.load(); }
    std::uint64_t skipped_records() const { return skipped_.load(); }

private:
    enum class Outcome {
        committed,
        aborted,  // certainly not committed: may be tried again
        unknown,  // a new producer must find out
        fenced,   // Kafka knows a newer owner of our transactional.id
    };
    // A record and what Kafka has said of it in the attempts so far.
    struct Outgoing {
        const OutRecord* record;
        std::string_view agent;
        bool alone = false;    // in a message set of its own
        bool refused = false;  // in the last attempt
        std::string refusal;
        std::size_t form = 0;  // 0: whole; n: reduced[n - 1]; beyond: skipped
        Outgoing(const OutRecord& what, std::string_view whose) : record(&what), agent(whose) {}
        bool skipped() const { return form > record->reduced.size(); }
    };
    // What a batch will write and say, computed once; attempts repeat only the writing.
    struct Batch {
        std::vector<LedgerRequest> requests;
        std::vector<Outgoing> records;
        std::map<std::string, Mark, std::less<>> marks;
        std::map<std::string, SessionId, std::less<>> live;
        std::vector<LedgerEvent> events;
    };

    void run();
    bool open();
    bool open_producer(std::string& failure);
    bool adopt_marks();
    bool claim();
    void serve();
    bool wait_for_work();
    Batch take_batch();
    void plan(Batch& batch);
    void plan_greeting(Batch& batch, const LedgerRequest& request);
    void plan_delivery(Batch& batch, const LedgerRequest& request);
    Mark* staged_mark(Batch& batch, std::string_view agent);
    Outcome commit(Batch& batch);
    bool give_way(Batch& batch);
    void give_way(Outgoing& out);
    Outcome attempt(const std::function<bool(std::string&)>& produce);
    Outcome judge(rd_kafka_error_t* error, const char* doing);
    Outcome abort();
    bool produce(Batch& batch, std::string& failure);
    bool produce_record(Outgoing& out, std::string& failure);
    static void delivered(rd_kafka_t* client, const rd_kafka_message_t* message, void* writer);
    bool produce_mark(std::string_view key, std::string_view value, std::string& failure);
    void apply(Batch& batch);
    void forget_sessions();
    void settle_fencing();
    void end_with(LedgerEvent::Kind kind, const std::string& text);
    bool stopping() const { return stopping_.load(); }
    void pause(Duration duration);

    const KafkaConfig& config_;
    const Owner owner_;
    const std::uint32_t partition_;
    const EventSink sink_;

    KafkaOwned<rd_kafka_t> producer_;
    std::map<std::string, Mark, std::less<>> marks_;
    std::map<std::string, SessionId, std::less<>> live_;  // sessions greeted since the marks were read
    Batch* current_ = nullptr;  // while an attempt to write it goes on
    bool ended_ = false;
    bool fenced_ = false;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    std::deque<LedgerRequest> queue_;
    std::atomic<Bytes> queued_bytes_{0};
    std::atomic<bool> stopping_{false};
    std::atomic<bool> done_{false};
    std::atomic<std::uint64_t> skipped_{0};
    std::thread thread_;
};

}  // namespace weir
