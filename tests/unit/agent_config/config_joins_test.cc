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
