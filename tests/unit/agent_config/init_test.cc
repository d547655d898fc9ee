#include "agent/init.h"

#include <string>

#include "agent/config.h"
#include "tests/unit/agent_config/config_fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {
// simdjson chooses its implementation at the first use and keeps it: not a leak of the test that
// comes first.
const bool warm = json_shape("{}").ok();
}  // namespace

TEST_GROUP(Init) {
    ConfigFixture fix;
    InitLearner learner;
    const Timestamp now = Timestamp::millis(1'767'225'600'000);

    std::string written(const std::string& filter) {
        Problem problem;
        const auto text = learner.configuration({"mqtt://broker", filter}, problem);
        CHECK_TEXT(text.ok(), problem.what.c_str());
        return text.ok() ? *text : std::string();
    }
    // What was written must be a configuration without a single problem.
    AgentConfig learned(const std::string& filter) {
        const std::string text = written(filter);
        const ConfigLoad load = fix.parse(text);
        CHECK_TEXT(load.problems.empty(), (text + ConfigFixture::rendered(load)).c_str());
        return load.config;
    }
    void traffic() {
        for (int i = 0; i < 300; ++i) {
            const std::string topic =
                "city/s" + std::to_string(i % 3) + "/loop/" + std::to_string(i % 4);
            const long long ts = now.ms() + i * 10 - (i % 7 == 0 ? 1200 : 0);
            learner.add(topic,
                        "{\"ts\":" + std::to_string(ts) + ",\"vid\":\"v" + std::to_string(i) +
                            "\",\"speed\":" + std::to_string(40.5 + i % 9) + ",\"kind\":\"" +
                            (i % 5 ? "car" : "truck") + "\",\"axles\":" +
                            std::to_string(2 + i % 3) + ",\"wet\":" + (i % 2 ? "true" : "false") +
                            ",\"vehicle\":{\"length\":4.5,\"tags\":[1]}}",
                        Timestamp::millis(now.ms() + i * 10));
        }
    }
};

TEST(Init, levels_that_vary_become_columns) {
    traffic();
    const AgentConfig config = learned("city/#");
    const SourceConfig& source = config.sources[0];
    STRCMP_EQUAL("city/{city}/loop/{loop:int}", source.topics[0].text.c_str());
    STRCMP_EQUAL("city", source.partition.text.c_str());
    STRCMP_EQUAL("city", config.windows[0].by[0].text.c_str());
}

TEST(Init, a_level_that_the_filter_leaves_open_is_a_column_even_if_one_value_came) {
    learner.add("plant/press/7/state", "{\"t\":20.5}", now);
    STRCMP_EQUAL("plant/press/{press:int}/state",
                 learned("plant/press/+/state").sources[0].topics[0].text.c_str());
}

TEST(Init, columns_get_the_types_of_their_values) {
    traffic();
    const std::vector<ColumnConfig> columns = learned("city/#").sources[0].columns;
    LONGS_EQUAL(6, columns.size());
    STRCMP_EQUAL("vid", columns[0].name.c_str());
    CHECK(columns[0].type == ColumnType::text);
    CHECK(columns[1].type == ColumnType::real);
    CHECK(columns[2].type == ColumnType::text);
    CHECK(columns[3].type == ColumnType::integer);
    CHECK(columns[4].type == ColumnType::boolean);
    STRCMP_EQUAL("vehicle_length", columns[5].name.c_str());
    STRCMP_EQUAL("/vehicle/length", columns[5].path.c_str());
}

TEST(Init, the_time_is_found_with_its_unit_and_disorder) {
    traffic();
    const SourceTimeConfig time = learned("city/#").sources[0].time;
    STRCMP_EQUAL("ts", time.field.text.c_str());
    CHECK(time.unit == TimeUnit::milliseconds);
    CHECK(time.lateness.fixed == Duration::seconds(2));
}

TEST(Init, units_are_told_apart_by_magnitude) {
    struct Unit {
        const char* value;
        TimeUnit unit;
    };
    for (const Unit& each :
         {Unit{"1767225600", TimeUnit::seconds}, Unit{"1767225600000", TimeUnit::milliseconds},
          Unit{"1767225600000000", TimeUnit::microseconds},
          Unit{"1767225600000000000", TimeUnit::nanoseconds}}) {
        learner = InitLearner();
        learner.add("a", std::string("{\"time\":") + each.value + ",\"x\":1.5}", now);
        CHECK(learned("a").sources[0].time.unit == each.unit);
    }
}

TEST(Init, iso_text_is_a_time_whatever_its_name) {
    learner.add("a", R"({"begin":"2026-01-01T00:00:00Z","x":1.5})", now);
    learner.add("a", R"({"begin":"2025-12-31T23:59:20Z","x":1.5})", now);
    const SourceTimeConfig time = learned("a").sources[0].time;
    STRCMP_EQUAL("begin", time.field.text.c_str());
    CHECK(time.lateness.fixed == Duration::seconds(60));
}

TEST(Init, a_big_number_that_is_no_time_is_a_column) {
    learner.add("a", R"({"serial":1200000000,"x":1.5})", now);
    const SourceConfig source = learned("a").sources[0];
    CHECK(source.time.field.empty());
    LONGS_EQUAL(2, source.columns.size());
}

TEST(Init, numbers_in_strings_are_numbers_and_mixed_fields_are_left_out) {
    learner.add("a", R"({"t":"20.5","m":1})", now);
    learner.add("a", R"({"t":"21.5","m":"x"})", now);
    const SourceConfig source = learned("a").sources[0];
    LONGS_EQUAL(1, source.columns.size());
    CHECK(source.columns[0].numbers_in_strings);
    CHECK(source.columns[0].type == ColumnType::real);
}

TEST(Init, strange_names_become_names_that_expressions_can_use) {
    learner.add(
        "Büro/3. Stock/x",
        R"({"Temp °C":1.5,"in":2.5,"3d":1.5,"a/b":1.5,"a~b":1.5,"n":1.5,"true":false,"":3.5})",
        now);
    learner.add("Büro/4. Stock/x", R"({"Temp °C":1.5,"in":2.5,"$x":"${HOME}","q\"":"\u0007"})",
                now);
    const AgentConfig config = learned("#");
    LONGS_EQUAL(10, config.sources[0].columns.size());
}

TEST(Init, a_window_selects_what_makes_sense) {
    traffic();
    const WindowConfig window = learned("city/#").windows[0];
    const auto has = [&](const char* expression) {
        for (const SelectConfig& select : window.select)
            if (select.expression.text == expression) return true;
        return false;
    };
    CHECK(has("count()"));
    CHECK(has("quantile(speed, 0.95)"));
    CHECK(has("distinct(vid)"));
    CHECK(has("top(kind, 5)"));
    CHECK_FALSE(has("mean(vid)"));
    LONGS_EQUAL(16, window.max_groups);
}

TEST(Init, nothing_heard_and_nothing_understood_are_problems) {
    Problem problem;
    CHECK(learner.configuration({"mqtt://b", "x"}, problem).error() == Error::missing);
    CHECK(problem.what.find("no message came on \"x\"") != std::string::npos);
    learner.add("x", "21.5;ok", now);
    CHECK(learner.configuration({"mqtt://b", "x"}, problem).error() == Error::unsupported);
    CHECK(problem.what.find("21.5;ok") != std::string::npos);
}

TEST(Init, what_it_keeps_is_bounded) {
    for (int i = 0; i < 6000; ++i) {
        learner.add("t/" + std::to_string(i),
                    "{\"k" + std::to_string(i) + "\":" + std::to_string(i) + ",\"v\":\"x" +
                        std::to_string(i) + "\"}",
                    now);
    }
    const AgentConfig config = learned("t/+");
    CHECK(config.sources[0].columns.size() <= 256);
    LONGS_EQUAL(6000, learner.messages());
}
