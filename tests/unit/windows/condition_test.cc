#include "windows/expression.h"

#include "tests/unit/windows/harness.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

const FieldType fields[] = {{"site", ValueKind::text}, {"lane", ValueKind::integer}, {"n", ValueKind::integer}, {"p85", ValueKind::estimate}, {"list", ValueKind::top}};

int answer(const char* text, Value lane, Value p85) {
    Problem problem;
    auto condition = Condition::compile(text, fields, problem);
    CHECK(condition.has_value());
    const Field key[] = {{"site", Value::of_text("s1")}, {"lane", lane}};
    const Field values[] = {{"n", Value::of_integer(40)}, {"p85", p85}, {"list", {}}};
    Record record;
    record.key = key;
    record.values = values;
    Condition moved = std::move(*condition);
    const auto result = moved.evaluate(record);
    return result ? *result : -1;
}

Value estimate(double value) {
    Value out;
    out.kind = ValueKind::estimate;
    out.real = value;
    return out;
}

}  // namespace

TEST_GROUP(Condition) {};

TEST(Condition, estimates_act_as_their_number) {
    CHECK_EQUAL(1, answer("p85 < 20.0 && n > 30", Value::of_integer(1), estimate(12)));
    CHECK_EQUAL(0, answer("p85 < 20.0 && n > 30", Value::of_integer(1), estimate(22)));
}
TEST(Condition, key_fields_are_known) { CHECK_EQUAL(1, answer("site == 's1' && lane == 1", Value::of_integer(1), estimate(1))); }
TEST(Condition, a_missing_value_is_null) { CHECK_EQUAL(-1, answer("p85 < 20.0", Value::of_integer(1), {})); }
TEST(Condition, a_field_of_another_kind_is_null) {
    CHECK_EQUAL(-1, answer("lane == 1", Value::of_text("(other)"), estimate(1)));
}
TEST(Condition, must_be_a_bool_over_usable_fields) {
    Problem problem;
    CHECK(!Condition::compile("n + 1", fields, problem));
    STRCMP_CONTAINS("true or false", problem.what.c_str());
    CHECK(!Condition::compile("list == 1", fields, problem));
    CHECK(!Condition::compile("p58 > 1", fields, problem));
    STRCMP_CONTAINS("p85", problem.what.c_str());
}
TEST(Condition, records_with_fewer_fields_give_null) {
    Problem problem;
    auto condition = Condition::compile("n > 1", fields, problem);
    Record record;
    CHECK(!condition->evaluate(record).has_value());
    CHECK(condition->memory() > 0);
}
