#include "drivers/exec/client.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "agent/base/log.h"

namespace weir {
namespace {

constexpr Duration pause_least = Duration::millis(100);
constexpr Duration pause_most = Duration::seconds(30);
constexpr Duration proven_after = Duration::seconds(10);
constexpr Bytes outcome_bytes_max = exec_output_bytes_max + 64;
constexpr int passed_descriptor = 3;

}  // namespace

ExecClient::ExecClient(ExecOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      sent_(new std::byte[exec_packet_bytes_max]),
      heard_(new std::byte[outcome_bytes_max]),
      pause_(pause_least) {}

ExecClient::~ExecClient() {
    if (socket_ >= 0) ::close(socket_);
    end_program();
}

void ExecClient::keep_up() {
    if (socket_ >= 0 || clock_.monotonic() < next_attempt_) return;
    end_program();
    socket_ = begin();
    next_attempt_ = clock_.monotonic() + pause_;
    pause_ = std::min(pause_ * 2, pause_most);
    if (socket_ >= 0) {
        ++counters_.starts;
        started_ = clock_.monotonic();
        return;
    }
    ++counters_.failures;
    WEIR_LOG_ERROR("exec", "%s cannot be %s (%s): programs of alerts wait", (options_.socket.empty() ? options_.program : options_.socket).c_str(),
                   options_.socket.empty() ? "started" : "connected to", std::strerror(errno));
}

int ExecClient::begin() { return options_.socket.empty() ? start_program() : connect_to_unit(); }

int ExecClient::connect_to_unit() {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (options_.socket.size() >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    std::memcpy(address.sun_path, options_.socket.data(), options_.socket.size());
    const int fd = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
    const int failure = errno;
    if (fd >= 0) ::close(fd);
    errno = failure;
    return -1;
}

// Its own process group: what a terminal sends to the agent reaches it through the agent's end.
int ExecClient::start_program() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return -1;
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    // Never the same number, which would leave it to be closed.
    const int theirs = ends[1] == passed_descriptor ? ::dup(ends[1]) : ends[1];
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", 0, 0);
    posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, theirs, passed_descriptor);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigset_t all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
    char verb[] = "--serve";
    char descriptor[] = "3";
    char* const arguments[] = {const_cast<char*>(options_.program.c_str()), verb, descriptor, nullptr};
    char* const environment[] = {nullptr};
    pid_t pid = 0;
    const int failure = ::posix_spawn(&pid, options_.program.c_str(), &files, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    if (theirs != ends[1]) ::close(theirs);
    ::close(ends[1]);
    if (failure != 0) {
        ::close(ends[0]);
        errno = failure;
        return -1;
    }
    pid_ = pid;
    return ends[0];
}

// It ends by itself when its socket does, and its programs with it; one that hangs is made to.
void ExecClient::end_program() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
    }
    pid_ = 0;
}

Status ExecClient::request(const ExecRequest& request) {
    if (!serving_) return Error::closed;
    const Result<ByteSpan> bytes = encode(request, {sent_.get(), exec_packet_bytes_max});
    if (!bytes.ok()) return Error::out_of_range;
    if (::send(socket_, bytes->data(), bytes->size(), MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return {};
    if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR) return Error::full;
    drop("its socket is closed");
    return Error::closed;
}

bool ExecClient::hear(ExecOutcome& outcome) {
    while (socket_ >= 0) {
        const ssize_t got = ::recv(socket_, heard_.get(), outcome_bytes_max, MSG_DONTWAIT);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return false;
        if (got <= 0) {
            drop("it ended");
            return false;
        }
        const Result<ExecOutcome> heard = decode_exec_outcome({heard_.get(), static_cast<std::size_t>(got)});
        if (!heard.ok()) {
            drop("it said what means nothing");
            return false;
        }
        if (heard->end == ExecEnd::hello) {
            serving_ = true;
            continue;
        }
        outcome = *heard;
        return true;
    }
    return false;
}

void ExecClient::drop(const char* why) {
    if (socket_ < 0) return;
    ::close(socket_);
    socket_ = -1;
    if (serving_) ++counters_.losses;
    if (clock_.monotonic() - started_ >= proven_after) pause_ = pause_least;
    serving_ = false;
    lost_ = true;
    end_program();
    next_attempt_ = clock_.monotonic() + pause_;
    WEIR_LOG_ERROR("exec", "weir-exec is gone (%s): what it ran is run again", why);
}

bool ExecClient::lost() { return std::exchange(lost_, false); }

}  // namespace weir
