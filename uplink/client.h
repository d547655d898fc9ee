// The uplink: takes numbered rows from the outbox and delivers them to a bridge, in order, once.
// It connects with mutual TLS, says Hello, goes on after the last ship number that the bridge has
// committed, keeps a bounded number of bytes unacknowledged and resends them after any cut. When the
// bridge knows a greater number than ours an old copy of the state was put back: the client asks the
// outbox for a new incarnation and greets again.
// A bridge that does not own the agent's marks names the one that does: the next try goes there at once, at most
// redirects_most times in a row; after any failure it goes to the configured one again. Each must prove its name.
// Memory: need() from the arena (about 0.7 MiB), and one TLS session and context (tls.h).
// Cost: per block one compression and one TLS write. Threads: step() and run() belong to the uplink
// thread; stop() and status() to any.
// Errors: none leave it; each ends the session, is kept as status().reason and leads to another try after
// a pause by the circuit breaker (breaker.h): doubling from backoff_min to backoff_max with jitter; backoff_max at once
// when the greeting was refused, and when a certificate was twice (nothing heals that by itself), so never more than 35
// tries an hour while the bridge is away. A try after breaker_open_after failures is a probe: one block at a time is
// sent until the first acknowledgement.
// Source: wire.proto.
#pragma once

#include <memory>
#include <string>

#include "agent/base/arena.h"
#include "agent/base/clock.h"
#include "agent/base/entropy.h"
#include "agent/base/socket.h"
#include "uplink/breaker.h"
#include "uplink/outbox.h"
#include "uplink/tls.h"

namespace weir {

struct UplinkOptions {
    std::string host;  // of tls://host:port
    std::uint16_t port = 0;
    std::string server_name;  // the name the bridge must prove; empty: host
    // Read again for each session; a session is replaced within seconds when they are new and will do.
    TlsFiles tls;
    std::string agent;        // must equal the certificate's common name
    std::string software;
    std::uint64_t configuration = 0;
    Bytes record_bytes_max = Bytes{64} << 10;  // as the outbox's
    Bytes unacknowledged_bytes_max = Bytes{256} << 10;  // on the wire, before compression
    Bytes rate_bytes_per_second = 0;                    // on the wire; 0: as fast as the peer takes them
    Duration connect_limit = Duration::seconds(10);
    Duration greeting_limit = Duration::seconds(30);
    Duration ping_after = Duration::seconds(30);   // of silence
    Duration silence_limit = Duration::seconds(90);  // then the session counts as dead
    Duration backoff_min = Duration::seconds(1);
    Duration backoff_max = Duration::minutes(5);
    std::uint32_t breaker_open_after = 5;  // failures in a row
};

// tls://host:port, port 7400 by default, [v6] in brackets. Error::invalid otherwise.
Status parse_uplink_url(std::string_view url, std::string& host, std::uint16_t& port);

enum class UplinkState : std::uint8_t { waiting, greeting, streaming, stopped };
std::string_view name(UplinkState state);

struct UplinkStatus {
    UplinkState state = UplinkState::waiting;
    std::string bridge;  // its name, of the last session
    std::string reason;  // of the last failure; empty before the first
    Error error = Error::none;
    std::uint64_t sessions = 0;
    std::uint64_t failures = 0;
    std::uint64_t sent_ship = 0;
    std::uint64_t acknowledged_ship = 0;
    Timestamp last_acknowledged;  // wall clock; the epoch if never
    std::uint64_t sent_bytes = 0; // frames, before TLS
    std::uint64_t skipped_records = 0;  // rows that this build cannot read
    std::uint64_t renewals = 0;   // new incarnations asked for
    std::uint64_t redirects = 0;
    std::uint64_t reloads = 0;    // sessions replaced for new certificate files
    CircuitState circuit = CircuitState::closed;
    std::uint32_t failures_in_a_row = 0;
    Duration until_next_try;      // zero while connected, and when it is due
};

class UplinkClient {
public:
    static Bytes need(const UplinkOptions& options);
    UplinkClient(const UplinkOptions& options, Arena& arena, Outbox& outbox, Network& network,
                 const Clock& clock, Entropy& entropy);
    ~UplinkClient();

    // Does what can be done, waiting at most limit for the peer or the outbox (a connection attempt or a
    // greeting may take their own limits).
    void step(Duration limit);
    // step() until stop(); says goodbye.
    void run();
    void stop();
    UplinkStatus status() const;

private:
    class Session;
    std::unique_ptr<Session> session_;
};

}  // namespace weir
