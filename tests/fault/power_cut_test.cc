// The outbox under power cuts: a scripted run of a small gateway, cut at every write and sync, with many kinds of loss, and
// in every third case cut again while it recovers. Afterwards the bridge has every result exactly once, the flash
// checkpoint is one that was made, and the database is sound.
// WEIR_POWER_CUT_SCRIPTS=50 runs as many scripts (one: about 21,000 cuts).

#include <string>

#include "tests/fault/power_cuts.h"

#include <CppUTest/TestHarness.h>

using namespace weir;
using namespace weir::gateway;

namespace {

// Each result exactly once.
void judge(Bridge& bridge, Tally&) {
    for (std::uint64_t event = 1; event <= events; ++event)
        for (std::uint64_t key = 0; key < keys_of(event); ++key) {
            const unsigned times = bridge.rows[{event, key}];
            if (times != 1)
                throw Failure{"result " + std::to_string(event) + "/" + std::to_string(key) + " reached the bridge " +
                              std::to_string(times) + " times"};
        }
}

}  // namespace

TEST_GROUP(PowerCut){};

TEST(PowerCut, at_every_write_and_sync_loses_nothing_and_repeats_nothing) {
    const std::uint64_t scripts = scripts_wanted();
    const Tally all = cut_everywhere<Life, Bridge>(scripts, judge);
    CHECK(all.operations >= 190 * scripts);
    CHECK(all.cuts_in_recovery > 1000 * scripts);
    CHECK(all.before_the_first_start > 0 && all.before_the_first_start < all.cuts / 2);
}
