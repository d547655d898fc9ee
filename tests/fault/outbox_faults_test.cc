// The outbox when memory and medium fail it: each allocation of SQLite's, and each read, write, sync, truncation, opening and
// deletion, fails once, a few times, and until the end of a scripted run; at the first start, and at a start that goes on
// after a SIGKILL. Afterwards the bridge has every result exactly once but those that were counted as dropped for want of
// room in memory, nothing was set aside, and the database is sound.
#include <sqlite3.h>

#include <array>
#include <cstdio>
#include <string>

#include "tests/fault/crash_disk.h"
#include "tests/fault/gateway_life.h"
#include "uplink/database.h"

#include <CppUTest/TestHarness.h>

using namespace weir;
using namespace weir::gateway;

namespace {

constexpr std::uint64_t for_ever = std::uint64_t{1} << 60;

// SQLite's allocator with a plan.
struct Allocations {
    std::uint64_t seen = 0;
    std::uint64_t from = 0;  // 0: none fails
    std::uint64_t count = 1;
    std::uint64_t every = 1;
    bool fails() {
        ++seen;
        return from != 0 && seen >= from && seen - from < count && (seen - from) % every == 0;
    }
} allocations;
sqlite3_mem_methods usual;

void* allocate(int bytes) { return allocations.fails() ? nullptr : usual.xMalloc(bytes); }
void* reallocate(void* old, int bytes) { return allocations.fails() ? nullptr : usual.xRealloc(old, bytes); }

// Before SQLite is used for the first time.
const bool installed = [] {
    if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &usual) != SQLITE_OK) return false;
    sqlite3_mem_methods ours = usual;
    ours.xMalloc = allocate;
    ours.xRealloc = reallocate;
    return sqlite3_config(SQLITE_CONFIG_MALLOC, &ours) == SQLITE_OK;
}();

enum class Fails { allocation, io, half_io, room };
constexpr const char* names[] = {"allocation", "I/O call", "half of an I/O call", "write for want of room"};

// Which calls fail.
struct When {
    std::uint64_t from = 0, count = 1, every = 1;
};

void arm(Fails what, CrashDisk& disk, const When& when) {
    allocations = {};
    disk.fail({});
    if (what == Fails::allocation)
        allocations = {0, when.from, when.count, when.every};
    else
        disk.fail({when.from, when.count, when.every, what == Fails::room ? SQLITE_FULL : SQLITE_IOERR, what == Fails::half_io});
}
void heal(CrashDisk& disk) {
    allocations.from = 0;
    disk.heal();
}

struct Tally {
    std::uint64_t cases = 0, calls = 0, starts_refused = 0, dropped = 0, results = 0;
};

// The number of calls of the life that has the fault.
std::uint64_t run_case(Fails what, bool after_kill, const When& when, Tally& tally) {
    CrashDisk disk;
    Bridge bridge;
    SeededEntropy identities(1), chance(2);
    std::uint64_t dropped = 0;
    const auto settle = [&](const Life& life) {
        if (life.set_aside() > 0 || life.report().set_aside) throw Failure{"a sound database was set aside"};
        dropped += life.dropped();
    };
    heal(disk);
    if (after_kill) {  // what a SIGKILL leaves is all that was written, synced or not
        disk.cut_after(110);
        {
            Script script(1);
            Life life(disk, identities, bridge, script);
            if (life.opened()) life.run();
        }
        disk.power_on(chance, {512, 1.0, 0.0});
        disk.cut_after(0);
    }
    if (when.every == 1) arm(what, disk, when);
    std::uint64_t calls = 0;
    bool ended = false;
    {
        Script script(3);
        Life life(disk, identities, bridge, script);
        life.live_on_errors();
        if (when.every > 1) life.started = [&] { arm(what, disk, when); };
        life.heal = [&] {
            calls = what == Fails::allocation ? allocations.seen : disk.calls();
            heal(disk);
        };
        if (life.opened() && after_kill && life.report().fresh) throw Failure{"a database that was in use is gone"};
        if (life.opened()) life.run();
        ended = life.ended();
        tally.starts_refused += !ended;
        settle(life);
    }
    heal(disk);
    if (!ended) {
        Script script(3);
        Life life(disk, identities, bridge, script);
        if (!life.opened()) throw Failure{"the outbox does not open after the fault"};
        if (after_kill && life.report().fresh) throw Failure{"a database that was in use is gone"};
        life.run();
        settle(life);
    }
    std::uint64_t missing = 0;
    for (std::uint64_t event = 1; event <= events; ++event)
        for (std::uint64_t key = 0; key < keys_of(event); ++key) {
            const unsigned times = bridge.rows[{event, key}];
            missing += times == 0;
            ++tally.results;
            if (times > 1) throw Failure{"result " + std::to_string(event) + "/" + std::to_string(key) + " came twice"};
        }
    if (missing != dropped)
        throw Failure{std::to_string(missing) + " results are missing, " + std::to_string(dropped) + " were counted as dropped"};
    tally.dropped += dropped;
    auto database = Database::open({"weir.db", Bytes{64} << 10, Bytes{1} << 20});
    if (!database.ok() || !(*database)->sound().ok() || !*(*database)->sound()) throw Failure{"the database is not sound"};
    ++tally.cases;
    return calls;
}

void tell(Fails what, const Tally& tally) {
    printf("each %s: %llu cases, %llu starts refused, %llu of %llu results dropped and counted\n", names[static_cast<int>(what)],
           static_cast<unsigned long long>(tally.cases), static_cast<unsigned long long>(tally.starts_refused),
           static_cast<unsigned long long>(tally.dropped), static_cast<unsigned long long>(tally.results));
}

// A medium that comes and goes, once the agent runs: fails while the database is opened again after a failure.
void every_so_many(Fails what, std::uint64_t most) {
    Tally tally;
    for (const bool after_kill : {false, true})
        for (std::uint64_t every = 2; every <= most; ++every)
            for (std::uint64_t from = 1; from <= every; ++from) try {
                    run_case(what, after_kill, {from, for_ever, every}, tally);
                } catch (const Failure& failure) {
                    FAIL((std::string(names[static_cast<int>(what)]) + " " + std::to_string(from) + " and each " +
                          std::to_string(every) + " after it: " + failure.what).c_str());
                }
    tell(what, tally);
}

void each(Fails what) {
    CHECK_TRUE(installed);
    Tally tally;
    for (const bool after_kill : {false, true})
        for (const std::uint64_t count : {std::uint64_t{1}, std::uint64_t{3}, for_ever}) {
            std::uint64_t n = 0;
            try {
                const std::uint64_t calls = run_case(what, after_kill, {}, tally);
                tally.calls += calls;
                CHECK(calls > 40);
                for (n = 1; n <= calls; ++n) run_case(what, after_kill, {n, count, 1}, tally);
            } catch (const Failure& failure) {
                FAIL((std::string(names[static_cast<int>(what)]) + " " + std::to_string(n) + " and " + std::to_string(count - 1) +
                      " after it, " + (after_kill ? "after a SIGKILL: " : "from the first start: ") + failure.what).c_str());
            }
        }
    tell(what, tally);
    CHECK(what == Fails::room || tally.starts_refused > 0);
}

}  // namespace

TEST_GROUP(OutboxFaults){};

TEST(OutboxFaults, each_allocation_of_sqlite) { each(Fails::allocation); }
TEST(OutboxFaults, each_call_on_files) { each(Fails::io); }
TEST(OutboxFaults, each_call_on_files_half_done) { each(Fails::half_io); }
TEST(OutboxFaults, every_so_many_calls_on_files) { every_so_many(Fails::io, 40); }
TEST(OutboxFaults, no_room_on_the_medium) { each(Fails::room); }
