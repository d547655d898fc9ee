// Every key, each in turn: missing, of a wrong type, below and above its bounds, misspelt, twice.
// The problem must stand at the key's line and name it.
#include "agent/config.h"

#include "tests/unit/agent_config/config_fixture.h"

#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

struct Key {
    const char* section;  // as in the text; "" continues the one before
    const char* key;
    const char* good;
    const char* wrong;  // of another type, or no value of this kind
    const char* below = nullptr;
    const char* above = nullptr;
    bool required = false;
    bool open = false;  // of a table whose keys are the writer's own: a neighbour is not unknown
};

const std::vector<Key> keys = {
    {"[agent]", "id", "\"junction-017\"", "17"},
    {"", "memory", "\"24MiB\"", "24", "\"1MiB\"", "\"4GiB\""},
    {"", "state", "\"/var/lib/weir\"", "true"},
    {"", "run", "\"/run/weir\"", "1.5"},
    {"", "journal.size", "\"4MiB\"", "\"4\"", "\"1KiB\"", "\"2GiB\""},
    {"", "journal.on", "\"disk\"", "\"tape\""},
    {"", "journal.sync", "\"1s\"", "1", "\"1ms\"", "\"2h\""},
    {"", "checkpoint", "\"5s\"", "5", "\"10ms\"", "\"2h\""},
    {"", "flush", "\"5m\"", "[]", "\"100ms\"", "\"2d\""},
    {"", "flash_budget", "\"200MiB/day\"", "\"200MiB\"", "\"1KiB/day\"", "\"9TB/day\""},
    {"[mqtt]", "url", "\"mqtts://broker\"", "\"broker\"", nullptr, nullptr, true},
    {"", "client_id", "\"me\"", "1"},
    {"", "username", "\"weir\"", "{}"},
    {"", "password_file", "\"/run/credentials/mqtt\"", "\"/nowhere\""},
    {"", "tls.ca", "\"ca.pem\"", "\"none.pem\""},
    {"", "tls.server_name", "\"b\"", "1"},
    {"", "max_message", "\"256KiB\"", "256", "\"1B\"", "\"1GiB\""},
    {"", "keep_alive", "\"30s\"", "30", "\"1ms\"", "\"1d\""},
    {"", "silence", "\"5m\"", "\"five\"", nullptr, "\"8d\""},
    {"", "max_inflight", "64", "\"64\"", "0", "65536"},
    {"", "overflow", "\"sample\"", "\"drop\""},
    {"[[table]]", "name", "\"sites\"", "\"si-tes\"", nullptr, nullptr, true},
    {"", "file", "\"sites.csv\"", "1", nullptr, nullptr, true},
    {"", "key", "\"site\"", "1", nullptr, nullptr, true},
    {"", "columns.limit", "\"float\"", "\"double\"", nullptr, nullptr, true, true},
    {"", "max_rows", "1000", "\"1000\"", "0", "1000001"},
    {"", "max_bytes", "\"64KiB\"", "64", "\"1B\"", "\"1GiB\""},
    {"[[source]]", "name", "\"loops\"", "\"a b\"", nullptr, nullptr, true},
    {"", "driver", "\"mqtt\"", "\"serial\""},
    {"", "topics", "[\"city/{site}/loop/{lane:int}\"]", "\"city\"", "[]", nullptr, true},
    {"", "qos", "1", "\"1\"", "-1", "3"},
    {"", "format", "\"json\"", "\"xml\""},
    {"", "columns.speed", "\"float\"", "\"double\"", nullptr, nullptr, false, true},
    {"", "columns.length.type", "\"float\"", "1", nullptr, nullptr, true},
    {"", "columns.length.path", "\"/vehicle/length\"", "\"vehicle\""},
    {"", "columns.length.numbers_in_strings", "true", "1"},
    {"", "time.field", "\"ts\"", "1"},
    {"", "time.unit", "\"ms\"", "\"sec\""},
    {"", "time.numbers_in_strings", "false", "\"false\""},
    {"", "time.lateness", "\"2s\"", "2", nullptr, "\"2d\""},
    {"", "time.idle", "\"30s\"", "30", "\"1ms\"", "\"2d\""},
    {"", "time.max_future", "\"1m\"", "1", nullptr, "\"367d\""},
    {"", "time.align", "\"junction\"", "1"},
    {"", "partition", "\"site\"", "\"sites\""},
    {"", "max_partitions", "1024", "true", "0", "65537"},
    {"", "enrich", "[\"sites\"]", "\"sites\"", "[1]"},
    {"", "overflow", "\"block\"", "1"},
    {"[[source]]", "name", "\"exits\"", "\"a b\"", nullptr, nullptr, true},
    {"", "topics", "[\"exit/{site}\"]", "\"exit\"", "[]", nullptr, true},
    {"[[join]]", "name", "\"passage\"", "\"a b\"", nullptr, nullptr, true},
    {"", "left", "\"loops\"", "\"loop\"", nullptr, nullptr, true},
    {"", "right", "\"exits\"", "\"exit\"", nullptr, nullptr, true},
    {"", "on", "[\"site\"]", "\"site\"", "[]", "[1]", true},
    {"", "within", "\"5m\"", "5", nullptr, "\"367d\"", true},
    {"", "before", "\"1m\"", "1", nullptr, "\"367d\""},
    {"", "columns.apart", "\"exits.time - loops.time\"", "1", nullptr, nullptr, false, true},
    {"", "max_rows", "4096", "\"4096\"", "0", "1000001"},
    {"[[window]]", "name", "\"site_minute\"", "[]", nullptr, nullptr, true},
    {"", "from", "\"loops\"", "\"loop\"", nullptr, nullptr, true},
    {"", "where", "\"speed > 0.0\"", "true"},
    {"", "by", "[\"site\", \"lane\"]", "\"site\""},
    {"", "size", "\"1m\"", "60", "\"1us\"", "\"367d\"", true},
    {"", "max_groups", "512", "\"512\"", "0", "1048577"},
    {"", "late.allow", "\"30s\"", "30", nullptr, "\"8d\""},
    {"", "late.then", "\"revise\"", "\"forget\""},
    {"", "publish", "\"weir/{agent}/{site}\"", "7", "\"weir/{nobody}\""},
    {"", "early", "\"10s\"", "10", "\"-1s\""},
    {"", "select.mean", "\"mean(speed)\"", "1", nullptr, nullptr, true, true},
    {"[[alert]]", "name", "\"slow\"", "\"\"", nullptr, nullptr, true},
    {"", "from", "\"site_minute\"", "\"minute\"", nullptr, nullptr, true},
    {"", "when", "\"mean < 20.0\"", "20", nullptr, nullptr, true},
    {"", "clear", "\"mean > 30.0\"", "false"},
    {"", "missing", "\"keep\"", "1"},
    {"", "severity", "\"critical\"", "\"loud\""},
    {"", "do", "[{ mqtt = { topic = \"a/{site}\" }, on = [\"raise\"] }]", "\"a\"", "[{}]"},
    {"[uplink]", "url", "\"tls://bridge:7400\"", "\"tls://bridge:0\"", nullptr, nullptr, true},
    {"", "tls.cert", "\"junction-017.pem\"", "1"},
    {"", "tls.key", "\"junction-017.key\"", "\"none\""},
    {"", "tls.crl", "\"ca.pem\"", "\"none.pem\""},
    {"", "outbox", "\"32MiB\"", "32", "\"1KiB\"", "\"65GiB\""},
    {"", "on_full", "\"stop\"", "\"explode\""},
    {"", "rate", "\"64KiB/s\"", "\"64KiB\"", "\"1B/s\"", "\"2GiB/s\""},
    {"[page]", "listen", "\"0.0.0.0:8780\"", "8780", "\"127.0.0.1:0\"", "\"127.0.0.1:65536\""},
    {"", "token_file", "\"page.token\"", "\"none.token\""},
    {"", "hosts", "[\"gate.example.org\"]", "1"},
};

}  // namespace

TEST_GROUP(ConfigKeys) {
    ConfigFixture fix;

    // The text with one key's lines replaced; line becomes the number of its last line.
    std::string text_with(std::size_t changed, const std::string& lines, std::uint32_t& line) {
        std::string text;
        std::uint32_t number = 0;
        const auto add = [&](const std::string& more) {
            text += more + "\n";
            for (const char c : more + "\n") number += c == '\n' ? 1 : 0;
        };
        for (std::size_t i = 0; i < keys.size(); ++i) {
            if (*keys[i].section) add(keys[i].section);
            if (i != changed)
                add(std::string(keys[i].key) + " = " + keys[i].good);
            else if (!lines.empty())
                add(lines);
            if (i == changed) line = number;
        }
        return text;
    }

    void expect_problem(const Key& key, const std::string& text, std::uint32_t line,
                        const std::string& words) {
        const ConfigLoad load = fix.parse(text);
        const std::string seen = std::string(key.key) + " expected '" + words + "' at line " +
                                 std::to_string(line) + "\n" + ConfigFixture::rendered(load);
        CHECK_TEXT(!load.ok(), seen.c_str());
        CHECK_TEXT(ConfigFixture::says(load, words, line), seen.c_str());
    }

    void expect_value_refused(std::size_t i, const char* value) {
        if (!value) return;
        std::uint32_t line = 0;
        const std::string text = text_with(i, std::string(keys[i].key) + " = " + value, line);
        expect_problem(keys[i], text, line, keys[i].key);
    }
};

TEST(ConfigKeys, the_text_they_start_from_is_right) {
    std::uint32_t line = 0;
    const ConfigLoad load = fix.parse(text_with(keys.size(), "", line));
    CHECK_TEXT(load.problems.empty(), ConfigFixture::rendered(load).c_str());
}

TEST(ConfigKeys, a_key_that_is_missing_is_said_if_it_is_needed) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
        std::uint32_t line = 0;
        const ConfigLoad load = fix.parse(text_with(i, "", line));
        if (keys[i].required) CHECK_TEXT(!load.ok(), keys[i].key);
        // Another may be needed by a third (tls.cert by tls.key): then the problem is about that
        // pair.
        if (!keys[i].required) continue;
        const std::string key = keys[i].key;
        const std::string last = keys[i].open ? key.substr(0, key.find('.')) : key;
        CHECK_TEXT(ConfigFixture::says(load, "has no " + last),
                   ConfigFixture::rendered(load).c_str());
    }
}

TEST(ConfigKeys, a_wrong_type_or_value_is_said_at_its_line) {
    for (std::size_t i = 0; i < keys.size(); ++i) expect_value_refused(i, keys[i].wrong);
}

TEST(ConfigKeys, a_value_below_its_bound_is_said_at_its_line) {
    for (std::size_t i = 0; i < keys.size(); ++i) expect_value_refused(i, keys[i].below);
}

TEST(ConfigKeys, a_value_above_its_bound_is_said_at_its_line) {
    for (std::size_t i = 0; i < keys.size(); ++i) expect_value_refused(i, keys[i].above);
}

TEST(ConfigKeys, a_misspelt_neighbour_is_said_with_the_key_that_was_meant) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
        if (keys[i].open) continue;
        const std::string key = keys[i].key;
        std::uint32_t line = 0;
        const std::string text =
            text_with(i, key + " = " + keys[i].good + "\n" + key + "q = " + keys[i].good, line);
        const std::string last =
            key.substr(key.rfind('.') == std::string::npos ? 0 : key.rfind('.') + 1);
        expect_problem(keys[i], text, line, "unknown key \"" + key + "q\"");
        // A word of two letters is too short to be recognised with one wrong.
        if (last.size() > 2) expect_problem(keys[i], text, line, "did you mean \"" + last + "\"?");
    }
}

TEST(ConfigKeys, a_key_that_stands_twice_is_said_at_the_second) {
    for (std::size_t i = 0; i < keys.size(); ++i) {
        const std::string key = keys[i].key;
        std::uint32_t line = 0;
        const std::string text =
            text_with(i, key + " = " + keys[i].good + "\n" + key + " = " + keys[i].good, line);
        expect_problem(keys[i], text, line,
                       key.substr(key.rfind('.') == std::string::npos ? 0 : key.rfind('.') + 1));
    }
}
