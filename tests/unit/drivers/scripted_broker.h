// A broker that misbehaves on purpose: a test says, connection by connection, what it answers and when it hangs up.
#pragma once

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "agent/base/assert.h"

namespace weir {

class ScriptedBroker {
public:
    enum Packet : std::uint8_t { subscribe = 8, unsubscribe = 10 };
    struct Script {
        bool session_present = false;
        bool hang_up = false;  // right after CONNACK
        std::function<bool(Packet)> answers = [](Packet) { return true; };
    };

    // The last script is for all further connections, too.
    explicit ScriptedBroker(std::vector<Script> scripts) : scripts_(std::move(scripts)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        WEIR_ASSERT(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 && ::listen(listener_, 4) == 0);
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { run(); });
    }
    ~ScriptedBroker() {
        stopping_ = true;
        thread_.join();
        ::close(listener_);
    }
    std::string url() const { return "mqtt://127.0.0.1:" + std::to_string(port_); }
    void hang_up() { hang_up_ = true; }

private:
    void run() {
        for (std::size_t i = 0; !stopping_; ++i) {
            while (!stopping_ && !readable(listener_)) continue;
            if (stopping_) return;
            const int fd = ::accept(listener_, nullptr, nullptr);
            hang_up_ = false;
            serve(fd, scripts_[std::min(i, scripts_.size() - 1)]);
            ::close(fd);
        }
    }
    void serve(int fd, const Script& script) {
        std::uint8_t header[2];
        while (!stopping_ && !hang_up_) {
            if (!readable(fd)) continue;
            // Packets of tests are below 128 bytes: one byte of length.
            if (::recv(fd, header, sizeof header, MSG_WAITALL) != sizeof header) return;
            std::vector<std::uint8_t> body(header[1]);
            if (!body.empty() && ::recv(fd, body.data(), body.size(), MSG_WAITALL) != static_cast<ssize_t>(body.size())) return;
            const int type = header[0] >> 4;
            if (type == 1) {
                answer(fd, {0x20, 2, static_cast<std::uint8_t>(script.session_present), 0});
                if (script.hang_up) return;
            } else if (type == subscribe && script.answers(subscribe)) {
                answer(fd, {0x90, 3, body[0], body[1], body.back()});
            } else if (type == unsubscribe && script.answers(unsubscribe)) {
                answer(fd, {0xb0, 2, body[0], body[1]});
            } else if (type == 12) {
                answer(fd, {0xd0, 0});
            }
        }
    }
    static void answer(int fd, const std::vector<std::uint8_t>& bytes) { (void)!::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL); }
    static bool readable(int fd) {
        pollfd p{fd, POLLIN, 0};
        return ::poll(&p, 1, 10) > 0;
    }

    std::vector<Script> scripts_;
    int listener_ = -1;
    int port_ = 0;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> hang_up_{false};
    std::thread thread_;
};

}  // namespace weir
