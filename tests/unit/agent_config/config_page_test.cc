// [page]: where it listens, and the token that this needs.
#include "agent/config.h"

#include "tests/unit/agent_config/config_fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(ConfigPage) {
    ConfigFixture fix;

    ConfigLoad with(const std::string& page) { return fix.parse(std::string(smallest_config) + page); }
};

TEST(ConfigPage, without_the_section_there_is_none_and_with_it_loopback) {
    CHECK_FALSE(with("").config.page.has_value());
    const ConfigLoad load = with("[page]\n");
    CHECK_TRUE_TEXT(load.ok(), ConfigFixture::rendered(load).c_str());
    STRCMP_EQUAL("127.0.0.1", load.config.page->listen.address.c_str());
    LONGS_EQUAL(8780, load.config.page->listen.port);
    STRCMP_EQUAL("", load.config.page->token.c_str());
}

TEST(ConfigPage, off_loopback_it_needs_a_token) {
    CHECK(ConfigFixture::says(with("[page]\nlisten = \"0.0.0.0:8780\"\n"), "needs a token_file", 14));
    const ConfigLoad load = with("[page]\nlisten = \"[::]:8780\"\ntoken_file = \"page.token\"\n");
    CHECK_TRUE_TEXT(load.ok(), ConfigFixture::rendered(load).c_str());
    STRCMP_EQUAL("0123456789abcdef", load.config.page->token.c_str());
}

TEST(ConfigPage, a_token_is_one_line_that_cannot_be_guessed) {
    for (const char* bad : {"", "short", "0123456789 abcdef", "0123456789abcdef\n0123456789abcdef"}) {
        fix.files.content["/etc/weir/page.token"] = bad;
        CHECK(ConfigFixture::says(with("[page]\ntoken_file = \"page.token\"\n"), "holds no token"));
    }
}

TEST(ConfigPage, a_secret_is_not_explained) {
    const std::string text = explain(fix.parse(full_config).config);
    CHECK(text.find("/etc/weir/page.token") != std::string::npos);
    CHECK(text.find("0123456789abcdef") == std::string::npos);
    CHECK(text.find("gate.example.org") != std::string::npos);
}
