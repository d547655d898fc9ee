// tests/sim/run: many seeds, one after another; the first broken promise ends it with 1 and says how to see it again.

#include <time.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "agent/base/log.h"
#include "tests/sim/simulation.h"

using namespace weir;
using namespace weir::sim;

namespace {

double cpu_seconds() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

double share(std::uint64_t part, std::uint64_t whole) { return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole); }
unsigned long long number(std::uint64_t n) { return n; }

}  // namespace

int main(int count, char** words) {
    std::uint64_t seeds = 1, first = 1;
    Simulation::Options options;
    bool twice = false;
    for (int i = 1; i < count; ++i) {
        const auto next = [&] { return i + 1 < count ? words[++i] : "0"; };
        if (std::strcmp(words[i], "--seeds") == 0)
            seeds = std::strtoull(next(), nullptr, 10);
        else if (std::strcmp(words[i], "--seed") == 0)
            first = std::strtoull(next(), nullptr, 10);
        else if (std::strcmp(words[i], "--hours") == 0)
            options.hours = std::strtod(next(), nullptr);
        else if (std::strcmp(words[i], "--twice") == 0)
            twice = true;
        else if (std::strcmp(words[i], "--trace") == 0)
            options.trace = true;
        else
            return std::fprintf(stderr, "simulate: --seeds N --seed S --hours H --twice --trace, not %s\n", words[i]), 2;
    }
    if (!options.trace) set_log_level(LogLevel::error);
    if (std::getenv("WEIR_SIM_LOG") == nullptr && !options.trace) std::freopen("/dev/null", "w", stderr);
    const Identities identities;
    if (!identities.ok()) return std::printf("certificates cannot be made: is the openssl command there?\n"), 1;
    Verdict all;
    std::array<std::uint64_t, fault_kinds> seeds_with{};
    const double began = cpu_seconds();
    for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
        Verdict verdict = Simulation(seed, options, identities).run();
        if (twice && verdict.trouble.empty() && Simulation(seed, options, identities).run().hash != verdict.hash)
            verdict.trouble = "the same seed gave another run";
        if (options.trace) std::printf("seed %llu: trace %016llx, %llu records\n", number(seed), number(verdict.hash), number(verdict.records));
        if (!verdict.trouble.empty()) {
            std::printf("seed %llu broke a promise at second %lld: %s\n  again: tests/sim/run --seed %llu --hours %g --trace   (commit %s)\n", number(seed),
                        static_cast<long long>(verdict.at_second), verdict.trouble.c_str(), number(seed), options.hours,
                        std::getenv("WEIR_COMMIT") != nullptr ? std::getenv("WEIR_COMMIT") : "unknown");
            return 1;
        }
        all.hash = all.hash * 31 + verdict.hash;
        all.simulated_seconds += verdict.simulated_seconds;
        all.records += verdict.records;
        all.load.messages += verdict.load.messages, all.load.events += verdict.load.events, all.load.late += verdict.load.late;
        all.load.out_of_order += verdict.load.out_of_order, all.load.duplicates += verdict.load.duplicates, all.load.bad += verdict.load.bad;
        all.load.bursts += verdict.load.bursts, all.load.silences += verdict.load.silences;
        all.redelivered += verdict.redelivered, all.skipped += verdict.skipped, all.sessions += verdict.sessions;
        all.repeated += verdict.repeated, all.fenced += verdict.fenced, all.lost_by_broker += verdict.lost_by_broker;
        for (std::size_t i = 0; i < fault_kinds; ++i) {
            all.faults[i] += verdict.faults[i];
            seeds_with[i] += verdict.faults[i] > 0;
        }
    }
    const double cpu = cpu_seconds() - began;
    std::printf("%llu seeds from %llu, %.1f simulated hours, %.1f s of CPU: %.0f times real time; trace %016llx\n", number(seeds), number(first),
                all.simulated_seconds / 3600, cpu, all.simulated_seconds / cpu, number(all.hash));
    const LoadFigures& load = all.load;
    std::printf("load: %llu messages, %llu events: %.1f %% late, %.1f %% out of order, %.1f %% of messages twice, %.1f %% bad; %llu bursts, %llu silences\n",
                number(load.messages), number(load.events), share(load.late, load.events), share(load.out_of_order, load.events),
                share(load.duplicates, load.messages), share(load.bad, load.messages), number(load.bursts), number(load.silences));
    std::printf("%llu records in Kafka, each once; %llu sessions, %llu records sent again, %llu commits fenced; %llu messages redelivered, %llu "
                "skipped as repetitions, %llu lost by the broker\n",
                number(all.records), number(all.sessions), number(all.repeated), number(all.fenced), number(all.redelivered), number(all.skipped),
                number(all.lost_by_broker));
    std::printf("faults (in so many seeds):");
    for (std::size_t i = 0; i < fault_kinds; ++i)
        std::printf(" %s %llu (%llu)%s", std::string(name(static_cast<Fault>(i))).c_str(), number(all.faults[i]), number(seeds_with[i]),
                    i + 1 < fault_kinds ? "," : "\n");
    return 0;
}
