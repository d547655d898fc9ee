#include "agent/config_tree.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(ConfigTree) {
    std::vector<ConfigFile> files;
    std::map<std::string, std::string> environment;
    ConfigProblems problems;

    ConfigNode read(const std::string& text) {
        files.push_back({"f" + std::to_string(files.size()), text});
        ConfigNode root;
        read_toml(files, static_cast<std::uint32_t>(files.size() - 1), environment, root, problems);
        return root;
    }
};

TEST(ConfigTree, every_part_knows_its_place) {
    const ConfigNode root = read("a = 1\n[b]\n  c = 'x'\n");
    const ConfigNode* c = root.find("b")->find("c");
    LONGS_EQUAL(3, c->at.line);
    LONGS_EQUAL(8, c->at.column);  // of the x, not of its quote
    CHECK(c->verbatim);
    LONGS_EQUAL(3, root.find("b")->members[0].at.column);
}

TEST(ConfigTree, members_keep_the_order_of_the_text) {
    const ConfigNode root = read("[t]\nz = 1\na = 2\nm.x = 3\n");
    const auto& members = root.find("t")->members;
    STRCMP_EQUAL("z", members[0].key.c_str());
    STRCMP_EQUAL("a", members[1].key.c_str());
    STRCMP_EQUAL("m", members[2].key.c_str());
}

TEST(ConfigTree, text_with_escapes_is_not_verbatim) {
    const ConfigNode root =
        read("a = \"x\\u0041\"\nb = \"\"\"\nlong\ntext\"\"\"\nc = \"\xC3\xA4 < 1\"\n");
    STRCMP_EQUAL("xA", root.find("a")->text.c_str());
    CHECK_FALSE(root.find("a")->verbatim);
    CHECK_FALSE(root.find("b")->verbatim);
    CHECK(root.find("c")->verbatim);
}

TEST(ConfigTree, variables_expand_in_strings_only) {
    environment["HOST"] = "h1";
    environment["EMPTY"] = "";
    const ConfigNode root = read(
        "a = \"${HOST}:${PORT:-1883}\"\nb = \"$$${HOST}$SYS$\"\nc = "
        "'${EMPTY:-d}${EMPTY}'\n\"${HOST}\" = 1\n");
    STRCMP_EQUAL("h1:1883", root.find("a")->text.c_str());
    STRCMP_EQUAL("$h1$SYS$", root.find("b")->text.c_str());
    STRCMP_EQUAL("d", root.find("c")->text.c_str());
    CHECK(root.find("${HOST}") != nullptr);
    CHECK_FALSE(root.find("a")->verbatim);
    CHECK(problems.empty());
}

TEST(ConfigTree, a_variable_that_is_not_set_is_a_problem) {
    read("a = 1\nb = [\"${NOBODY_HAS_THIS}\", \"${9}\", \"${open\"]\n");
    LONGS_EQUAL(3, problems.size());
    CHECK(problems[0].what.find("NOBODY_HAS_THIS is not set") != std::string::npos);
    LONGS_EQUAL(2, problems[0].at.line);
}

TEST(ConfigTree, what_is_no_toml_is_a_problem_with_its_place) {
    read("a = 1\nb = \n");
    LONGS_EQUAL(1, problems.size());
    LONGS_EQUAL(2, problems[0].at.line);
}

TEST(ConfigTree, tables_merge_and_the_last_file_wins) {
    ConfigNode root = read("[a]\nx = 1\ny = 2\nlist = [1, 2]\n[[s]]\nname = 'one'\n");
    merge(root, read("[a]\ny = 3\nlist = [9]\n[[s]]\nname = 'two'\n[n]\nz = 1\n"));
    const ConfigNode* a = root.find("a");
    LONGS_EQUAL(1, a->find("x")->integer);
    LONGS_EQUAL(3, a->find("y")->integer);
    LONGS_EQUAL(1, a->find("y")->at.file);
    LONGS_EQUAL(1, a->find("list")->items.size());
    LONGS_EQUAL(2, root.find("s")->items.size());
    STRCMP_EQUAL("two", root.find("s")->items[1].find("name")->text.c_str());
    CHECK(root.find("n") != nullptr);
}

TEST(ConfigTree, environment_variables_set_keys) {
    ConfigNode root = read("[mqtt]\nurl = 'mqtt://a'\n");
    environment = {{"WEIR_MQTT__URL", "mqtt://b"},
                   {"WEIR_AGENT__JOURNAL__SIZE", "1MiB"},
                   {"WEIR_LOG", "x"},
                   {"OTHER__X", "y"}};
    apply_environment(root, files, environment, problems);
    STRCMP_EQUAL("mqtt://b", root.find("mqtt")->find("url")->text.c_str());
    STRCMP_EQUAL("1MiB", root.find("agent")->find("journal")->find("size")->text.c_str());
    CHECK(problems.empty());
    STRCMP_EQUAL("$WEIR_MQTT__URL", files[root.find("mqtt")->find("url")->at.file].path.c_str());
}

TEST(ConfigTree, an_unknown_section_in_the_environment_is_a_problem) {
    ConfigNode root = read("");
    environment = {{"WEIR_AGNET__ID", "x"}};
    apply_environment(root, files, environment, problems);
    LONGS_EQUAL(1, problems.size());
    CHECK(problems[0].what.find("did you mean \"agent\"") != std::string::npos);
}
