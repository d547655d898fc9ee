// What systemd is told of this process: that it is ready, reloads, stops, lives. By the protocol that sd_notify(3)
// gives for programs without libsystemd: datagrams to the socket in NOTIFY_SOCKET.
// Memory: none. Cost: a system call a word. Threads: one owner. Errors: without a service manager nothing is sent; what
// cannot be sent is lost, as with sd_notify.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/base/time.h"

namespace weir {

class ServiceManager {
public:
    // Of the environment: NOTIFY_SOCKET, and WATCHDOG_USEC if WATCHDOG_PID is this process or is not there.
    ServiceManager();
    ~ServiceManager();
    ServiceManager(const ServiceManager&) = delete;
    ServiceManager& operator=(const ServiceManager&) = delete;

    void ready(std::string_view status) const;
    void reloading() const;
    void stopping() const;
    void alive() const;
    // How often at most alive() must be said lest the process be ended; none: nobody watches.
    std::optional<Duration> watchdog() const { return watchdog_; }

private:
    void say(std::string_view words) const;

    int socket_ = -1;
    std::string path_;
    std::optional<Duration> watchdog_;
};

}  // namespace weir
