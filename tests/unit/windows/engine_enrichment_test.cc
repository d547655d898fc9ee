#include "tests/unit/windows/tables.h"
#include "windows/engine.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using namespace weir::test;

namespace {

EngineSpec enriched(WindowSpec window) {
    EngineSpec spec = engine_of(std::move(window));
    spec.tables = {sites()};
    spec.sources[0].enrich = {{"sites", ""}};
    return spec;
}
WindowSpec fast() {
    WindowSpec window = minute({{"n", "count()"}, {"over", "max(speed - sites.limit)"}, {"known", "count(has(sites.limit))"}}, {"sites.road"});
    window.where = "speed > 10.0 || sites.limit > 0.0";
    return window;
}
void give(Harness& harness, const std::vector<SiteRow>& rows) {
    const std::string image = image_of(harness.plan.table(0), rows);
    CHECK(harness.engine.load_table(0, as_byte_span(image), 0, image.size()).ok());
}

SpecProblem problem_of(EngineSpec spec) {
    SpecProblem problem;
    CHECK(!EnginePlan::compile(std::move(spec), problem).has_value());
    return problem;
}

}  // namespace

TEST_GROUP(EngineEnrichment) {};

TEST(EngineEnrichment, columns_of_a_table_are_keys_conditions_and_values) {
    Harness harness(enriched(fast()));
    give(harness, {{"s1", 50.0, "A1"}, {"s2", 80.0, "A1"}, {"s3", {}, "N7"}});
    harness.send(1000, car("s1", 57));
    harness.send(2000, car("s2", 81));
    harness.send(3000, car("s3", 99));
    harness.send(4000, car("s9", 12));
    harness.send(5000, car("s9", 5));  // where is null
    harness.close();
    const Emitted* motorway = harness.out.find("A1", 0);
    CHECK(motorway != nullptr);
    CHECK_EQUAL(2, motorway->integer("n"));
    DOUBLES_EQUAL(7.0, motorway->real("over"), 0);
    CHECK_EQUAL(1, harness.out.find("N7", 0)->integer("n"));
    CHECK(harness.out.find("N7", 0)->null("over"));
    CHECK_EQUAL(0, harness.out.find("N7", 0)->integer("known"));
    CHECK_EQUAL(1, harness.out.find("null", 0)->integer("n"));
    CHECK_EQUAL(1U, harness.count(WindowCounter::where_null));
    CHECK(harness.adds_up());
    const EnrichmentStatus status = harness.engine.enrichment_status(0, 0);
    CHECK_EQUAL(3U, status.rows.matched);
    CHECK_EQUAL(2U, status.rows.unmatched);
}

TEST(EngineEnrichment, a_new_table_holds_for_the_rows_behind_it) {
    Harness harness(enriched(fast()));
    harness.send(1000, car("s1", 57));
    harness.flush();
    give(harness, {{"s1", 50.0, "A1"}});
    harness.send(2000, car("s1", 57));
    harness.flush();
    give(harness, {{"s1", 30.0, "A2"}});
    harness.send(3000, car("s1", 57));
    harness.close();
    CHECK_EQUAL(3U, harness.out.results.size());
    DOUBLES_EQUAL(7.0, harness.out.find("A1", 0)->real("over"), 0);
    DOUBLES_EQUAL(27.0, harness.out.find("A2", 0)->real("over"), 0);
    CHECK_EQUAL(2U, harness.engine.table_status(0).loads);
}

TEST(EngineEnrichment, a_pattern_looks_at_columns_of_a_table) {
    EngineSpec spec = enriched(fast());
    PatternSpec pattern;
    pattern.name = "slowed";
    pattern.from = "loops";
    pattern.by = {"site"};
    pattern.match = "A B";
    pattern.define = {{"A", "speed > sites.limit"}, {"B", "speed < A.sites.limit / 2.0"}};
    pattern.measures = {{"road", "last(A.sites.road)"}};
    spec.patterns = {pattern};
    Harness harness(spec);
    give(harness, {{"s1", 50.0, "A1"}});
    harness.send(1000, car("s1", 57));
    harness.send(2000, car("s1", 20));
    harness.close();
    bool found = false;
    for (const Emitted& result : harness.out.results)
        if (result.window == "slowed") found = result.texts.at("road") == "A1";
    CHECK(found);
}

TEST(EngineEnrichment, a_loaded_engine_has_the_table_and_goes_on) {
    Harness whole(enriched(fast()));
    Harness first(enriched(fast()));
    Harness second(enriched(fast()));
    const std::string image = image_of(sites(), {{"s1", 50.0, "A1"}, {"s2", 80.0, "A2"}});
    const auto begin = [&](Harness& harness) {
        give(harness, {{"s1", 30.0, "B1"}});
        harness.send(1000, car("s1", 57));
        harness.flush();
        CHECK(harness.engine.load_table(0, as_byte_span(image).first(11), 0, image.size()).ok());
        harness.send(2000, car("s1", 57));
        harness.flush();
    };
    const auto end = [&](Harness& harness) {
        CHECK(harness.engine.load_table(0, as_byte_span(image).subspan(11), 11, image.size()).ok());
        harness.send(3000, car("s2", 99));
        harness.close();
    };
    begin(whole);
    end(whole);
    begin(first);
    const auto saved = first.save();
    CHECK(saved.size() <= first.plan.save_size_max());
    CHECK(second.load(saved).ok());
    end(second);
    STRCMP_EQUAL(whole.out.all().c_str(), second.out.all().c_str());
    CHECK_EQUAL(2U, whole.out.results.size());
}

TEST(EngineEnrichment, parts_sum_to_what_the_engine_takes) {
    Harness harness(enriched(fast()));
    CHECK_EQUAL(harness.plan.need(), harness.arena_used());
    bool named = false;
    for (const EnginePlan::Part& part : harness.plan.parts()) named |= part.name == "table sites";
    CHECK(named);
}

TEST(EngineEnrichment, problems_name_the_table_or_the_source) {
    EngineSpec spec = enriched(fast());
    spec.sources[0].enrich = {{"site", ""}};
    SpecProblem problem = problem_of(spec);
    STRCMP_EQUAL("loops", problem.source.c_str());
    STRCMP_CONTAINS("did you mean sites?", problem.problem.what.c_str());
    spec.sources[0].enrich = {{"sites", "sit"}};
    STRCMP_CONTAINS("did you mean site?", problem_of(spec).problem.what.c_str());
    spec.sources[0].enrich = {{"sites", "lane"}};
    STRCMP_CONTAINS("lane is int, and the key of sites is string", problem_of(spec).problem.what.c_str());
    spec.sources[0].enrich = {{"sites", ""}, {"sites", "vid"}};
    STRCMP_CONTAINS("stands twice", problem_of(spec).problem.what.c_str());
    spec = enriched(fast());
    spec.tables[0].max_rows = 0;
    problem = problem_of(spec);
    STRCMP_EQUAL("sites", problem.table.c_str());
    STRCMP_EQUAL("max_rows", problem.key.c_str());
    spec = enriched(minute({{"v", "max(sites.limt)"}}));
    STRCMP_CONTAINS("did you mean sites.limit?", problem_of(spec).problem.what.c_str());
}

TEST(EngineEnrichment, a_definition_follows_the_use_of_a_table) {
    const WindowSpec plain = minute({{"n", "count()"}});
    CHECK(compiled(enriched(plain)).definition(0) != compiled(engine_of(plain)).definition(0));
}
