#include <string>

#include "tests/unit/agent_config/config_fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

#define CHECK_OK(load) CHECK_TEXT((load).problems.empty(), ConfigFixture::rendered(load).c_str())
#define CHECK_SAYS(load, words) CHECK_TEXT(ConfigFixture::says(load, words), ConfigFixture::rendered(load).c_str())

TEST_GROUP(ConfigActions) {
    ConfigFixture fix;

    ConfigLoad with(const std::string& entry, const std::string& more = "") {
        return fix.parse(std::string(smallest_config) + "[[alert]]\nname = \"a\"\nfrom = \"site_minute\"\nwhen = \"n > 1\"\ndo = [" + entry +
                         "]\n" + more);
    }
};

TEST(ConfigActions, a_program_is_a_list_of_arguments) {
    const ConfigLoad load = with(R"({ exec = ["/bin/true", "{site}", "a b"], timeout = "3s", retry = 7, on = ["raise"] })", "[exec]\nmemory = \"64MiB\"\nsocket = \"exec\"\n");
    CHECK_OK(load);
    const ActionConfig& action = load.config.alerts[0].actions[0];
    CHECK(action.kind == ActionKind::exec && action.exec.size() == 3 && action.exec[2].text == "a b");
    CHECK(action.timeout == Duration::seconds(3) && action.retry == 7 && action.on_raise && !action.on_clear);
    CHECK(load.config.exec.memory == (64 << 20) && load.config.has_action(ActionKind::exec) && !load.config.has_action(ActionKind::mqtt));
    const ConfigLoad again = fix.parse(explain(load.config, true));
    CHECK_OK(again);
    STRCMP_EQUAL(explain(load.config, false).c_str(), explain(again.config, false).c_str());
}

TEST(ConfigActions, there_is_no_shell_and_no_path_to_be_searched) {
    CHECK_SAYS(with(R"({ exec = "sign {site}" })"), "exec in [[alert]] \"a\"");
    CHECK_SAYS(with(R"({ exec = [] })"), "expected 1 to 32 arguments");
    CHECK_SAYS(with(R"({ exec = ["sign"] })"), "found \"sign\", expected the path of a program from /");
    CHECK_SAYS(with(R"({ exec = ["/opt/{site}"] })"), "nothing in the path is expanded");
    CHECK_SAYS(with(R"({ exec = ["/bin/true", "{sit}"] })"), "nothing is called {sit}; did you mean \"site\"?");
    CHECK_SAYS(with(R"({ exec = ["/bin/true"], retry = 101 })"), "retry in [[alert]] \"a\"");
}

TEST(ConfigActions, a_webhook_has_headers_and_its_secret_in_a_file) {
    const ConfigLoad load = with(R"({ webhook = { url = "https://h:8443/hook?a=1", headers = { X-Gateway = "17" }, ca = "ca.pem" }, timeout = "2s", retry = 0 })");
    CHECK_OK(load);
    const ActionConfig& action = load.config.alerts[0].actions[0];
    CHECK(action.kind == ActionKind::webhook && action.webhook.url.text == "https://h:8443/hook?a=1" && action.retry == 0);
    STRCMP_EQUAL("X-Gateway: 17", action.webhook.headers.at(0).value.text.c_str());
    const ConfigLoad again = fix.parse(explain(load.config, true));
    CHECK_OK(again);
    STRCMP_EQUAL(explain(load.config, false).c_str(), explain(again.config, false).c_str());
    CHECK_SAYS(with(R"({ webhook = { url = "ftp://h" } })"), "expected http:// or https://");
    CHECK_SAYS(with(R"({ webhook = { url = "http://h/{site}" } })"), "without blanks and braces");
    CHECK_SAYS(with(R"({ webhook = { url = "http://me:secret@h/" } })"), "bearer_file");
    CHECK_SAYS(with(R"({ webhook = { url = "http://h", headers = { "X Y" = "1" } } })"), "expected a name without blanks");
    CHECK_SAYS(with(R"({ webhook = {} })"), "url");
}

TEST(ConfigActions, a_line_is_pulsed_when_the_alert_is_raised) {
    const ConfigLoad load = with(R"({ gpio = { line = 17, active_low = true, pulse = "2s" } })");
    CHECK_OK(load);
    const ActionConfig& action = load.config.alerts[0].actions[0];
    CHECK(action.kind == ActionKind::gpio && action.gpio.chip == "gpiochip0" && action.gpio.line == 17 && action.gpio.active_low);
    CHECK(action.gpio.pulse == Duration::seconds(2) && action.on_raise && !action.on_clear);
    const ConfigLoad again = fix.parse(explain(load.config, true));
    CHECK_OK(again);
    STRCMP_EQUAL(explain(load.config, false).c_str(), explain(again.config, false).c_str());
    CHECK_SAYS(with(R"({ gpio = { chip = "gpiochip0" } })"), "line");
    CHECK_SAYS(with(R"({ gpio = { line = 17, pulse = "0s" } })"), "pulse");
}

TEST(ConfigActions, an_entry_is_of_one_kind) {
    CHECK_SAYS(with(R"({ exec = ["/bin/true"], mqtt = { topic = "x" } })"), "found several of mqtt, exec, webhook and gpio");
    CHECK_SAYS(with(R"({ on = ["raise"] })"), "found none of mqtt, exec, webhook and gpio");
    CHECK_SAYS(with(R"({ mqtt = { topic = "x" }, timeout = "3s" })"), "timeout");
}
