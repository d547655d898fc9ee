// Back-pressure and read-ahead between Paho and its sockets.
// The executable that links weir_socket_gate has its own getaddrinfo, connect, recv, poll and close; they affect only the
// sockets that Paho opens for a registered MqttSource. For these: a closed gate makes poll() not report the
// socket as readable, so that TCP pushes back and the broker queues; and recv() reads 64 KiB ahead (plain TCP
// only; OpenSSL reads ahead by itself). Every other socket goes straight to the C library.
// Without weir_socket_gate in the executable all of it is off and linked() is false: drivers still work, unthrottled.
// Memory: 64 KiB a registered plain socket, allocated when it connects.
// Cost: a bounds check and a load a call on other sockets. Threads: any; the gate is asked on Paho's thread.
// Errors: a read-ahead buffer that cannot be allocated: the socket is read without.
#pragma once

#include <cstdint>
#include <string>

namespace weir::socket_gate {

class Gate {
public:
    virtual ~Gate() = default;
    virtual bool open() = 0;  // must not block
};

// From now on a connection that Paho makes to host:port is gated.
void add(Gate& gate, const std::string& host, std::uint16_t port, bool tls);
// Waits until no call of the gate is under way, then forgets it; its sockets become ordinary again.
void remove(Gate& gate);

bool linked();

}  // namespace weir::socket_gate
