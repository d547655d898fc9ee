#include "agent/rule_command.h"

#include <fstream>

#include "agent/commands.h"
#include "agent/rule_events.h"
#include "tests/unit/agent/fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// What a stream was given.
class Captured {
public:
    Captured() : file_(std::tmpfile()) {}
    ~Captured() { std::fclose(file_); }
    Captured(const Captured&) = delete;
    Captured& operator=(const Captured&) = delete;
    std::FILE* file() { return file_; }
    std::string text() {
        std::string out(static_cast<std::size_t>(std::ftell(file_)), '\0');
        std::rewind(file_);
        out.resize(std::fread(out.data(), 1, out.size(), file_));
        return out;
    }

private:
    std::FILE* file_;
};

struct Ran {
    int code = -1;
    std::string out;
    std::string err;
};

Ran weir_test(const std::vector<std::string>& arguments) {
    Captured out, err;
    Ran ran;
    ran.code = run_rule_command(arguments, {out.file(), err.file()});
    ran.out = out.text();
    ran.err = err.text();
    return ran;
}

}  // namespace

TEST_GROUP(RuleCommand) {
    TemporaryFolder folder;

    // The cases behind a line that names small_config, so that the first line of cases is line 2.
    Ran test(const std::string& cases, const std::string& config = small_config) {
        std::ofstream(folder.path() + "/weir.toml") << config;
        std::ofstream(folder.path() + "/rules.toml") << "config = \"weir.toml\"\n" << cases;
        Ran ran = weir_test({folder.path() + "/rules.toml"});
        for (std::string* text : {&ran.out, &ran.err})
            for (std::size_t at = text->find(folder.path()); at != std::string::npos; at = text->find(folder.path()))
                text->erase(at, folder.path().size() + 1);
        return ran;
    }
    static std::string one_case(const std::string& rest, const std::string& events = "{ at = \"1s\", site = \"s1\", lane = 1, speed = 10.0 }") {
        return "[[case]]\nname = \"c\"\nevents = [" + events + "]\n" + rest + "\n";
    }
};

TEST(RuleCommand, a_case_that_holds_passes) {
    const Ran ran = test(one_case("expect = [{ alert = \"slow\", key = { site = \"s1\" }, at = \"1m\" }]"));
    LONGS_EQUAL(exit_done, ran.code);
    STRCMP_EQUAL("rules.toml:2: c: ok\n1 case, 0 failed\n", ran.out.c_str());
    STRCMP_EQUAL("", ran.err.c_str());
}

TEST(RuleCommand, a_case_that_differs_says_what_was_expected_and_what_came_and_in_which_line) {
    const Ran ran = test(one_case("expect = [\n    { alert = \"slow\", key = { site = \"s1\" }, at = \"2m\" },\n]"));
    LONGS_EQUAL(exit_failed, ran.code);
    STRCMP_EQUAL(
        "rules.toml:2: c: FAILED\n"
        "  line 6:\n"
        "    expected  slow raised at 2m  site=s1\n"
        "    got       slow raised at 1m  site=s1  n=1 mean=10\n"
        "1 case, 1 failed\n",
        ran.out.c_str());
}

TEST(RuleCommand, what_did_not_come_at_all_is_said_to_be_nothing) {
    const Ran ran = test(one_case("expect = [{ alert = \"slow\", within = \"5m\" }]", "{ at = \"1s\", site = \"s1\", lane = 1, speed = 90.0 }"));
    LONGS_EQUAL(exit_failed, ran.code);
    STRCMP_CONTAINS("expected  slow raised within 5m\n    got       nothing from slow\n", ran.out.c_str());
}

TEST(RuleCommand, what_came_of_the_same_key_is_shown_first) {
    const Ran ran = test(one_case("expect = [{ alert = \"slow\", key = { site = \"s2\" }, at = \"3m\" }]",
                                  "{ at = \"1s\", site = \"s1\", speed = 10.0 }, { at = \"1s\", site = \"s2\", speed = 10.0 }"));
    STRCMP_CONTAINS("got       slow raised at 1m  site=s2  n=1 mean=10\n1 case", ran.out.c_str());
}

TEST(RuleCommand, each_expectation_takes_one_of_what_came) {
    const Ran ran = test(one_case("expect = [{ alert = \"slow\" }, { alert = \"slow\" }]"));
    LONGS_EQUAL(exit_failed, ran.code);
    STRCMP_CONTAINS("(expected elsewhere)", ran.out.c_str());
}

TEST(RuleCommand, what_must_not_come_fails_the_case) {
    const Ran named = test(one_case("expect_none = [\"slow\"]"));
    LONGS_EQUAL(exit_failed, named.code);
    STRCMP_CONTAINS("line 5:\n    expected  no slow raised\n    got       slow raised at 1m", named.out.c_str());
    const Ran none = test(one_case("expect_none = true"));
    STRCMP_CONTAINS("expected  no other alert\n    got       slow raised at 1m", none.out.c_str());
    LONGS_EQUAL(exit_done, test(one_case("expect = [{ alert = \"slow\" }]\nexpect_none = true")).code);
    LONGS_EQUAL(exit_done, test(one_case("expect_none = [{ alert = \"slow\", key = { site = \"s2\" } }]")).code);
}

TEST(RuleCommand, results_of_windows_are_expected_by_values_and_conditions) {
    LONGS_EQUAL(exit_done, test(one_case("expect = [{ window = \"w\", at = \"1m\", values = { n = 1, mean = 10 }, when = \"mean < 11.0\" }]")).code);
    const Ran ran = test(one_case("expect = [{ window = \"w\", values = { n = 2 } }, { window = \"w\", when = \"mean > 11.0\" }]"));
    STRCMP_CONTAINS("expected  w  n=2\n    got       w at 1m  site=s1  n=1 mean=10\n", ran.out.c_str());
    STRCMP_CONTAINS("expected  w  when mean > 11.0\n", ran.out.c_str());
}

TEST(RuleCommand, rows_repeat_and_count_themselves) {
    std::string config = small_config;
    config.replace(config.find("mean = \"mean(speed)\""), 20, "mean = \"mean(speed)\", u = \"distinct(vid)\"");
    const Ran ran = test(one_case("expect = [{ window = \"w\", at = \"1m\", values = { n = 30, u = 30 } }, { window = \"w\", at = \"2m\", values = { n = 10 } }]",
                                  "{ at = \"1s\", site = \"s1\", vid = \"v{n}\", speed = 1.0, repeat = 40, every = \"2s\" }"), config);
    STRCMP_EQUAL("rules.toml:2: c: ok\n1 case, 0 failed\n", ran.out.c_str());
}

TEST(RuleCommand, time_goes_on_in_silence_until_where_it_is_told) {
    // Idle for 30 s: the window closes by itself.
    const std::string expect = "expect = [{ window = \"w\", at = \"1m\" }]";
    LONGS_EQUAL(exit_done, test(one_case("until = \"3m\"\n" + expect)).code);
    LONGS_EQUAL(exit_failed, test(one_case("until = \"30s\"\n" + expect)).code);
}

TEST(RuleCommand, an_event_may_arrive_late) {
    const Ran ran = test(one_case("expect = [{ window = \"w\", at = \"1m\", values = { n = 1 } }, { window = \"w\", at = \"2m\" }, { window = \"w\", at = \"3m\" }]",
                                  "{ at = \"1s\", site = \"s1\", speed = 50.0 }, { at = \"2s\", arrives = \"121s\", site = \"s1\", speed = 50.0 },"
                                  "{ at = \"100s\", site = \"s1\", speed = 50.0 }"));
    LONGS_EQUAL(exit_failed, ran.code);
    STRCMP_CONTAINS("note: window 'w': 1 late", ran.out.c_str());
    STRCMP_CONTAINS("expected  w at 3m", ran.out.c_str());
}

TEST(RuleCommand, a_message_can_be_given_as_it_is) {
    const Ran ran = test(one_case("expect = [{ window = \"w\", key = { site = \"s7\" }, at = \"1m\" }]",
                                  "{ at = \"1s\", topic = \"city/s7/loop/1\", payload = '{\"ts\":{time},\"speed\":5}' }"));
    STRCMP_EQUAL("rules.toml:2: c: ok\n1 case, 0 failed\n", ran.out.c_str());
}

TEST(RuleCommand, what_cannot_be_decoded_is_noted_where_a_case_fails) {
    const Ran ran = test(one_case("expect = [{ window = \"w\", key = { site = \"s1\" } }]", "{ at = \"1s\", site = 7, speed = 10.0 }"));
    LONGS_EQUAL(exit_failed, ran.code);
    STRCMP_CONTAINS("note: source 'loops': 1 wrong_type\n", ran.out.c_str());
}

TEST(RuleCommand, events_can_come_from_a_file_as_replay_takes_it) {
    std::ofstream(folder.path() + "/rush.tsv") << "1767600001000\tcity/s1/loop/1\t{\"ts\":1767600001000,\"speed\":10}\n"
                                                  "1767600002000\tcity/s1/loop/1\t{\"ts\":1767600002000,\"speed\":10}\n";
    const std::string head = "[[case]]\nname = \"c\"\nfile = \"rush.tsv\"\n";
    STRCMP_EQUAL("rules.toml:2: c: ok\n1 case, 0 failed\n", test(head + "expect = [{ alert = \"slow\", at = \"59s\" }]\n").out.c_str());
    STRCMP_EQUAL("rules.toml:2: c: ok\n1 case, 0 failed\n",
                 test(head + "start = \"2026-01-05T08:00:00Z\"\nexpect = [{ alert = \"slow\", at = \"1m\" }]\n").out.c_str());
    STRCMP_EQUAL("rules.toml:2: c: ok\n1 case, 0 failed\n",
                 test(head + "expect = [{ alert = \"slow\", at = \"2026-01-05T08:01:00Z\" }]\n").out.c_str());
}

TEST(RuleCommand, arrivals_of_a_file_can_count_from_the_start) {
    std::ofstream(folder.path() + "/rush.tsv") << "+1s\tcity/s1/loop/1\t{\"ts\":{time},\"speed\":10}\n+90s\tcity/s1/loop/1\t{\"ts\":{time},\"speed\":40}\n";
    STRCMP_EQUAL("rules.toml:2: c: ok\n1 case, 0 failed\n",
                 test("[[case]]\nname = \"c\"\nfile = \"rush.tsv\"\nexpect = [{ alert = \"slow\", at = \"1m\" }, { alert = \"slow\", state = \"cleared\", at = \"2m\" }]\n").out.c_str());
}

TEST(RuleCommand, a_wrong_file_is_a_wrong_configuration_with_its_place) {
    const Ran ran = test(one_case("expect = [{ alert = \"slwo\", when = \"x\", at = 3 }]\nuntill = \"1m\""));
    LONGS_EQUAL(exit_configuration, ran.code);
    STRCMP_CONTAINS("rules.toml:5:22: error: there is no alert \"slwo\"; did you mean \"slow\"?", ran.err.c_str());
    STRCMP_CONTAINS("at in the expectation: expected a time after the start such as \"90s\"", ran.err.c_str());
    STRCMP_CONTAINS("unknown key \"untill\" in [[case]] \"c\"; did you mean \"until\"?", ran.err.c_str());
}

TEST(RuleCommand, columns_are_those_of_the_source) {
    const Ran ran = test(one_case("expect_none = true", "{ at = \"1s\", site = \"s1\", sped = 10.0 }"));
    LONGS_EQUAL(exit_configuration, ran.code);
    STRCMP_CONTAINS("there is no column \"sped\"; did you mean \"speed\"?", ran.err.c_str());
}

TEST(RuleCommand, a_condition_that_does_not_compile_says_why) {
    const Ran ran = test(one_case("expect = [{ window = \"w\", when = \"maen < 3.0\" }]"));
    LONGS_EQUAL(exit_configuration, ran.code);
    STRCMP_CONTAINS("rules.toml:5:", ran.err.c_str());
    STRCMP_CONTAINS("maen", ran.err.c_str());
}

TEST(RuleCommand, a_case_that_expects_nothing_is_refused) {
    STRCMP_CONTAINS("[[case]] \"c\" expects nothing", test(one_case("")).err.c_str());
}

TEST(RuleCommand, a_configuration_that_is_wrong_is_told_as_check_does) {
    const Ran ran = test(one_case("expect_none = true"), "[agnet]\n");
    LONGS_EQUAL(exit_configuration, ran.code);
    STRCMP_CONTAINS("weir.toml:1:", ran.err.c_str());
}

TEST(RuleCommand, a_file_that_is_not_there_and_none_at_all) {
    LONGS_EQUAL(exit_configuration, weir_test({"/nowhere/rules.toml"}).code);
    LONGS_EQUAL(exit_usage, weir_test({}).code);
    LONGS_EQUAL(exit_usage, weir_test({"--no"}).code);
    const Ran help = weir_test({"--help"});
    LONGS_EQUAL(exit_done, help.code);
    STRCMP_CONTAINS("[[case]]", help.out.c_str());
}

TEST(RuleCommand, the_help_is_an_example_that_works) {
    // Its file, word for word, against a configuration that has what it names.
    const std::string help = weir_test({"--help"}).out;
    const std::size_t from = help.find("    [[case]]");
    const std::string text = help.substr(from, help.find("\nevents  ") - from);
    std::string config = small_config;
    config.replace(config.find("name = \"w\""), 10, "name = \"lanes\"");
    config.replace(config.find("from = \"w\""), 10, "from = \"lanes\"");
    config.replace(config.find("name = \"slow\""), 13, "name = \"congestion\"");
    config.replace(config.find("by = [\"site\"]"), 13, "by = [\"site\", \"lane\"]");
    config.replace(config.find("n = \"count()\""), 13, "vehicles = \"count()\", p85 = \"quantile(speed, 0.85)\"");
    const Ran ran = test(text, config);
    STRCMP_CONTAINS("1 case, 0 failed", ran.out.c_str());
}

TEST(RuleCommand, the_examples_that_ship_hold) {
    const Ran ran = weir_test({"board/examples/traffic.test.toml", "board/examples/air.test.toml"});
    STRCMP_EQUAL("", ran.err.c_str());
    STRCMP_CONTAINS("7 cases, 0 failed", ran.out.c_str());
    LONGS_EQUAL(exit_done, ran.code);
}

TEST_GROUP(RuleEvents) {
    RuleEvent event;
    AgentConfig config;
    ConfigProblems problems;

    void setup() override {
        config.sources.resize(1);
        SourceConfig& source = config.sources[0];
        source.name = "s";
        source.topics = {{"$share/g/city/{site}/+/{lane:int}/#", {}, false}};
        source.captures = {{"site", ColumnType::text}, {"lane", ColumnType::integer}};
        ColumnConfig length;
        length.name = "length";
        length.path = "/vehicle/length";
        ColumnConfig note;
        note.name = "note";
        note.type = ColumnType::text;
        source.columns = {length, note};
        source.time.field.text = "ts";
        event.at = {true, false, 1'500'000};
        const auto column = [&](const char* name, ConfigType type, const char* text, double real) {
            ConfigMember member;
            member.key = name;
            member.value.type = type;
            member.value.text = text;
            member.value.real = real;
            member.value.integer = static_cast<std::int64_t>(real);
            event.columns.push_back(member);
        };
        column("site", ConfigType::text, "s1", 0);
        column("lane", ConfigType::integer, "", 3);
        column("length", ConfigType::real, "", 4.5);
        column("note", ConfigType::text, "a,\"b\" {n}", 0);
    }
    RuleMessage message() {
        RuleCase one;
        one.events = {event};
        const std::vector<RuleMessage> all = rule_messages(one, Timestamp::seconds(60), config, problems);
        return all.empty() ? RuleMessage() : all.front();
    }
};

TEST(RuleEvents, json_follows_the_paths_of_columns) {
    STRCMP_EQUAL("{\"ts\":61500,\"site\":\"s1\",\"lane\":3,\"vehicle\":{\"length\":4.5},\"note\":\"a,\\\"b\\\" 1\"}", message().payload.c_str());
    STRCMP_EQUAL("", message().topic.c_str());
    LONGS_EQUAL(61500, message().arrival.ms());
}

TEST(RuleEvents, csv_follows_its_fields_and_the_topic_its_template) {
    config.sources[0].format = PayloadFormat::csv;
    config.sources[0].columns[0].path = "len";
    config.sources[0].csv_fields = {"note", "ts", "len", "else"};
    config.sources[0].time.unit = TimeUnit::seconds;
    STRCMP_EQUAL("\"a,\"\"b\"\" 1\",61.500000,4.5,", message().payload.c_str());
    STRCMP_EQUAL("city/s1/x/3/x", message().topic.c_str());
    event.columns.erase(event.columns.begin());
    STRCMP_EQUAL("", message().topic.c_str());
    STRCMP_CONTAINS("is made of column \"site\": the event must give it", problems.at(0).what.c_str());
}

TEST(RuleEvents, csv_without_fields_names_them_in_each_message) {
    config.sources[0].format = PayloadFormat::csv;
    config.sources[0].columns[0].path = "len";
    STRCMP_EQUAL("ts,site,lane,len,note\n61500,s1,3,4.5,\"a,\"\"b\"\" 1\"", message().payload.c_str());
}

TEST(RuleEvents, times_are_spelled_in_the_unit_of_the_source) {
    STRCMP_EQUAL("<1.000250>", with_time("<{time}>", Timestamp::micros(1000250), TimeUnit::seconds).c_str());
    STRCMP_EQUAL("1 1", with_time("{time} {time}", Timestamp::seconds(1), TimeUnit::seconds).c_str());
    STRCMP_EQUAL("1000.250", with_time("{time}", Timestamp::micros(1000250), TimeUnit::milliseconds).c_str());
    STRCMP_EQUAL("7000", with_time("{time}", Timestamp::micros(7), TimeUnit::nanoseconds).c_str());
}
