#include "agent/control.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weir {
namespace {

constexpr int client_limit_ms = 1000;
constexpr int answer_limit_ms = 5000;

Result<sockaddr_un> address_of(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) return Error::out_of_range;
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

Result<int> open_listener(const std::string& path) {
    const Result<sockaddr_un> address = address_of(path);
    if (!address.ok()) return address.error();
    const int listener = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listener < 0) return Error::io;
    ::unlink(path.c_str());
    const mode_t before = ::umask(0177);
    const int bound = ::bind(listener, reinterpret_cast<const sockaddr*>(&*address), sizeof *address);
    ::umask(before);
    if (bound != 0 || ::listen(listener, 4) != 0) {
        ::close(listener);
        return Error::io;
    }
    return listener;
}

bool wait_for(int fd, short events, int limit_ms) {
    pollfd entry{fd, events, 0};
    return ::poll(&entry, 1, limit_ms) > 0;
}

bool send_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t sent = ::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) return false;
        text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
}

}  // namespace

Result<std::unique_ptr<ControlServer>> ControlServer::start(const std::string& path, Answer answer) {
    const Result<int> listener = open_listener(path);
    if (!listener.ok()) return listener.error();
    const int stop_event = ::eventfd(0, EFD_CLOEXEC);
    if (stop_event < 0) {
        ::close(*listener);
        return Error::io;
    }
    return std::unique_ptr<ControlServer>(new ControlServer(*listener, stop_event, path, std::move(answer)));
}

ControlServer::ControlServer(int listener, int stop_event, std::string path, Answer answer)
    : listener_(listener),
      stop_event_(stop_event),
      path_(std::move(path)),
      answer_(std::move(answer)),
      buffer_(new char[control_answer_bytes_max]) {
    thread_ = std::thread([this] { run(); });
}

ControlServer::~ControlServer() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(stop_event_, &one, sizeof one);
    thread_.join();
    ::close(listener_);
    ::close(stop_event_);
    ::unlink(path_.c_str());
}

void ControlServer::run() {
    for (;;) {
        pollfd entries[2] = {{listener_, POLLIN, 0}, {stop_event_, POLLIN, 0}};
        if (::poll(entries, 2, -1) < 0) continue;
        if (entries[1].revents != 0) return;
        const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0) continue;
        serve(client);
        ::close(client);
    }
}

void ControlServer::serve(int client) {
    timeval limit{client_limit_ms / 1000, 0};
    ::setsockopt(client, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    char request[1024];
    std::size_t size = 0;
    while (size < sizeof request) {
        if (!wait_for(client, POLLIN, client_limit_ms)) return;
        const ssize_t got = ::recv(client, request + size, sizeof request - size, 0);
        if (got <= 0) return;
        size += static_cast<std::size_t>(got);
        const std::string_view text(request, size);
        if (const std::size_t end = text.find('\n'); end != std::string_view::npos) {
            send_all(client, answer_(text.substr(0, end), {buffer_.get(), control_answer_bytes_max}));
            return;
        }
    }
}

Result<std::string> ask_control(const std::string& path, std::string_view request) {
    const Result<sockaddr_un> address = address_of(path);
    if (!address.ok()) return address.error();
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return Error::io;
    std::string answer;
    Error error = Error::none;
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
        error = errno == ENOENT || errno == ECONNREFUSED ? Error::missing
                : errno == EACCES                        ? Error::refused
                                                         : Error::io;
    } else if (!send_all(fd, std::string(request) + "\n")) {
        error = Error::closed;
    } else {
        char part[16384];
        for (;;) {
            if (!wait_for(fd, POLLIN, answer_limit_ms)) {
                error = Error::timed_out;
                break;
            }
            const ssize_t got = ::recv(fd, part, sizeof part, 0);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) break;
            answer.append(part, static_cast<std::size_t>(got));
        }
    }
    ::close(fd);
    if (error == Error::none && answer.empty()) error = Error::closed;
    if (error != Error::none) return error;
    return answer;
}

}  // namespace weir
