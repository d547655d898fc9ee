// bridge_load: agents that deliver results 1..N through a bridge whatever happens to it, for trials with
// kill -9 and a real Kafka (tests/unit/bridge/exactly_once).
//   bridge_load HOST PORT CERTIFICATES AGENT N [--port-file FILE]
// CERTIFICATES/AGENT.pem, AGENT.key and ca.pem are those of `weir-bridge enrol`. Goes on after the Welcome's
// ship number, reconnects until N is acknowledged, prints "done" and what it saw. An acknowledgement that a
// later Welcome takes back ends it with 1: the bridge had lied.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/unit/bridge/scripted_agent.h"

namespace {

constexpr std::uint64_t block_records = 50;
constexpr std::uint64_t ahead_max = 1000;  // sent and not acknowledged

struct Run {
    std::uint64_t last = 0;
    std::uint64_t acknowledged = 0;
    int sessions = 0;
    bool lied = false;
};

// One session, until it breaks or all is acknowledged.
void deliver(weir::test::ScriptedAgent& agent, Run& run) {
    const auto welcome = agent.greet(weir::Duration::seconds(30));
    if (!welcome.ok()) return;
    ++run.sessions;
    if (*welcome < run.acknowledged) {
        std::fprintf(stderr, "welcome %llu after acknowledgement %llu\n", static_cast<unsigned long long>(*welcome),
                     static_cast<unsigned long long>(run.acknowledged));
        run.lied = true;
        return;
    }
    run.acknowledged = *welcome;
    std::uint64_t sent = *welcome;
    while (run.acknowledged < run.last) {
        while (sent < run.last && sent - run.acknowledged < ahead_max) {
            const std::uint64_t until = std::min(run.last, sent + block_records);
            if (!agent.send_records(sent + 1, until).ok()) return;
            sent = until;
        }
        const auto ack = agent.next_ack(weir::Duration::seconds(60));
        if (!ack.ok()) return;
        run.acknowledged = std::max(run.acknowledged, *ack);
    }
}

std::uint16_t port_of(const std::string& text, const std::string& file) {
    std::string address = text;
    if (!file.empty()) std::getline(std::ifstream(file), address);
    const auto colon = address.rfind(':');
    if (colon != std::string::npos) address = address.substr(colon + 1);
    return static_cast<std::uint16_t>(std::atoi(address.c_str()));
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 6 && count != 8) return std::fputs("bridge_load HOST PORT CERTIFICATES AGENT N [--port-file FILE]\n", stderr), 2;
    const std::string folder = arguments[3];
    weir::test::AgentIdentity identity;
    identity.name = arguments[4];
    identity.tls = {folder + "/ca.pem", folder + "/" + identity.name + ".pem", folder + "/" + identity.name + ".key"};
    for (std::size_t i = 0; i < identity.incarnation.size(); ++i)
        identity.incarnation[i] = static_cast<std::byte>(identity.name[i % identity.name.size()]);
    weir::test::ScriptedAgent agent(identity);
    Run run;
    run.last = std::strtoull(arguments[5], nullptr, 10);
    while (run.acknowledged < run.last && !run.lied) {
        if (agent.connect(arguments[1], port_of(arguments[2], count == 8 ? arguments[7] : "")).ok()) deliver(agent, run);
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    std::printf("%s %s: %llu acknowledged in %d sessions\n", run.lied ? "LIED" : "done", identity.name.c_str(),
                static_cast<unsigned long long>(run.acknowledged), run.sessions);
    return run.lied ? 1 : 0;
}
