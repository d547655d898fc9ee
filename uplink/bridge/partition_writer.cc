#include "uplink/bridge/partition_writer.h"

#include <algorithm>

#include "agent/base/log.h"

namespace weir {
namespace {

constexpr auto linger = std::chrono::milliseconds(20);
constexpr Duration init_limit = Duration::seconds(10);
constexpr Duration retry_pause = Duration::millis(500);
// How long a new owner may take from fencing us to writing his name.
constexpr int fencing_checks = 10;
constexpr const char* transaction_timeout_ms = "30000";
constexpr int alone_limit_ms = 20000;

// Whether Kafka says no to the record itself: then no retry helps.
bool refuses(rd_kafka_resp_err_t error) {
    return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           error == RD_KAFKA_RESP_ERR_INVALID_RECORD || error == RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP;
}

}  // namespace

PartitionWriter::PartitionWriter(const KafkaConfig& config, const Owner& owner, std::uint32_t partition, EventSink sink)
    : config_(config), owner_(owner), partition_(partition), sink_(std::move(sink)), thread_([this] { run(); }) {}

PartitionWriter::~PartitionWriter() {
    drain();
    thread_.join();
}

void PartitionWriter::post(LedgerRequest request) {
    request.bytes = sizeof request + request.agent.size();
    for (const OutRecord& record : request.records) request.bytes += record.bytes();
    const std::lock_guard lock(mutex_);
    queued_bytes_ += request.bytes;
    queue_.push_back(std::move(request));
    wake_.notify_one();
}

void PartitionWriter::drain() {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    wake_.notify_all();
}

void PartitionWriter::run() {
    while (!stopping() && !ended_) {
        if (open()) {
            serve();
        } else if (!stopping() && !ended_ && !fenced_) {
            pause(retry_pause);
        }
        producer_.reset();
        forget_sessions();
        if (fenced_ && !stopping()) settle_fencing();
    }
    done_ = true;
}

bool PartitionWriter::open() {
    std::string failure;
    if (!open_producer(failure)) {
        if (!failure.empty()) WEIR_LOG_WARNING("bridge", "partition %u: %s", partition_, failure.c_str());
        return false;
    }
    if (!adopt_marks() || !claim()) return false;
    WEIR_LOG_INFO("bridge", "owns %s[%u], %zu agents known", config_.marks.c_str(), partition_, marks_.size());
    return true;
}

bool PartitionWriter::open_producer(std::string& failure) {
    const std::string id = "weir-bridge-" + config_.marks + "-" + std::to_string(partition_);
    KafkaSettings settings = {{"transactional.id", id},
                              {"enable.idempotence", "true"},
                              {"acks", "all"},
                              {"linger.ms", "5"}};
    // Where the user has a say; murmur2 places keys as the Java clients do.
    const KafkaSettings mild = {{"transaction.timeout.ms", transaction_timeout_ms},
                                {"partitioner", "murmur2_random"},
                                {"compression.type", "lz4"}};
    for (const auto& [key, value] : mild)
        if (config_.options.count(key) == 0) settings[key] = value;
    producer_ = make_client(RD_KAFKA_PRODUCER, config_, settings, failure, delivered, this);
    if (!producer_) {
        end_with(LedgerEvent::Kind::failed, "[kafka] options: " + failure);
        return false;
    }
    while (!stopping()) {
        const KafkaOwned<rd_kafka_error_t> error(rd_kafka_init_transactions(producer_.get(), milliseconds(init_limit)));
        if (!error) return true;
        failure = std::string("Kafka does not let the bridge write: ") + rd_kafka_error_string(error.get());
        if (!rd_kafka_error_is_retriable(error.get())) return false;
        WEIR_LOG_WARNING("bridge", "partition %u: waiting for Kafka: %s", partition_, rd_kafka_error_string(error.get()));
    }
    failure.clear();
    return false;
}

bool PartitionWriter::adopt_marks() {
    std::string failure;
    Result<MarksPartition> read = read_marks(config_, partition_, [this] { return stopping(); }, failure);
    if (!read) {
        if (read.error() == Error::invalid || read.error() == Error::unsupported)
            end_with(LedgerEvent::Kind::failed, failure);
        else if (!stopping())
            WEIR_LOG_WARNING("bridge", "partition %u: marks cannot be read: %s", partition_, failure.c_str());
        return false;
    }
    if (read->owner && read->owner->partitions != owner_.partitions) {
        end_with(LedgerEvent::Kind::failed,
                 config_.marks + " had " + std::to_string(read->owner->partitions) + " partitions and now has " +
                     std::to_string(owner_.partitions) + ": marks would be looked for in the wrong one. Name a new, "
                     "empty topic in [kafka] marks only once all agents have delivered and been enrolled anew");
        return false;
    }
    marks_ = std::move(read->marks);
    return true;
}

// Writes our name into the partition: proves that the way is open, and tells whom we fenced who we are.
bool PartitionWriter::claim() {
    const Outcome outcome = attempt(
        [this](std::string& failure) { return produce_mark(owner_key, format_owner(owner_), failure); });
    if (outcome == Outcome::fenced) fenced_ = true;
    return outcome == Outcome::committed;
}

void PartitionWriter::serve() {
    while (wait_for_work()) {
        Batch batch = take_batch();
        plan(batch);
        Outcome outcome = commit(batch);
        while (outcome == Outcome::aborted && !ended_) {
            if (!give_way(batch)) pause(retry_pause);
            outcome = commit(batch);
        }
        if (outcome != Outcome::committed) {
            fenced_ = outcome == Outcome::fenced;
            return;
        }
        apply(batch);
    }
}

// false: stopping, and all is written.
bool PartitionWriter::wait_for_work() {
    std::unique_lock lock(mutex_);
    wake_.wait(lock, [this] { return !queue_.empty() || stopping(); });
    if (queue_.empty()) return false;
    // Company for the first: one transaction costs Kafka the same for one record and for a thousand.
    wake_.wait_for(lock, linger, [this] { return queued_bytes_ >= batch_bytes_max || stopping(); });
    return true;
}

PartitionWriter::Batch PartitionWriter::take_batch() {
    Batch batch;
    Bytes bytes = 0;
    const std::lock_guard lock(mutex_);
    while (!queue_.empty() && bytes < batch_bytes_max) {
        bytes += queue_.front().bytes;
        batch.requests.push_back(std::move(queue_.front()));
        queue_.pop_front();
    }
    return batch;
}

void PartitionWriter::plan(Batch& batch) {
    batch.live = live_;
    for (const LedgerRequest& request : batch.requests) {
        if (request.greeting)
            plan_greeting(batch, request);
        else
            plan_delivery(batch, request);
    }
}

// The mark as it will be after the batch so far; null: the agent is not known.
Mark* PartitionWriter::staged_mark(Batch& batch, std::string_view agent) {
    if (const auto staged = batch.marks.find(agent); staged != batch.marks.end()) return &staged->second;
    const auto known = marks_.find(agent);
    if (known == marks_.end()) return nullptr;
    return &batch.marks.insert_or_assign(known->first, known->second).first->second;
}

void PartitionWriter::plan_greeting(Batch& batch, const LedgerRequest& request) {
    Mark* mark = staged_mark(batch, request.agent);
    const bool known = mark != nullptr;
    if (!known) mark = &batch.marks[request.agent];
    const Mark before = *mark;
    switch (greet(*mark, known, request.incarnation, request.epoch)) {
        case Greeting::stale:
            WEIR_LOG_ERROR("bridge", "ALERT agent %s: incarnation %s was replaced by %s before: a cloned or an old card; refused",
                           request.agent.c_str(), hex(request.incarnation).c_str(), hex(before.incarnation).c_str());
            batch.events.push_back({LedgerEvent::Kind::stale, request.session, 0, partition_, hex(before.incarnation)});
            return;
        case Greeting::replaced:
            WEIR_LOG_WARNING("bridge", "ALERT agent %s: new state: incarnation %s after %s (which had delivered up to %llu)",
                             request.agent.c_str(), hex(request.incarnation).c_str(), hex(before.incarnation).c_str(),
                             static_cast<unsigned long long>(before.ship));
            break;
        case Greeting::resumed:
            if (request.epoch < before.epoch)
                WEIR_LOG_WARNING("bridge", "ALERT agent %s: epoch %llu after %llu: its state was set back",
                                 request.agent.c_str(), static_cast<unsigned long long>(request.epoch),
                                 static_cast<unsigned long long>(before.epoch));
            break;
        case Greeting::first:
            WEIR_LOG_INFO("bridge", "agent %s: first greeting, incarnation %s", request.agent.c_str(),
                          hex(request.incarnation).c_str());
            break;
    }
    batch.live[request.agent] = request.session;
    batch.events.push_back({LedgerEvent::Kind::welcomed, request.session, mark->ship, partition_, {}});
}

void PartitionWriter::plan_delivery(Batch& batch, const LedgerRequest& request) {
    const auto live = batch.live.find(request.agent);
    if (live == batch.live.end() || live->second != request.session) return;
    Mark* mark = staged_mark(batch, request.agent);
    WEIR_ASSERT(mark != nullptr);
    for (const OutRecord& record : request.records) {
        if (record.ship <= mark->ship) continue;  // sent again, though committed: its Ack was lost
        mark->ship = record.ship;
        batch.records.emplace_back(record, request.agent);
    }
    batch.events.push_back({LedgerEvent::Kind::committed, request.session, mark->ship, partition_, {}});
}

PartitionWriter::Outcome PartitionWriter::commit(Batch& batch) {
    if (batch.records.empty() && batch.marks.empty()) return Outcome::committed;
    current_ = &batch;
    const Outcome outcome = attempt([&](std::string& failure) { return produce(batch, failure); });
    current_ = nullptr;
    return outcome;
}

// Whether the next attempt will differ from the last, because records were refused.
bool PartitionWriter::give_way(Batch& batch) {
    bool any = false;
    for (Outgoing& out : batch.records) {
        if (!out.refused) continue;
        any = true;
        out.refused = false;
        if (out.alone)
            give_way(out);
        else
            out.alone = true;  // all of a message set are refused for one of them
    }
    return any;
}

void PartitionWriter::give_way(Outgoing& out) {
    ++out.form;
    const auto ship = static_cast<unsigned long long>(out.record->ship);
    const auto agent = static_cast<int>(out.agent.size());
    if (!out.skipped())
        return WEIR_LOG_WARNING("bridge", "ALERT agent %.*s: Kafka refuses record %llu (%s): written without its %s", agent,
                                out.agent.data(), ship, out.refusal.c_str(), out.record->reduced[out.form - 1].omitted);
    WEIR_LOG_ERROR("bridge", "ALERT agent %.*s: Kafka refuses record %llu (%s): skipped, it is lost; %llu so far", agent,
                   out.agent.data(), ship, out.refusal.c_str(), static_cast<unsigned long long>(++skipped_));
}

void PartitionWriter::delivered(rd_kafka_t*, const rd_kafka_message_t* message, void* writer) {
    Batch* const batch = static_cast<PartitionWriter*>(writer)->current_;
    if (batch == nullptr || message->_private == nullptr || !refuses(message->err)) return;
    auto* const out = static_cast<Outgoing*>(message->_private);
    out->refused = true;
    out->refusal = rd_kafka_err2str(message->err);
}

PartitionWriter::Outcome PartitionWriter::attempt(const std::function<bool(std::string&)>& produce_all) {
    if (rd_kafka_error_t* error = rd_kafka_begin_transaction(producer_.get())) return judge(error, "begin");
    std::string failure;
    if (!produce_all(failure)) {
        WEIR_LOG_WARNING("bridge", "partition %u: produce: %s", partition_, failure.c_str());
        return abort();
    }
    if (rd_kafka_error_t* error = rd_kafka_commit_transaction(producer_.get(), -1)) return judge(error, "commit");
    return Outcome::committed;
}

PartitionWriter::Outcome PartitionWriter::judge(rd_kafka_error_t* raw, const char* doing) {
    const KafkaOwned<rd_kafka_error_t> error(raw);
    WEIR_LOG_WARNING("bridge", "partition %u: %s: %s", partition_, doing, rd_kafka_error_string(raw));
    const rd_kafka_resp_err_t code = rd_kafka_error_code(raw);
    if (code == RD_KAFKA_RESP_ERR__FENCED || code == RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH ||
        code == RD_KAFKA_RESP_ERR_PRODUCER_FENCED || rd_kafka_fatal_error(producer_.get(), nullptr, 0) == RD_KAFKA_RESP_ERR__FENCED)
        return Outcome::fenced;
    if (rd_kafka_error_txn_requires_abort(raw)) return abort();
    // A fatal error, or one that leaves open whether the commit was or will be: time-outs above all.
    return Outcome::unknown;
}

PartitionWriter::Outcome PartitionWriter::abort() {
    const KafkaOwned<rd_kafka_error_t> error(rd_kafka_abort_transaction(producer_.get(), -1));
    if (!error) return Outcome::aborted;
    WEIR_LOG_WARNING("bridge", "partition %u: abort: %s", partition_, rd_kafka_error_string(error.get()));
    return rd_kafka_error_code(error.get()) == RD_KAFKA_RESP_ERR__FENCED ? Outcome::fenced : Outcome::unknown;
}

bool PartitionWriter::produce(Batch& batch, std::string& failure) {
    for (Outgoing& out : batch.records) {
        if (out.skipped()) continue;
        if (out.alone) rd_kafka_flush(producer_.get(), alone_limit_ms);
        if (!produce_record(out, failure)) return false;
        if (!out.alone) continue;
        rd_kafka_flush(producer_.get(), alone_limit_ms);
        failure = out.refusal;
        if (out.refused) return false;
    }
    for (const auto& [agent, mark] : batch.marks)
        if (!produce_mark(agent, format_mark(mark), failure)) return false;
    return true;
}

// librdkafka copies key, value and headers (MSG_F_COPY), so an attempt can be repeated.
bool PartitionWriter::produce_record(Outgoing& out, std::string& failure) {
    const OutRecord& record = *out.record;
    const OutRecord::Reduced* const less = out.form == 0 ? nullptr : &record.reduced[out.form - 1];
    const std::string& value = less == nullptr ? record.value : less->value;
    rd_kafka_headers_t* headers = rd_kafka_headers_new(record.headers.size() + 1);
    for (const auto& [name, text] : record.headers)
        rd_kafka_header_add(headers, name, -1, text.data(), static_cast<ssize_t>(text.size()));
    if (less != nullptr) rd_kafka_header_add(headers, "omitted", -1, less->omitted, -1);
    const std::string& topic = record.alert ? config_.alerts : config_.topic;
    for (;;) {
        const rd_kafka_resp_err_t error = rd_kafka_producev(
            producer_.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_KEY(record.key.data(), record.key.size()),
            RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()),
            RD_KAFKA_V_TIMESTAMP(record.timestamp_ms), RD_KAFKA_V_OPAQUE(&out), RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
        if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_poll(producer_.get(), 50);
            continue;
        }
        rd_kafka_headers_destroy(headers);
        if (refuses(error)) {  // by librdkafka already, for this record and no other
            out.alone = out.refused = true;
            out.refusal = rd_kafka_err2str(error);
        }
        failure = topic + ": " + rd_kafka_err2str(error);
        return false;
    }
}

bool PartitionWriter::produce_mark(std::string_view key, std::string_view value, std::string& failure) {
    for (;;) {
        const rd_kafka_resp_err_t error = rd_kafka_producev(
            producer_.get(), RD_KAFKA_V_TOPIC(config_.marks.c_str()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
            RD_KAFKA_V_PARTITION(static_cast<std::int32_t>(partition_)), RD_KAFKA_V_KEY(key.data(), key.size()),
            RD_KAFKA_V_VALUE(const_cast<char*>(value.data()), value.size()), RD_KAFKA_V_END);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) return true;
        if (error == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
            rd_kafka_poll(producer_.get(), 50);
            continue;
        }
        failure = config_.marks + ": " + rd_kafka_err2str(error);
        return false;
    }
}

void PartitionWriter::apply(Batch& batch) {
    for (auto& [agent, mark] : batch.marks) marks_.insert_or_assign(agent, std::move(mark));
    live_ = std::move(batch.live);
    Bytes bytes = 0;
    for (const LedgerRequest& request : batch.requests) bytes += request.bytes;
    {
        const std::lock_guard lock(mutex_);
        queued_bytes_ -= bytes;
    }
    for (LedgerEvent& event : batch.events) sink_(std::move(event));
}

// What was queued belongs to sessions that must greet anew.
void PartitionWriter::forget_sessions() {
    live_.clear();
    {
        const std::lock_guard lock(mutex_);
        queue_.clear();
        queued_bytes_ = 0;
    }
    if (!stopping() && !ended_) sink_({LedgerEvent::Kind::lost, 0, 0, partition_, {}});
}

// Kafka fences a producer for a new owner, and also one whose transaction ran out of time (this process
// was stopped for a while). The partition says which: a new owner writes its name.
void PartitionWriter::settle_fencing() {
    fenced_ = false;
    for (int i = 0; i < fencing_checks && !stopping(); ++i) {
        std::string failure;
        const Result<MarksPartition> read = read_marks(config_, partition_, [this] { return stopping(); }, failure);
        if (read.ok() && read->owner && read->owner->instance != owner_.instance)
            return end_with(LedgerEvent::Kind::fenced, read->owner->bridge + " (instance " + hex(read->owner->instance) + ")");
        pause(Duration::seconds(1));
    }
    WEIR_LOG_WARNING("bridge", "partition %u: nobody else owns it: Kafka had ended a transaction of ours; going on", partition_);
}

void PartitionWriter::end_with(LedgerEvent::Kind kind, const std::string& text) {
    if (ended_) return;
    ended_ = true;
    sink_({kind, 0, 0, partition_, text});
}

void PartitionWriter::pause(Duration duration) {
    if (stopping()) return std::this_thread::sleep_for(linger);
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::chrono::milliseconds(duration.ms()), [this] { return stopping(); });
}

}  // namespace weir
