#include "agent/config.h"

#include "tests/unit/agent_config/config_fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(ConfigExplain) {
    ConfigFixture fix;

    void round_trip(std::string_view text) {
        const ConfigLoad first = fix.parse(text);
        CHECK_TEXT(first.ok(), ConfigFixture::rendered(first).c_str());
        const std::string written = explain(first.config);
        const ConfigLoad second = fix.parse(written);
        CHECK_TEXT(second.ok(), ConfigFixture::rendered(second).c_str());
        STRCMP_EQUAL(written.c_str(), explain(second.config).c_str());
        CHECK_EQUAL(configuration_hash(first.config), configuration_hash(second.config));
    }
};

TEST(ConfigExplain, sessions_come_back_with_their_gap) {
    std::string text(smallest_config);
    text.replace(text.find("size   = \"1m\""), 13, "session = \"45s\"");
    round_trip(text);
    const std::string written = explain(fix.parse(text).config);
    CHECK(written.find("session = \"45s\"") != std::string::npos);
    CHECK(written.find("size = \"0") == std::string::npos);
}

TEST(ConfigExplain, windows_of_any_cut_come_back) {
    for (const char* cut : {"session = \"speed > 20.0 ? 30 : 60\"", "session = \"speed\"\nsession_max = \"2m\"", "count = 500",
                            "count = 500\nmax_wait = \"5s\""}) {
        std::string text(smallest_config);
        text.replace(text.find("size   = \"1m\""), 13, cut);
        round_trip(text);
    }
    std::string text(smallest_config);
    text.replace(text.find("size   = \"1m\""), 13, "count = 500\nmax_wait = \"5s\"");
    const std::string written = explain(fix.parse(text).config);
    CHECK(written.find("count = 500") != std::string::npos);
    CHECK(written.find("max_wait = \"5s\"") != std::string::npos);
    CHECK(written.find("late.") == std::string::npos);
}

TEST(ConfigExplain, feeding_it_back_gives_the_same_configuration) {
    round_trip(smallest_config);
    round_trip(full_config);
    const std::string odd = std::string(smallest_config) + "[[alert]]\nname = \"odd\"\nfrom = ";
    round_trip(odd + "\"site_minute\"\nanomaly = { of = \"p85\" }\n");
    round_trip(odd + "\"site_minute\"\nwhen = \"n > 1\"\nhold = \"2m\"\nclear_after = \"1h\"\nmissing = \"clear\"\nflap = { raises = 3 }\n"
                     "message = \"{site}: {p85}\"\n");
    round_trip(odd + "\"loops\"\nby = [\"site\"]\nmax_groups = 9\nwhen = \"speed < 3.0\"\n");
    round_trip(odd + "\"loops\"\nby = [\"site\"]\nabsent = \"5m\"\nexpect = [\"s1\", \"s2\"]\n");
    round_trip(odd + "\"loops\"\nby = [\"site\", \"lane\"]\nmax_groups = 9\nanomaly = { of = \"speed\", method = \"zscore\", "
                     "season = \"1h\", score_above = 0.875 }\n");
}

TEST(ConfigExplain, hopping_windows_come_back_with_how_far_apart_they_begin) {
    std::string text(smallest_config);
    text.replace(text.find("size   = \"1m\""), 13, "size = \"1m\"\nevery = \"10s\"");
    round_trip(text);
    CHECK(explain(fix.parse(text).config).find("every = \"10s\"") != std::string::npos);
}

TEST(ConfigExplain, a_calendar_comes_back_with_its_zone) {
    std::string text(smallest_config);
    text.replace(text.find("size   = \"1m\""), 13, "calendar = \"day\"\nzone = \"Europe/Amsterdam\"");
    round_trip(text);
    CHECK(explain(fix.parse(text).config).find("zone = \"Europe/Amsterdam\"") != std::string::npos);
    CHECK(explain(fix.parse(smallest_config).config).find("zone =") == std::string::npos);
}

TEST(ConfigExplain, text_that_needs_escapes_comes_back) {
    const std::string text = "a\\\"b\\\\c\\td$${X}$$$$";
    const ConfigLoad load =
        fix.parse(smallest_config, "[[source]]", "username = \"" + text + "\"\n[[source]]");
    STRCMP_EQUAL("a\"b\\c\td${X}$$", load.config.mqtt[0].username.c_str());
    const ConfigLoad again = fix.parse(explain(load.config));
    STRCMP_EQUAL(load.config.mqtt[0].username.c_str(), again.config.mqtt[0].username.c_str());
}

TEST(ConfigExplain, defaults_are_written_out_and_secrets_are_not) {
    const std::string text = explain(fix.parse(full_config).config);
    CHECK(text.find("keep_alive = \"30s\"") != std::string::npos);
    CHECK(text.find("password_file = \"/run/credentials/mqtt\"") != std::string::npos);
    CHECK(text.find("secret") == std::string::npos);
}

TEST(ConfigExplain, the_hash_sees_meaning_not_spelling) {
    const std::uint64_t hash = configuration_hash(fix.parse(smallest_config).config);
    CHECK_EQUAL(hash, configuration_hash(
                          fix.parse(smallest_config, "\"1m\"", "\"60s\"  # a minute").config));
    CHECK_EQUAL(hash, configuration_hash(
                          fix.parse(smallest_config, "[[window]]", "qos = 1\n[[window]]").config));
    CHECK(hash != configuration_hash(fix.parse(smallest_config, "\"1m\"", "\"61s\"").config));
    CHECK(hash != configuration_hash(fix.parse(smallest_config, "0.85", "0.86").config));
}
