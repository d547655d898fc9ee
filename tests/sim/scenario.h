// What a seed stands for: machines, configurations, load, and which faults can happen how often (swarm: each seed has a
// random part of the faults).
// Memory: small. Cost: O(1). Threads: plain values. Errors: none.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/entropy.h"
#include "agent/base/hash.h"

namespace weir::sim {

class Chance {
public:
    // Seeds that differ by one have nothing in common.
    explicit Chance(std::uint64_t seed) : entropy_(mix(seed)) {}
    static std::uint64_t mix(std::uint64_t seed) { return hash64(std::as_bytes(std::span(&seed, 1))); }
    std::uint64_t below(std::uint64_t n) { return n == 0 ? 0 : entropy_.word() % n; }
    std::int64_t between(std::int64_t low, std::int64_t high) { return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low + 1))); }
    bool one_in(double n) { return entropy_.unit() * n < 1; }
    bool percent(double p) { return entropy_.unit() * 100 < p; }
    Entropy& entropy() { return entropy_; }

private:
    SeededEntropy entropy_;
};

enum class Fault : std::uint8_t {
    kill,             // of the agent: everything in memory but tmpfs and flash
    power_cut,        // tmpfs, too, and of flash what was not synced, sector by sector
    connection_lost,  // to the broker, with some acknowledgements on their way
    session_lost,     // the broker forgets it, and all it held
    broker_away,
    uplink_cut,       // after some frames, or within one
    answers_lost,     // what the bridge says does not arrive, then the connection breaks
    bridge_killed,
    bridge_paused,    // and wakes up when another has its partition
    kafka_away,
    kafka_vague,      // commits of which nobody hears how they ended
    disk_full,
    slow_sync,        // the store thread waits for the medium
    clock_step,
    edit,             // another configuration
};
inline constexpr std::size_t fault_kinds = 15;
std::string_view name(Fault fault);

struct AgentScenario {
    std::string id;
    unsigned keys = 2;
    double messages_a_second = 1;
    double late_percent = 0;         // beyond lateness
    double out_of_order_percent = 0; // within
    double duplicate_percent = 0;    // published twice
    double bad_percent = 0;          // undecodable, without time, of no source
    double burst_percent = 0;        // chance of a burst each minute
    double silence_percent = 0;
    std::size_t max_inflight = 20;
    bool journal_on_disk = false;
    // Two configurations that differ in one window.
    std::array<std::string, 2> config;
};

struct Scenario {
    std::uint64_t seed = 0;
    std::vector<AgentScenario> agents;
    unsigned bridges = 1;
    std::array<double, fault_kinds> per_hour{};  // of each agent, or of the bridges
    bool enabled(Fault fault) const { return per_hour[static_cast<std::size_t>(fault)] > 0; }

    // certificates: the folder with ca.pem and NAME.pem, NAME.key.
    static Scenario make(std::uint64_t seed, const std::string& certificates);
};

}  // namespace weir::sim
