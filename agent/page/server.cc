#include "agent/page/server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace weir {

struct PageServer::Exchange {
    bool used = false;
    bool watching = false;   // events
    bool suspended = false;
    bool too_large = false;
    int body = -1;           // of bodies_, until the answer is sent
    MHD_Connection* connection = nullptr;
    PageServer* server = nullptr;
    std::uint64_t place = 0; // in the feed
    std::size_t received = 0;
    std::array<char, request_body_max> request_body;
};

namespace {

constexpr Bytes connection_pool_bytes = Bytes{16} << 10;
constexpr Bytes connection_more_bytes = Bytes{6} << 10;  // its own record, the answer's headers, malloc's share
constexpr Bytes daemon_bytes = Bytes{24} << 10;          // its record, epoll's room, what its libraries take when used
constexpr unsigned idle_seconds = 10;
constexpr Bytes event_block_bytes = 4096;
constexpr std::int64_t second_us = 1'000'000;

std::int64_t now_us() {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

struct Header {
    const char* name;
    const char* value;
};
// Nothing but what this server sends runs or is shown, and nobody frames it.
constexpr Header common_headers[] = {
    {"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
                                "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
};

Status error_of(int number) { return number == EACCES ? Error::refused : number == EADDRINUSE ? Error::busy : Error::io; }

int open_listener(const PageListen& listen, std::string& reason) {
    sockaddr_in6 six{};
    sockaddr_in four{};
    const std::string address = listen.address == "localhost" ? "127.0.0.1" : listen.address;
    const bool is_four = ::inet_pton(AF_INET, address.c_str(), &four.sin_addr) == 1;
    four.sin_family = AF_INET;
    four.sin_port = htons(listen.port);
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(listen.port);
    if (!is_four && ::inet_pton(AF_INET6, address.c_str(), &six.sin6_addr) != 1) {
        reason = "no address";
        errno = EINVAL;
        return -1;
    }
    const int fd = ::socket(is_four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int one = 1;
    if (fd >= 0) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    const sockaddr* const to = is_four ? reinterpret_cast<const sockaddr*>(&four) : reinterpret_cast<const sockaddr*>(&six);
    if (fd >= 0 && ::bind(fd, to, is_four ? sizeof four : sizeof six) == 0 && ::listen(fd, 16) == 0) return fd;
    const int failure = errno;
    reason = std::strerror(failure);
    if (fd >= 0) ::close(fd);
    errno = failure;
    return -1;
}

std::uint16_t port_of(int fd) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
    return ntohs(address.ss_family == AF_INET ? reinterpret_cast<const sockaddr_in&>(address).sin_port
                                              : reinterpret_cast<const sockaddr_in6&>(address).sin6_port);
}

std::string_view header_of(MHD_Connection* connection, const char* name) {
    const char* const value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
    return value != nullptr ? value : std::string_view();
}

MHD_Result add_argument(void* request, MHD_ValueKind, const char* name, const char* value) {
    static_cast<PageRequest*>(request)->add_argument({name, value != nullptr ? value : ""});
    return MHD_YES;
}

PageRequest read_request(MHD_Connection* connection, const char* url, std::string_view method) {
    PageRequest request;
    request.method = method == "GET" ? PageMethod::get : method == "HEAD" ? PageMethod::head : method == "POST" ? PageMethod::post : PageMethod::other;
    request.path = url;
    request.host = header_of(connection, "Host");
    request.authorization = header_of(connection, "Authorization");
    request.origin = header_of(connection, "Origin");
    request.content_type = header_of(connection, "Content-Type");
    request.if_none_match = header_of(connection, "If-None-Match");
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, add_argument, &request);
    return request;
}

void add(MHD_Response* response, const char* name, std::string_view value) {
    char text[160];
    const std::size_t size = std::min(value.size(), sizeof text - 1);
    std::memcpy(text, value.data(), size);
    text[size] = '\0';
    MHD_add_response_header(response, name, text);
}

}  // namespace

// What the library calls.
struct PageCallbacks {
    static MHD_Result access(void* self, MHD_Connection* connection, const char* url, const char* method, const char*, const char* upload,
                             std::size_t* upload_size, void** state) {
        auto* const server = static_cast<PageServer*>(self);
        auto* exchange = static_cast<PageServer::Exchange*>(*state);
        if (exchange == nullptr) {
            exchange = server->take_exchange();
            if (exchange == nullptr) return MHD_NO;
            exchange->connection = connection;
            *state = exchange;
            return MHD_YES;
        }
        if (*upload_size > 0) {
            const std::size_t size = std::min(*upload_size, exchange->request_body.size() - exchange->received);
            std::memcpy(exchange->request_body.data() + exchange->received, upload, size);
            exchange->received += size;
            exchange->too_large |= size < *upload_size;
            *upload_size = 0;
            return MHD_YES;
        }
        PageRequest request = read_request(connection, url, method);
        request.body = {exchange->request_body.data(), exchange->received};
        return answer(*server, *exchange, request);
    }

    static MHD_Result answer(PageServer& server, PageServer::Exchange& exchange, PageRequest& request) {
        ++server.requests_;
        char small[256];
        PageAnswer answer;
        char* const body = server.take_body();
        if (body == nullptr) {
            ++server.busy_;
            answer = PageAnswer::error(503, "busy: ask again", small);
        } else {
            exchange.body = static_cast<int>((body - server.bodies_.data()) / static_cast<std::ptrdiff_t>(server.params_.body_bytes));
            const std::span<char> room(body, server.params_.body_bytes);
            answer = exchange.too_large ? PageAnswer::error(413, "the request is too long", room) : server.routes_.answer(request, room);
        }
        if (answer.status == 401 || answer.status == 403 || answer.status == 421) ++server.refused_;
        if (answer.kind == PageAnswer::Kind::events && request.method == PageMethod::get) return watch(server, exchange);
        if (answer.kind != PageAnswer::Kind::body) release_body(server, exchange);
        const bool unchanged = !answer.tag.empty() && answer.tag == request.if_none_match;
        if (unchanged) answer.status = 304;
        const std::string_view content = unchanged || answer.kind == PageAnswer::Kind::events ? std::string_view() : answer.body;
        const MHD_ResponseMemoryMode mode = content.data() == small ? MHD_RESPMEM_MUST_COPY : MHD_RESPMEM_PERSISTENT;
        MHD_Response* const response = MHD_create_response_from_buffer(content.size(), const_cast<char*>(content.data()), mode);
        if (response == nullptr) return MHD_NO;
        add(response, "Content-Type", answer.type);
        if (answer.status == 503) add(response, "Retry-After", "1");
        if (!answer.allow.empty()) add(response, "Allow", answer.allow);
        if (answer.ask_token) add(response, "WWW-Authenticate", "Basic realm=\"Weir: the token is the password\", charset=\"UTF-8\"");
        if (!answer.tag.empty()) add(response, "ETag", answer.tag);
        return queue(exchange, response, answer.status, answer.tag.empty() ? "no-store" : "no-cache");
    }

    static MHD_Result queue(PageServer::Exchange& exchange, MHD_Response* response, unsigned status, const char* caching) {
        for (const Header& header : common_headers) MHD_add_response_header(response, header.name, header.value);
        MHD_add_response_header(response, "Cache-Control", caching);
        const MHD_Result queued = MHD_queue_response(exchange.connection, status, response);
        MHD_destroy_response(response);
        return queued;
    }

    static MHD_Result watch(PageServer& server, PageServer::Exchange& exchange) {
        release_body(server, exchange);
        if (server.watchers_ >= PageServer::watchers_max) {
            MHD_Response* const response = MHD_create_response_from_buffer(0, nullptr, MHD_RESPMEM_PERSISTENT);
            if (response == nullptr) return MHD_NO;
            add(response, "Retry-After", "10");
            return queue(exchange, response, 503, "no-store");
        }
        MHD_Response* const response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, event_block_bytes, read_events, &exchange, nullptr);
        if (response == nullptr) return MHD_NO;
        exchange.watching = true;
        exchange.place = server.feed_.newest();
        ++server.watchers_;
        server.next_tell_us_ = 0;
        add(response, "Content-Type", "text/event-stream");
        return queue(exchange, response, 200, "no-store");
    }

    static ssize_t read_events(void* of, std::uint64_t, char* room, std::size_t size) {
        auto& exchange = *static_cast<PageServer::Exchange*>(of);
        PageServer& server = *exchange.server;
        if (server.stopping_) return MHD_CONTENT_READER_END_OF_STREAM;
        const std::optional<std::size_t> read = server.feed_.read(exchange.place, {room, size});
        if (!read) return MHD_CONTENT_READER_END_OF_STREAM;  // too slow: it connects again
        if (*read == 0) {
            MHD_suspend_connection(exchange.connection);
            exchange.suspended = true;
        }
        return static_cast<ssize_t>(*read);
    }

    static void completed(void* self, MHD_Connection*, void** state, MHD_RequestTerminationCode) {
        auto* const exchange = static_cast<PageServer::Exchange*>(*state);
        if (exchange == nullptr) return;
        auto& server = *static_cast<PageServer*>(self);
        release_body(server, *exchange);
        if (exchange->watching) --server.watchers_;
        exchange->used = false;
        *state = nullptr;
    }

    static void release_body(PageServer& server, PageServer::Exchange& exchange) {
        if (exchange.body >= 0) server.body_used_[static_cast<std::size_t>(exchange.body)] = false;
        exchange.body = -1;
    }

    static void log(void*, const char*, va_list) {}
};

Bytes PageServer::need(const Params& params) {
    return Arena::need<Exchange>(connections_max) + Arena::need<char>(bodies * params.body_bytes) + Arena::need<char>(params.body_bytes) +
           Arena::need<char>(params.event_bytes);
}

Bytes PageServer::library_bytes() { return daemon_bytes + connections_max * (connection_pool_bytes + connection_more_bytes); }

PageServer::PageServer(Arena& arena, const Params& params, const PageRoutes& routes, Tell tell)
    : params_(params),
      routes_(routes),
      tell_(std::move(tell)),
      exchanges_(arena.take<Exchange>(connections_max)),
      bodies_(arena.take<char>(bodies * params.body_bytes)),
      tell_room_(arena.take<char>(params.body_bytes)),
      feed_(arena.take<char>(params.event_bytes)) {}

PageServer::~PageServer() { stop(); }

bool PageServer::make_daemon(int listener) {
    const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                           (listener < 0 ? static_cast<unsigned>(MHD_USE_NO_LISTEN_SOCKET) : 0u);
    const MHD_OptionItem socket[] = {{MHD_OPTION_LISTEN_SOCKET, listener, nullptr}, {MHD_OPTION_END, 0, nullptr}};
    const MHD_OptionItem none[] = {{MHD_OPTION_END, 0, nullptr}};
    daemon_ = MHD_start_daemon(flags, 0, nullptr, nullptr, PageCallbacks::access, this,
                               MHD_OPTION_EXTERNAL_LOGGER, PageCallbacks::log, nullptr,
                               MHD_OPTION_CONNECTION_LIMIT, static_cast<unsigned>(connections_max),
                               MHD_OPTION_CONNECTION_MEMORY_LIMIT, static_cast<std::size_t>(connection_pool_bytes),
                               MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds,
                               MHD_OPTION_STRICT_FOR_CLIENT, 1,
                               MHD_OPTION_NOTIFY_COMPLETED, PageCallbacks::completed, this,
                               MHD_OPTION_ARRAY, listener < 0 ? none : socket, MHD_OPTION_END);
    return daemon_ != nullptr;
}

Status PageServer::start(const PageListen& listen, std::string& reason) {
    const int listener = open_listener(listen, reason);
    if (listener < 0) return error_of(errno);
    port_ = port_of(listener);
    stop_event_ = ::eventfd(0, EFD_CLOEXEC);
    if (stop_event_ < 0 || !make_daemon(listener)) {
        reason = "no memory, or too many open files";
        ::close(listener);
        return Error::no_memory;
    }
    thread_ = std::thread([this] {
        pthread_setname_np(pthread_self(), "weir-page");
        run();
    });
    return {};
}

Status PageServer::start_detached() {
    if (!make_daemon(-1)) return Error::no_memory;
    return {};
}

bool PageServer::serve(int socket) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return MHD_add_connection(daemon_, socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == MHD_YES;
}

void PageServer::step() {
    MHD_run(daemon_);
    tell_if_due();
}

void PageServer::run() {
    const MHD_DaemonInfo* const info = MHD_get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD);
    pollfd entries[2] = {{stop_event_, POLLIN, 0}, {info->epoll_fd, POLLIN, 0}};
    while (!stopping_) {
        step();
        MHD_UNSIGNED_LONG_LONG library_ms = 0;
        int wait_ms = -1;
        if (MHD_get_timeout(daemon_, &library_ms) == MHD_YES) wait_ms = static_cast<int>(std::min<MHD_UNSIGNED_LONG_LONG>(library_ms, 60'000));
        if (watchers_ > 0) {
            const std::int64_t until_tell = std::clamp<std::int64_t>((next_tell_us_ - now_us() + 999) / 1000, 0, 1000);
            if (wait_ms < 0 || until_tell < wait_ms) wait_ms = static_cast<int>(until_tell);
        }
        ::poll(entries, 2, wait_ms);
    }
}

void PageServer::tell_if_due() {
    const std::int64_t now = now_us();
    if (watchers_ == 0 || now < next_tell_us_) return;
    next_tell_us_ = now + second_us;
    const std::uint64_t before = feed_.newest();
    if (tell_) tell_(feed_, tell_room_);
    if (feed_.newest() == before && now >= next_beat_us_) feed_.beat();
    if (feed_.newest() == before) return;
    next_beat_us_ = now + beat.us();
    resume_watchers();
    MHD_run(daemon_);
}

void PageServer::resume_watchers() {
    for (Exchange& exchange : exchanges_) {
        if (!exchange.used || !exchange.suspended) continue;
        exchange.suspended = false;
        MHD_resume_connection(exchange.connection);
    }
}

PageServer::Exchange* PageServer::take_exchange() {
    for (Exchange& exchange : exchanges_) {
        if (exchange.used) continue;
        exchange.used = true;
        exchange.watching = exchange.suspended = exchange.too_large = false;
        exchange.body = -1;
        exchange.received = 0;
        exchange.server = this;
        return &exchange;
    }
    return nullptr;
}

char* PageServer::take_body() {
    for (std::size_t i = 0; i < bodies; ++i) {
        if (body_used_[i]) continue;
        body_used_[i] = true;
        return bodies_.data() + i * params_.body_bytes;
    }
    return nullptr;
}

void PageServer::stop() {
    stopping_ = true;
    if (thread_.joinable()) {
        const std::uint64_t one = 1;
        [[maybe_unused]] const ssize_t written = ::write(stop_event_, &one, sizeof one);
        thread_.join();
    }
    if (daemon_ != nullptr) {
        resume_watchers();
        MHD_run(daemon_);
        MHD_stop_daemon(daemon_);
        daemon_ = nullptr;
    }
    if (stop_event_ >= 0) ::close(stop_event_);
    stop_event_ = -1;
}

PageServer::Counters PageServer::counters() const { return {requests_, refused_, busy_, watchers_}; }

}  // namespace weir
