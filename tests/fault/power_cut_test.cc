// The outbox under power cuts: a scripted run of a small gateway, cut at every write and sync, with many kinds of loss, and
// in every third case cut again while it recovers. Afterwards the bridge has every result exactly once, the flash
// checkpoint is one that was made, and the database is sound.
// WEIR_POWER_CUT_SCRIPTS=50 runs as many scripts (one: about 21,000 cuts).

#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "tests/fault/crash_disk.h"
#include "tests/fault/gateway_life.h"
#include "uplink/outbox_store.h"

#include <CppUTest/TestHarness.h>

using namespace weir;
using namespace weir::gateway;

namespace {

constexpr unsigned seeds = 64;

struct Tally {
    std::uint64_t operations = 0;
    std::uint64_t cuts = 0;
    std::uint64_t cuts_in_recovery = 0;
    std::uint64_t before_the_first_start = 0;  // the file was not there yet, or half of it
    std::uint64_t resumed = 0;                 // with a flash checkpoint of the life before
};

// Cut 0: none. Throws a Failure.
void run_case(std::uint64_t script_seed, std::uint64_t cut, unsigned seed, Tally& tally) {
    CrashDisk disk;
    Bridge bridge;
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
            Life life(disk, identities, bridge, script);
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
    for (std::uint64_t event = 1; event <= events; ++event)
        for (std::uint64_t key = 0; key < keys_of(event); ++key) {
            const unsigned times = bridge.rows[{event, key}];
            if (times != 1)
                throw Failure{"result " + std::to_string(event) + "/" + std::to_string(key) + " reached the bridge " +
                              std::to_string(times) + " times"};
        }
    auto database = Database::open({"weir.db", Bytes{64} << 10, Bytes{1} << 20});
    if (!database.ok() || !(*database)->sound().ok() || !*(*database)->sound()) throw Failure{"the database is not sound"};
}

}  // namespace

TEST_GROUP(PowerCut){};

TEST(PowerCut, at_every_write_and_sync_loses_nothing_and_repeats_nothing) {
    const char* const wanted = getenv("WEIR_POWER_CUT_SCRIPTS");
    const std::uint64_t scripts = wanted != nullptr ? strtoull(wanted, nullptr, 10) : 1;
    Tally all;
    for (std::uint64_t script = 1; script <= scripts; ++script) {
        Tally tally;
        std::uint64_t cut = 0;
        unsigned seed = 0;
        try {
            run_case(script, 0, 0, tally);
            for (cut = 1; cut <= tally.operations; ++cut)
                for (seed = 0; seed < seeds; ++seed) run_case(script, cut, seed, tally);
        } catch (const Failure& failure) {
            FAIL(("script " + std::to_string(script) + ", cut at operation " + std::to_string(cut) + ", seed " +
                  std::to_string(seed) + ": " + failure.what).c_str());
        }
        all.operations += tally.operations;
        all.cuts += tally.cuts;
        all.cuts_in_recovery += tally.cuts_in_recovery;
        all.before_the_first_start += tally.before_the_first_start;
        if (scripts > 1) printf("script %llu of %llu: %llu cuts so far\n", static_cast<unsigned long long>(script),
                                static_cast<unsigned long long>(scripts), static_cast<unsigned long long>(all.cuts));
    }
    printf("%llu operations, %llu power cuts (%llu while recovering, %llu before the first start had ended)\n",
           static_cast<unsigned long long>(all.operations), static_cast<unsigned long long>(all.cuts),
           static_cast<unsigned long long>(all.cuts_in_recovery), static_cast<unsigned long long>(all.before_the_first_start));
    CHECK(all.operations >= 190 * scripts);
    CHECK(all.cuts_in_recovery > 1000 * scripts);
    CHECK(all.before_the_first_start > 0 && all.before_the_first_start < all.cuts / 2);
}
