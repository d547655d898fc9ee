#include "uplink/bridge/server.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "agent/base/log.h"
#include "uplink/bridge/enrol.h"

namespace weir {
namespace {

constexpr std::uint64_t listener_tag = 1;
constexpr std::uint64_t ledger_tag = 2;
constexpr std::uint64_t signal_tag = 3;
constexpr int sweep_ms = 1000;
constexpr int backlog = 512;
// Bufferfuls a session may take in a row before the others have their turn.
constexpr int fills_a_turn = 16;
constexpr std::size_t renewal_sessions_least = 20;  // renewed in a second
constexpr std::size_t renewal_seconds = 30;         // within which all are
constexpr std::size_t hosts_remembered = 1024;  // that were turned away

std::string address_text(const sockaddr_storage& address) {
    std::array<char, NI_MAXHOST> host{};
    std::array<char, NI_MAXSERV> port{};
    if (getnameinfo(reinterpret_cast<const sockaddr*>(&address), sizeof address, host.data(), host.size(), port.data(),
                    port.size(), NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return "?";
    return std::string(host.data()) + ":" + port.data();
}

std::uint16_t bound_port(int descriptor) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
    const in_port_t port = address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                                         : reinterpret_cast<sockaddr_in&>(address).sin_port;
    return ntohs(port);
}

int bind_address(const std::string& host, std::uint16_t port, std::string& failure) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int error = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (error != 0) {
        failure = host + ": " + gai_strerror(error);
        return -1;
    }
    const int descriptor = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const bool bound = bind(descriptor, found->ai_addr, found->ai_addrlen) == 0;
    failure = host + ":" + std::to_string(port) + ": " + std::strerror(errno);
    freeaddrinfo(found);
    if (bound) return descriptor;
    ::close(descriptor);
    return -1;
}

}  // namespace

std::unique_ptr<Server> Server::open(const BridgeConfig& config, const Clock& clock, Entropy& entropy,
                                     std::string& failure) {
    auto tls = TlsContext::load(TlsRole::server, config.tls, entropy, failure);
    if (!tls) return nullptr;
    std::unique_ptr<Server> server(new Server(config, clock, entropy, *tls));
    server->listener_ = bind_address(config.host, config.port, failure);
    if (server->listener_ < 0) {
        failure = "listen = " + failure;
        return nullptr;
    }
    server->port_ = bound_port(server->listener_);
    return server;
}

Server::Server(const BridgeConfig& config, const Clock& clock, Entropy& entropy, std::shared_ptr<const TlsContext> tls)
    : config_(config),
      clock_(clock),
      entropy_(entropy),
      stamps_({config.tls.ca, config.tls.certificate, config.tls.key, config.tls.crl}),
      tls_(std::move(tls)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      block_(BlockUnpacker::need()),
      arena_(block_.memory()),
      unpacker_(arena_),
      form_(config.kafka.value),
      storage_(std::make_unique<RecordStorage>()),
      raw_(block_raw_bytes_max) {
    WEIR_ASSERT(epoll_ >= 0);
}

Server::~Server() {
    sessions_.clear();
    if (listener_ >= 0) ::close(listener_);
    ::close(epoll_);
}

bool Server::listen(std::string& failure) {
    if (::listen(listener_, backlog) == 0) return true;
    failure = std::string("listen: ") + std::strerror(errno);
    return false;
}

int Server::run(Ledger& ledger, int signals, const ServerLimits& limits) {
    ledger_ = &ledger;
    limits_ = limits;
    signals_ = signals;
    watch(listener_, listener_tag, EPOLLIN, true);
    watch(ledger.descriptor(), ledger_tag, EPOLLIN, true);
    watch(signals, signal_tag, EPOLLIN, true);
    std::array<epoll_event, 64> ready;
    MonotonicTime swept = clock_.monotonic();
    while (!ended_ && !(draining_ && (drained() || clock_.monotonic() >= drain_deadline_))) {
        const int count = epoll_wait(epoll_, ready.data(), static_cast<int>(ready.size()),
                                     again_.empty() ? (draining_ ? 20 : sweep_ms) : 0);
        for (int i = 0; i < count && !ended_; ++i) {
            const epoll_event& event = ready[static_cast<std::size_t>(i)];
            const std::uint64_t tag = event.data.u64;
            if (tag == listener_tag)
                accept_all();
            else if (tag == ledger_tag)
                on_ledger();
            else if (tag == signal_tag)
                on_signal();
            else if (Session* session = find(tag))
                on_socket(*session, event.events);
        }
        for (const SessionId id : std::exchange(again_, {}))
            if (Session* session = find(id)) serve(*session);
        if (clock_.monotonic() - swept >= Duration::millis(sweep_ms)) {
            swept = clock_.monotonic();
            sweep();
            if (!draining_) reload();
        }
    }
    if (draining_ && !ended_ && !drained())
        WEIR_LOG_WARNING("bridge", "Kafka has not taken everything; agents will send the rest again");
    while (!sessions_.empty()) close(*sessions_.begin()->second);
    return exit_code_;
}

void Server::watch(int descriptor, std::uint64_t tag, std::uint32_t events, bool anew) {
    epoll_event event{};
    event.events = events;
    event.data.u64 = tag;
    const int error = epoll_ctl(epoll_, anew ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, descriptor, &event);
    WEIR_ASSERT(error == 0);
}

void Server::accept_all() {
    for (;;) {
        sockaddr_storage address{};
        socklen_t size = sizeof address;
        const int descriptor =
            accept4(listener_, reinterpret_cast<sockaddr*>(&address), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (descriptor < 0) {
            if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
                WEIR_LOG_WARNING("bridge", "accept: %s", std::strerror(errno));
            return;
        }
        if (sessions_.size() >= config_.max_agents) {
            turned_away(address_text(address), "turned away: max_agents = " + std::to_string(config_.max_agents) + " are connected");
            ::close(descriptor);
            continue;
        }
        auto stream = TlsStream::make(tls_, adopt_socket(descriptor), "");
        if (!stream) {
            WEIR_LOG_WARNING("bridge", "%s turned away: no memory for its session", address_text(address).c_str());
            continue;
        }
        const SessionId id = next_id_++;
        auto session = std::make_unique<Session>(id, std::move(*stream), address_text(address));
        session->generation = generation_;
        set_phase(*session, Session::Phase::handshake, limits_.handshake);
        session->events = EPOLLIN;
        watch(descriptor, id, EPOLLIN, true);
        Session& place = *sessions_.emplace(id, std::move(session)).first->second;
        serve(place);
    }
}

void Server::on_signal() {
    signalfd_siginfo info{};
    if (read(signals_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return;
    if (draining_) {
        WEIR_LOG_WARNING("bridge", "asked twice: ending at once; agents will send the rest again");
        ended_ = true;
        return;
    }
    start_draining();
}

void Server::start_draining() {
    WEIR_LOG_INFO("bridge", "ending: no more is read, what was read is being committed");
    draining_ = true;
    drain_deadline_ = clock_.monotonic() + limits_.draining;
    epoll_ctl(epoll_, EPOLL_CTL_DEL, listener_, nullptr);
    ::close(std::exchange(listener_, -1));
    for (const auto& [id, session] : sessions_) update_watch(*session);
}

bool Server::drained() const {
    for (const auto& [id, session] : sessions_)
        if (session->outstanding() > 0 || (session->phase == Session::Phase::serving && session->has_output())) return false;
    return true;
}

void Server::on_ledger() {
    for (const LedgerEvent& event : ledger_->take_events()) on_event(event);
    for (const SessionId id : std::exchange(blocked_, {}))
        if (Session* session = find(id)) serve(*session);
}

void Server::on_event(const LedgerEvent& event) {
    using Kind = LedgerEvent::Kind;
    if (event.kind == Kind::fenced) {
        WEIR_LOG_ERROR("bridge", "ALERT another bridge, %s, has taken over the agents of partition %u; this one ends",
                       event.text.c_str(), event.partition);
        return end_all("another bridge has taken over");
    }
    if (event.kind == Kind::failed) {
        WEIR_LOG_ERROR("bridge", "%s", event.text.c_str());
        return end_all("this bridge has failed");
    }
    if (event.kind == Kind::lost || event.kind == Kind::moved) {
        for (auto next = sessions_.begin(); next != sessions_.end();) {
            Session& session = *next++->second;
            if (session.agent.empty() || session.partition != event.partition) continue;
            if (session.phase == Session::Phase::closing) continue;
            if (const Place place = ledger_->place(event.partition); !place.here)
                redirect(session, place);
            else
                refuse(session, RefusalCode::unavailable, "Kafka was interrupted; greet again");
            serve(session);
        }
        return;
    }
    Session* session = find(event.session);
    if (session == nullptr || session->phase == Session::Phase::closing) return;
    if (event.kind == Kind::stale) {
        refuse(*session, RefusalCode::fenced, "this state was replaced by incarnation " + event.text +
                                                  ": a clone, or an old card put back");
    } else if (event.kind == Kind::welcomed) {
        session->queue(WelcomeFrame{event.ship, config_.name});
        set_phase(*session, Session::Phase::serving, limits_.ping_after);
        WEIR_LOG_INFO("bridge", "agent %s at %s goes on after ship %llu", session->agent.c_str(),
                      session->address.c_str(), static_cast<unsigned long long>(event.ship));
    } else {
        session->settle(event.ship);
        session->acknowledge(event.ship);
    }
    serve(*session);
}

void Server::end_all(const std::string& text) {
    for (const auto& [id, session] : sessions_) {
        if (!session->stream().established()) continue;
        refuse(*session, RefusalCode::unavailable, text);
        (void)session->flush();
    }
    exit_code_ = 1;
    ended_ = true;
}

void Server::sweep() {
    const MonotonicTime now = clock_.monotonic();
    for (auto next = sessions_.begin(); next != sessions_.end();) {
        Session& session = *next++->second;
        if (now < session.deadline) continue;
        if (session.phase == Session::Phase::serving) {
            if (!may_read(session)) {  // silent because we do not listen
                session.deadline = now + limits_.ping_after;
                continue;
            }
            if (!session.pinged && session.queue(PingFrame{session.id, false})) {
                session.pinged = true;
                session.deadline = now + (limits_.silence - limits_.ping_after);
                serve(session);
                continue;
            }
            WEIR_LOG_INFO("bridge", "agent %s at %s: silent, closed", session.agent.c_str(), session.address.c_str());
        } else if (session.phase == Session::Phase::waiting) {
            refuse(session, RefusalCode::unavailable, "Kafka does not answer; come back later");
            serve(session);
            continue;
        } else if (session.phase != Session::Phase::closing) {
            WEIR_LOG_WARNING("bridge", "%s: no %s in time, closed", session.address.c_str(),
                             session.phase == Session::Phase::handshake ? "TLS handshake" : "greeting");
        }
        close(session);
    }
}

// Files on their way (a certificate before its key) are tried again a second later.
void Server::reload() {
    renew_sessions();
    if (!stamps_.changed()) return;
    FileStamps now = stamps_;
    now.look();
    std::string reason;
    auto tls = TlsContext::load(TlsRole::server, config_.tls, entropy_, reason);
    if (!tls) {
        if (new_files_.worth_saying(reason, clock_.monotonic()))
            WEIR_LOG_WARNING("bridge", "the new certificate files will not do yet, the old ones go on: %s", reason.c_str());
        return;
    }
    ++generation_;
    WEIR_LOG_INFO("bridge", "the certificate files are new, %llu. time: sessions are renewed",
                  static_cast<unsigned long long>(generation_));
    stamps_ = now;
    new_files_.forget();
    tls_ = *tls;
}

void Server::renew_sessions() {
    std::size_t left = std::max(renewal_sessions_least, sessions_.size() / renewal_seconds);
    for (auto next = sessions_.begin(); next != sessions_.end() && left > 0;) {
        Session& session = *next++->second;
        if (session.generation == generation_ || session.phase == Session::Phase::closing) continue;
        --left;
        if (!session.stream().established()) {
            close(session);
            continue;
        }
        refuse(session, RefusalCode::unavailable, "the certificates are new; greet again");
        serve(session);
    }
}

void Server::on_socket(Session& session, std::uint32_t events) {
    // A peer that has gone while we did not read him would be announced again and again.
    if ((events & (EPOLLHUP | EPOLLERR)) != 0 && (session.events & EPOLLIN) == 0) return close(session);
    serve(session);
}

void Server::serve(Session& session) {
    if (advance(session))
        update_watch(session);
    else
        close(session);
}

bool Server::advance(Session& session) {
    if (session.phase == Session::Phase::closing) return say_goodbye(session);
    if (session.phase == Session::Phase::handshake) {
        const Status done = session.stream().handshake();
        if (done.error() == Error::busy) return true;
        if (!done.ok()) {
            turned_away(session.address, "refused: " + std::string(session.stream().reason()));
            return false;
        }
        set_phase(session, Session::Phase::greeting, limits_.greeting);
    }
    if (!read_frames(session)) return false;
    if (session.phase == Session::Phase::closing) return say_goodbye(session);
    const Status sent = session.flush();
    return sent.ok() || sent.error() == Error::busy;
}

// The Refusal must arrive: closing while the peer still sends would reset the connection and lose it.
// So our direction is ended, and his is read, and thrown away, until he ends it or the time is over.
bool Server::say_goodbye(Session& session) {
    const int descriptor = session.stream().descriptor();
    if (!session.parted) {
        const Status sent = session.flush();
        if (!sent.ok()) return sent.error() == Error::busy;
        session.stream().close();
        shutdown(descriptor, SHUT_WR);
        session.parted = true;
    }
    for (;;) {
        const ssize_t got = recv(descriptor, raw_.data(), raw_.size(), 0);
        if (got == 0 || (got < 0 && errno != EINTR)) return got < 0 && errno == EAGAIN;
    }
}

bool Server::may_read(const Session& session) const {
    if (draining_) return false;
    if (session.phase == Session::Phase::greeting) return true;
    return session.phase == Session::Phase::serving && session.outstanding() < outstanding_bytes_max &&
           !ledger_->full(session.partition);
}

bool Server::read_frames(Session& session) {
    for (int fills = 0; may_read(session);) {
        const Result<ByteSpan> frame = session.front_frame();
        if (frame.ok()) {
            const Bytes size = frame->size();
            if (!on_frame(session, *frame)) return session.phase == Session::Phase::closing;
            session.drop_frame(size);
            continue;
        }
        if (frame.error() != Error::truncated) {
            refuse(session, RefusalCode::malformed, "no frame is that large");
            return true;
        }
        if (fills++ == fills_a_turn) {
            if (session.stream().pending() > 0) again_.insert(session.id);
            return true;
        }
        const Status filled = session.fill();
        if (filled.error() == Error::busy) return true;
        if (!filled.ok()) {
            WEIR_LOG_INFO("bridge", "%s%s%s: %s", session.agent.c_str(), session.agent.empty() ? "" : " at ",
                          session.address.c_str(), std::string(name(filled.error())).c_str());
            return false;
        }
        if (session.phase == Session::Phase::serving) set_phase(session, session.phase, limits_.ping_after);
        session.pinged = false;
    }
    if (session.phase == Session::Phase::serving && !draining_) blocked_.insert(session.id);
    return true;
}

// false: the session must not go on (it was refused, or is to be closed).
bool Server::on_frame(Session& session, ByteSpan bytes) {
    const Result<Frame> frame = decode_frame(bytes);
    if (!frame) return refuse(session, RefusalCode::malformed, "a frame that means nothing");
    if (session.phase == Session::Phase::greeting) {
        if (frame->kind == FrameKind::hello) return on_hello(session, frame->hello);
        return refuse(session, RefusalCode::malformed, "the first frame must be Hello");
    }
    if (frame->kind == FrameKind::records) return on_records(session, frame->records);
    if (frame->kind == FrameKind::ping)
        return frame->ping.reply || session.queue(PingFrame{frame->ping.number, true});
    return refuse(session, RefusalCode::malformed, "only Records and Ping are expected here");
}

bool Server::on_hello(Session& session, const HelloFrame& hello) {
    if (hello.protocol != wire_protocol)
        return refuse(session, RefusalCode::version, "protocol " + std::to_string(wire_protocol) + " is spoken here");
    if (hello.agent != session.stream().peer_name() || !valid_agent_id(hello.agent))
        return refuse(session, RefusalCode::identity, "the certificate is of \"" +
                      std::string(session.stream().peer_name()) + "\", not of \"" + std::string(hello.agent) + "\"");
    const std::string agent(hello.agent);
    if (const Place place = ledger_->place(ledger_->partition_of(agent)); !place.here) return redirect(session, place);
    if (const auto other = agents_.find(agent); other != agents_.end()) {
        Session& older = *find(other->second);
        WEIR_LOG_WARNING("bridge", "ALERT agent %s: a second session, from %s, fences the one from %s", agent.c_str(),
                         session.address.c_str(), older.address.c_str());
        refuse(older, RefusalCode::fenced, "a newer session of this agent, from " + session.address);
        serve(older);
    }
    session.agent = agent;
    session.incarnation = hello.incarnation;
    session.partition = ledger_->partition_of(agent);
    agents_[agent] = session.id;
    if (ledger_->full(session.partition))
        return refuse(session, RefusalCode::unavailable, "Kafka does not keep up; come back later");
    set_phase(session, Session::Phase::waiting, limits_.waiting);
    ledger_->greet(session.id, agent, hello.incarnation, hello.epoch);
    return true;
}

bool Server::on_records(Session& session, const RecordsFrame& records) {
    std::vector<OutRecord> out;
    const Result<ByteSpan> raw = unpacker_.unpack(records.block, records.raw_size, raw_);
    if (!raw.ok() || !render(session, records, *raw, out))
        return refuse(session, RefusalCode::malformed, "a block of records that means nothing");
    Bytes bytes = 0;
    for (const OutRecord& record : out) bytes += record.bytes();
    session.owe(records.last_ship, bytes);
    ledger_->deliver(session.id, session.agent, std::move(out));
    return true;
}

// Every result of the block, in order; false: the block is not what its frame says.
bool Server::render(Session& session, const RecordsFrame& records, ByteSpan raw, std::vector<OutRecord>& out) {
    ResultReader reader(raw);
    ByteSpan bytes;
    std::uint64_t last = 0;
    while (reader.next(bytes)) {
        const Result<ShippedRecord> shipped = decode_result(bytes, *storage_);
        if (!shipped.ok() || shipped->ship <= last || out.size() == records.count) return false;
        last = shipped->ship;
        if (out.empty() && last != records.first_ship) return false;
        out.push_back(form_.render(session.agent, session.incarnation, *shipped));
    }
    return reader.ok() && !out.empty() && out.size() == records.count && last == records.last_ship;
}

bool Server::redirect(Session& session, const Place& place) {
    if (place.address.empty())
        return refuse(session, RefusalCode::unavailable, "another bridge is taking over; come back in a moment");
    WEIR_LOG_INFO("bridge", "%s is sent to %s", session.address.c_str(), place.address.c_str());
    session.queue(RefusalFrame{RefusalCode::redirect, "another bridge serves this agent", place.address});
    set_phase(session, Session::Phase::closing, limits_.closing);
    return false;
}

bool Server::refuse(Session& session, RefusalCode code, const std::string& text) {
    WEIR_LOG_WARNING("bridge", "%s%s%s refused (%s): %s", session.agent.c_str(), session.agent.empty() ? "" : " at ",
                     session.address.c_str(), std::string(name(code)).c_str(), text.c_str());
    session.queue(RefusalFrame{code, text});
    set_phase(session, Session::Phase::closing, limits_.closing);
    return false;
}

void Server::update_watch(Session& session) {
    std::uint32_t events = 0;
    if (session.phase == Session::Phase::handshake)
        events = session.stream().wants_write() ? EPOLLOUT : EPOLLIN;
    else if (session.parted)
        events = EPOLLIN;
    else
        events = (may_read(session) ? EPOLLIN : 0u) | (session.has_output() ? EPOLLOUT : 0u);
    if (events == session.events) return;
    session.events = events;
    watch(session.stream().descriptor(), session.id, events, false);
}

void Server::close(Session& session) {
    const SessionId id = session.id;
    if (const auto found = agents_.find(session.agent); found != agents_.end() && found->second == id)
        agents_.erase(found);
    again_.erase(id);
    blocked_.erase(id);
    session.stream().close();
    epoll_ctl(epoll_, EPOLL_CTL_DEL, session.stream().descriptor(), nullptr);
    sessions_.erase(id);
}

void Server::set_phase(Session& session, Session::Phase phase, Duration limit) {
    session.phase = phase;
    session.deadline = clock_.monotonic() + limit;
}

void Server::turned_away(const std::string& address, const std::string& why) {
    if (said_.size() >= hosts_remembered) said_.clear();
    Repetition& said = said_[address.substr(0, address.rfind(':'))];
    if (!said.worth_saying(why, clock_.monotonic())) return;
    WEIR_LOG_WARNING("bridge", "%s %s%s", address.c_str(), why.c_str(), said.count_text().c_str());
}

Session* Server::find(SessionId id) {
    const auto found = sessions_.find(id);
    return found == sessions_.end() ? nullptr : found->second.get();
}

}  // namespace weir
