#include "agent/config.h"

#include "tests/unit/agent_config/config_fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

#define CHECK_OK(load) CHECK_TEXT((load).problems.empty(), ConfigFixture::rendered(load).c_str())
#define CHECK_SAYS(load, words) \
    CHECK_TEXT(ConfigFixture::says(load, words), ConfigFixture::rendered(load).c_str())
#define CHECK_SAYS_AT(load, words, line) \
    CHECK_TEXT(ConfigFixture::says(load, words, line), ConfigFixture::rendered(load).c_str())

}  // namespace

TEST_GROUP(Config) { ConfigFixture fix; };

TEST(Config, the_smallest_configuration_works_as_it_stands) {
    const ConfigLoad load = fix.parse(smallest_config);
    CHECK_OK(load);
    const AgentConfig& config = load.config;
    STRCMP_EQUAL("raspberrypi", config.agent.id.c_str());
    CHECK_EQUAL(24U << 20, config.agent.memory);
    STRCMP_EQUAL("192.168.1.10", config.mqtt[0].host.c_str());
    LONGS_EQUAL(1883, config.mqtt[0].port);
    STRCMP_EQUAL("weir-raspberrypi", config.mqtt[0].client_id.c_str());
    LONGS_EQUAL(1, config.sources[0].qos);
    CHECK(config.sources[0].time.lateness.most() == Duration());
    CHECK(config.windows[0].size == Duration::minutes(1));
    LONGS_EQUAL(256, config.windows[0].max_groups);
    STRCMP_EQUAL("n", config.windows[0].select[0].name.c_str());
    CHECK_FALSE(config.uplink.has_value());
}

TEST(Config, every_key_of_the_full_one_arrives) {
    const ConfigLoad load = fix.parse(full_config);
    CHECK_OK(load);
    const AgentConfig& config = load.config;
    STRCMP_EQUAL("junction-017", config.agent.id.c_str());
    CHECK(config.agent.journal.on == JournalMedium::disk);
    CHECK(config.agent.flush == Duration::minutes(5));
    CHECK_EQUAL(200ULL << 20, config.agent.flash_budget_per_day);
    const MqttConfig& mqtt = config.mqtt[0];
    CHECK(mqtt.tls_on);
    LONGS_EQUAL(8883, mqtt.port);
    STRCMP_EQUAL("secret", mqtt.password.c_str());
    STRCMP_EQUAL("/etc/weir/ca.pem", mqtt.tls.ca.c_str());
    const MqttConfig* plant = config.find_mqtt("plant");
    STRCMP_EQUAL("fe80::1", plant->host.c_str());
    LONGS_EQUAL(1884, plant->port);
    STRCMP_EQUAL("weir-junction-017-plant", plant->client_id.c_str());
    const SourceConfig& machines = config.sources[1];
    CHECK(machines.format == PayloadFormat::csv);
    STRCMP_EQUAL("temperature", machines.columns[0].path.c_str());
    STRCMP_EQUAL("plant", machines.connection.c_str());
    LONGS_EQUAL(0, machines.qos);
    const WindowConfig& window = config.windows[0];
    CHECK(window.late_then == LateThen::revise);
    CHECK(window.late_allow == Duration::seconds(30));
    LONGS_EQUAL(6, window.select.size());
    STRCMP_EQUAL("vehicles", window.select[0].name.c_str());
    STRCMP_EQUAL("trucks", window.select[5].name.c_str());
    const AlertConfig& alert = config.alerts[0];
    CHECK(alert.severity == Severity::critical);
    LONGS_EQUAL(2, alert.actions.size());
    CHECK(alert.actions[0].mqtt.retain && alert.actions[0].on_clear);
    CHECK_FALSE(alert.actions[1].on_clear);
    LONGS_EQUAL(0, alert.actions[1].mqtt.qos);
    CHECK(config.uplink->on_full == OnFull::stop);
    CHECK_EQUAL(64ULL << 10, config.uplink->rate_per_second);
    STRCMP_EQUAL("bridge.example.org", config.uplink->host.c_str());
}

TEST(Config, a_full_outbox_is_coarsened_first_unless_another_policy_stands_alone) {
    const auto of = [&](const char* line) {
        const ConfigLoad load = fix.parse(full_config, "on_full = \"stop\"", line);
        CHECK_TEXT(load.ok(), ConfigFixture::rendered(load).c_str());
        const UplinkConfig& uplink = *load.config.uplink;
        CHECK(explain(load.config, false).find(uplink.coarsen ? "on_full = [\"coarsen\", \"" : "on_full = \"") != std::string::npos);
        return std::pair(uplink.coarsen, uplink.on_full);
    };
    CHECK(of("") == std::pair(true, OnFull::drop_oldest));
    CHECK(of("on_full = \"coarsen\"") == std::pair(true, OnFull::drop_oldest));
    CHECK(of("on_full = [\"coarsen\", \"stop\"]") == std::pair(true, OnFull::stop));
    CHECK(of("on_full = \"drop-oldest\"") == std::pair(false, OnFull::drop_oldest));
    CHECK(of("on_full = \"stop\"") == std::pair(false, OnFull::stop));
    const auto refused = [&](const char* line, const char* words) { CHECK_SAYS(fix.parse(full_config, "on_full = \"stop\"", line), words); };
    refused("on_full = \"drop\"", "found \"drop\", expected \"coarsen\"");
    refused("on_full = [\"stop\", \"coarsen\"]", "a list is \"coarsen\" and what happens");
    refused("on_full = [\"coarsen\", \"wait\"]", "found \"wait\"");
}

TEST(Config, a_schema_has_the_captures_first_and_then_the_columns_in_the_files_order) {
    const ConfigLoad load = fix.parse(full_config);
    const Schema schema = load.config.sources[0].schema();
    const char* names[] = {"site", "lane", "speed", "vid", "kind", "length"};
    LONGS_EQUAL(6, schema.size());
    for (std::size_t i = 0; i < 6; ++i) STRCMP_EQUAL(names[i], schema[i].name.c_str());
    CHECK(schema[1].type == ColumnType::integer);
    STRCMP_EQUAL("/vehicle/length", load.config.sources[0].columns[3].path.c_str());
    CHECK(load.config.sources[0].columns[3].numbers_in_strings);
}

TEST(Config, dotted_keys_and_inline_tables_mean_the_same) {
    const ConfigLoad dotted =
        fix.parse(smallest_config, "columns = { speed = \"float\" }", "columns.speed = \"float\"");
    CHECK_OK(dotted);
    CHECK_EQUAL(configuration_hash(fix.parse(smallest_config).config),
                configuration_hash(dotted.config));
}

TEST(Config, several_problems_come_at_once_in_order) {
    const ConfigLoad load = fix.parse(
        "[mqtt]\nurl = \"http://x\"\nclient = \"me\"\n[[source]]\nname = \"a b\"\ntopics = "
        "[\"a/#/b\"]\n[[window]]\n"
        "name = \"w\"\nfrom = \"b\"\nsize = 60\nselect = {}\n");
    CHECK_SAYS_AT(load, "url in [mqtt]", 2);
    CHECK_SAYS_AT(load, "unknown key \"client\" in [mqtt]", 3);
    CHECK_SAYS_AT(load, "name in [[source]]", 5);
    CHECK_SAYS_AT(load, "topics in [[source]]", 6);
    CHECK_SAYS_AT(load, "from in [[window]] \"w\": there is no source \"b\"", 9);
    CHECK_SAYS_AT(load, "write \"60s\"", 10);
    CHECK_SAYS_AT(load, "select", 11);
    for (std::size_t i = 1; i < load.problems.size(); ++i)
        CHECK(load.problems[i - 1].at.line <= load.problems[i].at.line);
}

TEST(Config, a_problem_is_shown_as_a_compiler_does) {
    const ConfigLoad load = fix.parse(smallest_config, "size   =", "sise   =");
    STRCMP_EQUAL(
        "/etc/weir/weir.toml:7:1: error: [[window]] \"site_minute\" has no size, expected one such "
        "as size = \"1m\"\n"
        "    7 | [[window]]\n"
        "      | ^\n"
        "/etc/weir/weir.toml:11:1: error: unknown key \"sise\" in [[window]] \"site_minute\"; did "
        "you mean \"size\"?\n"
        "   11 | sise   = \"1m\"\n"
        "      | ^\n"
        "2 errors\n",
        ConfigFixture::rendered(load).c_str());
}

TEST(Config, a_caret_stands_right_after_tabs_and_umlauts) {
    AgentConfig config;
    config.files.push_back({"f", "\t\xC3\xA4 = 1\n"});
    STRCMP_EQUAL("f:1:4: error: x\n    1 | \t\xC3\xA4 = 1\n      | \t  ^\n1 error\n",
                 render_problems(config, {{{0, 1, 4}, "x", false}}).c_str());
}

TEST(Config, a_problem_inside_an_expression_points_into_it) {
    const ConfigLoad load = fix.parse(full_config);
    const ConfigString& where = load.config.windows[0].where;
    CHECK(where.verbatim);
    const ConfigProblem problem = problem_in(where, {"no column \"speeed\"", 6});
    LONGS_EQUAL(where.at.line, problem.at.line);
    LONGS_EQUAL(where.at.column + 6, problem.at.column);
    SpecProblem spec;
    spec.window = "site_minute";
    spec.key = "select.p85";
    spec.problem = {"oh", 9};
    const ConfigProblem selected = problem_in(load.config, spec);
    LONGS_EQUAL(load.config.windows[0].select[2].expression.at.line, selected.at.line);
    CHECK(selected.what.find("select.p85 in [[window]] \"site_minute\": oh") != std::string::npos);
}

TEST(Config, relative_paths_start_at_the_file_that_names_them) {
    fix.files.content["/etc/weir/weir.toml"] =
        std::string(smallest_config) + "[agent]\nstate = \"state\"\n";
    fix.files.content["/etc/weir/weir.d/10-uplink.toml"] =
        "[uplink]\nurl = \"tls://b\"\ntls = { cert = \"../junction-017.pem\", key = "
        "\"../junction-017.key\" }\n";
    const ConfigLoad load = load_config("/etc/weir/weir.toml", fix.context);
    CHECK_OK(load);
    STRCMP_EQUAL("/etc/weir/state", load.config.agent.state.c_str());
    STRCMP_EQUAL("/etc/weir/junction-017.pem", load.config.uplink->tls.cert.c_str());
    STRCMP_EQUAL("junction-017", load.config.agent.id.c_str());
}

TEST(Config, drop_ins_merge_in_order_of_name) {
    fix.files.content["/c/x.toml"] = smallest_config;
    fix.files.content["/c/x.d/2.toml"] = "[mqtt]\nusername = \"two\"\n";
    fix.files.content["/c/x.d/1.toml"] =
        "[mqtt]\nusername = \"one\"\nsilence = \"0s\"\n[[window]]\nname = \"more\"\nfrom = "
        "\"loops\"\nsize = \"1h\"\nselect.n = \"count()\"\n";
    fix.files.content["/c/x.d/3.txt"] = "not read";
    fix.files.content["/c/x.d/.4.toml"] = "not read";
    const ConfigLoad load = load_config("/c/x.toml", fix.context);
    CHECK_OK(load);
    STRCMP_EQUAL("two", load.config.mqtt[0].username.c_str());
    CHECK(load.config.mqtt[0].silence == Duration());
    LONGS_EQUAL(2, load.config.windows.size());
    LONGS_EQUAL(3, load.config.files.size());
}

TEST(Config, a_name_that_is_taken_in_another_file_is_a_problem_that_says_where) {
    fix.files.content["/c/x.toml"] = smallest_config;
    fix.files.content["/c/x.d/1.toml"] =
        "[[window]]\nname = \"site_minute\"\nfrom = \"loops\"\nsize = \"1h\"\nselect.n = "
        "\"count()\"\n";
    const ConfigLoad load = load_config("/c/x.toml", fix.context);
    CHECK_SAYS_AT(load, "already taken at /c/x.toml:7", 1);
    LONGS_EQUAL(1, load.problems[0].at.file);
}

TEST(Config, a_file_that_is_not_there_is_the_only_problem) {
    const ConfigLoad load = load_config("/c/none.toml", fix.context);
    LONGS_EQUAL(1, load.problems.size());
    STRCMP_EQUAL("/c/none.toml: error: cannot read it (missing)\n1 error\n",
                 ConfigFixture::rendered(load).c_str());
    CHECK_FALSE(load.ok());
}

TEST(Config, the_environment_overrides_and_names_itself_in_problems) {
    fix.context.environment["WEIR_MQTT__URL"] = "mqtt://other:1";
    fix.context.environment["WEIR_MQTT__MAX_INFLIGHT"] = "7";
    const ConfigLoad load = fix.parse(smallest_config);
    CHECK_OK(load);
    STRCMP_EQUAL("other", load.config.mqtt[0].host.c_str());
    LONGS_EQUAL(7, load.config.mqtt[0].max_inflight);
    fix.context.environment["WEIR_AGENT__MEMORY"] = "lots";
    const ConfigLoad bad = fix.parse(smallest_config);
    CHECK(ConfigFixture::rendered(bad).find(
              "$WEIR_AGENT__MEMORY: error: memory in [agent]: found \"lots\"") !=
          std::string::npos);
}

TEST(Config, the_agent_id_is_the_certificates_name_and_another_is_an_error) {
    std::string text(full_config);
    text.erase(text.find("id           ="),
               std::string_view("id           = \"junction-017\"").size());
    CHECK_OK(fix.parse(text));
    STRCMP_EQUAL("junction-017", fix.parse(text).config.agent.id.c_str());
    CHECK_SAYS_AT(fix.parse(full_config, "\"junction-017\"", "\"junction-018\""),
                  "the certificate of [uplink] is for \"junction-017\"", 2);
    fix.files.content["/etc/weir/junction-017.pem"] = "broken";
    CHECK_SAYS(fix.parse(full_config), "no certificate with a common name");
}

TEST(Config, secrets_and_certificates_are_read_only_if_asked_for) {
    fix.files.content.clear();
    const ConfigLoad load = fix.parse(full_config);
    CHECK_SAYS(load, "password_file in [mqtt]: cannot read \"/run/credentials/mqtt\"");
    CHECK_SAYS(load, "tls.cert in [uplink]");
    fix.context.read_secrets = false;
    CHECK_OK(fix.parse(full_config));
}

TEST(Config, a_password_belongs_in_a_file) {
    CHECK_SAYS_AT(fix.parse(smallest_config, "[[source]]", "password = \"x\"\n[[source]]"),
                  "write password_file", 3);
}

TEST(Config, replay_needs_no_connection) {
    std::string text(smallest_config);
    text.erase(0, text.find("[[source]]"));
    CHECK_SAYS(fix.parse(text), "needs an MQTT connection");
    fix.context.need_connections = false;
    CHECK_OK(fix.parse(text));
}

TEST(Config, a_window_is_cut_by_a_calendar) {
    const ConfigLoad load = fix.parse(smallest_config, "size   = \"1m\"",
                                      "calendar = \"day\"\nzone = \"Europe/Amsterdam\"");
    CHECK_OK(load);
    CHECK(load.config.windows[0].calendar == CalendarUnit::day);
    STRCMP_EQUAL("Europe/Amsterdam", load.config.windows[0].zone.text.c_str());
    const ConfigLoad hours = fix.parse(smallest_config, "size   = \"1m\"", "calendar = \"hour\"");
    CHECK_OK(hours);
    CHECK(hours.config.windows[0].calendar == CalendarUnit::hour);
    STRCMP_EQUAL("UTC", hours.config.windows[0].zone.text.c_str());
}

TEST(Config, a_calendar_has_no_size_and_a_size_no_zone) {
    CHECK_SAYS(fix.parse(smallest_config, "size   = \"1m\"", "size = \"1m\"\ncalendar = \"day\""),
               "size in [[window]] \"site_minute\": stands beside calendar");
    CHECK_SAYS(fix.parse(smallest_config, "size   = \"1m\"", "size = \"1m\"\nzone = \"UTC\""),
               "zone in [[window]] \"site_minute\": has a meaning only with calendar");
    CHECK_SAYS(fix.parse(smallest_config, "size   = \"1m\"", "calendar = \"week\""),
               "calendar in [[window]] \"site_minute\"");
}

TEST(Config, a_window_hops) {
    const ConfigLoad load = fix.parse(smallest_config, "size   = \"1m\"", "size = \"1m\"\nevery = \"10s\"");
    CHECK_TEXT(load.ok(), ConfigFixture::rendered(load).c_str());
    CHECK(load.config.windows[0].every == Duration::seconds(10));
    CHECK_SAYS(fix.parse(smallest_config, "size   = \"1m\"", "size = \"1m\"\nevery = \"0s\""), "every in [[window]] \"site_minute\"");
    for (const char* cut : {"session = \"45s\"\nevery = \"5s\"", "calendar = \"day\"\nevery = \"1h\""})
        CHECK_SAYS(fix.parse(smallest_config, "size   = \"1m\"", cut),
                   "every in [[window]] \"site_minute\": has a meaning only with size");
}

TEST(Config, a_window_is_cut_by_sessions) {
    const ConfigLoad load = fix.parse(smallest_config, "size   = \"1m\"", "session = \"45s\"");
    CHECK_OK(load);
    CHECK(load.config.windows[0].session == Duration::seconds(45));
    CHECK(load.config.windows[0].size == Duration());
    CHECK_SAYS(fix.parse(smallest_config, "size   = \"1m\"", "session = \"0s\""), "session in [[window]] \"site_minute\"");
    for (const char* cut : {"size = \"1m\"\nsession = \"45s\"", "calendar = \"day\"\nsession = \"45s\""})
        CHECK_SAYS(fix.parse(smallest_config, "size   = \"1m\"", cut),
                   "session in [[window]] \"site_minute\": stands beside size or calendar");
}

TEST(Config, a_gap_of_sessions_may_be_an_expression_with_a_bound) {
    const auto with = [&](const char* keys) { return fix.parse(smallest_config, "size   = \"1m\"", keys); };
    const ConfigLoad load = with("session = \"speed > 20.0 ? 30 : 60\"\nsession_max = \"2m\"");
    CHECK_OK(load);
    STRCMP_EQUAL("speed > 20.0 ? 30 : 60", load.config.windows[0].session_gap.text.c_str());
    CHECK(load.config.windows[0].session_max == Duration::seconds(120));
    CHECK(load.config.windows[0].session == Duration());
    CHECK(with("session = \"speed\"").config.windows[0].session_max == Duration::minutes(60));
    CHECK_SAYS(with("session = \"45 seconds\""), "expected a duration such as");
    CHECK_SAYS(with("session = 45"), "session in [[window]] \"site_minute\": found the number 45, expected a duration such as");
    CHECK_SAYS(with("session = \"45s\"\nsession_max = \"2m\""), "session_max in [[window]] \"site_minute\": has a meaning only with an expression");
    CHECK_SAYS(with("size = \"1m\"\nsession_max = \"2m\""), "session_max in [[window]] \"site_minute\": has a meaning only with session");
    CHECK_SAYS(with("session = \"speed\"\nsession_max = \"0s\""), "session_max in [[window]] \"site_minute\"");
}

TEST(Config, a_window_is_cut_by_count_and_by_time_whichever_comes_first) {
    const auto with = [&](const char* keys) { return fix.parse(smallest_config, "size   = \"1m\"", keys); };
    const ConfigLoad load = with("count = 500");
    CHECK_OK(load);
    CHECK_EQUAL(500u, load.config.windows[0].count);
    CHECK(load.config.windows[0].max_wait == Duration());
    const ConfigLoad adaptive = with("count = 500\nmax_wait = \"5s\"");
    CHECK_OK(adaptive);
    CHECK(adaptive.config.windows[0].max_wait == Duration::seconds(5));
    CHECK_SAYS(with("count = 0"), "count in [[window]] \"site_minute\"");
    CHECK_SAYS(with("count = \"500\""), "count in [[window]] \"site_minute\"");
    CHECK_SAYS(with("count = 500\nmax_wait = \"0s\""), "max_wait in [[window]] \"site_minute\"");
    CHECK_SAYS(with("size = \"1m\"\nmax_wait = \"5s\""), "max_wait in [[window]] \"site_minute\": has a meaning only with count");
    CHECK_SAYS(with("count = 500\nlate = { allow = \"30s\", then = \"revise\" }"), "late in [[window]] \"site_minute\": has no meaning with count");
    for (const char* cut : {"size = \"1m\"\ncount = 500", "session = \"45s\"\ncount = 500", "calendar = \"day\"\ncount = 500"})
        CHECK_SAYS(with(cut), "count in [[window]] \"site_minute\": stands beside size, session or calendar");
}

TEST(Config, an_alert_without_do_is_published_and_with_an_empty_one_it_is_not) {
    const std::string alert = std::string(smallest_config) +
                              "[[alert]]\nname = \"a\"\nfrom = \"site_minute\"\nwhen = \"n > 1\"\n";
    const ConfigLoad load = fix.parse(alert);
    CHECK_OK(load);
    STRCMP_EQUAL("weir/{agent}/alert/{alert}/{key}",
                 load.config.alerts[0].actions[0].mqtt.topic.text.c_str());
    CHECK(load.config.alerts[0].actions[0].mqtt.retain);
    CHECK(fix.parse(alert + "do = []\n").config.alerts[0].actions.empty());
}

TEST(Config, an_alert_says_how_long_how_often_and_what_silence_means) {
    const std::string alert = std::string(smallest_config) + "[[alert]]\nname = \"a\"\nfrom = \"site_minute\"\nwhen = \"n > 1\"\n";
    const ConfigLoad bare = fix.parse(alert);
    CHECK_OK(bare);
    const AlertConfig& none = bare.config.alerts[0];
    CHECK(none.hold == Duration() && none.clear_after == Duration() && !none.missing_clears && !none.flap && none.message.empty());
    const ConfigLoad full = fix.parse(alert + "hold = \"2m\"\nclear_after = \"1h\"\nmissing = \"clear\"\nflap = { raises = 3, within = \"15m\" }\n"
                                              "message = \"{site}: p85 {p85} km/h, {alert} {state} on {agent}\"\n");
    CHECK_OK(full);
    const AlertConfig& all = full.config.alerts[0];
    CHECK(all.hold == Duration::minutes(2) && all.clear_after == Duration::minutes(60) && all.missing_clears);
    CHECK(all.flap && all.flap->raises == 3 && all.flap->within == Duration::minutes(15));
    CHECK(fix.parse(alert + "flap = {}\n").config.alerts[0].flap->raises == 5);
    const std::pair<const char*, const char*> wrong[] = {
        {"missing = \"drop\"\n", "missing in [[alert]] \"a\": found \"drop\", expected \"keep\" or \"clear\""},
        {"flap = { raise = 3 }\n", "did you mean \"raises\"?"},
        {"message = \"{sit} is slow\"\n", "message in [[alert]] \"a\": nothing is called {sit}; did you mean \"site\"?"},
    };
    for (const auto& [text, words] : wrong) CHECK_SAYS(fix.parse(alert + text), words);
    std::string session(smallest_config);
    session.replace(session.find("size   = \"1m\""), 13, "session = \"45s\"");
    CHECK_SAYS(fix.parse(session + "[[alert]]\nname = \"a\"\nfrom = \"site_minute\"\nwhen = \"n > 1\"\nmissing = \"clear\"\n"),
               "missing in [[alert]] \"a\": \"clear\" needs a window with size or calendar");
}

TEST(Config, an_alert_watches_the_rows_of_a_source_or_their_absence) {
    const std::string alert = std::string(smallest_config) + "[[alert]]\nname = \"a\"\nfrom = \"loops\"\n";
    const ConfigLoad rows = fix.parse(alert + "by = [\"site\", \"lane\"]\nmax_groups = 9\nwhen = \"speed < 3.0\"\nmessage = \"{site} {lane}: {speed}\"\n");
    CHECK_OK(rows);
    LONGS_EQUAL(9, rows.config.alerts[0].max_groups);
    fix.files.content["/etc/weir/sites.csv"] = "site,street\ns001,A\n\"s002\",B\n\ns003";
    const std::string absent = alert + "by = [\"site\"]\nabsent = \"5m\"\n";
    const ConfigLoad silent = fix.parse(absent + "expect = { file = \"sites.csv\" }\n");
    CHECK_OK(silent);
    const AlertConfig& each = silent.config.alerts[0];
    CHECK(each.absent == Duration::minutes(5));
    LONGS_EQUAL(3, each.expect.size());
    STRCMP_EQUAL("s002", each.expect[1].text.c_str());
    LONGS_EQUAL(1024, each.max_groups);
    std::string partitioned(alert);
    partitioned.replace(partitioned.find("columns = {"), 0, "partition = \"site\"\nmax_partitions = 3000\n");
    const ConfigLoad by = fix.parse(partitioned + "absent = \"5m\"\nexpect = [\"s001\"]\n");
    CHECK_OK(by);
    STRCMP_EQUAL("site", by.config.alerts[0].by[0].text.c_str());
    LONGS_EQUAL(3000, by.config.alerts[0].max_groups);
    const std::pair<std::string, const char*> wrong[] = {
        {absent + "hold = \"1m\"\n", "hold in [[alert]] \"a\": stands beside absent"},
        {absent + "when = \"speed > 1.0\"\n", "when in [[alert]] \"a\": stands beside absent"},
        {absent + "expect = { file = \"nothing.csv\" }\n", "cannot read \"/etc/weir/nothing.csv\""},
        {absent + "expect = 3\n", "expect in [[alert]] \"a\""},
        {alert + "absent = \"5m\"\nexpect = [\"s001\"]\n", "names values of one column"},
        {alert + "when = \"speed > 1.0\"\nexpect = [\"s001\"]\n", "has a meaning only with absent"},
        {alert + "by = [\"sit\"]\nwhen = \"speed > 1.0\"\n", "there is no column \"sit\"; did you mean \"site\"?"},
        {alert + "by = [\"site\"]\nwhen = \"speed > 1.0\"\nmessage = \"{sped}\"\n", "did you mean \"speed\"?"},
        {std::string(smallest_config) + "[[alert]]\nname = \"a\"\nfrom = \"site_minute\"\nabsent = \"5m\"\n", "goes by the rows of a source"},
    };
    for (const auto& [text, words] : wrong) CHECK_SAYS(fix.parse(text), words);
}

TEST(Config, an_alert_on_anomalies_has_a_detector_instead_of_a_condition) {
    const std::string alert = std::string(smallest_config) + "[[alert]]\nname = \"a\"\nfrom = ";
    const ConfigLoad window = fix.parse(alert + "\"site_minute\"\nanomaly = { of = \"p85\" }\n");
    CHECK_OK(window);
    const AnomalyConfig& defaults = *window.config.alerts[0].anomaly;
    STRCMP_EQUAL("p85", defaults.of.text.c_str());
    CHECK(defaults.method == DetectorMethod::ensemble);
    CHECK(defaults.season == Duration::seconds(86400));
    CHECK_EQUAL(0.99, defaults.score_above);

    const ConfigLoad source = fix.parse(alert + "\"loops\"\nby = [\"site\"]\nmax_groups = 7\nanomaly = { of = \"speed\", "
                                                "method = \"season\", season = \"7d\", score_above = 0.5 }\n");
    CHECK_OK(source);
    const AlertConfig& each = source.config.alerts[0];
    CHECK(each.anomaly->method == DetectorMethod::season);
    CHECK(each.anomaly->season == Duration::seconds(7 * 86400));
    CHECK_EQUAL(0.5, each.anomaly->score_above);
    LONGS_EQUAL(7, each.max_groups);
    STRCMP_EQUAL("site", each.by[0].text.c_str());
}

TEST(Config, what_an_alert_on_anomalies_cannot_mean_is_said) {
    const std::string alert = std::string(smallest_config) + "[[alert]]\nname = \"a\"\n";
    const std::pair<const char*, const char*> wrong[] = {
        {"from = \"site_minute\"\nanomaly = { of = \"p58\" }\n", "there is no \"p58\"; did you mean \"p85\"?"},
        {"from = \"site_minute\"\nanomaly = {}\n", "[[alert]] \"a\" has no anomaly.of"},
        {"from = \"site_minute\"\nby = [\"site\"]\nanomaly = { of = \"n\" }\n", "each key of the window has a detector"},
        {"from = \"site_minute\"\nmax_groups = 3\nanomaly = { of = \"n\" }\n", "max_groups of the window holds"},
        {"from = \"site_minute\"\nwhen = \"n > 1\"\nanomaly = { of = \"n\" }\n", "stands beside anomaly"},
        {"from = \"site_minute\"\nclear = \"n > 1\"\nanomaly = { of = \"n\" }\n", "stands beside anomaly"},
        {"from = \"site_minute\"\nanomaly = { of = \"n\", method = \"magic\" }\n", "\"neighbours\""},
        {"from = \"site_minute\"\nanomaly = { of = \"n\", score_above = 1.5 }\n", "anomaly.score_above"},
        {"from = \"site_minute\"\nanomaly = { of = \"n\", season = \"1ms\" }\n", "anomaly.season"},
        {"from = \"site_minute\"\nby = [\"site\"]\nwhen = \"n > 1\"\n", "by in [[alert]] \"a\": leave it out"},
        {"from = \"loops\"\nanomaly = { of = \"site\" }\n", "\"site\" is a string, expected a number"},
        {"from = \"loops\"\nanomaly = { of = \"sped\" }\n", "did you mean \"speed\"?"},
        {"from = \"loops\"\nby = [\"speed\"]\nanomaly = { of = \"speed\" }\n", "\"speed\" is a float, expected an int"},
        {"from = \"loops\"\nby = [\"sit\"]\nanomaly = { of = \"speed\" }\n", "there is no column \"sit\"; did you mean \"site\"?"},
        {"from = \"loops\"\nanomaly = { of = \"speed\" }\ndo = [{ mqtt = { topic = \"x/{site}\" } }]\n", "nothing is called {site}"},
        {"from = \"lops\"\nanomaly = { of = \"speed\" }\n", "there is no window \"lops\""},
    };
    for (const auto& [text, words] : wrong) {
        const ConfigLoad load = fix.parse(alert + text);
        CHECK_FALSE(load.ok());
        CHECK_SAYS(load, words);
        LONGS_EQUAL_TEXT(1, load.problems.size(), ConfigFixture::rendered(load).c_str());
    }
}

TEST(Config, what_this_release_does_not_have_is_said_and_never_ignored) {
    struct Later {
        const char* part;
        const char* by;
        const char* words;
    };
    const Later later[] = {
        {"size       = \"1m\"", "size = \"1m\"\nhistory = \"7d\"", "history in [[window]]"},
        {"format    = \"json\"", "format = \"senml\"", "\"senml\" is not in this release"},
        {"format    = \"json\"", "format = \"sparkplug\"", "\"sparkplug\" is not in this release"},
        {"qos       = 1", "qos = 2", "2 is refused, because it loses messages in a crash"},
        {"qos       = 1", "driver = \"modbus\"",
         "driver in [[source]] \"loops\": found \"modbus\", which is not in this release"},
        {"qos       = 1", "overflow = \"sample\"", "overflow in [[source]] \"loops\""},
        {"tls://bridge.example.org:7400", "mqtt://bridge",
         "results to a plain broker are not in this release"},
    };
    for (const Later& each : later) {
        const ConfigLoad load = fix.parse(full_config, each.part, each.by);
        CHECK_FALSE(load.ok());
        CHECK_SAYS(load, each.words);
        LONGS_EQUAL_TEXT(1, load.problems.size(), ConfigFixture::rendered(load).c_str());
    }
}

TEST(Config, references_and_clashes_are_checked) {
    struct Wrong {
        const char* part;
        const char* by;
        const char* words;
    };
    const Wrong wrong[] = {
        {"from       = \"loops\"", "from = \"lops\"",
         "there is no source \"lops\"; did you mean \"loops\"?"},
        {"by         = [\"site\", \"lane\"]", "by = [\"site\", \"lame\"]",
         "no column \"lame\"; did you mean \"lane\"?"},
        {"by         = [\"site\", \"lane\"]", "by = [\"site\", \"lane\", \"site\"]",
         "\"site\" stands there twice"},
        {"partition       = \"site\"", "partition = \"sites\"", "did you mean \"site\"?"},
        {"columns.vid ", "columns.site ", "{site} in topics makes that column already"},
        {"select.mean ", "select.site ", "by has that name already"},
        {"from     = \"site_minute\"", "from = \"site_minut\"", "did you mean \"site_minute\"?"},
        {"alerts/{site}", "alerts/{sit}", "nothing is called {sit}; did you mean \"site\"?"},
        {"alerts/{site}", "alerts/+/x", "found a wildcard"},
        {"alerts/{site}", "alerts/{site", "a brace without its other half"},
        {"connection = \"plant\"\n", "connection = \"plan\"\n",
         "there is no [mqtt.plan]; did you mean \"plant\"?"},
        {"name   = \"heat\"", "name = \"loops\"", "has the name of a source"},
        {"name = \"hot\"", "name = \"congestion\"", "already taken"},
        {"[\"plant/+/csv\", \"hall/#\"]", "[\"plant/+/csv\", \"plant/#\"]",
         "would be counted twice"},
        {"[\"plant/+/csv\", \"hall/#\"]", "[\"plant/{x}/csv\", \"hall/#\"]",
         "expected the same {names}"},
        {"{ temperature = \"float\" }", "{ temprature = \"float\" }",
         "did you mean \"temperature\"?"},
        {"{ field = \"at\",", "{ field = \"when\",",
         "time.field in [[source]] \"machines\": \"when\" is not among csv.fields"},
        {"columns.speed ", "columns.in ", "expected a name that an expression can use"},
        {"path = \"/vehicle/length\"", "path = \"vehicle.length\"", "write \"/vehicle/length\""},
        {"time.unit       = \"ms\"", "time.unit = \"iso\"", "leave time.unit out"},
        {"size = \"4MiB\"", "size = \"512KiB\"", "more than a quarter of agent.journal.size"},
        {"on = \"disk\"", "on = \"memory\"", "sync in [agent]"},
        {"mqtts://broker:8883", "mqtt://broker", "which is not encrypted; write mqtts://"},
        {"mqtts://broker:8883", "mqtts://user:pass@broker", "belong to username and password_file"},
        {"mqtts://broker:8883", "mqtts://broker:70000", "no port from 1 to 65535"},
        {"mqtts://broker:8883", "mqtts://", "no host name"},
        {"mqtts://broker:8883", "broker", "no scheme"},
        {"tls.cert = \"junction-017.pem\"\n", "", "tls.cert and tls.key go together"},
        {"username      = \"weir\"\n", "", "needs a username"},
        {"late       = { allow = \"30s\",", "late       = {", "needs a time to wait for"},
        {"id           = \"junction-017\"", "id = \"a/b\"", "without blanks, '/', '+' and '#'"},
    };
    for (const Wrong& each : wrong) {
        const ConfigLoad load = fix.parse(full_config, each.part, each.by);
        CHECK_FALSE(load.ok());
        CHECK_SAYS(load, each.words);
    }
}

TEST(Config, allowance_without_revision_is_a_warning) {
    const ConfigLoad load = fix.parse(full_config, "then = \"revise\"", "then = \"drop\"");
    CHECK(load.ok());
    LONGS_EQUAL(1, load.problems.size());
    CHECK(ConfigFixture::rendered(load).find("warning: late in [[window]]") != std::string::npos);
}

TEST(Config, late_events_can_be_told_apart_and_results_come_early) {
    const ConfigLoad load = fix.parse(full_config, "then = \"revise\" }", "then = \"side\" }\nearly = \"10s\"");
    CHECK_TEXT(load.ok(), ConfigFixture::rendered(load).c_str());
    CHECK(load.config.windows[0].late_then == LateThen::side);
    LONGS_EQUAL(10'000'000, load.config.windows[0].early.us());
    const ConfigLoad again = fix.parse(explain(load.config));
    CHECK_TEXT(again.ok(), ConfigFixture::rendered(again).c_str());
    CHECK(configuration_hash(again.config) == configuration_hash(load.config));
    CHECK_SAYS(fix.parse(full_config, "late       = { allow = \"30s\", then = \"revise\"", "late = { then = \"side\""),
               "\"side\" needs a time to wait for");
}

TEST(Config, a_window_publishes_to_a_topic_with_its_keys) {
    const std::string_view size = "size       = \"1m\"";
    const ConfigLoad load = fix.parse(full_config, size, "size = \"1m\"\npublish = \"weir/{agent}/{window}/{site}\"");
    CHECK_TEXT(load.ok(), ConfigFixture::rendered(load).c_str());
    STRCMP_EQUAL("weir/{agent}/{window}/{site}", load.config.windows[0].publish->topic.text.c_str());
    LONGS_EQUAL(1, load.config.windows[0].publish->qos);
    CHECK_FALSE(load.config.windows[0].publish->retain);
    const ConfigLoad table = fix.parse(full_config, size, "size = \"1m\"\npublish = { topic = \"w\", connection = \"plant\", retain = true, qos = 0 }");
    CHECK_TEXT(table.ok(), ConfigFixture::rendered(table).c_str());
    CHECK(table.config.windows[0].publish->retain);
    const ConfigLoad again = fix.parse(explain(table.config));
    CHECK_TEXT(again.ok(), ConfigFixture::rendered(again).c_str());
    CHECK(configuration_hash(again.config) == configuration_hash(table.config));
    const std::pair<const char*, const char*> wrong[] = {
        {"\"weir/{sit}\"", "publish in [[window]] \"site_minute\": nothing is called {sit}; did you mean \"site\"?"},
        {"\"weir/{key}\"", "nothing is called {key}"},
        {"\"weir/#\"", "found a wildcard"},
        {"\"weir/{site\"", "found a brace without its other half"},
        {"{ retain = true }", "has no publish.topic, expected one such as"},
        {"{ topic = \"x\", connection = \"plan\" }", "there is no [mqtt.plan]"},
        {"7", "publish in [[window]] \"site_minute\": found"},
    };
    for (const auto& [text, words] : wrong) {
        const ConfigLoad refused = fix.parse(full_config, size, "size = \"1m\"\npublish = " + std::string(text));
        CHECK_FALSE(refused.ok());
        CHECK_SAYS(refused, words);
    }
}

TEST(Config, sources_can_be_aligned) {
    const ConfigLoad load = fix.parse(full_config, "time.idle", "time.align = \"g\"\ntime.ahead = \"5s\"\ntime.idle");
    CHECK_TEXT(load.ok(), ConfigFixture::rendered(load).c_str());
    STRCMP_EQUAL("g", load.config.sources[0].time.align.text.c_str());
    LONGS_EQUAL(5'000'000, load.config.sources[0].time.ahead.us());
    const ConfigLoad again = fix.parse(explain(load.config));
    CHECK(configuration_hash(again.config) == configuration_hash(load.config));
    CHECK_SAYS(fix.parse(full_config, "time.idle", "time.ahead = \"5s\"\ntime.idle"), "has a meaning only with time.align");
}

TEST(Config, a_section_written_with_single_brackets_is_explained) {
    CHECK_SAYS(fix.parse(smallest_config, "[[source]]", "[source]"),
               "source in the configuration: found a table, expected an array such as [[source]]");
}

TEST(Config, an_empty_file_says_what_it_needs) {
    const ConfigLoad load = fix.parse("");
    CHECK_SAYS(load, "has no source");
    CHECK_SAYS(load, "has no window");
}

TEST(Config, adaptive_lateness_has_bounds_and_a_share) {
    const ConfigLoad load = fix.parse(full_config, "time.lateness   = \"2s\"",
                                      "time.lateness = \"adaptive\"\ntime.lateness_min = \"100ms\"\n"
                                      "time.lateness_max = \"1m\"\ntime.late_share = 0.002");
    CHECK(load.problems.empty());
    const LatenessParams& lateness = load.config.sources[0].time.lateness;
    CHECK(lateness.adaptive);
    CHECK(lateness.floor == Duration::millis(100));
    CHECK(lateness.ceiling == Duration::minutes(1));
    DOUBLES_EQUAL(0.002, lateness.late_share, 0);
    CHECK_SAYS(fix.parse(full_config, "time.lateness   = \"2s\"",
                         "time.lateness = \"adaptive\"\ntime.late_share = 1"),
               "late_share in [[source]] \"loops\": found the number 1, expected a share of more than 0 and less than 1");
    CHECK_SAYS(fix.parse(full_config, "time.lateness   = \"2s\"", "time.late_share = 0.5"),
               "only with time.lateness = \"adaptive\"");
}

TEST(Config, the_examples_that_ship_are_right) {
    static SystemFiles system;
    fix.context.files = &system;
    for (const char* path : {"board/examples/traffic.toml", "board/examples/air.toml"})
        CHECK_OK(load_config(path, fix.context));
}
