// The agent's end of weir-exec: starts the helper, or connects to the unit that is one; asks, hears, and begins again when it is gone.
// Memory: need(), on the heap at construction: a packet each way. Cost: a system call a packet. Threads: one owner.
// Errors: start() and request(): closed, while there is no helper (it is tried again by poll(), with pauses that double from
// 0.1 s to 30 s), full, when it takes no more. A helper that ends loses what it had under way: lost() tells.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>

#include "agent/base/clock.h"
#include "drivers/exec/protocol.h"

namespace weir {

struct ExecOptions {
    std::string program;  // weir-exec, to be started; or...
    std::string socket;   // ...where one listens
};

struct ExecCounters {
    std::uint64_t starts = 0;    // of helpers, or connections to one
    std::uint64_t failures = 0;  // to start or to connect
    std::uint64_t losses = 0;    // of a helper that served
};

class ExecClient {
public:
    static Bytes need() { return exec_packet_bytes_max + exec_output_bytes_max + 64; }
    ExecClient(ExecOptions options, const Clock& clock);
    ~ExecClient();
    ExecClient(const ExecClient&) = delete;
    ExecClient& operator=(const ExecClient&) = delete;

    // Does what is due: starts a helper, or connects.
    void keep_up();
    MonotonicTime next_attempt() const { return next_attempt_; }
    int descriptor() const { return socket_; }  // to poll for input; -1: none
    bool serving() const { return serving_; }

    Status request(const ExecRequest& request);
    // The next outcome, if there is one; views of it live until the next call. Hello is not among them.
    bool hear(ExecOutcome& outcome);
    // Whether since the last call a helper has gone, and with it what was asked of it.
    bool lost();
    // Gives up one that does not answer.
    void drop(const char* why);

    const ExecCounters& counters() const { return counters_; }

private:
    int begin();
    int start_program();
    int connect_to_unit();
    void end_program();

    const ExecOptions options_;
    const Clock& clock_;
    std::unique_ptr<std::byte[]> sent_;
    std::unique_ptr<std::byte[]> heard_;
    int socket_ = -1;
    pid_t pid_ = 0;
    bool serving_ = false;
    bool lost_ = false;
    MonotonicTime next_attempt_{};
    MonotonicTime started_{};
    Duration pause_;
    ExecCounters counters_;
};

}  // namespace weir
