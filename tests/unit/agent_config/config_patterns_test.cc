#include "agent/config.h"

#include "agent/assembly.h"
#include "tests/unit/agent_config/config_fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// The one of DESIGN section 4, and what it leaves out.
constexpr std::string_view incident = R"toml(
[[pattern]]
name     = "incident"
from     = "loops"
by       = ["site", "lane"]
define   = { A = "speed > 60.0", B = "speed < 15.0", C = "speed < 5.0" }
match    = "A B* C"
within   = "90s"
measures = { lost = "first(A.speed) - last(C.speed)" }
)toml";

std::string with(std::string_view from = "", std::string_view to = "") {
    std::string text = std::string(smallest_config) + std::string(incident);
    if (!from.empty()) text.replace(text.find(from), from.size(), to);
    return text;
}

}  // namespace

TEST_GROUP(ConfigPatterns) {
    ConfigFixture fix;

    // What check would say, the engine included.
    std::string problems_of(std::string_view text) {
        const ConfigLoad load = fix.parse(text);
        if (!load.ok()) return ConfigFixture::rendered(load);
        std::vector<ConfigProblem> problems;
        const auto assembly = Assembly::make(load.config, problems);
        return assembly ? "none" : render_problems(load.config, problems);
    }
    void says(std::string_view expected, std::string_view text) {
        STRCMP_CONTAINS(std::string(expected).c_str(), problems_of(text).c_str());
    }
};

TEST(ConfigPatterns, the_pattern_of_the_design_is_read_and_becomes_one_of_the_engine) {
    const ConfigLoad load = fix.parse(with());
    CHECK_TEXT(load.ok(), ConfigFixture::rendered(load).c_str());
    const PatternConfig* pattern = load.config.find_pattern("incident");
    CHECK(pattern != nullptr);
    CHECK_EQUAL(2u, pattern->by.size());
    CHECK_EQUAL(3u, pattern->define.size());
    CHECK(pattern->within == Duration::seconds(90));
    CHECK(pattern->contiguity == Contiguity::strict);
    CHECK(pattern->after == AfterMatch::past_last_row);
    std::vector<ConfigProblem> problems;
    const auto assembly = Assembly::make(load.config, problems);
    CHECK(assembly != nullptr);
    CHECK_EQUAL(1u, assembly->engine().patterns());
    STRCMP_EQUAL("lost", assembly->engine().pattern_fields(0)[2].name.c_str());
}

TEST(ConfigPatterns, windows_are_not_needed_beside_one) {
    std::string text = with();
    const std::size_t window = text.find("[[window]]");
    text.erase(window, text.find("[[pattern]]") - window);
    STRCMP_EQUAL("none", problems_of(text).c_str());
}

TEST(ConfigPatterns, every_key_has_its_values) {
    const ConfigLoad load = fix.parse(with("within   = \"90s\"",
                                           "where = \"speed > 0.0\"\ncontiguity = \"next\"\nafter = \"last B\"\nmax_groups = 7\nmax_runs = 8\n"
                                           "max_pending = 9\nwithin = \"1h\""));
    CHECK_TEXT(load.ok(), ConfigFixture::rendered(load).c_str());
    const PatternConfig& pattern = load.config.patterns[0];
    STRCMP_EQUAL("speed > 0.0", pattern.where.text.c_str());
    CHECK(pattern.contiguity == Contiguity::next);
    CHECK(pattern.after == AfterMatch::last);
    STRCMP_EQUAL("B", pattern.after_variable.c_str());
    CHECK_EQUAL(7u, pattern.max_groups);
    CHECK_EQUAL(8u, pattern.max_runs);
    CHECK_EQUAL(9u, pattern.max_pending);
}

TEST(ConfigPatterns, written_out_it_is_the_same) {
    for (const char* after : {"past last row", "next row", "first C", "last B"}) {
        const ConfigLoad load = fix.parse(with("within ", "after = \"" + std::string(after) + "\"\nwithin "));
        CHECK_TEXT(load.ok(), ConfigFixture::rendered(load).c_str());
        const std::string written = explain(load.config);
        const ConfigLoad again = fix.parse(written);
        CHECK_TEXT(again.ok(), ConfigFixture::rendered(again).c_str());
        STRCMP_EQUAL(written.c_str(), explain(again.config).c_str());
        STRCMP_CONTAINS(("after = \"" + std::string(after)).c_str(), written.c_str());
    }
}

TEST(ConfigPatterns, problems_have_their_place) {
    says(":18:39: error: define.B in [[pattern]] \"incident\": no column is called sped; did you mean speed?", with("B = \"speed", "B = \"sped"));
    says("match in [[pattern]] \"incident\": a ( is not closed", with("A B* C", "A (B* C"));
    says(": error: measures.lost in [[pattern]] \"incident\": the pattern has no variable D", with("first(A.speed)", "D.speed"));
    says("found \"past\", expected \"past last row\"", with("within ", "after = \"past\"\nwithin "));
    says("match has no variable D", with("within ", "after = \"first D\"\nwithin "));
    says("unknown key \"mtach\" in [[pattern]] \"incident\"; did you mean \"match\"?", with("match ", "mtach "));
    says("a window is called site_minute, too", with("name     = \"incident\"", "name = \"site_minute\""));
    says("no source is called", with("from     = \"loops\"", "from = \"loop\""));
    says("has no measures", with("measures = { lost = \"first(A.speed) - last(C.speed)\" }", ""));
    const std::string alert = with() + "[[alert]]\nname = \"a\"\nfrom = \"incident\"\n";
    says("is a pattern, which has no detector", alert + "anomaly = { of = \"lost\" }\n");
    says("missing in [[alert]] \"a\": \"clear\" needs a window", alert + "missing = \"clear\"\n");
    says("nothing is called {last}; did you mean \"lost\"?", alert + "message = \"{last}\"\n");
}

TEST(ConfigPatterns, an_alert_takes_every_match_or_some_and_clears_after_a_while) {
    const std::string alert = with() + "[[alert]]\nname = \"a\"\nfrom = \"incident\"\n";
    const ConfigLoad every = fix.parse(alert);
    CHECK_TEXT(every.ok(), ConfigFixture::rendered(every).c_str());
    CHECK(every.config.alerts[0].clear_after == Duration::minutes(5));
    const ConfigLoad some = fix.parse(alert + "when = \"lost > 1.0\"\nclear_after = \"1h\"\nmessage = \"{site} lost {lost}\"\n");
    CHECK_TEXT(some.ok(), ConfigFixture::rendered(some).c_str());
    CHECK(some.config.alerts[0].clear_after == Duration::minutes(60));
}
