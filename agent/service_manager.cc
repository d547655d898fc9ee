#include "agent/service_manager.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <cstring>

namespace weir {
namespace {

long long number_in(const char* name) {
    const char* const text = std::getenv(name);
    return text == nullptr ? 0 : std::atoll(text);
}

}  // namespace

ServiceManager::ServiceManager() {
    const char* const path = std::getenv("NOTIFY_SOCKET");
    if (path == nullptr || (path[0] != '/' && path[0] != '@') || std::strlen(path) >= sizeof(sockaddr_un::sun_path)) return;
    path_ = path;
    socket_ = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const long long micros = number_in("WATCHDOG_USEC");
    const long long process = number_in("WATCHDOG_PID");
    if (micros > 0 && (process == 0 || process == ::getpid())) watchdog_ = Duration::micros(micros);
}

ServiceManager::~ServiceManager() {
    if (socket_ >= 0) ::close(socket_);
}

void ServiceManager::ready(std::string_view status) const { say("READY=1\nSTATUS=" + std::string(status)); }

void ServiceManager::reloading() const {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    say("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.tv_sec * 1'000'000LL + now.tv_nsec / 1000));
}

void ServiceManager::stopping() const { say("STOPPING=1"); }
void ServiceManager::alive() const { say("WATCHDOG=1"); }

void ServiceManager::say(std::string_view words) const {
    if (socket_ < 0) return;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, path_.data(), path_.size());
    if (path_[0] == '@') address.sun_path[0] = '\0';  // an abstract socket
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
    (void)!::sendto(socket_, words.data(), words.size(), MSG_NOSIGNAL | MSG_DONTWAIT, reinterpret_cast<const sockaddr*>(&address), size);
}

}  // namespace weir
