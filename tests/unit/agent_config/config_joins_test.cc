#include "agent/assembly.h"
#include "agent/config.h"
#include "agent/table_file.h"
#include "tests/unit/agent_config/config_fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

constexpr std::string_view enriched = R"toml([mqtt]
url = "mqtt://192.168.1.10"
[[table]]
name     = "sites"
file     = "sites.csv"
key      = "site"
columns  = { limit = "float", road = { path = "Road name", type = "string" } }
max_rows = 3
[[source]]
name    = "loops"
topics  = ["city/{site}/loop/{lane}"]
columns = { speed = "float" }
enrich  = ["sites"]
[[window]]
name   = "site_minute"
from   = "loops"
where  = "speed > sites.limit"
by     = ["sites.road"]
size   = "1m"
select = { n = "count()", worst = "max(speed - sites.limit)" }
)toml";

}  // namespace

TEST_GROUP(ConfigJoins) {
    ConfigFixture fix;

    std::string with(std::string_view from = "", std::string_view to = "") {
        std::string text(enriched);
        if (!from.empty()) text.replace(text.find(from), from.size(), to);
        return text;
    }
    // What check would say, engine and files included.
    std::string problems_of(std::string_view text) {
        const ConfigLoad load = fix.parse(text);
        if (!load.ok()) return ConfigFixture::rendered(load);
        std::vector<ConfigProblem> problems;
        const auto assembly = Assembly::make(load.config, problems);
        if (assembly) check_tables(load.config, fix.files, problems);
        return problems.empty() ? "none" : render_problems(load.config, problems);
    }
    void says(std::string_view expected, std::string_view text) {
        STRCMP_CONTAINS(std::string(expected).c_str(), problems_of(text).c_str());
    }
    void file_says(std::string_view expected, std::string_view content) {
        fix.files.content["/etc/weir/sites.csv"] = content;
        says(expected, with());
    }
};

TEST(ConfigJoins, a_table_and_a_source_enriched_from_it_become_parts_of_the_engine) {
    fix.files.content["/etc/weir/sites.csv"] = "\xEF\xBB\xBFsite,limit,other,Road name\r\ns1,50.0,x,\"A1, \"\"north\"\"\"\r\n\r\ns2,,,\r\n";
    says("none", with());
    const ConfigLoad load = fix.parse(with());
    STRCMP_EQUAL("/etc/weir/sites.csv", load.config.tables[0].file.c_str());
    std::vector<ConfigProblem> problems;
    const auto assembly = Assembly::make(load.config, problems);
    CHECK_EQUAL(1u, assembly->engine().tables());
    CHECK(assembly->engine().source(0).schema.find("sites.limit").has_value());
    std::string why;
    const Result<std::string> image = read_table(fix.files, load.config.tables[0], why);
    CHECK(image.ok());
    STRCMP_CONTAINS("A1, \"north\"", std::string(image->data() + image->size() - 13, 13).c_str());
}

TEST(ConfigJoins, explain_writes_a_configuration_that_is_the_same) {
    const ConfigLoad load = fix.parse(with("enrich  = [\"sites\"]", "enrich  = [{ table = \"sites\", on = \"lane\" }]"));
    CHECK_TEXT(load.ok(), ConfigFixture::rendered(load).c_str());
    const std::string text = explain(load.config);
    STRCMP_CONTAINS("enrich = [{ table = \"sites\", on = \"lane\" }]", text.c_str());
    const ConfigLoad again = fix.parse(text);
    CHECK_TEXT(again.ok(), ConfigFixture::rendered(again).c_str());
    CHECK_EQUAL(configuration_hash(load.config), configuration_hash(again.config));
}

TEST(ConfigJoins, problems_say_what_was_expected) {
    fix.files.content["/etc/weir/sites.csv"] = "site,limit,Road name\n";
    says("none", with());
    says("[[table]] \"sites\" has no file", with("file     = \"sites.csv\"\n", ""));
    says("[[table]] \"sites\" has no key", with("key      = \"site\"\n", ""));
    says("expected a name that an expression can use", with("name     = \"sites\"", "name = \"si-tes\""));
    says("max_rows in [[table]] \"sites\": found the number 0", with("max_rows = 3", "max_rows = 0"));
    says("did you mean \"max_rows\"?", with("max_rows", "max_row"));
    says("there is no table \"site\"; did you mean \"sites\"?", with("enrich  = [\"sites\"]", "enrich = [\"site\"]"));
    says("source \"loops\" has no column \"sit\"", with("enrich  = [\"sites\"]", "enrich = [{ table = \"sites\", on = \"sit\" }]"));
    says("speed is float, and the key of sites is string", with("enrich  = [\"sites\"]", "enrich = [{ table = \"sites\", on = \"speed\" }]"));
    says("enrich.table", with("enrich  = [\"sites\"]", "enrich = [{ on = \"site\" }]"));
    says("sites stands twice", with("enrich  = [\"sites\"]", "enrich = [\"sites\", \"sites\"]"));
    says("has no column \"sites.rod\"; did you mean \"sites.road\"?", with("[\"sites.road\"]", "[\"sites.rod\"]"));
    says("did you mean sites.limit?", with("speed > sites.limit", "speed > sites.limt"));
    says("name in [[table]] \"sites\": already taken", with("[[source]]", "[[table]]\nname = \"sites\"\nfile = \"b\"\nkey = \"a\"\ncolumns.x = \"int\"\n[[source]]"));
    says("expected at least one beside the key", with("{ limit = \"float\", road = { path = \"Road name\", type = \"string\" } }", "{ site = \"string\" }"));
    says("site is float", with("{ limit", "{ site = \"float\", limit"));
}

TEST(ConfigJoins, a_bad_file_is_named_with_its_line) {
    says("weir.toml:5:", with());
    says("/etc/weir/sites.csv: cannot be read (missing)", with());
    file_says("sites.csv:1: is empty", "");
    file_says("sites.csv:1: has no field \"site\"; did you mean \"sit\"?", "sit,limit,Road name\n");
    file_says("sites.csv:1: two fields are called \"site\"", "site,limit,Road name,site\n");
    file_says("sites.csv:3: limit: found \"fast\", expected a number (float)", "site,limit,Road name\ns1,50,A\ns2,fast,B\n");
    file_says("sites.csv:2: has fewer fields", "site,limit,Road name\ns1,50\n");
    file_says("sites.csv:2: has more fields", "site,limit,Road name\ns1,50,a,b\n");
    file_says("sites.csv:2: has no site, which is the key", "site,limit,Road name\n,50,a\n");
    file_says("sites.csv:5: site \"s1\" stands in line 2 already", "site,limit,Road name\ns1,50,\"a\"\"\nb\"\ns2,1,\n\"s1\",50,a\n");
    file_says("sites.csv:5: has more than max_rows = 3 rows", "site,limit,Road name\na,1,\nb,1,\nc,1,\nd,1,\n");
    file_says("sites.csv:3: text behind a closing quote", "site,limit,Road name\na,1,\n\"b\"x,1,\n");
    file_says("is larger than max_bytes", "site,limit,Road name\na,1," + std::string(70000, 'x') + "\n");
    file_says("has a text of more than 4096 bytes", "site,limit,Road name\na,1," + std::string(5000, 'x') + "\n");
}

// A file is outside bytes: whatever they are, there is an image that a table takes, or a sentence.
TEST(ConfigJoins, a_damaged_file_gives_an_image_or_a_reason) {
    const ConfigLoad load = fix.parse(with());
    const TableConfig& config = load.config.tables[0];
    const TableSpec spec = table_spec(config);
    const std::string good = "\xEF\xBB\xBFsite,limit,other,Road name\r\ns1,50.0,x,\"A1, \"\"north\"\"\"\r\ns2,,\"\",\n\"s\n3\",1e3,,b";
    std::uint64_t random = 1;
    const auto next = [&] { return random = random * 6364136223846793005ULL + 1442695040888963407ULL, random >> 33; };
    int images = 0;
    for (int i = 0; i < 5000; ++i) {
        std::string text = good;
        for (std::uint64_t n = next() % 4; n > 0 && !text.empty(); --n) {
            const std::size_t at = static_cast<std::size_t>(next() % text.size());
            switch (next() % 4) {
                case 0: text[at] = "\",\r\n\0x7"[next() % 7]; break;
                case 1: text.erase(at, 1 + next() % 5); break;
                case 2: text.insert(at, text.substr(next() % text.size(), 9)); break;
                default: text.resize(at); break;
            }
        }
        fix.files.content["/etc/weir/sites.csv"] = text;
        std::string why;
        const Result<std::string> image = read_table(fix.files, config, why);
        CHECK_EQUAL(image.ok(), why.empty());
        if (!image.ok()) continue;
        ++images;
        ArenaBlock block(Table::need(spec));
        Arena arena(block.memory());
        Table table(arena, spec);
        CHECK(table.load_part(as_byte_span(*image), 0, image->size()).ok());
    }
    CHECK(images > 500);
}

namespace {

constexpr std::string_view joined = R"toml([mqtt]
url = "mqtt://192.168.1.10"
[[source]]
name    = "entry"
topics  = ["gate/{site}/in"]
columns = { vid = "string", speed = "float" }
[[source]]
name    = "exit"
topics  = ["gate/{site}/out"]
columns = { plate = "string", speed = "float" }
[[join]]
name    = "passage"
left    = "entry"
right   = "exit"
on      = [{ left = "vid", right = "plate" }, "site"]
within  = "5m"
before  = "2s"
columns = { travel = "exit.time - entry.time", faster = "right.speed > left.speed" }
[[window]]
name   = "minute"
from   = "passage"
by     = ["site"]
size   = "1m"
select = { n = "count()", mean = "mean(travel)" }
)toml";

}  // namespace

TEST(ConfigJoins, a_join_is_a_source_of_windows) {
    says("none", joined);
    const ConfigLoad load = fix.parse(joined);
    CHECK(load.config.joins[0].after == Duration() - Duration::seconds(2));
    std::vector<ConfigProblem> problems;
    const auto assembly = Assembly::make(load.config, problems);
    CHECK_EQUAL(1u, assembly->engine().joins());
    CHECK_EQUAL(2u, *assembly->engine().find_source("passage"));
    STRCMP_EQUAL("vid", assembly->engine().source(2).schema[0].name.c_str());
    CHECK(assembly->engine().source(2).schema[2].type == ColumnType::real);
    const std::string text = explain(load.config);
    STRCMP_CONTAINS("before = \"2s\"", text.c_str());
    const ConfigLoad again = fix.parse(text);
    CHECK_TEXT(again.ok(), ConfigFixture::rendered(again).c_str());
    CHECK_EQUAL(configuration_hash(load.config), configuration_hash(again.config));
}

TEST(ConfigJoins, problems_of_a_join_say_what_was_expected) {
    const auto changed = [](std::string_view from, std::string_view to) {
        std::string text(joined);
        return text.replace(text.find(from), from.size(), to);
    };
    says("left in [[join]] \"passage\": there is no source \"entri\"; did you mean \"entry\"?", changed("left    = \"entry\"", "left = \"entri\""));
    says("right in [[join]] \"passage\": is left, too", changed("right   = \"exit\"", "right = \"entry\""));
    says("[[join]] \"passage\" has no within", changed("within  = \"5m\"", ""));
    says("on in [[join]] \"passage\": is empty", changed("[{ left = \"vid\", right = \"plate\" }, \"site\"]", "[]"));
    says("on in [[join]] \"passage\": exit has no column plat", changed("right = \"plate\"", "right = \"plat\""));
    says("stands beside after", changed("before  = \"2s\"", "before = \"2s\"\nafter = \"1s\""));
    says("expected at least after", changed("before  = \"2s\"", "after = \"6m\""));
    says("weir.toml:18:23: error: columns.travel in [[join]] \"passage\": neither side has exit.tim", changed("exit.time -", "exit.tim -"));
    says("has the name of a source or a window", changed("name    = \"passage\"", "name = \"entry\""));
    says("there is no source \"passages\"; did you mean \"passage\"?", changed("from   = \"passage\"", "from = \"passages\""));
    says("no column is called sit", changed("by     = [\"site\"]", "by = [\"sit\"]"));
}
