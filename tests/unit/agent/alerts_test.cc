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

    void observe(Alerts& to, const char* site, double mean, std::uint32_t revision = 0, bool null_mean = false) {
        const Field key[] = {{"site", Value::of_text(site)}};
        const Field values[] = {{"n", Value::of_integer(3)}, {"mean", null_mean ? Value{} : Value::of_real(mean)}};
        Record record;
        record.window = "w";
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

TEST(Alerts, forgets_the_oldest_when_its_table_is_full) {
    for (int i = 0; i < 19; ++i) observe(alerts, ("s" + std::to_string(i)).c_str(), 1);
    LONGS_EQUAL(18, alerts.raised(0));
    LONGS_EQUAL(1, alerts.forgotten());
    seen.text.clear();
    observe(alerts, "s0", 1);   // was forgotten: raised anew
    observe(alerts, "s18", 1);  // stands
    STRCMP_EQUAL("s0+ ", seen.text.c_str());
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
    store_le<std::uint32_t>(bytes.data() + 16, 1000);
    ByteReader in(out.written());
    CHECK_FALSE(alerts.load(in).ok());
}

TEST(Alerts, another_configuration_takes_over_what_stands_if_it_has_the_same_definition) {
    observe(alerts, "s1", 10);
    observe(alerts, "s2", 10);
    std::vector<Alerts::Standing> standing = alerts.standing();
    LONGS_EQUAL(2, standing.size());
    standing.push_back({standing[0].definition + 1, 5});

    ArenaBlock other_block{Alerts::need(*assembled.assembly)};
    Arena other_arena{other_block.memory()};
    Transitions other_seen;
    Alerts other(other_arena, *assembled.assembly, other_seen);
    LONGS_EQUAL(2, other.adopt(standing));
    observe(other, "s1", 10);
    observe(other, "s2", 40);
    STRCMP_EQUAL("s2- ", other_seen.text.c_str());
}
