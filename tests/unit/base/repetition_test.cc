#include "agent/base/repetition.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(Repetition) {
    Repetition repetition;
    static MonotonicTime at(std::int64_t seconds) { return MonotonicTime{Duration::seconds(seconds)}; }
};

TEST(Repetition, the_same_is_said_once_an_hour_and_counted) {
    CHECK_TRUE(repetition.worth_saying("no answer", at(0)));
    STRCMP_EQUAL("", repetition.count_text().c_str());
    for (int i = 1; i < 60; ++i) CHECK_FALSE(repetition.worth_saying("no answer", at(60 * i)));
    CHECK_TRUE(repetition.worth_saying("no answer", at(3600)));
    STRCMP_EQUAL(" (as 59 times before)", repetition.count_text().c_str());
    CHECK_FALSE(repetition.worth_saying("no answer", at(3601)));
}

TEST(Repetition, another_thing_is_said_at_once) {
    CHECK_TRUE(repetition.worth_saying("no answer", at(0)));
    CHECK_FALSE(repetition.worth_saying("no answer", at(1)));
    CHECK_TRUE(repetition.worth_saying("refused", at(2)));
    STRCMP_EQUAL("", repetition.count_text().c_str());
    CHECK_TRUE(repetition.worth_saying("no answer", at(3)));
    repetition.forget();
    CHECK_TRUE(repetition.worth_saying("no answer", at(4)));
}

TEST(Repetition, details_in_parentheses_may_vary) {
    CHECK_TRUE(repetition.worth_saying("has expired (the clock here says 1)", at(0)));
    CHECK_FALSE(repetition.worth_saying("has expired (the clock here says 2)", at(1)));
}
