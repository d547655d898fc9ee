// An MQTT 3.1.1 connection that keeps itself up: subscribes, delivers, publishes, reconnects.
// The session is persistent under a stable client id. A message is acknowledged when on_message() has
// returned, not before: what is journaled there is never lost, and what is not comes again with DUP set.
// On each connection: where the broker has no session all filters are subscribed again; filters that were
// subscribed once and are no longer wanted are unsubscribed; a refused one is reported. A lost connection is
// tried again after an exponential, fully jittered pause. Connected but silent for `silence`: reported, and
// subscribed again; silent for as long again: reconnected.
// Certificate files that are new while it is connected, and will do, are used within seconds: it connects anew.
// QoS 2 is refused: PUBREC leaves before the message is delivered, so that a crash could lose it.
// Memory: MqttSource::need(options): Paho's share as measured, messages in flight, the read-ahead buffer.
// Cost: of Paho, one receive and one send thread for all connections, and one small thread here each.
// Threads: start(), stop(), publish(), counters() and filters_settled() from any thread; the handler is called on Paho's threads and must
// not block. Errors: start: invalid (with a Problem). Connection trouble is never an error: it is
// logged with its reason, counted, and tried again.
// Source: MQTT 3.1.1 (OASIS), sections 3.1 to 3.14 and 4.4; backoff: full jitter, Brooker, 2015.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/clock.h"
#include "agent/base/entropy.h"
#include "agent/base/problem.h"
#include "agent/base/result.h"
#include "agent/base/time.h"

namespace weir {

struct MqttFilter {
    std::string filter;
    int qos = 1;  // 0 or 1
};

struct MqttPublication {
    std::string topic;
    std::string payload;
    int qos = 1;
    bool retain = true;
};

struct MqttTls {
    std::string ca = {};    // a file of certificates; empty: the system's
    std::string cert = {};  // a file with the client's certificate chain; empty: none
    std::string key = {};
    std::string server_name = {};  // what the server's certificate must say; empty: the URL's host
};

struct MqttOptions {
    std::string url;  // mqtt://HOST[:1883] or mqtts://HOST[:8883]; IPv6 in brackets
    std::string client_id;
    std::string username = {};
    std::string password = {};
    MqttTls tls = {};
    Duration keepalive = Duration::seconds(30);
    Duration connect_limit = Duration::seconds(15);
    Duration backoff_least = Duration::seconds(1);
    Duration backoff_most = Duration::seconds(60);
    Duration silence = Duration::micros(0);  // 0: no watchdog
    Duration files_every = Duration::seconds(5);  // how often certificate files are looked at
    // Where messages come one at a time, so long at most is waited for more after each, so that they wake the process
    // together. 0: not. (Plain TCP, with weir_socket_gate.)
    Duration gather = Duration::millis(1);
    unsigned max_inflight = 64;              // publications under way; above it publish() is Error::full
    Bytes max_message = 256 * 1024;          // for the plan; a larger one is delivered, its reader refuses it
    std::vector<MqttFilter> filters = {};
    std::vector<std::string> remembered = {};  // filters that an earlier run subscribed to
    std::optional<MqttPublication> will = {};
    std::optional<MqttPublication> birth = {};  // published at each connection
    // Of publish() with a token, what became of it: the broker has it (or, with QoS 0, it is sent), or not. Token 0: nothing that
    // was under way will be heard of. Called on Paho's threads and must not block.
    std::function<void(std::uint32_t token, bool delivered)> on_published = {};
};

// Views are valid during the call.
struct MqttMessage {
    std::string_view topic;
    ByteSpan payload;
    int qos = 0;
    bool duplicate = false;
    bool retained = false;
    std::uint16_t packet_id = 0;  // 0 with QoS 0
};

class MqttHandler {
public:
    virtual ~MqttHandler() = default;

    // Whether there is room for messages: asked before the socket is read, often. While it is false nothing is
    // read, TCP pushes back and the broker queues. What was read ahead (up to 64 KiB) is still delivered.
    virtual bool ready() = 0;
    // The message is acknowledged when this returns true. False, like an exception, ends the process
    // (std::abort) before the acknowledgement: recovery then finds a consistent state.
    virtual bool on_message(const MqttMessage& message) = 0;
    virtual void on_connected(bool session_present) = 0;
    virtual void on_disconnected(std::string_view reason) = 0;
    virtual void on_subscribed(std::string_view filter, int granted_qos) = 0;
    virtual void on_subscription_refused(std::string_view filter) = 0;
    virtual void on_silence(Duration silent) = 0;
};

struct MqttCounters {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    std::uint64_t duplicates = 0;  // with DUP set
    std::uint64_t connections = 0;
    std::uint64_t failed_connections = 0;
    std::uint64_t lost_connections = 0;
    std::uint64_t refused_subscriptions = 0;
    std::uint64_t silences = 0;
    std::uint64_t reloads = 0;            // connections replaced for new certificate files
    std::uint64_t published = 0;          // accepted by publish()
    std::uint64_t publish_failures = 0;   // accepted, and then not delivered
    std::uint64_t publish_refusals = 0;   // Error::full or closed
    bool connected = false;
};

// The parts of an MQTT URL.
struct MqttUrl {
    bool tls = false;
    std::string host;
    std::uint16_t port = 0;

    static Result<MqttUrl> parse(std::string_view text, Problem& problem);
};

class MqttSource {
public:
    static Bytes need(const MqttOptions& options);
    // Checks the options without touching the network.
    static Status check(const MqttOptions& options, Problem& problem);

    // REQUIRES: check(options) is ok; handler, clock and entropy outlive the source.
    MqttSource(MqttOptions options, MqttHandler& handler, const Clock& clock, Entropy& entropy);
    ~MqttSource();  // stops
    MqttSource(const MqttSource&) = delete;
    MqttSource& operator=(const MqttSource&) = delete;

    // Returns at once; connecting goes on in the background, for ever.
    Status start(Problem& problem);
    // Disconnects and leaves the session at the broker. The will is not published; a farewell can be, before, even
    // with max_inflight under way. Waits at most 2 s for all that (and, while it finds out why a connection failed, 3 s).
    // With ready() true it waits for the acknowledgements of what was published. With ready() false none can be read: it
    // waits until the broker, having read everything, hangs up; and no message is delivered but the one, at most, that
    // Paho had begun. What was not delivered is not acknowledged and comes with the next connection.
    void stop(std::optional<MqttPublication> farewell = {});

    // Does not block, and sends whether or not ready() is true. Error::full: max_inflight are under way, which none
    // leaves while ready() is false, since PUBACKs are not read either; closed: not connected. With a token
    // on_published() tells its end.
    Status publish(std::string_view topic, ByteSpan payload, int qos, bool retain, std::uint32_t token = 0);

    MqttCounters counters() const;
    // Each filter was granted or refused, and none of the remembered ones is subscribed any more: they can be forgotten.
    bool filters_settled() const;

private:
    class Client;
    std::unique_ptr<Client> client_;
};

}  // namespace weir
