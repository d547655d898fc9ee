#include "agent/alerts.h"

#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

struct Transitions final : AlertSink {
    std::string text;
    void transition(const AlertTransition& t) override {
        text += std::string(t.result->key[0].value.text) + (t.state == AlertState::raised ? "+ " : "- ");
    }
};

}  // namespace

TEST_GROUP(Alerts) {
    Assembled assembled{small_config};
    ArenaBlock block{Alerts::need(*assembled.assembly)};
    Arena arena{block.memory()};
    Transitions seen;
    Alerts alerts{arena, *assembled.assembly, seen};
    std::int64_t minute = 0;

    void observe(Alerts& to, const char* site, double mean, std::uint32_t revision = 0, bool null_mean = false) {
        const Field key[] = {{"site", Value::of_text(site)}};
        const Field values[] = {{"n", Value::of_integer(3)}, {"mean", null_mean ? Value{} : Value::of_real(mean)}};
        Record record;
        record.window = "w";
        record.end = Timestamp::seconds(60 * ++minute);
        record.definition = assembled.assembly->engine().definition(0);
        record.revision = revision;
        record.key = key;
        record.values = values;
        to.observe(record);
    }
};

TEST(Alerts, is_raised_and_cleared_once_per_key) {
    observe(alerts, "s1", 10);
    observe(alerts, "s1", 11);
    observe(alerts, "s2", 5);
    observe(alerts, "s1", 25);  // neither: between when and clear
    observe(alerts, "s1", 31);
    observe(alerts, "s1", 31);
    observe(alerts, "s1", 19);
    STRCMP_EQUAL("s1+ s2+ s1- s1+ ", seen.text.c_str());
    LONGS_EQUAL(2, alerts.raised(0));
}

TEST(Alerts, null_and_revisions_change_nothing) {
    observe(alerts, "s1", 10, 1);
    observe(alerts, "s1", 0, 0, true);
    STRCMP_EQUAL("", seen.text.c_str());
    observe(alerts, "s1", 10);
    observe(alerts, "s1", 0, 0, true);
    STRCMP_EQUAL("s1+ ", seen.text.c_str());
}

TEST(Alerts, the_key_that_changed_longest_ago_makes_room_and_is_said_to_be_cleared) {
    for (int i = 0; i < 10; ++i) observe(alerts, ("s" + std::to_string(i)).c_str(), 1);
    LONGS_EQUAL(9, alerts.raised(0));
    LONGS_EQUAL(1, alerts.forgotten());
    STRCMP_EQUAL("s0+ s1+ s2+ s3+ s4+ s5+ s6+ s7+ s8+ s0- s9+ ", seen.text.c_str());
    seen.text.clear();
    observe(alerts, "s3", 40);
    observe(alerts, "s0", 1);  // calm ones go first, and unsaid
    observe(alerts, "s9", 1);  // stands
    STRCMP_EQUAL("s3- s0+ ", seen.text.c_str());
    LONGS_EQUAL(1, alerts.forgotten());
}

TEST(Alerts, state_survives_saving_and_loading) {
    observe(alerts, "s1", 10);
    observe(alerts, "s2", 10);
    std::vector<std::byte> bytes(Alerts::save_size_max(*assembled.assembly));
    ByteWriter out(bytes);
    alerts.save(out);
    CHECK(out.ok());

    ArenaBlock other_block{Alerts::need(*assembled.assembly)};
    Arena other_arena{other_block.memory()};
    Transitions other_seen;
    Alerts other(other_arena, *assembled.assembly, other_seen);
    ByteReader in(out.written());
    CHECK(other.load(in).ok());
    LONGS_EQUAL(0, in.remaining());
    observe(other, "s1", 10);
    observe(other, "s2", 40);
    STRCMP_EQUAL("s2- ", other_seen.text.c_str());
}

TEST(Alerts, hostile_state_is_an_error) {
    observe(alerts, "s1", 10);
    std::vector<std::byte> bytes(Alerts::save_size_max(*assembled.assembly));
    ByteWriter out(bytes);
    alerts.save(out);
    for (Bytes size = 0; size < out.size(); ++size) {
        ByteReader in(out.written().first(size));
        CHECK_FALSE(alerts.load(in).ok());
    }
    store_le<std::uint32_t>(bytes.data() + 59, 1000);
    ByteReader in(out.written());
    CHECK_FALSE(alerts.load(in).ok());
}

TEST(Alerts, another_configuration_takes_over_what_stands_if_it_has_the_same_definition) {
    observe(alerts, "s1", 10);
    observe(alerts, "s2", 10);

    ArenaBlock other_block{Alerts::need(*assembled.assembly)};
    Arena other_arena{other_block.memory()};
    Transitions other_seen;
    Alerts other(other_arena, *assembled.assembly, other_seen);
    LONGS_EQUAL(0, other.adopt(alerts));
    observe(other, "s1", 10);
    observe(other, "s2", 40);
    STRCMP_EQUAL("s2- ", other_seen.text.c_str());
    LONGS_EQUAL(3, other.transitions());

    Assembled changed{std::string(small_config) + "hold = \"1m\"\n"};  // how long it holds is not what it is
    ArenaBlock changed_block{Alerts::need(*changed.assembly)};
    Arena changed_arena{changed_block.memory()};
    Alerts tuned(changed_arena, *changed.assembly, other_seen);
    LONGS_EQUAL(0, tuned.adopt(alerts));
    CHECK(changed.assembly->fingerprint() != assembled.assembly->fingerprint());
    Assembled gone{std::string(small_config).replace(std::string(small_config).find("mean < 20.0"), 11, "mean < 21.0")};
    ArenaBlock gone_block{Alerts::need(*gone.assembly)};
    Arena gone_arena{gone_block.memory()};
    Alerts without(gone_arena, *gone.assembly, other_seen);
    LONGS_EQUAL(2, without.adopt(alerts));
}

TEST(Alerts, a_message_says_key_values_and_state) {
    AlertConfig config;
    config.name = "slow";
    const Field key[] = {{"site", Value::of_text("s\n1")}};
    const Field values[] = {{"p85", Value::of_real(17.123456789)}, {"n", Value::of_integer(3)}, {"none", Value()}};
    Record record;
    record.key = key;
    record.values = values;
    const AlertTransition transition{&config, 1, AlertState::cleared, &record};
    char buffer[80];
    STRCMP_EQUAL("a1 s 1: p85 17.1235 km/h of 3, null, slow is cleared (warning)",
                 std::string(expand_message("{agent} {site}: p85 {p85} km/h of {n}, {none}, {alert} is {state} ({severity})", transition, "a1", buffer)).c_str());
    char tiny[4];
    STRCMP_EQUAL("ab", std::string(expand_message("ab\u20acc", transition, "", tiny)).c_str());  // no half character
    STRCMP_EQUAL("0123456789abcdef", std::string(AlertId(0x0123456789abcdefULL).text()).c_str());
}
