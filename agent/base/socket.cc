#include "agent/base/socket.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace weir {
namespace {

Error from_errno(int code) {
    switch (code) {
        case EAGAIN: return Error::busy;
        case ECONNREFUSED:
        case EHOSTUNREACH:
        case ENETUNREACH: return Error::refused;
        case ETIMEDOUT: return Error::timed_out;
        case ECONNRESET:
        case EPIPE: return Error::closed;
        default: return Error::io;
    }
}

Status wait_for(int fd, short events, Duration limit) {
    const std::int64_t ms = std::clamp<std::int64_t>((limit.us() + 999) / 1000, 0, INT_MAX);
    pollfd entry{fd, events, 0};
    const int ready = ::poll(&entry, 1, static_cast<int>(ms));
    if (ready > 0) return {};
    if (ready == 0 || errno == EINTR) return Error::timed_out;
    return Error::io;
}

class SocketStream final : public Stream {
public:
    explicit SocketStream(int fd) : fd_(fd) {
        ::fcntl(fd_, F_SETFL, ::fcntl(fd_, F_GETFL) | O_NONBLOCK);
        const int on = 1;
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    ~SocketStream() override { ::close(fd_); }

    Result<Bytes> receive(MutableByteSpan into) override {
        for (;;) {
            const ssize_t got = ::recv(fd_, into.data(), into.size(), 0);
            if (got > 0) return static_cast<Bytes>(got);
            if (got == 0) return Error::closed;
            if (errno != EINTR) return from_errno(errno);
        }
    }
    Result<Bytes> send(ByteSpan from) override {
        for (;;) {
            const ssize_t sent = ::send(fd_, from.data(), from.size(), MSG_NOSIGNAL);
            if (sent >= 0) return static_cast<Bytes>(sent);
            if (errno != EINTR) return from_errno(errno);
        }
    }
    Status wait_readable(Duration limit) override { return wait_for(fd_, POLLIN, limit); }
    Status wait_writable(Duration limit) override { return wait_for(fd_, POLLOUT, limit); }
    int descriptor() const override { return fd_; }

private:
    int fd_;
};

}  // namespace

std::unique_ptr<Stream> adopt_socket(int descriptor) { return std::make_unique<SocketStream>(descriptor); }

Result<std::unique_ptr<Stream>> SystemNetwork::connect(const std::string& host, std::uint16_t port,
                                                       Duration limit) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG;
    addrinfo* addresses = nullptr;
    const std::string service = std::to_string(port);
    if (::getaddrinfo(host.c_str(), service.c_str(), &hints, &addresses) != 0) return Error::missing;

    Error last = Error::missing;
    std::unique_ptr<Stream> connected;
    for (const addrinfo* address = addresses; address != nullptr && !connected; address = address->ai_next) {
        const int fd = ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0) continue;
        std::unique_ptr<Stream> stream = adopt_socket(fd);
        if (::connect(fd, address->ai_addr, address->ai_addrlen) != 0 && errno != EINPROGRESS) {
            last = from_errno(errno);
            continue;
        }
        if (!stream->wait_writable(limit).ok()) {
            last = Error::timed_out;
            continue;
        }
        int failure = 0;
        socklen_t size = sizeof failure;
        ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &size);
        if (failure == 0)
            connected = std::move(stream);
        else
            last = from_errno(failure);
    }
    ::freeaddrinfo(addresses);
    if (!connected) return last;
    return connected;
}

}  // namespace weir
