// receiver URL CLIENT_ID FILTER N exit|kill|starve: prints messages as they come; at the Nth it leaves in order, or kills
// itself inside the callback, or takes all memory away, so that Paho's next allocation fails.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <unistd.h>

#include "drivers/mqtt_source.h"

using namespace weir;

namespace {

class Receiver final : public MqttHandler {
public:
    Receiver(int limit, std::string end) : limit_(limit), end_(std::move(end)) {}
    bool ready() override { return true; }
    bool on_message(const MqttMessage& message) override {
        std::printf("%.*s%s\n", static_cast<int>(message.payload.size()), reinterpret_cast<const char*>(message.payload.data()),
                    message.duplicate ? " DUP" : "");
        std::fflush(stdout);
        if (++count_ != limit_) return true;
        if (end_ == "kill") ::kill(::getpid(), SIGKILL);
        if (end_ == "starve") starve();
        return true;
    }
    void on_connected(bool) override {}
    void on_disconnected(std::string_view) override {}
    void on_subscribed(std::string_view, int) override { std::printf("subscribed\n"), std::fflush(stdout); }
    void on_subscription_refused(std::string_view) override {}
    void on_silence(Duration) override {}
    bool done() const { return count_ >= limit_ && end_ == "exit"; }

private:
    // What the allocator still holds is used up by the messages that follow.
    static void starve() {
        const rlimit none{0, 0};
        ::setrlimit(RLIMIT_DATA, &none);
        ::setrlimit(RLIMIT_AS, &none);
        // Through a volatile, or an optimiser sees that nobody uses the memory and takes none.
        void* volatile taken = nullptr;
        for (std::size_t size = 1 << 20; size > 4096; size /= 2) {
            do taken = std::malloc(size);
            while (taken != nullptr);
        }
    }

    int limit_;
    std::string end_;
    std::atomic<int> count_{0};
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) return 2;
    Receiver receiver(std::atoi(argv[4]), argv[5]);
    SystemClock clock;
    SystemEntropy entropy;
    MqttOptions options{.url = argv[1], .client_id = argv[2]};
    options.filters = {{argv[3], 1}};
    MqttSource source(options, receiver, clock, entropy);
    Problem problem;
    if (!source.start(problem)) return 1;
    for (int i = 0; i < 300 && !receiver.done(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    source.stop();
    return receiver.done() ? 0 : 1;
}
