#include "windows/pattern_syntax.h"

#include <string>

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

// Each state as "edges, the best first", "!" where a match may end: "A1 B2!".
std::string automaton(const char* text) {
    Problem problem;
    const auto program = parse_pattern(text, problem);
    if (!program) return problem.what;
    std::string out;
    for (const PatternState& state : program->states) {
        if (&state != program->states.data()) out += " / ";
        for (const PatternState::Edge& edge : state.edges) out += program->variables[edge.variable] + std::to_string(edge.to);
        if (state.done) out += "!";
    }
    return out;
}
std::string canonical(const char* text) {
    Problem problem;
    const auto program = parse_pattern(text, problem);
    return program ? program->canonical : problem.what;
}

}  // namespace

TEST_GROUP(PatternSyntax) {};

TEST(PatternSyntax, greedy_goes_on_before_it_ends) {
    STRCMP_EQUAL("A2 / B1! / B1!", automaton("A B*").c_str());
    STRCMP_EQUAL("A1 / A1!", automaton("A+").c_str());
}

TEST(PatternSyntax, reluctant_ends_before_it_goes_on) {
    STRCMP_EQUAL("A2 / ! / !", automaton("A B*?").c_str());
    STRCMP_EQUAL("A2 / ! / A1", automaton("A{2}?").c_str());
}

TEST(PatternSyntax, alternatives_keep_their_order) {
    Problem problem;
    const auto program = parse_pattern("A | B | C", problem);
    CHECK(program.has_value());
    const auto& edges = program->states[0].edges;
    CHECK_EQUAL(3u, edges.size());
    for (std::size_t i = 0; i < 3; ++i) CHECK_EQUAL(i, std::size_t{edges[i].variable});
    for (std::size_t i = 1; i < 4; ++i) CHECK(program->states[i].done && program->states[i].edges.empty());
}

TEST(PatternSyntax, spelling_does_not_change_the_canonical_text) {
    STRCMP_EQUAL(canonical("A B* (C|D)+?").c_str(), canonical("A  B{0,}((C | D)){1,}?").c_str());
    STRCMP_EQUAL("(A B{0,1})", canonical("A B?").c_str());
    CHECK(canonical("A B+") != canonical("A B+?"));
}

TEST(PatternSyntax, hostile_text_is_refused) {
    for (const char* text : {"", " ", "(", ")", "A)", "A{", "A{}", "A{,}", "A{0}", "A{999}", "A{2,1}", "A**", "A?*", "|", "A|", "A\xff", "1A", "A.B"}) {
        Problem problem;
        CHECK_FALSE(parse_pattern(text, problem).has_value());
        CHECK(!problem.what.empty());
    }
    Problem problem;
    CHECK_FALSE(parse_pattern(std::string(2000, 'A'), problem).has_value());
    CHECK_FALSE(parse_pattern(std::string(500, '(') + "A" + std::string(500, ')'), problem).has_value());
    CHECK_FALSE(parse_pattern("((((A{100}){100}){100}){100}){100}", problem).has_value());
    std::string many;
    for (int i = 0; i < 40; ++i) many += "V" + std::to_string(i) + " ";
    CHECK_FALSE(parse_pattern(many, problem).has_value());
}
