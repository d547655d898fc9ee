// A server in a thread of its own, with certificates made by enrol(): what the tests of the bridge share.
#pragma once

#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <thread>

#include "tests/unit/bridge/scripted_agent.h"
#include "uplink/bridge/enrol.h"
#include "uplink/bridge/server.h"

namespace weir::test {

class Certificates {
public:
    Certificates() {
        char name[] = "/tmp/weir-bridge-test-XXXXXX";
        folder_ = mkdtemp(name);
        EnrolRequest server;
        server.id = "localhost";
        server.names = {"localhost", "127.0.0.1"};
        make(server);
        for (const char* id : {"a1", "a2"}) {
            EnrolRequest agent;
            agent.id = id;
            make(agent);
        }
    }
    ~Certificates() { (void)!std::system(("rm -rf " + folder_).c_str()); }

    TlsFiles of(const std::string& id) const {
        return {folder_ + "/ca.pem", folder_ + "/" + id + ".pem", folder_ + "/" + id + ".key"};
    }

private:
    void make(EnrolRequest request) {
        request.authority = folder_ + "/ca";
        request.out = folder_;
        Problem problem;
        if (!enrol(request, problem)) std::abort();
    }
    std::string folder_;
};

// The ledger outlives it.
class RunningServer {
public:
    RunningServer(const BridgeConfig& config, Ledger& ledger, const ServerLimits& limits = {}) : config_(config) {
        std::string failure;
        server_ = Server::open(config_, clock_, entropy_, failure);
        if (!server_ || !server_->listen(failure) || pipe(signals_) != 0) std::abort();
        thread_ = std::thread([this, &ledger, limits] { code_ = server_->run(ledger, signals_[0], limits); });
    }
    ~RunningServer() {
        if (thread_.joinable()) {
            signal();
            signal();
            join();
        }
        ::close(signals_[0]);
        ::close(signals_[1]);
    }
    void signal() {
        const signalfd_siginfo info{};
        (void)!write(signals_[1], &info, sizeof info);
    }
    int join() {
        thread_.join();
        return code_;
    }
    std::uint16_t port() const { return server_->port(); }

private:
    const BridgeConfig config_;
    SystemClock clock_;
    SystemEntropy entropy_;
    std::unique_ptr<Server> server_;
    int signals_[2] = {-1, -1};
    int code_ = -1;
    std::thread thread_;
};

inline Incarnation incarnation(unsigned n) {
    Incarnation out{};
    out[15] = static_cast<std::byte>(n);
    return out;
}

}  // namespace weir::test
