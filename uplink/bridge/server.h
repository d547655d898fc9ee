// The bridge's server: all agents on one epoll loop, over mutual TLS.
// A session goes through handshake, greeting (Hello), waiting (until the mark is committed: Welcome) and
// serving (Records in, Acks out). Its agent is the common name of its certificate, and it may greet only as
// that. The newest session of an agent wins; the one before is told that it is fenced.
// New certificate files are noticed within a second: they serve new sessions, and the sessions made before are asked to
// greet anew, so that nobody stays on whom the new files would refuse (renewal_sessions_least a second, all within half a
// minute).
// Memory: Session's for each of max_agents, RecordStorage and scratch buffers once.
// Cost: about 2 ms a handshake, else O(bytes). Threads: one; the ledger's events arrive by a descriptor.
// Errors: those of an agent end its session with a Refusal that says why; ledger events fenced and
// failed end run() with 1.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/entropy.h"
#include "agent/base/file_stamps.h"
#include "agent/base/repetition.h"
#include "uplink/block.h"
#include "uplink/bridge/config.h"
#include "uplink/bridge/ledger.h"
#include "uplink/bridge/session.h"

namespace weir {

struct ServerLimits {
    Duration handshake = Duration::seconds(15);
    Duration greeting = Duration::seconds(15);
    Duration waiting = Duration::seconds(60);
    Duration ping_after = Duration::seconds(60);  // of silence
    Duration silence = Duration::seconds(150);
    Duration closing = Duration::seconds(2);
    Duration draining = Duration::seconds(10);
};

class Server {
public:
    // Loads the certificates and takes the address, but accepts nobody before run().
    // null: failure says why.
    static std::unique_ptr<Server> open(const BridgeConfig& config, const Clock& clock, Entropy& entropy,
                                        std::string& failure);
    ~Server();

    std::uint16_t port() const { return port_; }
    // Starts to accept, so that "listening" can be announced.
    bool listen(std::string& failure);
    // Serves until signals (a signalfd) is readable: the first time drains, the second ends at once.
    // The exit code.
    int run(Ledger& ledger, int signals, const ServerLimits& limits);

private:
    Server(const BridgeConfig& config, const Clock& clock, Entropy& entropy, std::shared_ptr<const TlsContext> tls);

    void watch(int descriptor, std::uint64_t tag, std::uint32_t events, bool anew);
    void accept_all();
    void on_signal();
    void start_draining();
    bool drained() const;
    void on_ledger();
    void on_event(const LedgerEvent& event);
    void end_all(const std::string& text);
    void sweep();
    void reload();
    void renew_sessions();

    void on_socket(Session& session, std::uint32_t events);
    void serve(Session& session);           // does what can be done, then sets what to watch
    bool advance(Session& session);         // false: the session is to be closed
    bool say_goodbye(Session& session);
    bool read_frames(Session& session);
    bool on_frame(Session& session, ByteSpan frame);
    bool on_hello(Session& session, const HelloFrame& hello);
    bool on_records(Session& session, const RecordsFrame& records);
    bool render(Session& session, const RecordsFrame& records, ByteSpan raw, std::vector<OutRecord>& out);
    bool refuse(Session& session, RefusalCode code, const std::string& text);
    bool redirect(Session& session, const Place& place);
    bool may_read(const Session& session) const;
    void update_watch(Session& session);
    void close(Session& session);
    void set_phase(Session& session, Session::Phase phase, Duration limit);
    Session* find(SessionId id);
    // A line about a peer that is not served: the same of one host is said once an hour.
    void turned_away(const std::string& address, const std::string& why);

    const BridgeConfig& config_;
    const Clock& clock_;
    ServerLimits limits_;
    Entropy& entropy_;
    FileStamps stamps_;
    Repetition new_files_;
    std::shared_ptr<const TlsContext> tls_;
    std::uint64_t generation_ = 0;  // of tls_
    Ledger* ledger_ = nullptr;
    int epoll_ = -1;
    int listener_ = -1;
    int signals_ = -1;
    std::uint16_t port_ = 0;

    std::map<SessionId, std::unique_ptr<Session>> sessions_;
    std::map<std::string, SessionId, std::less<>> agents_;
    std::set<SessionId> again_;    // have work that the socket does not announce
    std::set<SessionId> blocked_;  // not read until the ledger has moved on
    SessionId next_id_ = 16;       // below: tags of the other descriptors
    std::map<std::string, Repetition> said_;  // by host; forgotten when there are too many
    bool draining_ = false;
    bool ended_ = false;
    int exit_code_ = 0;
    MonotonicTime drain_deadline_{};

    ArenaBlock block_;
    Arena arena_;
    BlockUnpacker unpacker_;
    RecordForm form_;
    std::unique_ptr<RecordStorage> storage_;
    std::vector<std::byte> raw_;
};

}  // namespace weir
