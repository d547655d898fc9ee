#include "drivers/event_shape.h"

#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

using Kind = EventShape::Kind;

struct Wanted {
    MemberTree tree;
    std::vector<CodecTarget> targets;
    EventShape shape;

    void add(const std::vector<std::string>& path, CodecTarget target) {
        const int node = tree.add(path);
        target.next = tree.targets(node);
        targets.push_back(target);
        tree.set_targets(node, static_cast<int>(targets.size()) - 1);
    }
    bool learn(std::string_view text, bool timed = false) { return shape.learn(text, tree, targets, timed); }
    std::string kinds() const {
        std::string out;
        for (std::size_t i = 0; i < shape.count; ++i) out += "ritTa-+>|"[static_cast<std::size_t>(shape.slots[i].kind)];
        return out;
    }
};

}  // namespace

TEST_GROUP(EventShape) {
    Wanted wanted;
    void setup() override {
        wanted.add({"ts"}, {CodecTarget::time_column, ColumnType::integer});
        wanted.add({"speed"}, {0, ColumnType::real});
        wanted.add({"lane"}, {1, ColumnType::integer});
        wanted.add({"vid"}, {2, ColumnType::text});
        wanted.add({"vehicle", "length"}, {3, ColumnType::real});
        wanted.add({"ok"}, {4, ColumnType::boolean});
        wanted.add({"two"}, {5, ColumnType::real});
        wanted.add({"two"}, {6, ColumnType::text});
    }
};

TEST(EventShape, a_value_is_what_its_one_target_wants) {
    CHECK(wanted.learn(R"({"ts":1,"x":7,"speed":1.5,"lane":2,"vid":"a","ok":true,"two":1})"));
    STRCMP_EQUAL("T-ritaa>", wanted.kinds().c_str());
    LONGS_EQUAL(6, wanted.shape.slots[0].size);
    LONGS_EQUAL(5, wanted.shape.slots[1].size);
    CHECK(wanted.shape.filled.test(0) && wanted.shape.filled.test(6) && !wanted.shape.filled.test(3));
}

TEST(EventShape, nested_values_are_values) {
    CHECK(wanted.learn(R"({"vehicle":{"length":4.5,"axles":[1,{"at":"x"},null]},"vid":"a"} and what follows)"));
    STRCMP_EQUAL("+r---t|", wanted.kinds().c_str());
}

TEST(EventShape, many_bytes_between_values_take_more_slots) {
    CHECK(wanted.learn("{\"speed\":1.5,   \"a_name_of_some_length\"   :  {  }, \"lane\":2    \n     \n                }"));
    STRCMP_EQUAL("r++i+|", wanted.kinds().c_str());
    LONGS_EQUAL(12, wanted.shape.last.size);
    LONGS_EQUAL('}', static_cast<int>(wanted.shape.last.words[1] >> 24 & 0xFF));
}

TEST(EventShape, where_a_path_goes_on_a_value_must_be_one) {
    CHECK(wanted.learn(R"({"vehicle":7,"lane":1})"));
    STRCMP_EQUAL("ai>", wanted.kinds().c_str());
}

TEST(EventShape, what_cannot_be_predicted_has_none) {
    for (const char* text : {"{}", "{\"speed\":1", "{\"speed\" 1}", "{\"speed\":1,}", "{\"speed\":01}", "{\"speed\":oops}", "{\"speed\":{}}", "{\"speed\":[1]}",
                             "{\"speed\":1,\"speed\":2}", "{\"two\":1,\"two\":2}", "{\"ts\":1,\"ts\":2}", "{\"vehicle\":{\"length\":1},\"vehicle\":{\"length\":2}}",
                             "{\"l\\u0061ne\":1}", "{\"a\nb\":1}", "[1]", "", "{\"x\":\"a\\", "{\"x\":\"a"}) {
        CHECK_TEXT(!wanted.learn(text), text);
        LONGS_EQUAL(0, wanted.shape.count);
    }
    CHECK(!wanted.learn("{\"speed\":1}", true));
    CHECK(wanted.learn("{\"speed\":1,\"ts\":1}", true));
}

TEST(EventShape, limits) {
    std::string wide = "{\"k\":1";
    for (int i = 0; i < 61; ++i) wide += ",\"k\":1";
    CHECK(wanted.learn(wide + "}"));
    CHECK(wanted.learn(wide + ",\"k\":1}"));
    CHECK(!wanted.learn(wide + ",\"k\":1,\"k\":1}"));
    const auto nested = [](std::size_t depth) {
        std::string text = "{\"x\":";
        for (std::size_t i = 1; i < depth; ++i) text += "[";
        return text + "1" + std::string(depth - 1, ']') + "}";
    };
    CHECK(wanted.learn(nested(EventShape::depth_max)));
    CHECK(!wanted.learn(nested(EventShape::depth_max + 1)));
}

TEST(EventShape, shapes_are_equal_by_their_bytes_and_targets) {
    Wanted other;
    CHECK(wanted.learn(R"({"speed":1.5,"vid":"abc"})"));
    const EventShape first = wanted.shape;
    CHECK(wanted.learn(R"({"speed":12,"vid":null})"));
    CHECK(first == wanted.shape);
    CHECK(wanted.learn(R"({"speed":12, "vid":null})"));
    CHECK_FALSE(first == wanted.shape);
    CHECK(other.learn(R"({"speed":1.5,"vid":"abc"})"));
    CHECK_FALSE(first == other.shape);
}
