// One seed, from its scenario to its verdict: load and faults for the simulated time, then everything is healed and must
// drain, then what Kafka has is judged. The same seed gives the same run, to the last byte that the checkers see.
// Memory: of up to three agents and their twins. Cost: about a second of CPU a simulated hour. Threads: one, and no clock
// but the simulated one. Errors: a verdict.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tests/sim/agent.h"
#include "tests/sim/bridge.h"
#include "tests/sim/checks.h"
#include "tests/sim/scenario.h"

namespace weir::sim {

// Certificates of bridge and agents, made once a program with the openssl command.
class Identities {
public:
    Identities();
    ~Identities();
    Identities(const Identities&) = delete;
    Identities& operator=(const Identities&) = delete;
    bool ok() const { return ok_; }
    std::string folder() const { return folder_; }
    TlsFiles files(const std::string& name) const { return {folder() + "/ca.pem", folder() + "/" + name + ".pem", folder() + "/" + name + ".key"}; }

private:
    char folder_[32] = "/tmp/weir-sim-XXXXXX";
    bool ok_ = true;
};

struct Verdict {
    std::uint64_t seed = 0;
    std::string trouble;  // empty: every promise held
    std::int64_t at_second = 0;
    std::uint64_t hash = 0;
    double simulated_seconds = 0;
    std::uint64_t records = 0;
    LoadFigures load;
    std::array<std::uint64_t, fault_kinds> faults{};
    std::uint64_t redelivered = 0, skipped = 0, sessions = 0, repeated = 0, fenced = 0, lost_by_broker = 0;
};

class Simulation {
public:
    struct Options {
        double hours = 1;
        bool trace = false;  // a line an event of importance, to standard output
    };
    Simulation(std::uint64_t seed, const Options& options, const Identities& identities);
    ~Simulation();
    Verdict run();

private:
    void step(bool with_faults);
    void faults(Duration by);
    void fault(Fault kind, SimAgent* agent);
    void bridges();
    std::unique_ptr<Stream> connect(std::size_t agent);
    void heal();
    bool drain();
    bool broken();
    void trace(const std::string& what);
    std::int64_t second() const { return (now_ - begin_).us() / 1000000; }

    const Options options_;
    const Scenario scenario_;
    Chance chance_;
    const Timestamp begin_;
    Timestamp now_;
    ManualClock clock_;  // of the data centre
    SeededEntropy tls_entropy_;
    std::shared_ptr<const TlsContext> tls_;
    CrashDisk disk_;
    Kafka kafka_;
    std::vector<std::unique_ptr<SimBridge>> bridges_;
    std::size_t primary_ = 0;
    std::vector<std::shared_ptr<Wire>> wires_;  // the newest of each agent
    std::vector<std::unique_ptr<SimAgent>> agents_;
    Checks checks_;
    std::uint64_t activity_ = 0;
    Verdict verdict_;

    // When what was broken heals.
    std::vector<Timestamp> bridge_back_;
    std::vector<Timestamp> disk_back_, clock_back_, answers_back_;
    Timestamp kafka_back_, answers_clear_;
    std::vector<std::optional<SimAgent::Death>> dies_;
};

}  // namespace weir::sim
