// A bridge driven by steps: the real Session, wire frames, blocks and marks over in-memory streams with real TLS, and the
// rules of PartitionWriter (its numbers 1 to 4) over the model of Kafka.
// Memory: sessions. Cost: O(bytes). Threads: one. Errors: trouble() says what an agent sent that it must not.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "tests/sim/kafka.h"
#include "uplink/block.h"
#include "uplink/bridge/session.h"
#include "uplink/tls.h"

namespace weir::sim {

class SimBridge {
public:
    SimBridge(std::string name, std::shared_ptr<const TlsContext> tls, Kafka& kafka, const Clock& clock);
    ~SimBridge();

    // A process that runs, is stopped (SIGSTOP), or is not there.
    enum class State { running, paused, down };
    State state() const { return state_; }
    void kill();
    void start() { state_ = State::running; }
    void pause() { state_ = State::paused; }

    void accept(std::unique_ptr<Stream> stream);
    void step();
    const std::string& trouble() const { return trouble_; }
    std::uint64_t greetings() const { return greetings_; }
    std::uint64_t repeated() const { return repeated_; }

private:
    struct Request {
        SessionId session = 0;
        bool greeting = false;
        std::string agent;
        Incarnation incarnation{};
        std::uint64_t epoch = 0;
        std::vector<Delivered> records;
    };
    bool own_partition();
    bool advance(Session& session);
    bool on_frame(Session& session, const Frame& frame);
    bool on_records(Session& session, const RecordsFrame& records);
    bool refuse(Session& session, RefusalCode code, const std::string& text);
    Delivered form(const Session& session, const struct weir::ShippedRecord& shipped);
    void commit();
    void lose_sessions();
    Session* find(SessionId id);

    const std::string name_;
    const std::shared_ptr<const TlsContext> tls_;
    Kafka& kafka_;
    const Clock& clock_;
    State state_ = State::running;
    std::uint64_t producer_ = 0;  // 0: none
    std::map<std::string, Mark> marks_;
    std::map<std::string, SessionId> live_;
    std::map<SessionId, std::unique_ptr<Session>> sessions_;
    std::vector<Request> requests_;
    SessionId next_id_ = 1;
    std::string trouble_;
    std::uint64_t greetings_ = 0;
    std::uint64_t repeated_ = 0;
    ArenaBlock block_;
    Arena arena_;
    BlockUnpacker unpacker_;
    std::unique_ptr<RecordStorage> storage_;
    std::vector<std::byte> raw_;
    std::vector<std::byte> encoded_;
};

// What a record is known by, and what it says, wherever it is met.
Delivered describe(const Record& record, std::vector<std::byte>& scratch);

}  // namespace weir::sim
