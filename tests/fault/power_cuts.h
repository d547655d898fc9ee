// Runs a scripted gateway again and again, with a power cut at each of its writes, syncs, truncations, openings and deletions
// in turn, 64 kinds of loss for each, and in every third case a second cut while it recovers.
// Memory: a disk and a bridge. Cost: about a millisecond a life. Threads: one. Errors: fails the test that runs.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>

#include "tests/fault/crash_disk.h"
#include "tests/fault/gateway_life.h"
#include "uplink/database.h"

#include <CppUTest/TestHarness.h>

namespace weir::gateway {

inline constexpr unsigned loss_kinds = 64;

struct Tally {
    std::uint64_t operations = 0;
    std::uint64_t cuts = 0;
    std::uint64_t cuts_in_recovery = 0;
    std::uint64_t before_the_first_start = 0;  // the file was not there yet, or half of it
    std::uint64_t merges = 0;                  // of a gateway that coarsens
    std::uint64_t in_longer_rows = 0;          // results that came as a part of one

    void add(const Tally& other) {
        operations += other.operations;
        cuts += other.cuts;
        cuts_in_recovery += other.cuts_in_recovery;
        before_the_first_start += other.before_the_first_start;
        merges += other.merges;
        in_longer_rows += other.in_longer_rows;
    }
};

inline std::uint64_t scripts_wanted() {
    const char* const wanted = getenv("WEIR_POWER_CUT_SCRIPTS");
    return wanted != nullptr ? strtoull(wanted, nullptr, 10) : 1;
}

// Cut 0: none. Throws a Failure.
template <typename AnyLife, typename AnyBridge, typename Judge>
void run_case(std::uint64_t script_seed, std::uint64_t cut, unsigned seed, Tally& tally, Judge judge) {
    CrashDisk disk;
    AnyBridge bridge;
    SeededEntropy identities(script_seed);
    SeededEntropy chance(script_seed * 1000003 + cut * 64 + seed);
    const CrashDisk::Loss loss{seed % 2 ? Bytes{4096} : Bytes{512},
                               seed == 0 ? 0.0 : seed == 1 ? 1.0 : static_cast<double>(seed % 8) / 8.0,
                               seed < 2 ? 0.0 : static_cast<double>(seed % 5) / 5.0};
    bool was_open = false;
    for (unsigned life_number = 0; life_number < 3; ++life_number) {
        if (life_number == 0)
            disk.cut_after(cut);
        else if (life_number == 1 && cut > 0 && seed % 3 == 0)
            disk.cut_after(1 + chance.word() % 24);
        else
            disk.cut_after(0);
        {
            Script script(script_seed + 977 * life_number);
            AnyLife life(disk, identities, bridge, script);
            if (!life.opened() && !disk.is_off()) throw Failure{"the outbox does not open"};
            if (life.opened() && was_open && (life.report().fresh || life.report().set_aside))
                throw Failure{"a database that was in use is damaged or gone"};
            was_open |= life.opened() && !disk.is_off();
            if (life.opened()) life.run();
        }
        if (!disk.is_off()) break;
        ++tally.cuts;
        tally.cuts_in_recovery += life_number == 1;
        tally.before_the_first_start += !was_open;
        disk.power_on(chance, loss);
    }
    if (cut == 0) tally.operations = disk.operations();
    disk.cut_after(0);  // a life that needed fewer operations than it had leaves the rest
    judge(bridge, tally);
    auto database = Database::open({"weir.db", Bytes{64} << 10, Bytes{1} << 20});
    if (!database.ok() || !(*database)->sound().ok() || !*(*database)->sound()) throw Failure{"the database is not sound"};
}

template <typename AnyLife, typename AnyBridge, typename Judge>
Tally cut_everywhere(std::uint64_t scripts, Judge judge, unsigned kinds = loss_kinds) {
    Tally all;
    for (std::uint64_t script = 1; script <= scripts; ++script) {
        Tally tally;
        std::uint64_t cut = 0;
        unsigned seed = 0;
        try {
            run_case<AnyLife, AnyBridge>(script, 0, 0, tally, judge);
            for (cut = 1; cut <= tally.operations; ++cut)
                for (seed = 0; seed < kinds; ++seed) run_case<AnyLife, AnyBridge>(script, cut, seed, tally, judge);
        } catch (const Failure& failure) {
            FAIL(("script " + std::to_string(script) + ", cut at operation " + std::to_string(cut) + ", seed " +
                  std::to_string(seed) + ": " + failure.what).c_str());
        }
        all.add(tally);
        if (scripts > 1) printf("script %llu of %llu: %llu cuts so far\n", static_cast<unsigned long long>(script),
                                static_cast<unsigned long long>(scripts), static_cast<unsigned long long>(all.cuts));
    }
    printf("%llu operations, %llu power cuts (%llu while recovering, %llu before the first start had ended)",
           static_cast<unsigned long long>(all.operations), static_cast<unsigned long long>(all.cuts),
           static_cast<unsigned long long>(all.cuts_in_recovery), static_cast<unsigned long long>(all.before_the_first_start));
    if (all.merges > 0) printf("; %llu merges, %llu results came in longer rows", static_cast<unsigned long long>(all.merges),
                               static_cast<unsigned long long>(all.in_longer_rows));
    printf("\n");
    return all;
}

}  // namespace weir::gateway
