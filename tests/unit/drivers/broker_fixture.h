// A mosquitto of the test's own: a free loopback port, a folder that goes with it, started and stopped by pid.
#pragma once

#include <arpa/inet.h>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "agent/base/assert.h"

namespace weir {

inline int free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    WEIR_ASSERT(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    socklen_t size = sizeof address;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    ::close(fd);
    return ntohs(address.sin_port);
}

template <typename Condition>
bool eventually(Condition condition, int limit_ms = 15000) {
    for (int waited = 0; waited < limit_ms; waited += 10) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return condition();
}

class TestFolder {
public:
    TestFolder() {
        char path[] = "/tmp/weir_drivers_XXXXXX";
        WEIR_ASSERT(mkdtemp(path) != nullptr);
        path_ = path;
    }
    ~TestFolder() { std::filesystem::remove_all(path_); }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    void write(const std::string& name, const std::string& text) const { std::ofstream(*this / name) << text; }

private:
    std::string path_;
};

class Broker {
public:
    explicit Broker(std::string more_configuration = "", bool anonymous = true)
        : port_(free_port()), more_(std::move(more_configuration)), anonymous_(anonymous) {}
    ~Broker() { stop(); }

    void start() {
        folder.write("mosquitto.conf", "listener " + std::to_string(port_) + " 127.0.0.1\n" + (anonymous_ ? "allow_anonymous true\n" : "") +
                                           (::geteuid() == 0 ? "user root\n" : "") + "persistence_location " +
                                           (folder / "") + "\n" + more_ + "\n");
        pid_ = fork();
        if (pid_ == 0) {
            const std::string configuration = folder / "mosquitto.conf";
            std::freopen("/dev/null", "w", stderr);
            ::execlp("mosquitto", "mosquitto", "-c", configuration.c_str(), nullptr);
            ::execl("/usr/sbin/mosquitto", "mosquitto", "-c", configuration.c_str(), nullptr);
            _exit(127);
        }
        WEIR_ASSERT(eventually([&] { return accepts(); }));
    }
    void stop(int signal = SIGTERM) {
        if (pid_ <= 0) return;
        ::kill(pid_, signal);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    // Refuses subscriptions to anything else (an acl_file would grant them and deliver nothing).
    void allow_only(const std::string& filter) {
        folder.write("security.json", R"({"defaultACLAccess":{"publishClientSend":true,"publishClientReceive":true,"subscribe":false,"unsubscribe":true},
            "clients":[],"anonymousGroup":"all","groups":[{"groupname":"all","roles":[{"rolename":"reader"}]}],
            "roles":[{"rolename":"reader","acls":[{"acltype":"subscribePattern","topic":")" + filter + R"(","allow":true}]}]})");
        more_ += "\nplugin " + std::string(WEIR_MOSQUITTO_SECURITY) + "\nplugin_opt_config_file " + (folder / "security.json");
    }
    int port() const { return port_; }
    std::string url() const { return "mqtt://127.0.0.1:" + std::to_string(port_); }
    // Publishes with mosquitto's own client, independent of the code under test.
    void publish(const std::string& topic, const std::string& payload, const std::string& more = "-q 1") const {
        const std::string command = "mosquitto_pub -h 127.0.0.1 -p " + std::to_string(port_) + " " + more + " -t '" + topic + "' -m '" + payload + "'";
        WEIR_ASSERT(std::system(command.c_str()) == 0);
    }
    // One message a line, 0 to count - 1.
    void publish_numbers(const std::string& topic, int count) const {
        const std::string command = "seq 0 " + std::to_string(count - 1) + " | mosquitto_pub -h 127.0.0.1 -p " + std::to_string(port_) + " -q 1 -l -t '" + topic + "'";
        WEIR_ASSERT(std::system(command.c_str()) == 0);
    }

    TestFolder folder;

private:
    bool accepts() const {
        const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port_));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        const bool ok = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
        ::close(fd);
        return ok;
    }

    int port_;
    std::string more_;
    bool anonymous_;
    pid_t pid_ = -1;
};

}  // namespace weir
