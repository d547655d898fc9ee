// weir-exec: runs the programs of alerts' actions, apart from the agent and its memory limit. See drivers/exec/README.md.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "agent/base/build_info.h"
#include "drivers/exec/runner.h"

namespace {

constexpr const char* help = R"(usage: weir-exec --listen PATH     a unit of its own: serves the agent that connects to the socket
       weir-exec --serve FD        what `weir run` starts where no such unit is: FD is a connected socket

Runs the programs that alerts name in `do = [{ exec = [...] }]`, so that they have neither the agent's memory limit nor its
descriptors. A socket that systemd passes (LISTEN_FDS) takes the place of PATH. Ends, with --serve, when the agent does.
)";

constexpr int first_passed = 3;  // of systemd, and of an agent that starts it

// Nothing but standard descriptors and keep goes on to programs.
void close_others(int keep) {
    if (keep > first_passed) (void)::close_range(first_passed, static_cast<unsigned>(keep) - 1, 0);
    (void)::close_range(static_cast<unsigned>(keep < first_passed ? first_passed : keep + 1), ~0U, 0);
    (void)::fcntl(keep, F_SETFD, FD_CLOEXEC);
}

// What an agent lowered for itself is not meant for programs.
void raise_memory_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_DATA, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_DATA, &limit);
}

int watch_children() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    ::sigprocmask(SIG_SETMASK, &signals, nullptr);
    return ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

int open_listener(const char* path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (std::strlen(path) >= sizeof address.sun_path) return -1;
    std::strcpy(address.sun_path, path);
    const int listener = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    ::unlink(path);
    const mode_t before = ::umask(0177);
    const bool bound = listener >= 0 && ::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    ::umask(before);
    return bound && ::listen(listener, 1) == 0 ? listener : -1;
}

void serve(int socket, int signals) {
    const weir::SystemClock clock;
    weir::ExecRunner(socket, signals, clock).run();
}

int serve_one(const char* text) {
    int socket = -1;
    const auto [end, failure] = std::from_chars(text, text + std::strlen(text), socket);
    if (failure != std::errc{} || *end != '\0' || socket < first_passed) return 2;
    close_others(socket);
    serve(socket, watch_children());
    return 0;
}

int listen_for_agents(const char* path) {
    const char* const passed = std::getenv("LISTEN_FDS");
    const int listener = passed != nullptr && std::strcmp(passed, "1") == 0 ? first_passed : open_listener(path);
    if (listener < 0) {
        std::fprintf(stderr, "weir-exec: %s cannot be made (%s): make its folder, or give this user the right to write there\n", path,
                     std::strerror(errno));
        return 1;
    }
    close_others(listener);
    const int signals = watch_children();
    for (;;) {
        const int agent = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (agent < 0) continue;
        serve(agent, signals);
        ::close(agent);
    }
}

}  // namespace

int main(int argc, char** argv) {
    const std::string_view verb = argc > 1 ? argv[1] : "";
    if (verb == "--help") return std::fputs(help, stdout) < 0;
    if (verb == "--version") return std::printf("weir-exec %s\n", std::string(weir::version()).c_str()) < 0;
    raise_memory_limit();
    ::signal(SIGPIPE, SIG_IGN);
    if (argc == 3 && verb == "--serve") {
        if (const int done = serve_one(argv[2]); done != 2) return done;
    } else if (argc == 3 && verb == "--listen") {
        return listen_for_agents(argv[2]);
    }
    std::fputs(help, stderr);
    return 2;
}
