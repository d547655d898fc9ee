#include "drivers/exec/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace weir {
namespace {

constexpr Duration patience = Duration::seconds(1);  // from SIGTERM to SIGKILL
constexpr rlim_t files_max = 256;
constexpr rlim_t file_bytes_max = rlim_t{64} << 20;
constexpr Bytes argument_bytes_max = exec_packet_bytes_max;

void limit(int what, rlim_t most) {
    rlimit now{};
    if (::getrlimit(static_cast<__rlimit_resource>(what), &now) != 0) return;
    if (now.rlim_max != RLIM_INFINITY) most = std::min(most, now.rlim_max);
    const rlimit limit{most, most};
    (void)::setrlimit(static_cast<__rlimit_resource>(what), &limit);
}

int memory_file(std::string_view content) {
    const int fd = ::memfd_create("weir-alert", MFD_CLOEXEC);
    if (fd < 0) return -1;
    const bool written = ::write(fd, content.data(), content.size()) == static_cast<ssize_t>(content.size());
    if (written && ::lseek(fd, 0, SEEK_SET) == 0) return fd;
    ::close(fd);
    return -1;
}

// Between fork() and execve(). Returns the errno of what failed; of the last there is no return.
int become(const ExecRequest& request, char* const* arguments, int input, int output) {
    ::setsid();
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
    if (::dup2(input, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 || ::dup2(output, STDERR_FILENO) < 0) return errno;
    if (::chdir("/") != 0) return errno;
    ::umask(022);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_CPU, static_cast<rlim_t>(request.timeout.us() / 1'000'000 + 2));
    limit(RLIMIT_NOFILE, files_max);
    limit(RLIMIT_FSIZE, file_bytes_max);
    if (request.memory > 0) limit(RLIMIT_DATA, static_cast<rlim_t>(request.memory));
    static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    static char home[] = "HOME=/";
    static char language[] = "LANG=C.UTF-8";
    char* const environment[] = {path, home, language, nullptr};
    ::execve(arguments[0], arguments, environment);
    return errno;
}

}  // namespace

int ExecChild::start(const ExecRequest& request, MonotonicTime now) {
    int output[2];
    if (::pipe2(output, O_CLOEXEC) != 0) return errno;
    const int input = memory_file(request.input);
    const int failure = input < 0 ? errno : start_process(request, input, output[1]);
    if (input >= 0) ::close(input);
    ::close(output[1]);
    if (failure != 0) {
        ::close(output[0]);
        return failure;
    }
    ::fcntl(output[0], F_SETFL, O_NONBLOCK);
    output_ = output[0];
    output_bytes_ = 0;
    token_ = request.token;
    asked_ = 0;
    deadline_ = now + request.timeout;
    return 0;
}

// A second pipe, which execve() closes, tells why there was none.
int ExecChild::start_process(const ExecRequest& request, int input, int output) {
    static char text[argument_bytes_max + exec_arguments_max];
    char* arguments[exec_arguments_max + 1] = {};
    char* at = text;
    for (std::size_t i = 0; i < request.count; ++i) {
        arguments[i] = at;
        at = std::copy(request.arguments[i].begin(), request.arguments[i].end(), at);
        *at++ = '\0';
    }
    int failed[2];
    if (::pipe2(failed, O_CLOEXEC) != 0) return errno;
    const pid_t pid = ::fork();
    if (pid == 0) {
        const int failure = become(request, arguments, input, output);
        [[maybe_unused]] const ssize_t told = ::write(failed[1], &failure, sizeof failure);
        ::_exit(127);
    }
    int failure = pid < 0 ? errno : 0;
    ::close(failed[1]);
    while (pid > 0 && ::read(failed[0], &failure, sizeof failure) < 0 && errno == EINTR) {
    }
    ::close(failed[0]);
    if (pid > 0 && failure != 0)
        ::waitpid(pid, nullptr, 0);
    else if (pid > 0)
        pid_ = pid;
    return failure;
}

void ExecChild::read_output() {
    char part[4096];
    for (unsigned turns = 0; output_ >= 0 && turns < 16; ++turns) {
        const ssize_t got = ::read(output_, part, sizeof part);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) return close_output();
        const auto count = static_cast<std::size_t>(got);
        if (output_bytes_ < text_.size()) {
            const auto used = static_cast<std::size_t>(output_bytes_);
            std::memcpy(text_.data() + used, part, std::min(count, text_.size() - used));
        }
        output_bytes_ += count;
    }
}

void ExecChild::look_at(MonotonicTime now) {
    if (!running() || now < deadline_) return;
    ::kill(-pid_, asked_ == 0 ? SIGTERM : SIGKILL);
    ++asked_;
    deadline_ = now + patience;
}

// The group is killed while its leader's number is still taken.
bool ExecChild::ended(ExecOutcome& outcome) {
    siginfo_t info{};
    if (!running() || ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return false;
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    read_output();
    close_output();
    pid_ = 0;
    outcome = {};
    outcome.token = token_;
    outcome.code = info.si_status;
    outcome.end = asked_ > 0 ? ExecEnd::timed_out : info.si_code == CLD_EXITED ? ExecEnd::exited : ExecEnd::signalled;
    outcome.output_bytes = output_bytes_;
    outcome.output = {text_.data(), static_cast<std::size_t>(std::min<std::uint64_t>(output_bytes_, text_.size()))};
    return true;
}

void ExecChild::abandon() {
    if (running()) {
        ::kill(-pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    pid_ = 0;
    close_output();
}

void ExecChild::close_output() {
    if (output_ >= 0) ::close(output_);
    output_ = -1;
}

}  // namespace weir
