// The C library's fortified headers define poll and recv themselves, which this file does instead.
#undef _FORTIFY_SOURCE

#include "drivers/socket_gate.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>

#include "agent/base/assert.h"

namespace weir::socket_gate {

namespace {

// How long a closed gate waits before it is asked again.
constexpr int recheck_ms = 5;

// The C library's function behind ours.
template <typename Function>
Function* next(std::atomic<Function*>& cache, const char* name) {
    Function* function = cache.load(std::memory_order_relaxed);
    if (function == nullptr) {
        function = reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
        WEIR_ASSERT(function != nullptr);
        cache.store(function, std::memory_order_relaxed);
    }
    return function;
}
#define WEIR_NEXT(name, ...)                                                \
    using name##_function = __VA_ARGS__;                                    \
    constinit std::atomic<name##_function*> next_##name{nullptr};           \
    name##_function* real_##name() { return next(next_##name, #name); }
WEIR_NEXT(getaddrinfo, int(const char*, const char*, const addrinfo*, addrinfo**))
WEIR_NEXT(connect, int(int, const sockaddr*, socklen_t))
WEIR_NEXT(recv, ssize_t(int, void*, std::size_t, int))
WEIR_NEXT(poll, int(pollfd*, nfds_t, int))
WEIR_NEXT(close, int(int))
#undef WEIR_NEXT

// A slot is never freed, only used again: a thread may still hold it as resolved.
struct Registration {
    static constexpr std::size_t name_bytes_max = 256;  // a host name has at most 253

    Gate* gate = nullptr;
    std::array<char, name_bytes_max> name{};
    std::array<char, name_bytes_max> address{};
    std::uint16_t port = 0;
    bool read_ahead = false;
    std::int64_t gather_us = 0;
};

// One connection of Paho's. fd changes only under the mutex; others read it to find their slot.
struct Socket {
    std::atomic<int> fd{-1};
    std::mutex mutex;
    Gate* gate = nullptr;
    char* buffer = nullptr;  // kept for the next connection
    bool read_ahead = false;
    bool progress = false;  // something was taken from the buffer since writing was last polled for
    bool alone = false;     // what last came was little: more may come before long
    std::int64_t gather_us = 0;
    std::size_t begin = 0;
    std::size_t end = 0;

    bool buffered() const { return begin < end; }
};

// Constant-initialised, since other libraries' constructors call these functions, and never destroyed.
constinit std::array<Socket, sockets_max> sockets{};
constinit std::atomic<int> sockets_used{0};
constinit std::mutex registrations_mutex;
constinit std::array<Registration, sockets_max> registrations{};

// Set when this thread resolves a registered name: its next connect() to that port is Paho's.
constinit thread_local Registration* resolved = nullptr;
constinit thread_local bool receives = false;  // it has polled gated sockets for reading
constinit thread_local int needing = 0;  // NeedsMemory of this thread
constinit std::atomic<std::size_t> guarded{0};
constinit std::atomic<std::uint64_t> all_fills{0};
constinit thread_local int fills = 0;  // read-ahead since this thread last polled for real

Socket* find(int fd) {
    if (sockets_used.load(std::memory_order_acquire) == 0 || fd < 0) return nullptr;
    for (Socket& socket : sockets)
        if (socket.fd.load(std::memory_order_relaxed) == fd) return &socket;
    return nullptr;
}

Registration* find_registration(const char* name) {
    for (Registration& registration : registrations)
        if (registration.gate != nullptr && std::strcmp(registration.name.data(), name) == 0) return &registration;
    return nullptr;
}

std::uint16_t port_of(const sockaddr* address) {
    if (address->sa_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(address)->sin_port);
    if (address->sa_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(address)->sin6_port);
    return 0;
}

void adopt(int fd, const Registration& registration) {
    for (Socket& socket : sockets) {
        if (socket.fd.load(std::memory_order_relaxed) != -1) continue;
        const std::lock_guard lock(socket.mutex);
        int vacant = -1;
        if (!socket.fd.compare_exchange_strong(vacant, fd)) continue;
        socket.gate = registration.gate;
        socket.begin = socket.end = 0;
        socket.progress = false;
        socket.alone = false;
        socket.gather_us = registration.gather_us;
        if (registration.read_ahead && socket.buffer == nullptr)
            socket.buffer = static_cast<char*>(std::malloc(read_ahead_bytes));
        socket.read_ahead = registration.read_ahead && socket.buffer != nullptr;
        sockets_used.fetch_add(1, std::memory_order_release);
        return;
    }
}

void release(int fd) {
    Socket* socket = find(fd);
    if (socket == nullptr) return;
    const std::lock_guard lock(socket->mutex);
    if (socket->fd.load(std::memory_order_relaxed) != fd) return;
    socket->gate = nullptr;
    socket->fd.store(-1, std::memory_order_relaxed);
    sockets_used.fetch_sub(1, std::memory_order_release);
}

ssize_t receive(Socket& socket, int fd, void* into, std::size_t size) {
    const std::lock_guard lock(socket.mutex);
    if (!socket.read_ahead || socket.fd.load(std::memory_order_relaxed) != fd) return real_recv()(fd, into, size, 0);
    if (!socket.buffered()) {
        if (size >= read_ahead_bytes) return real_recv()(fd, into, size, 0);
        const ssize_t got = real_recv()(fd, socket.buffer, read_ahead_bytes, MSG_DONTWAIT);
        if (got <= 0) return got;
        ++fills;
        all_fills.fetch_add(1, std::memory_order_relaxed);
        socket.alone = static_cast<std::size_t>(got) < gathered_bytes;
        socket.begin = 0;
        socket.end = static_cast<std::size_t>(got);
    }
    const std::size_t taken = std::min(size, socket.end - socket.begin);
    std::memcpy(into, socket.buffer + socket.begin, taken);
    socket.begin += taken;
    socket.progress = true;
    return static_cast<ssize_t>(taken);
}

// One call of poll() in which at least one socket is ours. Paho polls all of its sockets for writing, then all
// for reading; both calls are answered without the kernel while there is something in the buffers.
class GatedPoll {
public:
    static constexpr nfds_t descriptors_max = 64;

    GatedPoll(pollfd* fds, nfds_t count) : fds_(fds), count_(count) {
        std::copy(fds, fds + count, kernel_.begin());
        for (nfds_t i = 0; i < count; ++i) look_at(i);
    }

    int run(int timeout_ms) {
        if (answered_ > 0 && (asks_kernel_ == 0 || fills == 0)) return answer(0);
        fills = 0;
        if (answered_ > 0)
            timeout_ms = 0;
        else if (held_ && (timeout_ms < 0 || timeout_ms > recheck_ms))
            timeout_ms = recheck_ms;
        if (gather_us_ > 0 && answered_ == 0 && timeout_ms != 0) gather();
        const int result = real_poll()(kernel_.data(), count_, timeout_ms);
        if (result < 0) return result;
        return answer(1);
    }

private:
    void look_at(nfds_t i) {
        revents_[i] = 0;
        ++asks_kernel_;
        Socket* socket = find(fds_[i].fd);
        if (socket == nullptr) return;
        const std::lock_guard lock(socket->mutex);
        if (socket->fd.load(std::memory_order_relaxed) != fds_[i].fd) return;
        const bool shut = socket->gate != nullptr && !socket->gate->open();
        if (fds_[i].events & POLLIN) {
            receives = true;
            if (shut) {
                held_ = true;
                take_over(i, 0);
            } else if (socket->buffered()) {
                take_over(i, POLLIN);
            } else if (std::exchange(socket->alone, false)) {
                gather_us_ = std::max(gather_us_, socket->gather_us);
            }
        } else if (fds_[i].events == POLLOUT && socket->buffered() && socket->progress && !shut) {
            // It took our last acknowledgement, or Paho would not have read on; once it does not, progress ends.
            socket->progress = false;
            take_over(i, POLLOUT);
        }
    }
    void take_over(nfds_t i, short revents) {
        --asks_kernel_;
        kernel_[i].fd = -1;
        revents_[i] = revents;
        answered_ += revents != 0;
    }
    // Without it a message every 250 us wakes the process as often; a timer wakes it once for four of them.
    void gather() const {
        const timespec pause{0, static_cast<long>(gather_us_ * 1000)};
        ::nanosleep(&pause, nullptr);
    }
    int answer(short from_kernel) {
        int ready = 0;
        for (nfds_t i = 0; i < count_; ++i) {
            const bool asked = kernel_[i].fd >= 0;
            fds_[i].revents = asked ? static_cast<short>(from_kernel ? kernel_[i].revents : 0) : revents_[i];
            ready += fds_[i].revents != 0;
        }
        return ready;
    }

    pollfd* fds_;
    nfds_t count_;
    std::array<pollfd, descriptors_max> kernel_;
    std::array<short, descriptors_max> revents_;
    nfds_t asks_kernel_ = 0;
    int answered_ = 0;
    bool held_ = false;
    std::int64_t gather_us_ = 0;
};

int gated_poll(pollfd* fds, nfds_t count, int timeout_ms) {
    const bool ours = sockets_used.load(std::memory_order_acquire) > 0 && count <= GatedPoll::descriptors_max &&
                      std::any_of(fds, fds + count, [](const pollfd& p) { return find(p.fd) != nullptr; });
    return ours ? GatedPoll(fds, count).run(timeout_ms) : real_poll()(fds, count, timeout_ms);
}

ssize_t gated_recv(int fd, void* into, std::size_t size, int flags) {
    Socket* socket = flags == 0 && size > 0 ? find(fd) : nullptr;
    return socket ? receive(*socket, fd, into, size) : real_recv()(fd, into, size, flags);
}

}  // namespace

void add(Gate& gate, const Endpoint& endpoint) {
    if (endpoint.name.size() >= Registration::name_bytes_max || endpoint.address.size() >= Registration::name_bytes_max) return;
    const std::lock_guard lock(registrations_mutex);
    for (Registration& registration : registrations) {
        if (registration.gate != nullptr) continue;
        std::strcpy(registration.name.data(), endpoint.name.c_str());
        std::strcpy(registration.address.data(), endpoint.address.c_str());
        registration.port = endpoint.port;
        registration.read_ahead = endpoint.read_ahead;
        registration.gather_us = std::clamp<std::int64_t>(endpoint.gather.us(), 0, 999999);
        registration.gate = &gate;
        // A message, its copies' overhead, and what Paho keeps about it.
        guarded.store(std::max(guarded.load(), endpoint.message_bytes_max + read_ahead_bytes));
        return;
    }
}

void remove(Gate& gate) {
    const std::lock_guard lock(registrations_mutex);
    for (Registration& registration : registrations)
        if (registration.gate == &gate) registration.gate = nullptr;
    for (Socket& socket : sockets) {
        const std::lock_guard socket_lock(socket.mutex);
        if (socket.gate == &gate) socket.gate = nullptr;
    }
}

int keep(const Gate& gate) {
    for (Socket& socket : sockets) {
        const std::lock_guard lock(socket.mutex);
        const int fd = socket.fd.load(std::memory_order_relaxed);
        if (fd >= 0 && socket.gate == &gate) return ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
    }
    return -1;
}

void finish(int kept, Duration limit) {
    if (kept < 0) return;
    ::shutdown(kept, SHUT_WR);
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(limit.us());
    std::array<char, 4096> dropped;
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
        pollfd readable{kept, POLLIN, 0};
        if (left <= 0 || real_poll()(&readable, 1, static_cast<int>(left)) <= 0) break;
        if (real_recv()(kept, dropped.data(), dropped.size(), MSG_DONTWAIT) <= 0) break;
    }
    real_close()(kept);
}

bool linked() { return true; }

std::uint64_t reads() { return all_fills.load(std::memory_order_relaxed); }

std::size_t guarded_bytes() { return receives ? largest_message() : 0; }
NeedsMemory::NeedsMemory() { ++needing; }
NeedsMemory::~NeedsMemory() { --needing; }
bool needs_memory() { return needing > 0; }
std::size_t largest_message() { return guarded.load(std::memory_order_relaxed); }

}  // namespace weir::socket_gate

namespace gate = weir::socket_gate;

extern "C" {

int getaddrinfo(const char* node, const char* service, const addrinfo* hints, addrinfo** result) {
    gate::resolved = nullptr;
    std::array<char, gate::Registration::name_bytes_max> address;
    if (node != nullptr) {
        const std::lock_guard lock(gate::registrations_mutex);
        gate::resolved = gate::find_registration(node);
        if (gate::resolved != nullptr) address = gate::resolved->address;
    }
    return gate::real_getaddrinfo()(gate::resolved ? address.data() : node, service, hints, result);
}

int connect(int fd, const sockaddr* address, socklen_t size) {
    if (gate::resolved != nullptr) {
        const std::lock_guard lock(gate::registrations_mutex);
        gate::Registration& registration = *std::exchange(gate::resolved, nullptr);
        if (registration.gate != nullptr && gate::port_of(address) == registration.port) {
            gate::adopt(fd, registration);
            // Else a publication behind a PUBACK waits for the broker's delayed acknowledgement, up to 40 ms.
            const int on = 1;
            ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        }
    }
    return gate::real_connect()(fd, address, size);
}

ssize_t recv(int fd, void* into, size_t size, int flags) { return gate::gated_recv(fd, into, size, flags); }

int poll(pollfd* fds, nfds_t count, int timeout_ms) { return gate::gated_poll(fds, count, timeout_ms); }

int close(int fd) {
    gate::release(fd);
    return gate::real_close()(fd);
}

// What a library built with fortification calls.
ssize_t __recv_chk(int fd, void* into, size_t size, size_t room, int flags);
ssize_t __recv_chk(int fd, void* into, size_t size, size_t room, int flags) {
    WEIR_ASSERT(size <= room);
    return gate::gated_recv(fd, into, size, flags);
}
int __poll_chk(pollfd* fds, nfds_t count, int timeout_ms, size_t room);
int __poll_chk(pollfd* fds, nfds_t count, int timeout_ms, size_t room) {
    WEIR_ASSERT(count <= room / sizeof(pollfd));
    return gate::gated_poll(fds, count, timeout_ms);
}

}  // extern "C"
