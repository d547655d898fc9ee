// The control socket: `weir status` and `weir why` ask the running agent through it.
// A Unix stream socket in the run folder, mode 0600; one request line, one answer, then closed.
// Memory: one answer of at most control_answer_bytes_max, taken at start. Cost: none while nobody asks.
// Threads: a thread of its own, started by start() and ended by the destructor. Errors: a socket that
// cannot be made is reported by start(); a client that stalls is dropped after a second.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>

#include "agent/base/bytes.h"
#include "agent/base/result.h"

namespace weir {

inline constexpr Bytes control_answer_bytes_max = 256 * 1024;

class ControlServer {
public:
    // Writes the answer to request into the buffer and returns what it wrote.
    using Answer = std::function<std::string_view(std::string_view request, std::span<char> buffer)>;

    static Result<std::unique_ptr<ControlServer>> start(const std::string& path, Answer answer);
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

private:
    ControlServer(int listener, int stop_event, std::string path, Answer answer);
    void run();
    void serve(int client);

    int listener_;
    int stop_event_;
    std::string path_;
    Answer answer_;
    std::unique_ptr<char[]> buffer_;
    std::thread thread_;
};

// The client's side: sends one line, returns the whole answer. Error::missing: no agent runs there.
Result<std::string> ask_control(const std::string& path, std::string_view request);

}  // namespace weir
