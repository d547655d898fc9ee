#include "agent/base/result.h"

#include <memory>
#include <set>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// Counts how many of it live.
struct Counted {
    static inline int living = 0;
    explicit Counted(int v) : value(v) { ++living; }
    Counted(const Counted& other) : value(other.value) { ++living; }
    ~Counted() { --living; }
    int value;
};

}  // namespace

TEST_GROUP(Result){};

TEST(Result, holds_a_value_or_an_error) {
    const Result<int> good = 3;
    const Result<int> bad = Error::full;
    CHECK(good.ok() && static_cast<bool>(good));
    CHECK_EQUAL(3, *good);
    CHECK(good.error() == Error::none);
    CHECK_FALSE(bad.ok());
    CHECK(bad.error() == Error::full);
    CHECK_EQUAL(7, bad.value_or(7));
    CHECK_EQUAL(3, good.value_or(7));
}

TEST(Result, moves_what_cannot_be_copied) {
    Result<std::unique_ptr<int>> made = std::make_unique<int>(5);
    Result<std::unique_ptr<int>> moved = std::move(made);
    const std::unique_ptr<int> taken = std::move(moved).value();
    CHECK_EQUAL(5, *taken);
}

TEST(Result, destroys_exactly_what_it_holds) {
    {
        const Result<Counted> one = Counted(1);
        const Result<Counted> two = one;
        const Result<Counted> none = Error::io;
        const Result<Counted> still_none = none;
        CHECK_EQUAL(2, Counted::living);
        CHECK_EQUAL(1, two->value);
        CHECK(still_none.error() == Error::io);
    }
    CHECK_EQUAL(0, Counted::living);
}

TEST(Result, status_is_success_unless_told_otherwise) {
    CHECK(Status().ok());
    CHECK(Status::success().ok());
    CHECK_FALSE(Status(Error::busy).ok());
    CHECK(Status(Error::busy).error() == Error::busy);
}

TEST(Result, every_error_has_a_name_of_its_own) {
    std::set<std::string> names;
    for (int i = 0; i <= static_cast<int>(Error::exists); ++i) names.emplace(name(static_cast<Error>(i)));
    CHECK_EQUAL(static_cast<int>(Error::exists) + 1, static_cast<int>(names.size()));
    CHECK(name(Error::out_of_range) == "out_of_range");
}
