// Back-pressure and read-ahead between Paho and its sockets.
// An executable that links weir_socket_gate has its own getaddrinfo, connect, recv, poll and close, which the shared
// Paho library then calls too. They affect only the sockets that Paho opens to an endpoint registered here:
// a closed gate makes poll() not report the socket as readable, so that TCP pushes back and the broker
// queues; and recv() reads 64 KiB ahead (plain TCP only: OpenSSL reads ahead by itself). Where messages come one at a
// time, poll() first sleeps for `gather` after each: what comes meanwhile wakes nobody and is read at once. Every other
// socket goes straight to the C library. Without weir_socket_gate in the executable none of this happens and linked() is
// false: sources still work, unthrottled.
// A thread that polls such sockets is Paho's receive thread. Should an allocation fail on it, Paho would go on and
// acknowledge a message that nobody has seen; so malloc, calloc and realloc are also ours, and end the process
// (std::abort) instead. Not for requests beyond a whole permitted message: those belong to one that is refused anyway, and
// ending for its sake would end again when the broker repeats it. On Paho's sending thread, before the
// other first receives, and where Paho is called (NeedsMemory), it would use memory that it did not get: they wait until
// there is some, and end the process if there is none for a minute.
// Memory: 64 KiB a plain socket, allocated when it first connects and used again.
// Cost: on other sockets a load and a branch; on gated ones a mutex nobody else wants.
// Threads: any. The gate is asked on Paho's receive thread, under that mutex: it must not block.
// Errors: without memory for reading ahead, or with more than sockets_max connections, a socket is read plainly (and
// without a gate, in the latter case).
// Source: Paho C 1.3.12, Socket.c: one poll() for writing, one for reading, three recv() a message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "agent/base/time.h"

namespace weir::socket_gate {

inline constexpr std::size_t read_ahead_bytes = 64 * 1024;
inline constexpr std::size_t sockets_max = 16;
// Who finds more than this was woken for enough; it also keeps the broker's window of unacknowledged messages moving.
inline constexpr std::size_t gathered_bytes = 2048;

class Gate {
public:
    virtual ~Gate() = default;
    virtual bool open() = 0;
};

struct Endpoint {
    std::string name;     // the host as Paho asks getaddrinfo() for it
    std::string address;  // the host that is resolved in its place: where a certificate has another name
    std::uint16_t port = 0;
    bool read_ahead = false;
    std::size_t message_bytes_max = 256 * 1024;  // larger ones are refused anyway
    Duration gather = Duration::micros(0);       // less than a second
};

// From now on a connection that Paho makes to the endpoint goes through the gate.
void add(Gate& gate, const Endpoint& endpoint);
// Waits until no call of the gate is under way, then forgets it; its sockets become ordinary ones.
void remove(Gate& gate);

// A connection that is closed with bytes unread is reset, and what its peer had not read by then is lost. keep() gives
// the gate's connection a second descriptor (-1: none), so that Paho's close() does not close it. finish() then says
// that nothing more will be sent, and drops what comes until the peer hangs up, which it does once it has read all, or
// `limit` is over.
int keep(const Gate& gate);
void finish(int kept, Duration limit);

bool linked();

// How often plain sockets were read ahead, since the start.
std::uint64_t reads();

// While one of these lives, allocations of this thread wait for memory as those of Paho's sending thread do.
class NeedsMemory {
public:
    NeedsMemory();
    ~NeedsMemory();
    NeedsMemory(const NeedsMemory&) = delete;
    NeedsMemory& operator=(const NeedsMemory&) = delete;
};

// For receive_guard.cc. The largest request that may not fail on this thread; 0: any may.
std::size_t guarded_bytes();
bool needs_memory();
std::size_t largest_message();  // that any endpoint permits, and what Paho keeps about it

}  // namespace weir::socket_gate
