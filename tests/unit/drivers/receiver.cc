// receiver URL CLIENT_ID FILTER N [exit|kill]: prints messages as they come; at the Nth either ends the process inside
// the callback, as a crash would, or leaves orderly.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <unistd.h>

#include "drivers/mqtt_source.h"

using namespace weir;

namespace {

class Receiver final : public MqttHandler {
public:
    Receiver(int limit, bool dies) : limit_(limit), dies_(dies) {}
    bool ready() override { return true; }
    bool on_message(const MqttMessage& message) override {
        std::printf("%.*s%s\n", static_cast<int>(message.payload.size()), reinterpret_cast<const char*>(message.payload.data()),
                    message.duplicate ? " DUP" : "");
        std::fflush(stdout);
        if (++count_ == limit_ && dies_) ::kill(::getpid(), SIGKILL);
        return true;
    }
    void on_connected(bool) override {}
    void on_disconnected(std::string_view) override {}
    void on_subscribed(std::string_view, int) override { std::printf("subscribed\n"), std::fflush(stdout); }
    void on_subscription_refused(std::string_view) override {}
    void on_silence(Duration) override {}
    bool done() const { return count_ >= limit_; }

private:
    int limit_;
    bool dies_;
    std::atomic<int> count_{0};
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 6) return 2;
    Receiver receiver(std::atoi(argv[4]), std::string(argv[5]) == "kill");
    SystemClock clock;
    SystemEntropy entropy;
    MqttOptions options{.url = argv[1], .client_id = argv[2]};
    options.filters = {{argv[3], 1}};
    MqttSource source(options, receiver, clock, entropy);
    Problem problem;
    if (!source.start(problem)) return 1;
    for (int i = 0; i < 1000 && !receiver.done(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
    source.stop();
    return receiver.done() ? 0 : 1;
}
