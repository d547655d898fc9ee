#include "drivers/member_tree.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// The node of the member whose name is the beginning of text, up to its quote.
int find(MemberTree& tree, int node, const std::string& text) {
    std::string scratch(text.size(), ' ');
    return tree.find(node, text.data(), text.data() + text.size(), scratch.data());
}

}  // namespace

TEST_GROUP(MemberTree){};

TEST(MemberTree, members_are_found_in_any_order_and_where_they_are) {
    MemberTree tree;
    const int speed = tree.add({"speed"});
    const int length = tree.add({"vehicle", "length"});
    const int vehicle = find(tree, MemberTree::root, "vehicle\":{");
    LONGS_EQUAL(speed, find(tree, MemberTree::root, "speed\":1"));
    LONGS_EQUAL(length, find(tree, vehicle, "length\":1"));
    LONGS_EQUAL(MemberTree::none, find(tree, MemberTree::root, "length\":1"));
    LONGS_EQUAL(MemberTree::none, find(tree, speed, "speed\":1"));
    LONGS_EQUAL(speed, tree.add({"speed"}));
}

TEST(MemberTree, a_name_is_the_whole_name) {
    MemberTree tree;
    tree.add({"speed"});
    for (const char* text : {"spee\":1", "speeds\":1", "Speed\":1", "spee", "speed", "\":1"}) {
        CHECK_TEXT(find(tree, MemberTree::root, text) == MemberTree::none, text);
    }
}

TEST(MemberTree, escaped_names_are_the_names_they_say) {
    MemberTree tree;
    const int speed = tree.add({"speed"});
    const int quoted = tree.add({"a\"b"});
    LONGS_EQUAL(speed, find(tree, MemberTree::root, "sp\\u0065ed\":1"));
    LONGS_EQUAL(quoted, find(tree, MemberTree::root, "a\\\"b\":1"));
    LONGS_EQUAL(MemberTree::none, find(tree, MemberTree::root, "sp\\ud800ed\":1"));
}

TEST(MemberTree, targets_are_what_the_owner_says) {
    MemberTree tree;
    const int speed = tree.add({"speed"});
    LONGS_EQUAL(MemberTree::none, tree.targets(speed));
    tree.set_targets(speed, 3);
    LONGS_EQUAL(3, tree.targets(speed));
}
