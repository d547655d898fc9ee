// The seam for byte streams between machines: TCP in production, a model in the simulator.
// Memory: none beyond the kernel's buffers. Cost: the system calls named. Threads: one user a stream;
// close() from its owner only. Errors: closed (orderly end or reset), timed_out, refused, io.
#pragma once

#include <memory>
#include <string>

#include "agent/base/bytes.h"
#include "agent/base/result.h"
#include "agent/base/time.h"

namespace weir {

class Stream {
public:
    virtual ~Stream() = default;
    // At most size bytes, at least one; Error::busy when there are none now (non-blocking).
    virtual Result<Bytes> receive(MutableByteSpan into) = 0;
    virtual Result<Bytes> send(ByteSpan from) = 0;
    // Waits until it can be read (or written); Error::timed_out after at most limit.
    virtual Status wait_readable(Duration limit) = 0;
    virtual Status wait_writable(Duration limit) = 0;
    virtual int descriptor() const = 0;  // for poll and epoll; -1 in a model
};

class Network {
public:
    virtual ~Network() = default;
    virtual Result<std::unique_ptr<Stream>> connect(const std::string& host, std::uint16_t port, Duration limit) = 0;
};

class SystemNetwork final : public Network {
public:
    Result<std::unique_ptr<Stream>> connect(const std::string& host, std::uint16_t port, Duration limit) override;
};

// A stream over an accepted, connected descriptor, which it owns and makes non-blocking.
std::unique_ptr<Stream> adopt_socket(int descriptor);

}  // namespace weir
