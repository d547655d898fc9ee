#include "agent/configuration_check.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <string_view>

namespace weir {

std::string configuration_text(std::uint64_t hash) {
    char text[20];
    std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(hash));
    return text;
}

std::optional<std::uint64_t> configuration_of(std::string_view text) {
    std::uint64_t hash = 0;
    if (text.size() != 16) return std::nullopt;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), hash, 16);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    return hash;
}

ConfigurationCheck::ConfigurationCheck(const std::string& path) {
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) return;
    output_ = ends[0];
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none;
    sigemptyset(&none);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    std::string program = "weir", command = "check", file = path, flag = "--hash";
    char* const arguments[] = {program.data(), command.data(), file.data(), flag.data(), nullptr};
    if (::posix_spawn(&process_, "/proc/self/exe", &actions, &attributes, arguments, environ) != 0) process_ = -1;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
}

ConfigurationCheck::~ConfigurationCheck() {
    if (process_ > 0) {
        ::kill(process_, SIGKILL);
        ::waitpid(process_, nullptr, 0);
    }
    if (output_ >= 0) ::close(output_);
}

bool ConfigurationCheck::done() {
    if (process_ <= 0) return true;
    int status = 0;
    if (::waitpid(process_, &status, WNOHANG) != process_) return false;
    process_ = -1;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) read();
    return true;
}

// One short line: it fits the pipe, so the process never waited for us.
void ConfigurationCheck::read() {
    std::array<char, 64> line{};
    const ssize_t size = ::read(output_, line.data(), line.size());
    if (size > 0) configuration_ = configuration_of(std::string_view(line.data(), static_cast<std::size_t>(size)).substr(0, 16));
}

}  // namespace weir
