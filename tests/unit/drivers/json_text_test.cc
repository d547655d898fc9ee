#include "drivers/json_text.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

std::string unescaped(std::string_view raw) {
    std::string out(raw.size() + 1, '?');
    const auto size = unescape_json(raw, out.data());
    if (!size) return "(bad)";
    return out.substr(0, *size);
}

}  // namespace

TEST_GROUP(JsonText){};

TEST(JsonText, a_string_ends_at_its_own_quote) {
    const JsonString plain = scan_json_string("abc\" rest");
    CHECK(plain.closed && !plain.escaped && plain.raw == "abc");
    const JsonString escaped = scan_json_string("a\\\"b\\\\\" rest");
    CHECK(escaped.closed && escaped.escaped && escaped.raw == "a\\\"b\\\\");
    CHECK_FALSE(scan_json_string("abc").closed);
    CHECK_FALSE(scan_json_string("abc\\").closed);
    CHECK_FALSE(scan_json_string("").closed);
}

TEST(JsonText, all_escapes_of_the_grammar) {
    STRCMP_EQUAL("\"\\/\b\f\n\r\t", unescaped("\\\"\\\\\\/\\b\\f\\n\\r\\t").c_str());
    STRCMP_EQUAL("A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80", unescaped("\\u0041\\u00e9\\u20AC\\ud83d\\ude00").c_str());
    LONGS_EQUAL(1, unescaped("\\u0000").size());
}

TEST(JsonText, bad_escapes_are_refused) {
    for (const char* bad : {"\\", "\\x", "\\u", "\\u12", "\\u12g4", "\\ud83d", "\\ud83dx", "\\ud83d\\n", "\\ud83d\\u", "\\ud83d\\u0041", "\\ude00"})
        STRCMP_EQUAL("(bad)", unescaped(bad).c_str());
}
