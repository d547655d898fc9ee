// The TLS handshake of an MQTT connection, cut after each byte that the broker says: never a CONNECT.
#include <poll.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "drivers/mqtt_source.h"
#include "tests/unit/drivers/broker_fixture.h"
#include "tests/unit/drivers/recording_handler.h"

#include <CppUTest/TestHarness.h>
#include <CppUTest/MemoryLeakWarningPlugin.h>

using namespace weir;

namespace {

// Passes connections on to a port of this machine, and ends two (Paho's, and that of the probe which then looks for the
// reason) after `first` bytes of what the broker says, two after first + step, and so on.
class CuttingProxy {
public:
    struct Connection {
        std::size_t from_broker = 0;
        bool was_cut = false;
        int client_turns = 0;
        bool application = false;      // the client sent a record of type 23: CONNECT, if it is not its Finished
    };

    CuttingProxy(int port, std::size_t first, std::size_t step) : to_(port), first_(first), step_(step), listener_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in address = loopback(0);
        socklen_t size = sizeof address;
        WEIR_ASSERT(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0 && ::listen(listener_, 16) == 0);
        ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { run(); });
    }
    ~CuttingProxy() {
        stopping_ = true;
        thread_.join();
        ::close(listener_);
    }
    int port() const { return port_; }
    std::vector<Connection> connections() const {
        const std::lock_guard lock(mutex_);
        return done_;
    }

private:
    static sockaddr_in loopback(int port) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(static_cast<std::uint16_t>(port));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return address;
    }
    void run() {
        for (std::size_t cuts = 0; !stopping_;) {
            pollfd wait{listener_, POLLIN, 0};
            while (!stopping_ && ::poll(&wait, 1, 20) == 0) continue;
            if (stopping_) return;
            const int client = ::accept(listener_, nullptr, nullptr);
            const int broker = ::socket(AF_INET, SOCK_STREAM, 0);
            sockaddr_in address = loopback(to_);
            WEIR_ASSERT(::connect(broker, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
            const Connection seen = pass(client, broker, first_ + cuts / 2 * step_);
            cuts += seen.was_cut;
            ::close(client);
            ::close(broker);
            const std::lock_guard lock(mutex_);
            done_.push_back(seen);
        }
    }
    Connection pass(int client, int broker, std::size_t limit) {
        Connection seen;
        char bytes[8192];
        while (!stopping_) {
            pollfd wait[2] = {{client, POLLIN, 0}, {broker, POLLIN, 0}};
            if (::poll(wait, 2, 20) == 0) continue;
            if (wait[0].revents != 0) {
                const ssize_t got = ::recv(client, bytes, sizeof bytes, 0);
                if (got <= 0) return seen;
                ++seen.client_turns;
                seen.application = seen.application || (seen.client_turns > 1 && bytes[0] == 23);
                if (::send(broker, bytes, static_cast<std::size_t>(got), MSG_NOSIGNAL) != got) return seen;
            }
            if (wait[1].revents != 0) {
                const ssize_t got = ::recv(broker, bytes, sizeof bytes, 0);
                if (got <= 0) return seen;
                const std::size_t pass_on = std::min(static_cast<std::size_t>(got), limit - seen.from_broker);
                if (::send(client, bytes, pass_on, MSG_NOSIGNAL) != static_cast<ssize_t>(pass_on)) return seen;
                seen.from_broker += pass_on;
                if (seen.from_broker < limit) continue;
                seen.was_cut = true;
                // An orderly end: what the client still has to say (an alert, at most) is read.
                ::shutdown(client, SHUT_WR);
                while (::recv(client, bytes, sizeof bytes, 0) > 0) seen.application = seen.application || bytes[0] == 23;
                return seen;
            }
        }
        return seen;
    }

    const int to_;
    const std::size_t first_;
    const std::size_t step_;
    int listener_;
    int port_ = 0;
    std::atomic<bool> stopping_{false};
    mutable std::mutex mutex_;
    std::vector<Connection> done_;
    std::thread thread_;
};

struct Run {
    Run(int port, std::size_t first, std::size_t step, const std::string& ca)
        : proxy(port, first, step), source(options_for(proxy.port(), first, ca), handler, clock, entropy) {
        Problem problem;
        WEIR_ASSERT(source.start(problem).ok());
    }
    static MqttOptions options_for(int port, std::size_t number, const std::string& ca) {
        MqttOptions options{.url = "mqtts://127.0.0.1:" + std::to_string(port), .client_id = "weir-cuts-" + std::to_string(number)};
        options.tls.ca = ca;
        options.filters = {{"t/#", 1}};
        options.backoff_least = options.backoff_most = Duration::micros(100);
        return options;
    }
    CuttingProxy proxy;
    RecordingHandler handler;
    SystemClock clock;
    SystemEntropy entropy;
    MqttSource source;
};

}  // namespace

TEST_GROUP(MqttTlsCuts) {
    void setup() override {
        MemoryLeakWarningPlugin::turnOnThreadSafeNewDeleteOverloads();
        IGNORE_ALL_LEAKS_IN_TEST();
    }
};

TEST(MqttTlsCuts, a_handshake_that_ends_after_any_byte_sends_no_connect) {
    TestFolder folder;
    const std::string make = "cd " + (folder / "") + " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
        " -keyout key -out pem -subj /CN=x -addext subjectAltName=IP:127.0.0.1 2>/dev/null";
    WEIR_ASSERT(std::system(make.c_str()) == 0);
    Broker broker("cafile " + (folder / "pem") + "\ncertfile " + (folder / "pem") + "\nkeyfile " + (folder / "key"));
    broker.start();
    // Paho takes a second to notice each, so many are tried at a time: run k takes the cuts k, k + runs, k + 2 runs ...
    constexpr std::size_t runs = 64;
    std::vector<std::unique_ptr<Run>> all;
    for (std::size_t k = 0; k < runs; ++k) all.push_back(std::make_unique<Run>(broker.port(), k, runs, folder / "pem"));
    const auto connected = [](const auto& run) { return run->source.counters().connections > 0; };
    CHECK(eventually([&] { return std::all_of(all.begin(), all.end(), connected); }, 180000));
    std::size_t cuts = 0;
    for (const auto& run : all) {
        run->source.stop();
        const auto connections = run->proxy.connections();
        const auto spoke = std::find_if(connections.begin(), connections.end(), [](const auto& c) { return c.application; });
        CHECK(spoke != connections.end());
        // Never before the broker's whole first flight was there: a key, a certificate, and the proof that it has it.
        CHECK(spoke->from_broker >= 500);
        cuts += static_cast<std::size_t>(std::count_if(connections.begin(), spoke, [](const auto& c) { return c.was_cut; })) / 2;
    }
    CHECK(cuts >= 500);
    UT_PRINT((std::to_string(cuts) + " cuts").c_str());
}
