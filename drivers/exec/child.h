// A program under way: its own process group, standard input from memory, output read and cut, limits, an end.
// Memory: exec_output_bytes_max. Cost: start() a fork; read() what the program wrote, which is thrown away beyond the first
// bytes. Threads: one owner, in a process without threads. Errors: start(): the errno of what failed.
//
// What a program finds: standard input (the request's bytes), standard output and error (one pipe), no other descriptor; PATH,
// HOME and LANG and nothing else of the environment; "/" as its folder; default signals; no new privileges, no core file, a
// limit on private memory, CPU time (its timeout, and a second), open files and the size of files.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "agent/base/clock.h"
#include "drivers/exec/protocol.h"

namespace weir {

class ExecChild {
public:
    ExecChild() = default;
    ~ExecChild() { abandon(); }
    ExecChild(const ExecChild&) = delete;
    ExecChild& operator=(const ExecChild&) = delete;

    bool running() const { return pid_ > 0; }
    int output() const { return output_; }  // to poll; -1: at its end
    std::uint64_t token() const { return token_; }
    MonotonicTime next_deadline() const { return deadline_; }

    // 0, or the errno.
    int start(const ExecRequest& request, MonotonicTime now);
    void read_output();
    // Ends a program whose time is over: asks its group, and a second later insists.
    void look_at(MonotonicTime now);
    // Whether it has ended; then what is left of its group is killed and outcome says how it was. Views of it live until start().
    bool ended(ExecOutcome& outcome);
    void abandon();  // kills the group, without a word

private:
    int start_process(const ExecRequest& request, int input, int output);
    void close_output();

    pid_t pid_ = 0;
    int output_ = -1;
    std::uint64_t token_ = 0;
    MonotonicTime deadline_;
    unsigned asked_ = 0;  // to end
    std::uint64_t output_bytes_ = 0;
    std::array<char, exec_output_bytes_max> text_;
};

}  // namespace weir
