// The work of weir-exec: requests from one agent's socket, programs, outcomes back.
// Memory: parallel programs' output, some 5 KiB. Cost: a poll for each thing that happens. Threads: none, and none in its process.
// Errors: a request that means nothing is answered with `refused`; the end of the socket kills what is under way.
#pragma once

#include <array>

#include "agent/base/clock.h"
#include "drivers/exec/child.h"

namespace weir {

inline constexpr std::size_t exec_parallel_max = 4;

class ExecRunner {
public:
    // socket: SOCK_SEQPACKET, which stays the caller's. signals: a signalfd of SIGCHLD.
    ExecRunner(int socket, int signals, const Clock& clock) : socket_(socket), signals_(signals), clock_(clock) {}

    // Until the agent hangs up.
    void run();

private:
    bool take_request();
    void begin(const ExecRequest& request);
    void tell(const ExecOutcome& outcome);
    void collect();
    int time_left() const;

    const int socket_;
    const int signals_;
    const Clock& clock_;
    std::array<ExecChild, exec_parallel_max> children_;
    std::array<std::byte, exec_packet_bytes_max> packet_;
};

}  // namespace weir
