#include "uplink/client.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "agent/base/file_stamps.h"
#include "agent/base/log.h"
#include "agent/base/repetition.h"
#include "uplink/block.h"
#include "uplink/result_codec.h"
#include "uplink/wire.h"

namespace weir {
namespace {

constexpr std::uint16_t default_port = 7400;
constexpr Bytes rows_bytes = Bytes{48} << 10;     // of rows that go into one block, unless one is larger
constexpr std::size_t rows_max = 512;             // in one block
constexpr std::size_t frames_max = 64;            // unacknowledged
constexpr Bytes control_bytes = 1024;             // a greeting, pings and their answers
constexpr Bytes received_bytes = 2048;            // a bridge says nothing longer
constexpr Duration files_every = Duration::seconds(5);  // looked at, whether they are new
constexpr int redirects_most = 3;  // in a row
constexpr Duration poll_slice = Duration::millis(20);  // for streams without a descriptor

Bytes row_space_bytes(const UplinkOptions& options) { return std::max(rows_bytes, options.record_bytes_max); }
// A Result is rarely larger than its record: tags are shorter than fixed-width fields.
Bytes raw_bytes(const UplinkOptions& options) {
    return std::min(block_raw_bytes_max, row_space_bytes(options) * 3 / 2 + 4096);
}
// Rows first, and once they are in the raw block, the packed one.
Bytes space_bytes(const UplinkOptions& options) { return block_bound(raw_bytes(options)); }
Bytes out_bytes(const UplinkOptions& options) {
    return space_bytes(options) + records_overhead_bytes_max + control_bytes;
}

struct InFlight {
    std::uint64_t last_ship = 0;
    Bytes bytes = 0;
};

}  // namespace

std::string_view name(UplinkState state) {
    switch (state) {
        case UplinkState::waiting: return "waiting";
        case UplinkState::greeting: return "greeting";
        case UplinkState::streaming: return "streaming";
        case UplinkState::stopped: return "stopped";
    }
    return "?";
}

Status parse_uplink_url(std::string_view url, std::string& host, std::uint16_t& port) {
    constexpr std::string_view scheme = "tls://";
    if (!url.starts_with(scheme)) return Error::invalid;
    url.remove_prefix(scheme.size());
    if (url.ends_with('/')) url.remove_suffix(1);
    std::string_view rest;
    if (url.starts_with('[')) {
        const std::size_t end = url.find(']');
        if (end == std::string_view::npos) return Error::invalid;
        host = url.substr(1, end - 1);
        rest = url.substr(end + 1);
    } else {
        const std::size_t end = std::min(url.find(':'), url.size());
        host = url.substr(0, end);
        rest = url.substr(end);
    }
    if (host.empty() || host.find_first_of("/?#@ []") != std::string::npos) return Error::invalid;
    port = default_port;
    if (rest.empty()) return {};
    if (rest.front() != ':' || rest.size() < 2 || rest.size() > 6) return Error::invalid;
    std::uint32_t number = 0;
    for (const char c : rest.substr(1)) {
        if (c < '0' || c > '9') return Error::invalid;
        number = number * 10 + static_cast<std::uint32_t>(c - '0');
    }
    if (number == 0 || number > UINT16_MAX) return Error::invalid;
    port = static_cast<std::uint16_t>(number);
    return {};
}

// The machinery behind the client: one connection at a time, and the pauses between them.
class UplinkClient::Session {
public:
    Session(const UplinkOptions& options, Arena& arena, Outbox& outbox, Network& network, const Clock& clock,
            Entropy& entropy)
        : options_(options), outbox_(outbox), network_(network), clock_(clock), entropy_(entropy), packer_(arena),
          space_(arena.take<std::byte>(space_bytes(options))), raw_(arena.take<std::byte>(raw_bytes(options))),
          out_(arena.take<std::byte>(out_bytes(options))), received_(arena.take<std::byte>(received_bytes)),
          rows_(arena.take<ShipRow>(rows_max)), in_flight_(arena.take<InFlight>(frames_max)),
          storage_(arena.make<RecordStorage>()), stop_event_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
          breaker_({options.backoff_min, options.backoff_max, options.breaker_open_after}, entropy), paced_(clock.monotonic()),
          stamps_({options.tls.ca, options.tls.certificate, options.tls.key, options.tls.crl}) {}
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;
    ~Session() {
        if (stop_event_ >= 0) close(stop_event_);
    }

    static Bytes need(const UplinkOptions& options) {
        return BlockPacker::need() + Arena::need<std::byte>(space_bytes(options)) +
               Arena::need<std::byte>(raw_bytes(options)) + Arena::need<std::byte>(out_bytes(options)) +
               Arena::need<std::byte>(received_bytes) + Arena::need<ShipRow>(rows_max) +
               Arena::need<InFlight>(frames_max) + Arena::need<RecordStorage>();
    }

    void step(Duration limit) {
        if (stream_ == nullptr) {
            if (!may_try()) return wait_for(std::min(limit, pause_left()), false);
            connect();
            return;
        }
        const Status status = greeted_ ? stream(limit) : greet(limit);
        if (status) return;
        if (!redirect_.empty()) return follow(std::exchange(redirect_, {}));
        end(status.error(), explanation(status.error()));
    }

    void stop() {
        stopping_ = true;
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = write(stop_event_, &one, sizeof one);
    }
    bool stopping() const { return stopping_; }

    void say_goodbye() {
        if (stream_ != nullptr) stream_->close();
        stream_.reset();
        const std::lock_guard lock(status_mutex_);
        status_.state = UplinkState::stopped;
    }

    UplinkStatus status() const {
        const std::lock_guard lock(status_mutex_);
        UplinkStatus status = status_;
        if (status.state == UplinkState::waiting) status.until_next_try = std::max(Duration{}, next_try_ - clock_.monotonic());
        return status;
    }

private:
    // ---- pauses ------------------------------------------------------------------------------------

    Duration pause_left() const { return std::max(Duration{}, breaker_.next_try() - clock_.monotonic()); }

    bool may_try() {
        // New files may be what was waited for.
        if (files_are_new()) breaker_.try_at_once(clock_.monotonic());
        if (pause_left() > Duration{}) return false;
        if (!renewing_) return true;
        if (outbox_.identity().incarnation == incarnation_) {
            breaker_.put_off(clock_.monotonic() + Duration::millis(200));
            return false;
        }
        renewing_ = false;
        return true;
    }

    // No retry heals a certificate or a name: those wait for as long as there is. But a board that
    // starts in 1970 heals by itself.
    bool needs_a_person(Error error) const {
        if (!clock_.wall_trusted()) return false;
        return error == Error::unauthenticated || error == Error::refused || error == Error::fenced ||
               error == Error::missing || error == Error::unsupported;
    }

    // To where the bridge says; a peer that sends us round in circles is a failure.
    void follow(const std::string& address) {
        std::string host;
        std::uint16_t port = 0;
        if (redirects_in_a_row_++ == redirects_most || !parse_uplink_url("tls://" + address, host, port))
            return end(Error::closed, "redirected to " + address + ", once too often or nowhere");
        WEIR_LOG_INFO("uplink", "%s:%u sends us to %s", host_.c_str(), unsigned{port_}, address.c_str());
        host_ = host;
        port_ = port;
        refusal_.clear();
        said_by_bridge_ = false;
        stream_.reset();
        greeted_ = false;
        breaker_.try_at_once(clock_.monotonic());
        const std::lock_guard lock(status_mutex_);
        status_.state = UplinkState::waiting;
        ++status_.redirects;
        show_breaker();
    }

    // transient: it may pass by itself, whatever the error says.
    void end(Error error, std::string reason, bool transient = false) {
        const bool said_by_bridge = std::exchange(said_by_bridge_, false);
        const bool lived = stream_ != nullptr && clock_.monotonic() - connected_ > options_.backoff_max;
        stream_.reset();
        greeted_ = false;
        if (lived) breaker_.succeeded();
        // What TLS says once may come of bytes that were damaged on the way.
        const bool doubtful = !said_by_bridge && (error == Error::unauthenticated || error == Error::refused) && last_error_ != error;
        last_error_ = error;
        const Duration pause = breaker_.failed(clock_.monotonic(), needs_a_person(error) && !doubtful && !transient);
        const LogLevel level = said_.worth_saying(reason, clock_.monotonic()) ? LogLevel::warning : LogLevel::debug;
        log(level, "uplink", "%s:%u: %s; next try in %lld s%s", host_.c_str(), unsigned{port_}, reason.c_str(),
            static_cast<long long>(pause.us() / 1000000), level == LogLevel::warning ? said_.count_text().c_str() : "");
        host_ = options_.host;
        port_ = options_.port;
        redirects_in_a_row_ = 0;
        const std::lock_guard lock(status_mutex_);
        status_.state = UplinkState::waiting;
        status_.reason = std::move(reason);
        status_.error = error;
        ++status_.failures;
        show_breaker();
    }

    // REQUIRES: status_mutex_ is held.
    void show_breaker() {
        status_.circuit = breaker_.state();
        status_.failures_in_a_row = breaker_.failures_in_a_row();
        next_try_ = breaker_.next_try();
    }

    std::string explanation(Error error) {
        if (!refusal_.empty()) return std::exchange(refusal_, {});
        if (stream_ != nullptr && !stream_->reason().empty()) return std::string(stream_->reason());
        switch (error) {
            case Error::timed_out: return "the bridge is silent";
            case Error::invalid:
            case Error::unsupported:
            case Error::out_of_range: return "the bridge said something that is not of this protocol";
            default: return std::string(name(error));
        }
    }

    // ---- certificates ------------------------------------------------------------------------------

    bool files_are_new() {
        const MonotonicTime now = clock_.monotonic();
        if (now - files_looked_at_ < files_every) return false;
        files_looked_at_ = now;
        return stamps_.changed();
    }

    // A session is replaced by one with the new files, if they will do: what was sent and not acknowledged is sent
    // again. They may be on their way still (a certificate before its key): then the session goes on with the old.
    bool renew_session() {
        if (!files_are_new()) return false;
        std::string reason;
        const auto context = TlsContext::load(TlsRole::client, options_.tls, entropy_, reason);
        if (!context) {
            if (new_files_.worth_saying(reason, clock_.monotonic()))
                WEIR_LOG_WARNING("uplink", "the new certificate files will not do yet, the session goes on with the old: %s",
                                 reason.c_str());
            return false;
        }
        WEIR_LOG_INFO("uplink", "the certificate files are new: connecting anew");
        stream_->close();
        stream_.reset();
        greeted_ = false;
        breaker_.try_at_once(clock_.monotonic());
        const std::lock_guard lock(status_mutex_);
        status_.state = UplinkState::waiting;
        ++status_.reloads;
        show_breaker();
        return true;
    }

    // ---- connecting --------------------------------------------------------------------------------

    void connect() {
        breaker_.tried();
        stamps_.look();
        new_files_.forget();
        std::string reason;
        const auto context = TlsContext::load(TlsRole::client, options_.tls, entropy_, reason);
        // Files that are being replaced, or no memory to read them: to look again costs nobody anything.
        if (!context) return end(context.error(), reason, true);
        if ((*context)->own_name() != options_.agent)
            return end(Error::refused, options_.tls.certificate + ": is for " + std::string((*context)->own_name()) +
                                           ", not for agent " + options_.agent);
        Result<std::unique_ptr<Stream>> below = network_.connect(host_, port_, options_.connect_limit);
        if (!below) {
            const Error error = below.error() == Error::refused ? Error::closed : below.error();
            return end(error, "cannot connect: " + std::string(name(below.error())));
        }
        const std::string& server = options_.server_name.empty() ? host_ : options_.server_name;
        Result<std::unique_ptr<TlsStream>> stream = TlsStream::make(*context, std::move(*below), server);
        if (!stream) return end(stream.error(), "no TLS session: " + std::string(name(stream.error())));
        stream_ = std::move(*stream);
        connected_ = clock_.monotonic();
        greeted_ = false;
        hello_said_ = false;
        out_size_ = out_sent_ = received_size_ = 0;
        in_flight_first_ = in_flight_count_ = 0;
        in_flight_bytes_ = 0;
        const std::lock_guard lock(status_mutex_);
        status_.state = UplinkState::greeting;
        show_breaker();
    }

    Status greet(Duration limit) {
        if (clock_.monotonic() - connected_ > options_.greeting_limit) return Error::timed_out;
        if (!stream_->established()) {
            const Status shaken = stream_->handshake();
            if (shaken.error() == Error::busy) {
                wait_for(std::min(limit, options_.greeting_limit), stream_->wants_write());
                return {};
            }
            if (!shaken) return shaken;
        }
        if (!hello_said_) {
            const OutboxIdentity identity = outbox_.identity();
            incarnation_ = identity.incarnation;
            HelloFrame hello;
            hello.agent = options_.agent;
            hello.incarnation = identity.incarnation;
            hello.epoch = identity.epoch;
            hello.software = options_.software;
            hello.configuration = options_.configuration;
            if (const Status said = say(hello); !said) return said;
            hello_said_ = true;
        }
        if (const Status sent = flush(); !sent) return sent;
        if (const Status heard = receive(); !heard || greeted_) return heard;
        wait_for(limit, out_sent_ < out_size_);
        return {};
    }

    Status welcome(const WelcomeFrame& welcome) {
        if (greeted_) return Error::invalid;
        if (welcome.last_ship > outbox_.identity().last_ship) {
            // Numbers that we never gave: this state is an old copy, put back. Its numbers are used up.
            WEIR_LOG_ERROR("uplink", "the bridge has ship number %llu, this state ends at %llu: an old copy of it "
                           "was put back; taking a new incarnation",
                           static_cast<unsigned long long>(welcome.last_ship),
                           static_cast<unsigned long long>(outbox_.identity().last_ship));
            outbox_.renew_incarnation();
            renewing_ = true;
            refusal_ = "the state is an old copy; greeting again as a new incarnation";
            const std::lock_guard lock(status_mutex_);
            ++status_.renewals;
            return Error::exists;
        }
        greeted_ = true;
        redirects_in_a_row_ = 0;
        last_error_ = Error::none;
        said_.forget();
        last_heard_ = clock_.monotonic();
        pinged_ = false;
        sent_ship_ = acknowledged_ship_ = welcome.last_ship;
        outbox_.acknowledge(incarnation_, welcome.last_ship);
        outbox_.welcomed();
        WEIR_LOG_INFO("uplink", "connected to bridge %.*s, going on after ship number %llu",
                      static_cast<int>(welcome.bridge.size()), welcome.bridge.data(),
                      static_cast<unsigned long long>(welcome.last_ship));
        const std::lock_guard lock(status_mutex_);
        status_.state = UplinkState::streaming;
        status_.bridge = welcome.bridge;
        status_.sent_ship = status_.acknowledged_ship = welcome.last_ship;
        ++status_.sessions;
        return {};
    }

    // ---- streaming ---------------------------------------------------------------------------------

    Status stream(Duration limit) {
        if (outbox_.identity().incarnation != incarnation_) {
            refusal_ = "the outbox has a new incarnation; greeting again";
            return Error::closed;
        }
        if (const Status heard = receive(); !heard) return heard;
        if (const Status sent = flush(); !sent) return sent;
        while (can_send()) {
            const bool more = fill_block();
            if (const Status sent = flush(); !sent) return sent;
            if (!more) break;
        }
        if (const Status alive = watch_silence(); !alive) return alive;
        if (renew_session()) return {};
        wait_for(std::min(limit, pace_wait()), out_sent_ < out_size_);
        return {};
    }

    Status watch_silence() {
        const Duration silent = clock_.monotonic() - last_heard_;
        if (silent > options_.silence_limit) return Error::timed_out;
        if (silent <= options_.ping_after || pinged_ || out_size_ != 0) return {};
        pinged_ = true;
        if (const Status said = say(PingFrame{++ping_number_, false}); !said) return said;
        return flush();
    }

    bool can_send() {
        if (breaker_.state() == CircuitState::half_open && in_flight_count_ > 0) return false;
        return out_size_ == 0 && in_flight_count_ < frames_max && in_flight_bytes_ < options_.unacknowledged_bytes_max &&
               allowance() > 0;
    }

    // A bucket that a second of the declared rate fills; a block may overdraw it.
    std::int64_t allowance() {
        if (options_.rate_bytes_per_second == 0) return 1;
        const auto rate = static_cast<std::int64_t>(options_.rate_bytes_per_second);
        const MonotonicTime now = clock_.monotonic();
        const Duration since = std::min(now - paced_, Duration::seconds(1));
        const std::int64_t gained = since.us() * rate / 1000000;
        if (gained > 0) {
            allowance_ = std::min(allowance_ + gained, rate);
            paced_ = now;
        }
        return allowance_;
    }

    Duration pace_wait() {
        if (options_.rate_bytes_per_second == 0 || allowance() > 0) return Duration::max();
        const auto rate = static_cast<std::int64_t>(options_.rate_bytes_per_second);
        return Duration::micros((1 - allowance_) * 1000000 / rate + 1000);
    }

    // Puts the next block into the out buffer; false if there was nothing to put.
    bool fill_block() {
        const std::size_t count = outbox_.next(incarnation_, sent_ship_, rows_, space_.first(row_space_bytes(options_)));
        if (count == 0) return false;
        ByteWriter block(raw_);
        RecordsFrame records;
        Bytes raw_size = 0;
        for (const ShipRow& row : rows_.first(count)) {
            const Result<Record> record = decode_record(row.record, *storage_);
            const bool added = record && append_result({row.ship, row.epoch, *record}, block).ok();
            if (!added && record && records.count > 0) break;  // no room: it begins the next block
            if (!added && !outbox_.reject(incarnation_, row.ship)) {
                if (records.count == 0) return false;  // the store thread first
                break;
            }
            sent_ship_ = row.ship;
            if (!added) {
                skip(row.ship);
                block = ByteWriter(raw_);  // nothing was in it, or nothing was added
                if (records.count > 0) static_cast<void>(block.reserve(raw_size));
                continue;
            }
            if (records.count++ == 0) records.first_ship = row.ship;
            records.last_ship = row.ship;
            raw_size = block.size();
        }
        if (records.count > 0) send_block(records, raw_size);
        return true;
    }

    void send_block(RecordsFrame& records, Bytes raw_size) {
        records.raw_size = static_cast<std::uint32_t>(raw_size);
        const Result<Bytes> size = packer_.pack(raw_.first(raw_size), space_);
        WEIR_ASSERT(size.ok());
        records.block = space_.first(*size);
        ByteWriter out(out_);
        const Status encoded = encode_frame(records, out);
        WEIR_ASSERT(encoded.ok());
        out_size_ = out.size();
        out_sent_ = 0;
        in_flight_[(in_flight_first_ + in_flight_count_++) % frames_max] = {records.last_ship, out_size_};
        in_flight_bytes_ += out_size_;
        allowance_ -= static_cast<std::int64_t>(out_size_);
        const std::lock_guard lock(status_mutex_);
        status_.sent_ship = sent_ship_;
        status_.sent_bytes += out_size_;
    }

    void skip(std::uint64_t ship) {
        WEIR_LOG_ERROR("uplink", "record %llu cannot be rendered by this version: it is not sent and is deleted",
                       static_cast<unsigned long long>(ship));
        const std::lock_guard lock(status_mutex_);
        ++status_.skipped_records;
    }

    // ---- bytes -------------------------------------------------------------------------------------

    template <typename Body>
    Status say(const Body& frame) {
        ByteWriter out(MutableByteSpan(out_).subspan(out_size_));
        if (const Status encoded = encode_frame(frame, out); !encoded) return encoded;
        out_size_ += out.size();
        return {};
    }

    Status flush() {
        while (out_sent_ < out_size_) {
            const Result<Bytes> sent = stream_->send(ByteSpan(out_).subspan(out_sent_, out_size_ - out_sent_));
            if (!sent && sent.error() == Error::busy) return {};
            if (!sent) return sent.error();
            out_sent_ += *sent;
        }
        out_sent_ = out_size_ = 0;
        return {};
    }

    Status receive() {
        for (;;) {
            const Result<Bytes> got = stream_->receive(MutableByteSpan(received_).subspan(received_size_));
            if (!got && got.error() == Error::busy) return {};
            if (!got) return got.error();
            received_size_ += *got;
            if (const Status taken = take_frames(); !taken) return taken;
        }
    }

    Status take_frames() {
        Bytes taken = 0;
        for (;;) {
            const ByteSpan rest = ByteSpan(received_).subspan(taken, received_size_ - taken);
            const Result<Bytes> size = frame_size(rest);
            if (!size && size.error() != Error::truncated) return size.error();
            if (size && *size > received_.size()) return Error::out_of_range;
            if (!size || *size > rest.size()) break;
            const Result<Frame> frame = decode_frame(rest.first(*size));
            taken += *size;
            if (!frame && frame.error() == Error::unsupported) continue;
            if (!frame) return frame.error();
            if (const Status handled = handle(*frame); !handled) return handled;
        }
        std::copy(received_.begin() + static_cast<std::ptrdiff_t>(taken),
                  received_.begin() + static_cast<std::ptrdiff_t>(received_size_), received_.begin());
        received_size_ -= taken;
        return {};
    }

    Status handle(const Frame& frame) {
        last_heard_ = clock_.monotonic();
        pinged_ = false;
        switch (frame.kind) {
            case FrameKind::welcome: return welcome(frame.welcome);
            case FrameKind::ack: return acknowledged(frame.ack.ship);
            case FrameKind::refusal: return refused(frame.refusal);
            case FrameKind::ping: return answer(frame.ping);
            case FrameKind::hello:
            case FrameKind::records: break;
        }
        return Error::invalid;
    }

    Status acknowledged(std::uint64_t ship) {
        if (!greeted_ || ship > sent_ship_ || ship < acknowledged_ship_) return Error::invalid;
        acknowledged_ship_ = ship;
        breaker_.succeeded();
        while (in_flight_count_ > 0 && in_flight_[in_flight_first_].last_ship <= ship) {
            in_flight_bytes_ -= in_flight_[in_flight_first_].bytes;
            in_flight_first_ = (in_flight_first_ + 1) % frames_max;
            --in_flight_count_;
        }
        outbox_.acknowledge(incarnation_, ship);
        const std::lock_guard lock(status_mutex_);
        status_.acknowledged_ship = ship;
        status_.last_acknowledged = clock_.wall();
        show_breaker();
        return {};
    }

    Status refused(const RefusalFrame& refusal) {
        said_by_bridge_ = true;
        if (refusal.code == RefusalCode::redirect) redirect_ = refusal.address;
        refusal_ = "the bridge refused (" + std::string(name(refusal.code)) + "): " + std::string(refusal.text);
        switch (refusal.code) {
            case RefusalCode::version: return Error::unsupported;
            case RefusalCode::identity: return Error::refused;
            case RefusalCode::fenced: return Error::fenced;
            default: return Error::closed;
        }
    }

    // An answer is dropped rather than queued without bound.
    Status answer(const PingFrame& ping) {
        if (!ping.reply && out_.size() - out_size_ >= frame_prefix_bytes + 32) return say(PingFrame{ping.number, true});
        return {};
    }

    // ---- waiting -----------------------------------------------------------------------------------

    void wait_for(Duration limit, bool writable) {
        if (limit <= Duration{} || stopping_ || (stream_ != nullptr && stream_->pending() > 0)) return;
        const int descriptor = stream_ != nullptr ? stream_->descriptor() : -1;
        if (stream_ != nullptr && descriptor < 0) {
            (void)stream_->wait_readable(std::min(limit, poll_slice));
            return;
        }
        const bool wants_rows = stream_ != nullptr && greeted_ && can_send();
        pollfd wanted[3] = {{stop_event_, POLLIN, 0},
                            {descriptor, static_cast<short>(writable ? POLLIN | POLLOUT : POLLIN), 0},
                            {wants_rows ? outbox_.ready_descriptor() : -1, POLLIN, 0}};
        const std::int64_t ms = std::clamp<std::int64_t>((limit.us() + 999) / 1000, 1, 60'000);
        (void)poll(wanted, 3, static_cast<int>(ms));
    }

    const UplinkOptions options_;
    Outbox& outbox_;
    Network& network_;
    const Clock& clock_;
    Entropy& entropy_;
    BlockPacker packer_;
    std::span<std::byte> space_, raw_, out_, received_;
    std::span<ShipRow> rows_;
    std::span<InFlight> in_flight_;
    RecordStorage* storage_;
    int stop_event_;
    std::atomic<bool> stopping_{false};

    std::unique_ptr<TlsStream> stream_;
    Incarnation incarnation_{};
    bool hello_said_ = false;
    bool greeted_ = false;
    bool renewing_ = false;
    bool pinged_ = false;
    std::uint64_t ping_number_ = 0;
    std::string refusal_;
    bool said_by_bridge_ = false;
    std::string redirect_;          // where to go, until it is followed
    std::string host_ = options_.host;  // of this try
    std::uint16_t port_ = options_.port;
    int redirects_in_a_row_ = 0;
    Error last_error_ = Error::none;
    Repetition said_;
    CircuitBreaker breaker_;
    MonotonicTime connected_, last_heard_, paced_;
    FileStamps stamps_;
    MonotonicTime files_looked_at_{};
    Repetition new_files_;
    std::int64_t allowance_ = 0;
    std::uint64_t sent_ship_ = 0;
    std::uint64_t acknowledged_ship_ = 0;
    std::size_t in_flight_first_ = 0;
    std::size_t in_flight_count_ = 0;
    Bytes in_flight_bytes_ = 0;
    Bytes out_size_ = 0;
    Bytes out_sent_ = 0;
    Bytes received_size_ = 0;

    mutable std::mutex status_mutex_;
    UplinkStatus status_;
    MonotonicTime next_try_;  // as the breaker says; for status()
};

Bytes UplinkClient::need(const UplinkOptions& options) { return Session::need(options); }

UplinkClient::UplinkClient(const UplinkOptions& options, Arena& arena, Outbox& outbox, Network& network,
                           const Clock& clock, Entropy& entropy)
    : session_(std::make_unique<Session>(options, arena, outbox, network, clock, entropy)) {}
UplinkClient::~UplinkClient() = default;

void UplinkClient::step(Duration limit) { session_->step(limit); }

void UplinkClient::run() {
    while (!session_->stopping()) session_->step(Duration::seconds(1));
    session_->say_goodbye();
}

void UplinkClient::stop() { session_->stop(); }
UplinkStatus UplinkClient::status() const { return session_->status(); }

}  // namespace weir
