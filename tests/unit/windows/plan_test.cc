#include "windows/plan.h"

#include "tests/unit/windows/harness.h"
#include "windows/compiled_plan.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

SpecProblem problem_of(EngineSpec spec) {
    SpecProblem problem;
    const auto plan = EnginePlan::compile(std::move(spec), problem);
    CHECK(!plan.has_value());
    return problem;
}
SpecProblem select_problem(const char* text) { return problem_of(engine_of(minute({{"v", text}}))); }

#define HAS(part, text) STRCMP_CONTAINS(part, std::string(text).c_str())

}  // namespace

TEST_GROUP(Plan) {};

TEST(Plan, parts_sum_to_what_the_engine_takes) {
    WindowSpec window = minute({{"n", "count()"}, {"p50", "quantile(speed, 0.5)"}, {"p95", "quantile(speed, 0.95)"}, {"u", "distinct(vid)"}, {"top", "top(vid, 5)"}, {"share", "count(ok) / count()"}, {"l", "last(vid)"}, {"r", "rate(n)"}, {"i", "increase(speed)"}, {"m", "time_mean(n)"}, {"s", "slope(n)"}, {"d", "decayed_sum(n, '5m')"}, {"h", "histogram(speed, 1, 2)"}, {"ut", "distinct(vid, 'theta').where(ok)"}}, {"site", "lane"});
    window.where = "speed > 0.0";
    Harness harness(engine_of(window));
    Bytes sum = 0;
    for (const auto& part : harness.plan.parts()) sum += part.bytes;
    CHECK_EQUAL(sum, harness.plan.need());
    CHECK_EQUAL(harness.plan.need(), harness.arena_used());
}

TEST(Plan, problems_name_window_key_and_column) {
    SpecProblem problem = select_problem("quantle(speed, 0.5)");
    STRCMP_EQUAL("minute", problem.window.c_str());
    STRCMP_EQUAL("select.v", problem.key.c_str());
    problem = select_problem("1 + mean(sped)");
    HAS("did you mean speed?", problem.problem.what);
    CHECK_EQUAL(9U, problem.problem.offset);
    HAS("say which one", select_problem("speed").problem.what);
    HAS("do not nest", select_problem("sum(count())").problem.what);
    HAS("takes numbers, and vid is string", select_problem("mean(vid)").problem.what);
    HAS("rank from 0 to 1", select_problem("quantile(speed, 95)").problem.what);
    HAS("is a list", select_problem("top(vid, 3) == null").problem.what);
    HAS("takes numbers, and vid is string", select_problem("rate(vid)").problem.what);
    HAS("from 1 to 100", select_problem("top(vid, 1000)").problem.what);
    HAS("distinct() takes", select_problem("distinct(ok)").problem.what);

    WindowSpec window = minute({{"n", "count()"}});
    window.where = "speed + 1.0";
    STRCMP_EQUAL("where", problem_of(engine_of(window)).key.c_str());
    window.where = "mean(speed) > 3";
    STRCMP_EQUAL("where", problem_of(engine_of(window)).key.c_str());
    window.where = "";
    window.by = {"sit"};
    HAS("did you mean site?", problem_of(engine_of(window)).problem.what);
    window.by = {"speed"};
    HAS("is float", problem_of(engine_of(window)).problem.what);
    window.by = {"site"};
    window.from = "loop";
    HAS("did you mean loops?", problem_of(engine_of(window)).problem.what);
    window.from = "loops";
    window.size = {};
    STRCMP_EQUAL("size", problem_of(engine_of(window)).key.c_str());
    window.size = Duration::seconds(60);
    window.max_groups = 1000000;
    window.select = {{"p", "quantile(speed, 0.5)"}};
    HAS("MiB", problem_of(engine_of(window)).problem.what);
    SourceSpec source = road();
    source.partition = "sit";
    problem = problem_of(engine_of(minute({{"n", "count()"}}), source));
    STRCMP_EQUAL("loops", problem.source.c_str());
    STRCMP_EQUAL("partition", problem.key.c_str());
}

TEST(Plan, definition_follows_meaning_not_spelling) {
    const auto definition = [](const WindowSpec& window, const SourceSpec& source = road()) {
        return compiled(engine_of(window, source)).definition(0);
    };
    WindowSpec window = minute({{"m", "mean(speed)"}});
    window.where = "speed>0.0";
    const auto first = definition(window);
    window.where = "(speed > 0.0)";
    CHECK(first == definition(window));
    WindowSpec other = window;
    other.where = "speed > 1.0";
    CHECK(first != definition(other));
    other = window;
    other.size = Duration::seconds(30);
    CHECK(first != definition(other));
    other = window;
    other.select[0].second = "sum(speed)";
    CHECK(first != definition(other));
    SourceSpec source = road();
    source.lateness = Duration::seconds(3);
    CHECK(first != definition(window, source));
}

TEST(Plan, states_are_shared) {
    const auto need = [](std::vector<std::pair<std::string, std::string>> select) { return compiled(engine_of(minute(select))).need(); };
    const Bytes one = need({{"a", "quantile(speed, 0.5)"}});
    CHECK(need({{"a", "quantile(speed, 0.5)"}, {"b", "quantile( speed , 0.95)"}}) < one + 1000);
    CHECK(need({{"a", "quantile(speed, 0.5)"}, {"b", "quantile(n, 0.95)"}}) > one + 30 * 6000);
}

TEST(Plan, fields_say_what_records_hold) {
    const EnginePlan plan = compiled(engine_of(minute({{"n", "count()"}, {"u", "distinct(vid)"}, {"r", "count() / 2"}}, {"site", "lane"})));
    const auto fields = plan.fields(0);
    CHECK_EQUAL(6U, fields.size());
    CHECK(fields[1].kind == ValueKind::integer);
    CHECK(fields[3].kind == ValueKind::estimate);
    CHECK(fields[4].kind == ValueKind::real);
    STRCMP_EQUAL("folded_keys", fields[5].name.c_str());
}

TEST(Plan, sketches_share_what_they_are_given) {
    WindowSpec window = minute({{"p", "quantile(speed, 0.5)"}, {"u", "distinct(vid)"}, {"t", "top(vid, 10)"}});
    window.max_groups = 512;
    EngineSpec spec = engine_of(window);
    const EnginePlan full = compiled(spec);
    const auto part = [](const EnginePlan& plan, const std::string& name) {
        for (const EnginePlan::Part& part : plan.parts())
            if (part.name == name) return part.bytes;
        return Bytes{0};
    };
    CHECK(part(full, "window minute: quantile(speed) (pool)") > 1024 * 5000);
    spec.sketch_bytes = Bytes{1} << 20;
    const EnginePlan tight = compiled(spec);
    CHECK(tight.need() < full.need() / 4);
    CHECK(tight.save_size_max() < full.save_size_max() / 4);
    const std::vector<StateSpec>& states = tight.compiled().windows[0].states;
    Bytes given = tight.compiled().windows[0].folded.spare;
    for (const StateSpec& state : states) {
        given += state.spare;
        const double share = static_cast<double>(state.spare) / static_cast<double>(AggregateStates::spare_max(state, tight.compiled().windows[0].cells_all()));
        DOUBLES_EQUAL(static_cast<double>(1 << 20) / 18e6, share, 0.03);
    }
    CHECK(given <= Bytes{1} << 20);
    CHECK(given > (Bytes{1} << 20) * 99 / 100);
    // A state of one does not fit the other; what windows mean does not depend on it.
    CHECK(tight.fingerprint() != full.fingerprint());
    CHECK(tight.definition(0) == full.definition(0));
    // More than they can ever take is as good as all of it.
    spec.sketch_bytes = Bytes{500} << 20;
    CHECK(compiled(spec).fingerprint() == full.fingerprint());
    LONGS_EQUAL(full.need(), compiled(spec).need());
}
