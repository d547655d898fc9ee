// The floor for anything that takes messages from a broker with Paho C++: it counts them, and
// nothing else. `counting_subscriber URL FILTER QOS` prints "ready", and at the end of its input
// the number of messages.
#include <mqtt/async_client.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

class Counter final : public mqtt::callback {
public:
    void message_arrived(mqtt::const_message_ptr) override {
        messages.fetch_add(1, std::memory_order_relaxed);
    }
    std::atomic<unsigned long> messages{0};
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: counting_subscriber URL FILTER QOS\n");
        return 2;
    }
    try {
        mqtt::async_client client(argv[1], "counting-subscriber");
        Counter counter;
        client.set_callback(counter);
        client.connect(mqtt::connect_options_builder().clean_session(true).finalize())->wait();
        client.subscribe(argv[2], std::atoi(argv[3]))->wait();
        std::puts("ready");
        std::fflush(stdout);
        // A line of input asks for the count so far.
        for (int c = std::getchar(); c != EOF; c = std::getchar())
            if (c == '\n') {
                std::printf("%lu\n", counter.messages.load());
                std::fflush(stdout);
            }
        client.disconnect()->wait();
    } catch (const mqtt::exception& e) {
        std::fprintf(stderr, "counting_subscriber: %s\n", e.what());
        return 1;
    }
    return 0;
}
