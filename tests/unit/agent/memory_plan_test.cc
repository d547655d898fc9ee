#include "agent/memory_plan.h"

#include <algorithm>

#include "agent/alert_publisher.h"
#include "agent/pipeline.h"
#include "agent/status_page.h"
#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(MemoryPlan) {
    static MemoryPlan plan_of(const std::string& text, std::vector<ConfigProblem>* problems = nullptr) {
        Assembled assembled(text);
        const PartOptions options = part_options(*assembled.assembly);
        MemoryPlan plan = make_plan(*assembled.assembly, options, false);
        if (problems != nullptr) check_plan(plan, *problems);
        return plan;
    }
    static Bytes part(const MemoryPlan& plan, const std::string& name) {
        const auto found = std::find_if(plan.parts.begin(), plan.parts.end(), [&](const PlanPart& p) { return p.name == name; });
        return found == plan.parts.end() ? 0 : found->bytes;
    }
};

TEST(MemoryPlan, total_is_the_sum_of_its_parts_and_json_says_the_same) {
    const MemoryPlan plan = plan_of(small_config);
    Bytes sum = 0;
    for (const PlanPart& p : plan.parts) sum += p.bytes;
    LONGS_EQUAL(sum, plan.total());
    STRCMP_CONTAINS(("\"total_bytes\":" + std::to_string(sum)).c_str(), render_plan_json(plan).c_str());
    CHECK(plan.fits());
}

TEST(MemoryPlan, counts_what_the_composition_takes_from_its_arena) {
    Assembled assembled(small_config);
    const PartOptions options = part_options(*assembled.assembly);
    const MemoryPlan plan = make_plan(*assembled.assembly, options, false);
    Bytes engine = 0;
    for (const EnginePlan::Part& p : assembled.assembly->engine().parts()) engine += p.bytes;
    const Bytes counted = engine + part(plan, "batches") + part(plan, "alerts: state") + part(plan, "actions: buffers") +
                          part(plan, "outbox: staging and send buffers");
    LONGS_EQUAL(arena_need(*assembled.assembly, options), counted);
}

TEST(MemoryPlan, counts_what_regular_expressions_may_grow_to) {
    std::string text = small_config;
    CHECK_EQUAL(0u, part(plan_of(text), "expressions"));
    text.replace(text.find("mean = \"mean(speed)\""), 20, "mean = \"mean(speed)\", a = \"count(vid.matches('^a'))\"");
    CHECK(part(plan_of(text), "expressions") >= 256 * 1024);
}

TEST(MemoryPlan, what_does_not_fit_is_refused_and_says_what_is_largest) {
    std::string text = small_config;
    text.replace(text.find("max_groups = 8"), 14, "max_groups = 60000");
    text.replace(text.find("mean = \"mean(speed)\""), 20, "mean = \"mean(speed)\", u = \"distinct(vid)\"");
    std::vector<ConfigProblem> problems;
    const MemoryPlan plan = plan_of(text, &problems);
    CHECK_FALSE(plan.fits());
    CHECK(!problems.empty() && !problems[0].warning);
    STRCMP_CONTAINS("agent.memory", problems[0].what.c_str());
}

TEST(MemoryPlan, grows_with_the_groups) {
    std::string text = small_config;
    const Bytes small = plan_of(text).total();
    text.replace(text.find("max_groups = 8"), 14, "max_groups = 800");
    CHECK(plan_of(text).total() > small);
}

TEST(MemoryPlan, sketches_grow_in_what_the_budget_leaves) {
    std::string text = small_config;
    text.replace(text.find("mean = \"mean(speed)\""), 20, "mean = \"mean(speed)\", u = \"distinct(vid)\", p = \"quantile(speed, 0.5)\"");
    const MemoryPlan small = plan_of(text);
    CHECK(small.fits());
    LONGS_EQUAL(small.sketch_bytes_max, small.sketch_bytes);  // eight groups at full size

    text.replace(text.find("max_groups = 8"), 14, "max_groups = 512");
    std::vector<ConfigProblem> problems;
    const MemoryPlan many = plan_of(text, &problems);
    CHECK(many.fits());
    CHECK(many.sketch_bytes < many.sketch_bytes_max);
    CHECK(many.sketch_bytes > 0);
    // All but rounding is used: a step of 64 KiB, three times, and a hundredth, for three and a tenth are three and a fifteenth.
    CHECK(many.budget - many.total() < 512 << 10);
    STRCMP_CONTAINS("to grow in", render_plan(many).c_str());
    STRCMP_CONTAINS("\"sketch_bytes\":", render_plan_json(many).c_str());
}

TEST(MemoryPlan, says_what_coarsening_an_outbox_comes_down_to_and_counts_its_memory) {
    const auto plan_with = [](const std::string& uplink) {
        SystemFiles files;
        ConfigContext context;
        context.files = &files;
        context.read_secrets = false;
        const std::string text = std::string(small_config) +
                                 "\n[[window]]\nname = \"s\"\nfrom = \"loops\"\nby = [\"site\"]\nsession = \"10s\"\nselect = { n = \"count()\" }\n"
                                 "[uplink]\nurl = \"tls://b:7400\"\ntls = { cert = \"a.pem\", key = \"a.key\" }\n" + uplink;
        const ConfigLoad load = parse_config(text, "/nowhere/weir.toml", context);
        CHECK_TEXT(load.ok(), render_problems(load.config, load.problems).c_str());
        std::vector<ConfigProblem> problems;
        const auto assembly = Assembly::make(load.config, problems);
        const PartOptions options = part_options(*assembly);
        CHECK_EQUAL(load.config.uplink->coarsen, options.outbox.coarsen);
        return make_plan(*assembly, options, false);
    };
    const MemoryPlan plan = plan_with("outbox = \"1MiB\"\n");
    CHECK(plan.outbox_coarsens && part(plan, "outbox: merging results") > 0);
    CHECK(plan.outbox_one_a_key_bytes > 9 * 100 && plan.outbox_one_a_key_bytes < 9 * 20000);
    const std::string text = render_plan(plan);
    STRCMP_CONTAINS("of 1024.0 KiB, so an outage costs resolution, not results", text.c_str());
    STRCMP_CONTAINS("not merged, by their kind: s; of these the oldest go when it is full", text.c_str());
    STRCMP_CONTAINS("\"outbox_not_merged\":[\"s\"]", render_plan_json(plan).c_str());
    // Each result is merged once, which costs pages; those of sessions are not.
    CHECK(plan.flash_bytes_per_day_full > plan.flash_bytes_per_day_max);
    STRCMP_CONTAINS("while the outbox is full and coarsens", text.c_str());
    CHECK(render_plan_json(plan).find("\"flash_bytes_per_day_full\":" + std::to_string(plan.flash_bytes_per_day_full)) != std::string::npos);
    const MemoryPlan without = plan_with("on_full = \"stop\"\n");
    CHECK(!without.outbox_coarsens);
    CHECK_EQUAL(without.flash_bytes_per_day_max, without.flash_bytes_per_day_full);
    CHECK_EQUAL(0u, part(without, "outbox: merging results"));
    CHECK(render_plan(without).find("resolution") == std::string::npos);
}

TEST(MemoryPlan, a_page_has_lines_of_its_own_and_its_part_of_the_arena) {
    const std::string text = std::string(small_config) + "\n[page]\nlisten = \"127.0.0.1:8780\"\n";
    Assembled with(text);
    Assembled without(small_config);
    const MemoryPlan plan = plan_of(text);
    LONGS_EQUAL(StatusPage::need(*with.assembly), part(plan, "page: answers and events"));
    LONGS_EQUAL(PageServer::library_bytes(), part(plan, "page: HTTP connections"));
    LONGS_EQUAL(arena_need(*without.assembly, part_options(*without.assembly)) + StatusPage::need(*with.assembly),
                arena_need(*with.assembly, part_options(*with.assembly)));
    CHECK(plan.fits());
}
