// What `weir check` and `weir plan` say of lanes and of shared subscriptions.
#include <algorithm>

#include "agent/memory_plan.h"
#include "windows/lane_merger.h"
#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(LanesConfig) {
    static std::string with(const std::string& lanes, const std::string& source = "topics = [\"city/{site}/loop/{lane:int}\"]") {
        std::string text = small_config;
        text.replace(text.find("id = \"a1\""), 9, "id = \"a1\"\nmemory = \"64MiB\"\n" + lanes);
        return text.replace(text.find("topics = "), text.find("\ncolumns") - text.find("topics = "), source);
    }
    static constexpr const char* two_topics = "topics = [\"north/{site}/{lane:int}\", \"south/{site}/{lane:int}\"]";
    static std::string problems_of(const std::string& text, bool of_plan = false) {
        Assembled assembled(text);
        if (assembled.assembly && of_plan) check_plan(make_plan(*assembled.assembly, part_options(*assembled.assembly), false), assembled.problems);
        std::string all;
        for (const ConfigProblem& problem : assembled.problems) all += (problem.warning ? "warning: " : "error: ") + problem.what + "\n";
        return all;
    }
    static std::vector<std::string> filters_of(const MqttOptions& options) {
        std::vector<std::string> filters;
        for (const MqttFilter& filter : options.filters) filters.push_back(filter.filter);
        return filters;
    }
};

TEST(LanesConfig, filters_go_to_the_lanes_in_turn_each_with_a_connection) {
    Assembled assembled(with("lanes = 2", two_topics));
    CHECK(assembled.problems.empty());
    LONGS_EQUAL(2, assembled.assembly->lanes());
    CHECK(assembled.assembly->is_split(0));
    const PartOptions options = part_options(*assembled.assembly);
    LONGS_EQUAL(2, options.mqtt.size());
    STRCMP_EQUAL("weir-a1", options.mqtt[0].client_id.c_str());
    STRCMP_EQUAL("weir-a1-lane1", options.mqtt[1].client_id.c_str());
    CHECK((filters_of(options.mqtt[0]) == std::vector<std::string>{"north/+/+"}));
    CHECK((filters_of(options.mqtt[1]) == std::vector<std::string>{"south/+/+"}));
    CHECK(options.mqtt[0].will && !options.mqtt[1].will);  // whether the agent is there is said once
}

TEST(LanesConfig, a_source_that_is_pinned_stays_whole) {
    Assembled assembled(with("lanes = 3", std::string("lane = 2\n") + two_topics));
    CHECK(!assembled.assembly->is_split(0));
    LONGS_EQUAL(2, assembled.assembly->lane_of(0, 0));
    LONGS_EQUAL(2, assembled.assembly->lane_of(0, 1));
    const PartOptions options = part_options(*assembled.assembly);
    LONGS_EQUAL(2, options.mqtt.size());  // lane 0's publishes, lane 1 has no topic
    CHECK(options.mqtt[0].filters.empty());
    LONGS_EQUAL(2, options.mqtt_owners[1].lane);
    STRCMP_CONTAINS("warning: lanes in [agent]: no topic goes to lane 1", problems_of(with("lanes = 3", std::string("lane = 2\n") + two_topics)).c_str());
}

TEST(LanesConfig, what_cannot_be_is_refused) {
    STRCMP_CONTAINS("expected a number below lanes of [agent], which is 2", problems_of(with("lanes = 2", std::string("lane = 2\n") + two_topics)).c_str());
    STRCMP_CONTAINS("lanes in [agent]", problems_of(with("lanes = 9")).c_str());
    STRCMP_CONTAINS("lanes in [agent]", problems_of(with("lanes = 0")).c_str());
    std::string detector = with("lanes = 2", two_topics);
    detector += "[[alert]]\nname = \"odd\"\nfrom = \"loops\"\nanomaly = { of = \"speed\" }\n";
    STRCMP_CONTAINS("watches the rows of a source, which takes one lane", problems_of(detector).c_str());
    std::string sampled = with("lanes = 2", two_topics);
    sampled.insert(sampled.find("[[source]]"), "overflow = \"sample\"\n");
    STRCMP_CONTAINS("overflow = \"sample\" takes one lane", problems_of(sampled).c_str());
    std::string twice = with("lanes = 2", two_topics);
    twice.insert(twice.find("[[source]]"), "client_id = \"c\"\n[mqtt.other]\nurl = \"mqtt://127.0.0.1\"\nclient_id = \"c-lane1\"\n");
    STRCMP_CONTAINS("is also that of lane 1", problems_of(twice).c_str());
}

TEST(LanesConfig, explain_says_it_and_is_read_again) {
    Assembled assembled(with("lanes = 2", std::string("lane = 1\n") + two_topics));
    const std::string text = explain(assembled.load.config, false);
    STRCMP_CONTAINS("\nlanes = 2\n", text.c_str());
    STRCMP_CONTAINS("\nlane = 1\n", text.c_str());
    Assembled again(text);
    LONGS_EQUAL(assembled.assembly->fingerprint(), again.assembly->fingerprint());
}

TEST(LanesConfig, another_number_or_another_lane_is_another_configuration) {
    const auto print = [](const std::string& text) { return Assembled(text).assembly->fingerprint(); };
    CHECK(print(with("lanes = 1", two_topics)) == print(with("", two_topics)));
    CHECK(print(with("lanes = 1", two_topics)) != print(with("lanes = 2", two_topics)));
    CHECK(print(with("lanes = 3", two_topics)) != print(with("lanes = 2", two_topics)));
    CHECK(print(with("lanes = 2", std::string("lane = 1\n") + two_topics)) != print(with("lanes = 2", std::string("lane = 0\n") + two_topics)));
}

TEST(LanesConfig, the_plan_counts_every_lane) {
    const auto plan_of = [](const std::string& text) {
        Assembled assembled(text);
        return make_plan(*assembled.assembly, part_options(*assembled.assembly), false);
    };
    const MemoryPlan one = plan_of(with("lanes = 1", two_topics));
    const MemoryPlan two = plan_of(with("lanes = 2", two_topics));
    const auto part = [](const MemoryPlan& plan, const std::string& name) {
        const auto found = std::find_if(plan.parts.begin(), plan.parts.end(), [&](const PlanPart& p) { return p.name == name; });
        return found == plan.parts.end() ? Bytes{0} : found->bytes;
    };
    CHECK(part(two, "journal, 2 lanes") > 2 * part(one, "journal") - 1);
    CHECK(part(two, "merger of lanes") > 0);
    CHECK(part(two, "queues behind lanes") > 2 * (Bytes{512} << 10));
    CHECK(part(two, "mqtt, lane 1: Paho") > 0);
    CHECK(part(two, "thread stacks") > part(one, "thread stacks"));
    for (const PlanPart& p : one.parts) CHECK(p.name.find("lane") == std::string::npos);

    Assembled assembled(with("lanes = 2", two_topics));
    const PartOptions options = part_options(*assembled.assembly);
    Bytes counted = 0;
    for (const EnginePlan::Part& p : assembled.assembly->engine().parts()) counted += 2 * p.bytes;
    for (const EnginePlan::Part& p : LaneMerger::parts(assembled.assembly->engine(), 2)) counted += p.bytes;
    for (const char* name : {"batches, 2 lanes", "alerts: state", "actions: buffers", "outbox: staging and send buffers"}) counted += part(two, name);
    LONGS_EQUAL(arena_need(*assembled.assembly, options), counted);
    STRCMP_CONTAINS("the plan takes", problems_of([&] {
        std::string text = with("lanes = 8", two_topics);
        return text.replace(text.find("64MiB"), 5, "24MiB");
    }(), true).c_str());
}

TEST(LanesConfig, a_shared_subscription_is_taken_and_said_to_be_at_least_once) {
    const std::string text = with("lanes = 2", "topics = [\"$share/group/north/{site}/{lane:int}\", \"south/{site}/{lane:int}\"]");
    STRCMP_CONTAINS("warning: topics in [[source]] \"loops\": a shared subscription counts each event at least once", problems_of(text).c_str());
    Assembled assembled(text);
    const PartOptions options = part_options(*assembled.assembly);
    CHECK((filters_of(options.mqtt[0]) == std::vector<std::string>{"$share/group/north/+/+"}));
    CHECK(assembled.assembly->codecs()[0].topics[0].matches("north/s1/1"));
    STRCMP_CONTAINS("a topic can match both", problems_of(with("", "topics = [\"$share/g/a/{site}/{lane:int}\", \"a/{site}/{lane:int}\"]")).c_str());
    STRCMP_CONTAINS("$share/GROUP/TOPIC", problems_of(with("", "topics = [\"$share/group\"]\nx = 1")).c_str());
}
