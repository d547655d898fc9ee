#include "windows/regex.h"

#include <string>

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

// What RE2 keeps for good is made before a test looks for leaks.
const bool warm = [] {
    Problem problem;
    return Regex::make("a|(?i)b", problem)->found_in("a");
}();

bool found(const char* pattern, std::string_view text) {
    Problem problem;
    const auto regex = Regex::make(pattern, problem);
    CHECK(regex != nullptr);
    return regex->found_in(text);
}
Problem wrong(const std::string& pattern) {
    Problem problem;
    CHECK(Regex::make(pattern, problem) == nullptr);
    return problem;
}

}  // namespace

TEST_GROUP(Regex) {};

TEST(Regex, a_part_of_the_text_is_enough) {
    CHECK(warm && found("ubb", "hubba"));
    CHECK_FALSE(found("^ubb", "hubba"));
    CHECK(found("^h.*a$", "hubba"));
    CHECK(found("", ""));
}

TEST(Regex, bytes_that_are_no_characters_do_no_harm) {
    CHECK_FALSE(found("b", "\xff\xfe"));
    CHECK(found("b", std::string_view("\xff\0b", 3)));
}

TEST(Regex, a_wrong_pattern_says_what_and_where) {
    STRCMP_CONTAINS("missing )", wrong("ab(c").what.c_str());
    CHECK_EQUAL(3u, wrong("abc**").offset);
    STRCMP_CONTAINS("invalid escape sequence", wrong("(a)\\1").what.c_str());
    CHECK_EQUAL(3u, wrong("(a)\\1").offset);
    STRCMP_CONTAINS("too large", wrong("(\\pL{100}){10}").what.c_str());
}

TEST(Regex, what_does_not_fit_its_memory_is_still_found) {
    // An automaton of 2^14 states, far more than fit: the matcher goes on without it.
    const std::string pattern = "a[ab]{14}c";
    std::string text;
    unsigned state = 1;
    for (int i = 0; i < 20000; ++i) {
        state = state * 1103515245 + 12345;
        text += state & 0x10000 ? 'a' : 'b';
    }
    CHECK_FALSE(found(pattern.c_str(), text));
    text += "abbbbbbbbbbbbbbc";
    CHECK(found(pattern.c_str(), text));
}
