#include "drivers/exec/runner.h"

#include <errno.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace weir {
namespace {

constexpr std::size_t own_entries = 2;

}  // namespace

void ExecRunner::run() {
    tell({});
    for (bool open = true; open;) {
        std::array<pollfd, own_entries + exec_parallel_max> entries{};
        entries[0] = {socket_, POLLIN, 0};
        entries[1] = {signals_, POLLIN, 0};
        for (std::size_t i = 0; i < children_.size(); ++i) entries[own_entries + i] = {children_[i].output(), POLLIN, 0};
        if (::poll(entries.data(), entries.size(), time_left()) < 0 && errno != EINTR) break;
        for (std::size_t i = 0; i < children_.size(); ++i)
            if (entries[own_entries + i].revents != 0) children_[i].read_output();
        if (entries[1].revents != 0) {
            signalfd_siginfo info;
            while (::read(signals_, &info, sizeof info) == sizeof info) {
            }
        }
        collect();
        if (entries[0].revents != 0) open = take_request();
    }
    for (ExecChild& child : children_) child.abandon();
}

int ExecRunner::time_left() const {
    std::int64_t least_ms = -1;
    for (const ExecChild& child : children_) {
        if (!child.running()) continue;
        const std::int64_t ms = std::max<std::int64_t>((child.next_deadline() - clock_.monotonic()).us() / 1000 + 1, 0);
        least_ms = least_ms < 0 ? ms : std::min(least_ms, ms);
    }
    return static_cast<int>(std::min<std::int64_t>(least_ms, 3'600'000));
}

bool ExecRunner::take_request() {
    const ssize_t got = ::recv(socket_, packet_.data(), packet_.size(), MSG_DONTWAIT);
    if (got < 0) return errno == EAGAIN || errno == EINTR;
    if (got == 0) return false;
    const Result<ExecRequest> request = decode_exec_request(ByteSpan(packet_).first(static_cast<std::size_t>(got)));
    if (request.ok()) {
        begin(*request);
    } else {
        ExecOutcome outcome;
        outcome.end = ExecEnd::refused;
        tell(outcome);
    }
    return true;
}

void ExecRunner::begin(const ExecRequest& request) {
    ExecOutcome outcome;
    outcome.token = request.token;
    const auto free = std::find_if(children_.begin(), children_.end(), [](const ExecChild& child) { return !child.running(); });
    if (free == children_.end()) {
        outcome.end = ExecEnd::refused;
        return tell(outcome);
    }
    outcome.code = free->start(request, clock_.monotonic());
    if (outcome.code == 0) return;
    outcome.end = ExecEnd::not_started;
    tell(outcome);
}

void ExecRunner::collect() {
    for (ExecChild& child : children_) {
        child.look_at(clock_.monotonic());
        ExecOutcome outcome;
        if (child.ended(outcome)) tell(outcome);
    }
}

// An agent that does not listen any more hangs up soon.
void ExecRunner::tell(const ExecOutcome& outcome) {
    std::array<std::byte, exec_output_bytes_max + 64> packet;
    const Result<ByteSpan> bytes = encode(outcome, packet);
    WEIR_ASSERT(bytes.ok());
    [[maybe_unused]] const ssize_t sent = ::send(socket_, bytes->data(), bytes->size(), MSG_NOSIGNAL);
}

}  // namespace weir
