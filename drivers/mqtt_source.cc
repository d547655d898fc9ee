#include "drivers/mqtt_source.h"


#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <thread>

#include "agent/base/file_stamps.h"
#include "agent/base/log.h"
#include "agent/base/repetition.h"
#include "drivers/connect_probe.h"
#include "drivers/paho.h"
#include "drivers/socket_gate.h"
#include "drivers/topic_template.h"

namespace weir {

namespace {

constexpr Duration probe_limit = Duration::seconds(3);
// A connection that held this long was a good one: the pauses before the next begin small again.
// One that is lost this soon after it was made, so often in a row, may be the fault of what the library still holds.
constexpr Duration brief_connection = Duration::seconds(3);
constexpr int brief_most = 3;
constexpr Duration stable_after = Duration::seconds(30);
// What stop() waits for: together at most 2 s.
constexpr auto acknowledgement_limit = std::chrono::milliseconds(1000);
constexpr auto disconnect_limit = std::chrono::milliseconds(500);
constexpr Duration hang_up_limit = Duration::millis(500);
constexpr auto answer_poll = std::chrono::milliseconds(50);
constexpr auto idle_poll = std::chrono::milliseconds(500);
Status check_publication(const std::optional<MqttPublication>& publication, const char* what, Problem& problem) {
    if (!publication || (valid_topic(publication->topic) && publication->qos >= 0 && publication->qos <= 1)) return {};
    problem = {std::string(what) + ": '" + publication->topic + "' with QoS " + std::to_string(publication->qos) +
                   "; expected a topic without wildcards and QoS 0 or 1",
               0};
    return Error::invalid;
}

}  // namespace

// Threads: the control thread (run) connects, subscribes and watches; Paho's threads call the callbacks and the
// listener. mutex_ guards what they share and is never held while Paho or the handler is called.
class MqttSource::Client final : private socket_gate::Gate {
public:
    Client(MqttOptions options, MqttHandler& handler, const Clock& clock, Entropy& entropy)
        : options_(std::move(options)), handler_(handler), clock_(clock), entropy_(entropy), connecting_(*this), publishing_(*this),
          stamps_({options_.tls.ca, options_.tls.cert, options_.tls.key}) {}
    ~Client() override { stop({}); }

    Status start(Problem& problem);
    void stop(const std::optional<MqttPublication>& farewell);
    Status publish(std::string_view topic, ByteSpan payload, int qos, bool retain, unsigned inflight_max, std::uint32_t token = 0);
    Status publish(const MqttPublication& p, unsigned inflight_max) { return publish(p.topic, as_byte_span(p.payload), p.qos, p.retain, inflight_max); }
    unsigned max_inflight() const { return options_.max_inflight; }
    MqttCounters counters() const;
    bool filters_settled() const { return settled_; }

private:
    struct ConnectListener final : mqtt::iaction_listener {
        explicit ConnectListener(Client& owner) : client(owner) {}
        void on_success(const mqtt::token& token) override { client.accepted(token); }
        void on_failure(const mqtt::token&) override { client.set_event(Event::failed); }
        Client& client;
    };
    struct PublishListener final : mqtt::iaction_listener {
        explicit PublishListener(Client& owner) : client(owner) {}
        void on_success(const mqtt::token& token) override { client.landed(token, true); }
        void on_failure(const mqtt::token& token) override {
            ++client.publish_failures_;
            client.landed(token, false);
        }
        Client& client;
    };
    enum class Event : std::uint8_t { none, connected, failed, lost };
    struct Request {  // a SUBSCRIBE or UNSUBSCRIBE under way
        std::string filter;
        bool subscribe;
        mqtt::token_ptr token;
    };

    // Paho's threads.
    // Messages come only after CONNACK, which always passes.
    bool open() override { return awaiting_connack_.load(std::memory_order_acquire) || handler_.ready(); }
    void deliver(const mqtt::message& message) noexcept;
    void accepted(const mqtt::token& token);
    void connected(bool session_present);
    void lost();
    void landed(const mqtt::token& token, bool delivered);
    void set_event(Event event);

    // The control thread.
    void run();
    Event wait_for_event(Duration limit);
    void handle(Event event);
    void try_connecting();
    void connect_failed(const PahoOutcome& outcome);
    void plan_next_attempt();
    void make_client();
    void renew_client();
    void ask_for_filters();
    bool gone(const std::string& remembered) const;  // nothing is left to unsubscribe: gone, or still wanted
    void request(const std::string& filter, int qos, bool subscribe);
    void collect_answers();
    void answered(const Request& done);
    void watch_silence();
    void watch_files();
    void drop_connection(std::chrono::milliseconds grace, std::chrono::milliseconds limit);
    Duration next_wait() const;

    std::int64_t now_us() const { return clock_.monotonic().since_start.us(); }

    const MqttOptions options_;
    MqttHandler& handler_;
    const Clock& clock_;
    Entropy& entropy_;
    MqttUrl url_;
    ConnectListener connecting_;
    PublishListener publishing_;
    std::shared_mutex paho_mutex_;  // shared: publishing; alone: stop() takes paho_ away
    std::unique_ptr<mqtt::async_client> paho_;
    // What Paho takes for the host: it is what the server's certificate must say.
    std::string shown_host() const {
        return url_.tls && !options_.tls.server_name.empty() ? options_.tls.server_name : url_.host;
    }
    std::thread control_;

    mutable std::mutex mutex_;
    std::condition_variable wake_;
    Event event_ = Event::none;  // guarded by mutex_
    bool session_present_ = false;  // guarded by mutex_
    bool stopping_ = false;      // guarded by mutex_

    // Only the control thread's.
    enum class State : std::uint8_t { down, connecting, up } state_ = State::down;
    mqtt::token_ptr connect_token_;
    MonotonicTime next_attempt_{};
    MonotonicTime connected_at_{};
    int failures_ = 0;
    int brief_ = 0;  // connections in a row that were lost as soon as they were made
    std::set<std::string> answered_;      // filters granted or refused on this connection
    bool all_answered_ = false;           // each filter was, on one connection, and the session has lived since
    std::set<std::string> unsubscribed_;  // remembered filters that are gone for sure
    std::vector<Request> requests_;
    MonotonicTime quiet_since_{};
    bool silence_reported_ = false;
    std::string last_problem_;
    Repetition said_;
    FileStamps stamps_;
    MonotonicTime files_looked_at_{};
    Repetition new_files_;

    std::atomic<bool> up_{false};
    std::atomic<bool> awaiting_connack_{false};
    std::atomic<bool> settled_{false};
    std::atomic<unsigned> inflight_{0};
    std::atomic<std::int64_t> last_message_us_{0};
    std::atomic<std::uint64_t> messages_{0}, bytes_{0}, duplicates_{0}, connections_{0}, failed_connections_{0}, lost_connections_{0},
        refused_subscriptions_{0}, silences_{0}, published_{0}, publish_failures_{0}, publish_refusals_{0}, reloads_{0};
};

// ---- Paho's threads ----

void MqttSource::Client::deliver(const mqtt::message& message) noexcept {
    const std::string& topic = message.get_topic();
    const auto& payload = message.get_payload_ref();
    last_message_us_.store(now_us(), std::memory_order_relaxed);
    messages_.fetch_add(1, std::memory_order_relaxed);
    bytes_.fetch_add(payload.length(), std::memory_order_relaxed);
    if (message.is_duplicate()) duplicates_.fetch_add(1, std::memory_order_relaxed);
    const MqttMessage view{.topic = topic,
                           .payload = {reinterpret_cast<const std::byte*>(payload.data()), payload.length()},
                           .qos = message.get_qos(),
                           .duplicate = message.is_duplicate(),
                           .retained = message.is_retained(),
                           .packet_id = static_cast<std::uint16_t>(message.c_struct().msgid)};
    if (handler_.on_message(view)) return;
    // Returning would acknowledge what was not kept.
    WEIR_LOG_ERROR("mqtt", "a message could not be kept: ending before it is acknowledged");
    std::abort();
}

// A connection that ends together with its CONNACK may succeed and fail at once: then Paho's token throws.
void MqttSource::Client::accepted(const mqtt::token& token) {
    bool session_present = false;
    try {
        session_present = token.get_connect_response().is_session_present();
    } catch (const std::exception&) {
        return set_event(Event::failed);
    }
    connected(session_present);
}

void MqttSource::Client::connected(bool session_present) {
    handler_.on_connected(session_present);
    if (!session_present) {  // Paho has forgotten what was under way, without a word
        inflight_ = 0;
        if (options_.on_published) options_.on_published(0, false);
    }
    awaiting_connack_.store(false, std::memory_order_release);
    up_.store(true, std::memory_order_release);
    ++connections_;
    const std::lock_guard lock(mutex_);
    session_present_ = session_present;
    event_ = Event::connected;
    wake_.notify_all();
}

void MqttSource::Client::lost() {
    if (!up_.exchange(false)) return;
    ++lost_connections_;
    handler_.on_disconnected("the connection was lost");
    set_event(Event::lost);
}

// (Of a client that was replaced, it may be late.)
void MqttSource::Client::landed(const mqtt::token& token, bool delivered) {
    unsigned under_way = inflight_;
    while (under_way > 0 && !inflight_.compare_exchange_weak(under_way, under_way - 1)) continue;
    const auto number = static_cast<std::uint32_t>(reinterpret_cast<std::uintptr_t>(token.get_user_context()));
    if (number != 0 && options_.on_published) options_.on_published(number, delivered);
}

void MqttSource::Client::set_event(Event event) {
    const std::lock_guard lock(mutex_);
    event_ = event;
    wake_.notify_all();
}

// ---- any thread ----

Status MqttSource::Client::start(Problem& problem) {
    if (const Status status = check(options_, problem); !status) return status;
    url_ = *MqttUrl::parse(options_.url, problem);
    try {
        make_client();
        socket_gate::add(*this, {shown_host(), url_.host, url_.port, !url_.tls, options_.max_message, options_.gather});
        control_ = std::thread([this] { run(); });
    } catch (const mqtt::exception& e) {
        constexpr int paho_memory_error = -99;  // Paho C's PAHO_MEMORY_ERROR, in none of its public headers
        problem = {e.get_return_code() == paho_memory_error
                       ? "out of memory for a connection: free memory on this machine, or lower agent.memory, and start again"
                       : std::string("Paho: ") + e.what(),
                   0};
        return Error::no_memory;
    } catch (const std::exception& e) {
        problem = {std::string("Paho: ") + e.what(), 0};
        return Error::no_memory;
    }
    return {};
}

void MqttSource::Client::stop(const std::optional<MqttPublication>& farewell) {
    if (!control_.joinable()) return;
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
        wake_.notify_all();
    }
    control_.join();
    if (farewell) (void)publish(*farewell, options_.max_inflight + 1);
    // While the gate is shut no PUBACK is read; the broker's hanging up, below, then says that it has read everything.
    const auto limit = std::chrono::steady_clock::now() + acknowledgement_limit;
    while (up_ && inflight_ > 0 && open() && std::chrono::steady_clock::now() < limit) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    const int connection = socket_gate::keep(*this);
    drop_connection(std::chrono::milliseconds(0), disconnect_limit);
    socket_gate::finish(connection, hang_up_limit);
    socket_gate::remove(*this);
    std::unique_ptr<mqtt::async_client> paho;
    {
        const std::lock_guard publishing(paho_mutex_);
        paho = std::move(paho_);
    }
}

Status MqttSource::Client::publish(std::string_view topic, ByteSpan payload, int qos, bool retain, unsigned inflight_max,
                                   std::uint32_t token) {
    // Only stop() holds it alone: to wait for that would be to wait for nothing.
    const std::shared_lock lock(paho_mutex_, std::try_to_lock);
    const bool closed = !lock || !paho_ || !up_;
    if (closed || inflight_ >= inflight_max) {
        ++publish_refusals_;
        return closed ? Error::closed : Error::full;
    }
    ++inflight_;
    const socket_gate::NeedsMemory while_it_queues;
    try {
        paho_->publish(std::string(topic), payload.data(), payload.size(), qos, retain,
                       reinterpret_cast<void*>(static_cast<std::uintptr_t>(token)), publishing_);
        ++published_;
        return {};
    } catch (const mqtt::exception& e) {
        --inflight_;
        ++publish_refusals_;
        return e.get_return_code() == MQTTASYNC_MAX_BUFFERED_MESSAGES ? Error::full : Error::closed;
    } catch (const std::exception&) {
        --inflight_;
        ++publish_refusals_;
        return Error::no_memory;
    }
}

MqttCounters MqttSource::Client::counters() const {
    return {.messages = messages_, .bytes = bytes_, .duplicates = duplicates_, .connections = connections_,
            .failed_connections = failed_connections_, .lost_connections = lost_connections_,
            .refused_subscriptions = refused_subscriptions_, .silences = silences_, .reloads = reloads_, .published = published_,
            .publish_failures = publish_failures_, .publish_refusals = publish_refusals_, .connected = up_};
}

// ---- the control thread ----

void MqttSource::Client::run() {
    const socket_gate::NeedsMemory all_of_it;
    for (;;) {
        if (state_ == State::down && clock_.monotonic() >= next_attempt_) try_connecting();
        const Event event = wait_for_event(next_wait());
        {
            const std::lock_guard lock(mutex_);
            if (stopping_) return;
        }
        handle(event);
        if (state_ == State::up) {
            collect_answers();
            watch_silence();
        }
        if (state_ == State::up && url_.tls) watch_files();
    }
}

MqttSource::Client::Event MqttSource::Client::wait_for_event(Duration limit) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, std::chrono::microseconds(limit.us()), [this] { return stopping_ || event_ != Event::none; });
    return std::exchange(event_, Event::none);
}

Duration MqttSource::Client::next_wait() const {
    const Duration longest = Duration::millis(requests_.empty() ? idle_poll.count() : answer_poll.count());
    if (state_ != State::down) return longest;
    return std::clamp(next_attempt_ - clock_.monotonic(), Duration::millis(1), longest);
}

void MqttSource::Client::handle(Event event) {
    switch (event) {
        case Event::none:
            // Not all could be asked for, or Paho gave a request up.
            if (state_ == State::up && requests_.empty() && !settled_) ask_for_filters();
            return;
        case Event::connected: {
            bool session_present = false;
            {
                const std::lock_guard lock(mutex_);
                session_present = session_present_;
            }
            state_ = State::up;
            connected_at_ = quiet_since_ = clock_.monotonic();
            silence_reported_ = false;
            last_problem_.clear();
            said_.forget();
            WEIR_LOG_INFO("mqtt", "connected to %s as '%s', %s", options_.url.c_str(), options_.client_id.c_str(),
                          session_present ? "session resumed" : "new session");
            answered_.clear();
            if (!session_present) {
                all_answered_ = false;
                unsubscribed_.insert(options_.remembered.begin(), options_.remembered.end());
            }
            ask_for_filters();
            if (const auto& birth = options_.birth) (void)publish(*birth, options_.max_inflight);
            return;
        }
        case Event::failed: connect_failed(paho_outcome(*connect_token_)); return;
        case Event::lost:
            WEIR_LOG_WARNING("mqtt", "the connection to %s was lost", options_.url.c_str());
            brief_ = state_ != State::up || clock_.monotonic() - connected_at_ < brief_connection ? brief_ + 1 : 0;
            plan_next_attempt();
            return;
    }
}

void MqttSource::Client::make_client() {
    auto client = std::make_unique<mqtt::async_client>(paho_url(url_, shown_host()), options_.client_id);
    client->set_message_callback([this](mqtt::const_message_ptr message) { deliver(*message); });
    client->set_connection_lost_handler([this](const std::string&) { lost(); });
    const std::lock_guard publishing(paho_mutex_);
    std::swap(paho_, client);
}

// Seen with Paho 1.3.12: after a connection was reset in the middle of a packet it sent something malformed on every
// later one, and mosquitto hung up each time. The session is the broker's, so nothing is lost with the library's state
// but publications under way.
void MqttSource::Client::renew_client() {
    brief_ = 0;
    WEIR_LOG_WARNING("mqtt", "connections to %s end as soon as they are made: the library begins anew", options_.url.c_str());
    publish_failures_ += inflight_;
    connect_token_.reset();
    try {
        make_client();
        inflight_ = 0;
        if (options_.on_published) options_.on_published(0, false);
    } catch (const std::exception& e) {
        WEIR_LOG_ERROR("mqtt", "Paho: %s", e.what());
    }
}

void MqttSource::Client::try_connecting() {
    if (brief_ >= brief_most) renew_client();
    state_ = State::connecting;
    stamps_.look();
    new_files_.forget();
    awaiting_connack_.store(true, std::memory_order_release);
    try {
        connect_token_ = paho_->connect(paho_connect_options(options_, url_, false), nullptr, connecting_);
    } catch (const mqtt::exception& e) {
        connect_failed({e.get_return_code(), e.get_message()});
    } catch (const std::exception& e) {
        connect_failed({-1, e.what()});
    }
}

void MqttSource::Client::connect_failed(const PahoOutcome& outcome) {
    ++failed_connections_;
    std::string reason = connack_reason(outcome.code);
    if (reason.empty()) reason = probe_connection(url_, options_.tls, probe_limit);
    if (reason.empty()) reason = outcome.text.empty() ? "no answer" : outcome.text;
    plan_next_attempt();
    const LogLevel level = said_.worth_saying(reason, clock_.monotonic()) ? LogLevel::warning : LogLevel::debug;
    log(level, "mqtt", "cannot connect to %s: %s%s", options_.url.c_str(), reason.c_str(),
        level == LogLevel::warning ? said_.count_text().c_str() : "");
    if (reason != last_problem_) handler_.on_disconnected(reason);
    last_problem_ = reason;
}

void MqttSource::Client::plan_next_attempt() {
    const bool was_stable = state_ == State::up && clock_.monotonic() - connected_at_ >= stable_after;
    if (was_stable) failures_ = 0;
    const std::int64_t ceiling_us =
        std::min(options_.backoff_most.us(), (options_.backoff_least * (std::int64_t{1} << std::min(failures_, 20))).us());
    next_attempt_ = clock_.monotonic() + Duration::micros(static_cast<std::int64_t>(entropy_.unit() * static_cast<double>(ceiling_us)));
    ++failures_;
    requests_.clear();
    state_ = State::down;
}

// The first time after a start every filter is subscribed, session or not: its QoS may have been changed since.
void MqttSource::Client::ask_for_filters() {
    for (const std::string& filter : options_.remembered)
        if (!gone(filter)) request(filter, 0, false);
    if (all_answered_) return;
    for (const MqttFilter& filter : options_.filters)
        if (!answered_.contains(filter.filter)) request(filter.filter, filter.qos, true);
}

bool MqttSource::Client::gone(const std::string& remembered) const {
    const auto same = [&](const MqttFilter& f) { return f.filter == remembered; };
    return unsubscribed_.contains(remembered) || std::any_of(options_.filters.begin(), options_.filters.end(), same);
}

void MqttSource::Client::request(const std::string& filter, int qos, bool subscribe) {
    try {
        requests_.push_back({filter, subscribe, subscribe ? paho_->subscribe(filter, qos) : paho_->unsubscribe(filter)});
    } catch (const std::exception& e) {
        WEIR_LOG_WARNING("mqtt", "cannot %s '%s': %s", subscribe ? "subscribe to" : "unsubscribe from", filter.c_str(), e.what());
    }
}

void MqttSource::Client::collect_answers() {
    std::vector<Request> waiting;
    for (Request& request : std::exchange(requests_, {}))
        if (request.token->is_complete())
            answered(request);
        else
            waiting.push_back(std::move(request));
    requests_.insert(requests_.end(), std::make_move_iterator(waiting.begin()), std::make_move_iterator(waiting.end()));
    const auto is_answered = [&](const MqttFilter& f) { return answered_.contains(f.filter); };
    const auto is_gone = [&](const std::string& filter) { return gone(filter); };
    // Until every filter was answered, a lost connection means that they are asked for again.
    all_answered_ = all_answered_ || std::all_of(options_.filters.begin(), options_.filters.end(), is_answered);
    settled_ = all_answered_ && std::all_of(options_.remembered.begin(), options_.remembered.end(), is_gone);
}

void MqttSource::Client::answered(const Request& done) {
    if (!done.subscribe) {
        if (paho_outcome(*done.token).code == 0) unsubscribed_.insert(done.filter);
        return;
    }
    const int granted = granted_qos(*done.token);
    if (granted >= 0 && granted <= 2) {
        answered_.insert(done.filter);
        return handler_.on_subscribed(done.filter, granted);
    }
    if (granted != refused_subscription) return;  // the connection went: asked for again on the next
    answered_.insert(done.filter);
    ++refused_subscriptions_;
    WEIR_LOG_ERROR("mqtt", "the broker refused the subscription to '%s'", done.filter.c_str());
    handler_.on_subscription_refused(done.filter);
}

// Broken in a way that neither TCP nor pings show: subscribe again, and if that does not help connect again.
void MqttSource::Client::watch_silence() {
    if (options_.silence.us() <= 0) return;
    const MonotonicTime last_message{Duration::micros(last_message_us_.load(std::memory_order_relaxed))};
    if (last_message > quiet_since_) {
        quiet_since_ = last_message;
        silence_reported_ = false;
    }
    const MonotonicTime now = clock_.monotonic();
    if (!open()) quiet_since_ = now;  // we are the silent ones
    if (now - quiet_since_ < options_.silence) return;
    quiet_since_ = now;
    ++silences_;
    handler_.on_silence(options_.silence);
    if (!silence_reported_) {
        silence_reported_ = true;
        WEIR_LOG_WARNING("mqtt", "connected to %s but no message for %.0f s: subscribing again", options_.url.c_str(),
                         options_.silence.as_seconds());
        for (const MqttFilter& filter : options_.filters) request(filter.filter, filter.qos, true);
        return;
    }
    WEIR_LOG_WARNING("mqtt", "still no message from %s: connecting again", options_.url.c_str());
    drop_connection(std::chrono::milliseconds(1000), std::chrono::milliseconds(3000));
    handler_.on_disconnected("no message for too long");
    plan_next_attempt();
    all_answered_ = false;
}

// What was not acknowledged comes again on the new connection: the session is persistent.
void MqttSource::Client::watch_files() {
    const MonotonicTime now = clock_.monotonic();
    if (now - files_looked_at_ < options_.files_every) return;
    files_looked_at_ = now;
    if (!stamps_.changed()) return;
    if (const std::string problem = tls_files_problem(options_.tls); !problem.empty()) {
        if (new_files_.worth_saying(problem, now))
            WEIR_LOG_WARNING("mqtt", "the new certificate files will not do yet, the connection goes on with the old: %s", problem.c_str());
        return;
    }
    WEIR_LOG_INFO("mqtt", "the certificate files are new: connecting to %s anew", options_.url.c_str());
    ++reloads_;
    drop_connection(std::chrono::milliseconds(1000), std::chrono::milliseconds(3000));
    handler_.on_disconnected("new certificate files");
    plan_next_attempt();
    next_attempt_ = now;
}

// Grace is what Paho gives to publications under way.
void MqttSource::Client::drop_connection(std::chrono::milliseconds grace, std::chrono::milliseconds limit) {
    const bool was_up = up_.exchange(false);
    try {
        if (was_up || paho_->is_connected()) paho_->disconnect(static_cast<int>(grace.count()))->wait_for(limit);
    } catch (const std::exception&) {
        // Already gone.
    }
}

// ---- MqttSource ----

Bytes MqttSource::need(const MqttOptions& options) {
    // Measured on amd64 with 256 KiB stacks and one malloc arena: 1.6 MB for a connected Paho client with its two
    // threads; TLS adds OpenSSL's certificates and buffers.
    constexpr Bytes paho = 1600 * 1024;
    constexpr Bytes tls = 1200 * 1024;
    constexpr Bytes control_thread = 256 * 1024;
    const bool is_tls = options.url.starts_with("mqtts://");
    // A message passes through Paho's buffer, its copy, and Paho C++'s copy.
    return paho + control_thread + 3 * options.max_message + options.max_inflight * 1024 + (is_tls ? tls : socket_gate::read_ahead_bytes);
}

Status MqttSource::check(const MqttOptions& options, Problem& problem) {
    const auto fail = [&](std::string what) {
        problem = {std::move(what), 0};
        return Status(Error::invalid);
    };
    if (const auto url = MqttUrl::parse(options.url, problem); !url.ok()) return url.error();
    if (options.client_id.empty()) return fail("an MQTT client id is needed: the broker keeps the session under it");
    for (const MqttFilter& filter : options.filters) {
        if (!valid_filter(filter.filter)) return fail("'" + filter.filter + "' is not an MQTT topic filter");
        if (filter.qos == 2)
            return fail("qos = 2 is refused: with QoS 2 the broker is told that '" + filter.filter +
                        "' was received before the message is kept, so a crash could lose it; QoS 1 counts every event once here");
        if (filter.qos < 0 || filter.qos > 1) return fail("qos must be 0 or 1");
    }
    if (options.tls.cert.empty() != options.tls.key.empty()) return fail("tls.cert and tls.key are needed together");
    if (!options.tls.server_name.empty() && !socket_gate::linked())
        return fail("tls.server_name needs the socket gate, which this program was linked without");
    if (options.keepalive < Duration::seconds(1) || options.connect_limit < Duration::seconds(1))
        return fail("keepalive and connect_limit are at least 1 s");
    if (options.max_inflight == 0 || options.max_inflight > 65535) return fail("max_inflight is between 1 and 65,535");
    if (const Status status = check_publication(options.will, "the last will", problem); !status) return status;
    return check_publication(options.birth, "the birth message", problem);
}

MqttSource::MqttSource(MqttOptions options, MqttHandler& handler, const Clock& clock, Entropy& entropy)
    : client_(std::make_unique<Client>(std::move(options), handler, clock, entropy)) {}
MqttSource::~MqttSource() = default;
Status MqttSource::start(Problem& problem) { return client_->start(problem); }
void MqttSource::stop(std::optional<MqttPublication> farewell) { client_->stop(farewell); }
Status MqttSource::publish(std::string_view topic, ByteSpan payload, int qos, bool retain, std::uint32_t token) {
    return client_->publish(topic, payload, qos, retain, client_->max_inflight(), token);
}
MqttCounters MqttSource::counters() const { return client_->counters(); }
bool MqttSource::filters_settled() const { return client_->filters_settled(); }

}  // namespace weir
