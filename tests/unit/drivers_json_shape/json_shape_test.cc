#include "drivers/json_shape.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {
// simdjson chooses its implementation at the first use and keeps it: not a leak of the test that
// comes first.
const bool warm = json_shape("{}").ok();
}  // namespace

TEST_GROUP(JsonShape){};

TEST(JsonShape, fields_come_with_path_kind_and_value_in_order) {
    const auto events = json_shape(
        R"({"n":1,"x":-2.5,"b":true,"s":"a\nb","z":null,"a":[1],"o":{"p/q":{"~":7}},"e":{}})");
    const JsonEvent& event = events.value()[0];
    LONGS_EQUAL(7, event.size());
    STRCMP_EQUAL("/n", event[0].path.c_str());
    CHECK(event[0].kind == JsonKind::integer);
    DOUBLES_EQUAL(1, event[0].number, 0);
    CHECK(event[1].kind == JsonKind::real);
    DOUBLES_EQUAL(-2.5, event[1].number, 0);
    CHECK(event[2].kind == JsonKind::boolean);
    STRCMP_EQUAL("a\nb", event[3].text.c_str());
    CHECK(event[4].kind == JsonKind::null);
    CHECK(event[5].kind == JsonKind::array);
    STRCMP_EQUAL("/o/p~1q/~0", event[6].path.c_str());
    DOUBLES_EQUAL(7, event[6].number, 0);
}

TEST(JsonShape, arrays_and_lines_give_one_event_each) {
    LONGS_EQUAL(2, json_shape(R"([{"a":1},{"a":2},3])").value().size());
    LONGS_EQUAL(3, json_shape("{\"a\":1}\n\n{\"a\":2}\r\n[{\"a\":3}]\n").value().size());
    DOUBLES_EQUAL(1.8446744073709552e19,
                  json_shape("{\"a\":18446744073709551615}").value()[0][0].number, 1);
}

TEST(JsonShape, what_is_no_object_is_an_error) {
    for (const char* text : {"", "1", "\"a\"", "[]", "[1,2]", "{\"a\":", "ts,speed\n1,2",
                             "{\"a\":1}\nx", "\xFF\xFE", "nul"}) {
        CHECK_TEXT(!json_shape(text), text);
    }
    CHECK(json_shape(std::string(2 << 20, ' ')).error() == Error::out_of_range);
}

TEST(JsonShape, deep_and_wide_objects_are_cut) {
    std::string deep;
    for (int i = 0; i < 500; ++i) deep += "{\"a\":";
    deep += "1" + std::string(500, '}');
    const auto shape = json_shape(deep);
    if (shape) CHECK(shape.value()[0].empty());
    std::string wide = "{\"k\":1";
    for (int i = 0; i < 1000; ++i) wide += ",\"k" + std::to_string(i) + "\":1";
    LONGS_EQUAL(256, json_shape(wide + "}").value()[0].size());
}
