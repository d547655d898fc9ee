#include "windows/expression.h"

#include <string>

#include "tests/unit/windows/expression_value.h"

#include "CppUTest/TestHarness.h"

using namespace weir;
using test::value;

namespace {

const Schema& schema = test::value_schema;

std::string problem_of(const std::string& text) {
    Problem problem;
    const auto expression = Expression::compile(text, schema, problem);
    return expression ? "none" : problem.what;
}

std::string canonical_of(const std::string& text) {
    Problem problem;
    const auto expression = Expression::compile(text, schema, problem);
    return expression ? expression->canonical() : "error";
}

}  // namespace

#define SAME(expected, actual) STRCMP_EQUAL(std::string(expected).c_str(), std::string(actual).c_str())
#define HAS(part, text) STRCMP_CONTAINS(std::string(part).c_str(), std::string(text).c_str())

TEST_GROUP(Expression) {};

TEST(Expression, literals_are_of_their_type) {
    SAME("42", value("42"));
    SAME("~1.5", value("1.5"));
    SAME("~1500", value("1.5e3"));
    SAME("255", value("0xff"));
    SAME("-9223372036854775808", value("-9223372036854775808"));
    SAME("'it''s'", value("'it\\'\\'s'"));
    SAME("'\xc3\xa9'", value("\"\\u00e9\""));
    SAME("true", value("true"));
}

TEST(Expression, arithmetic_binds_as_in_cel) {
    SAME("7", value("1 + 2 * 3"));
    SAME("9", value("(1 + 2) * 3"));
    SAME("-4", value("-1 - 3"));
    SAME("-7", value("-n"));
    SAME("1", value("n % 3"));
    SAME("-1", value("-7 % 3"));
    SAME("~64.5", value("speed + n"));
    SAME("~3.5", value("n / 2"));
    SAME("2", value("5 - 2 - 1"));
}

TEST(Expression, division_by_zero_is_null) {
    SAME("null", value("n / 0"));
    SAME("null", value("speed / 0.0"));
    SAME("null", value("n % 0"));
    SAME("0", value("(-9223372036854775807 - 1) % -1"));
}

TEST(Expression, int_overflow_is_null) {
    SAME("null", value("9223372036854775807 + n"));
    SAME("null", value("-9223372036854775807 - n"));
    SAME("null", value("9223372036854775807 * n"));
    SAME("null", value("-(-9223372036854775807 - 1)"));
    SAME("9223372036854775807", value("9223372036854775800 + n"));
}

TEST(Expression, comparisons_promote_ints) {
    SAME("true", value("n == 7.0"));
    SAME("true", value("speed > n"));
    SAME("false", value("speed <= 57"));
    SAME("true", value("speed >= 57.5"));
    SAME("true", value("n != 8"));
    SAME("true", value("kind == 'truck'"));
    SAME("true", value("'a' < 'b'"));
    SAME("true", value("ok == true"));
}

TEST(Expression, null_goes_through_operators) {
    SAME("null", value("missing + 1"));
    SAME("null", value("missing > 3"));
    SAME("null", value("!(missing > 3)"));
    SAME("null", value("missing > 3 ? 1 : 2"));
}

TEST(Expression, one_side_decides_and_and_or) {
    SAME("false", value("missing > 3 && false"));
    SAME("false", value("false && missing > 3"));
    SAME("null", value("missing > 3 && true"));
    SAME("true", value("missing > 3 || ok"));
    SAME("true", value("ok || missing > 3"));
    SAME("null", value("missing > 3 || false"));
    SAME("true", value("ok && n == 7"));
    SAME("false", value("!ok || n == 8"));
}

TEST(Expression, null_tests_are_never_null) {
    SAME("true", value("missing == null"));
    SAME("false", value("missing != null"));
    SAME("true", value("n != null"));
    SAME("false", value("has(missing)"));
    SAME("true", value("null == missing"));
    SAME("true", value("n / 0 == null"));
}

TEST(Expression, choice_takes_one_side) {
    SAME("1", value("ok ? 1 : 2"));
    SAME("~2", value("!ok ? 1.5 : 2"));
    SAME("null", value("ok ? null : 2"));
    SAME("2", value("!ok ? null : 2"));
    SAME("'b'", value("n > 10 ? 'a' : n > 5 ? 'b' : 'c'"));
}

TEST(Expression, in_compares_with_each_item) {
    SAME("true", value("kind in ['car', 'truck']"));
    SAME("false", value("n in [1, 2]"));
    SAME("true", value("n in [1, 7.0]"));
    SAME("null", value("missing in [1, 2]"));
    SAME("false", value("kind in []"));
}

TEST(Expression, texts_are_searched) {
    SAME("true", value("kind.startsWith('tr')"));
    SAME("true", value("kind.endsWith('uck')"));
    SAME("true", value("contains(kind, 'ruc')"));
    SAME("false", value("kind.contains('x')"));
}

TEST(Expression, functions_of_numbers) {
    SAME("3", value("abs(-3)"));
    SAME("~2.5", value("abs(-2.5)"));
    SAME("7", value("max(n, 3)"));
    SAME("~3", value("min(speed, 3)"));
    SAME("57", value("int(speed)"));
    SAME("~7", value("float(n)"));
}

TEST(Expression, conversion_to_int_is_checked) {
    SAME("null", value("int(1.0e300)"));
    SAME("null", value("int(9223372036854775808.0)"));
    SAME("-9223372036854775808", value("int(-9223372036854775808.0)"));
}

TEST(Expression, long_lists_are_searched_like_short_ones) {
    SAME("true", value("n in [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]"));
    SAME("false", value("n in [12, 11, 10, 9, 8, 17, 6, 5, 4, 3]"));
    SAME("true", value("speed in [1, 2, 3, 4, 5, 6, 7, 8, 57.5, 9]"));
    SAME("true", value("kind in ['i', 'h', 'g', 'f', 'e', 'd', 'c', 'b', 'truck', 'a']"));
    SAME("null", value("nothing in ['a', 'b']"));
    SAME("true", value("n in [n + 1, n]"));
    SAME("true", value("ok in [true]"));
}

TEST(Expression, texts_match_regular_expressions) {
    SAME("true", value("kind.matches('^t.*k$')"));
    SAME("true", value(R"(matches(kind, r'\w{5}'))"));
    SAME("false", value("kind.matches('^ruck')"));
    SAME("null", value("nothing.matches('a')"));
}

TEST(Expression, a_wrong_pattern_is_an_error_at_its_place) {
    HAS("error 15: matches(): the pattern is wrong: missing )", value("matches(kind, 'trt((r)')"));
    HAS("error 18: matches(): the pattern is wrong", value("matches(kind, 'abc**')"));
    HAS("too large", value(R"(kind.matches('(\\pL{100}){10}'))"));
    HAS("in quotes", value("kind.matches(kind)"));
}

TEST(Expression, sizes_are_in_characters) {
    SAME("5", value("size(kind)"));
    SAME("5", value("kind.size()"));
    SAME("2", value("size('\xc3\xa9\xc3\xa9')"));
    SAME("null", value("size(nothing)"));
}

TEST(Expression, texts_become_numbers) {
    SAME("42", value("int('42')"));
    SAME("-42", value("int('-42')"));
    SAME("null", value("int('42x')"));
    SAME("null", value("int('')"));
    SAME("null", value("int(kind)"));
    SAME("null", value("int(nothing)"));
    SAME("~1.5", value("double('1.5')"));
    SAME("null", value("float('nan')"));
    SAME("true", value("bool('true')"));
    SAME("null", value("bool('maybe')"));
}

TEST(Expression, mathematical_functions) {
    SAME("~58", value("math.ceil(speed)"));
    SAME("~57", value("math.floor(speed)"));
    SAME("~58", value("math.round(speed)"));
    SAME("~-58", value("math.round(-57.5)"));
    SAME("~-57", value("math.trunc(-57.5)"));
    SAME("-1", value("math.sign(-n)"));
    SAME("~1", value("math.sign(speed)"));
    SAME("~57.5", value("math.greatest(n, 3, speed)"));
    SAME("3", value("math.least(n, 3)"));
    SAME("7", value("math.least(n)"));
    SAME("3", value("math.abs(-3)"));
    SAME("false", value("math.isNaN(speed)"));
    SAME("true", value("math.isInf(1e308 * 10.0)"));
    SAME("false", value("math.isFinite(1e308 * 10.0)"));
}

TEST(Expression, time_is_the_event_time) {
    SAME("1234567890", value("int(time)"));
    SAME("23", value("time.getHours()"));
    SAME("123", value("time.getMilliseconds()"));
    SAME("2009", value("time.getFullYear()"));
    SAME("0", value("time.getHours('+01:00')"));
    SAME("true", value("time > timestamp('2009-02-13T23:31:30Z')"));
    SAME("false", value("time + duration('1s') > timestamp('2009-02-13T23:31:32Z')"));
    SAME("7", value("(time - timestamp('2009-02-13T23:31:23Z')).getSeconds()"));
    SAME("7", value("(time - timestamp(1234567883)).getSeconds()"));
    SAME("true", value("has(time)"));
    SAME("true", value("time in [timestamp(0), time]"));
    SAME("5", value("max(time, timestamp(0)).getDayOfWeek()"));
}

namespace {

// Amsterdam around the summers of 2008 and 2009.
class TestZones final : public Zones {
public:
    std::optional<ZoneTable> find(std::string_view name) const override {
        if (name != "Europe/Amsterdam") return std::nullopt;
        return ZoneTable::make("Europe/Amsterdam", Duration::minutes(60),
                               {{Timestamp::seconds(1206838800), Duration::minutes(120)},
                                {Timestamp::seconds(1224982800), Duration::minutes(60)},
                                {Timestamp::seconds(1238288400), Duration::minutes(120)}});
    }
};

}  // namespace

TEST(Expression, zones_are_known_by_name) {
    const TestZones zones;
    SAME("0", value("time.getHours('Europe/Amsterdam')", &zones));
    SAME("14", value("time.getDate('Europe/Amsterdam')", &zones));
    SAME("14", value("timestamp('2008-07-01T12:00:00Z').getHours('Europe/Amsterdam')", &zones));
    SAME("null", value("timestamp(nothing).getHours('Europe/Amsterdam')", &zones));
    HAS("error 14: no time zone is called Europe/Asterdam", value("time.getHours('Europe/Asterdam')", &zones));
    HAS("no time zone", value("time.getHours('Europe/Amsterdam')"));
    HAS("in quotes", value("time.getHours(kind)", &zones));
    Problem problem;
    CHECK(Expression::compile("time.getHours('Europe/Amsterdam')", schema, problem, &zones)->memory() > sizeof(ZoneTable));
}

TEST(Expression, a_gap_is_a_duration) {
    const auto gap = [](const char* text) { return value(text, nullptr, Meaning::duration); };
    SAME("30000000", gap("duration('30s')"));
    SAME("60000000", gap("kind == 'truck' ? duration('1m') : duration('30s')"));
    SAME("7000000", gap("duration(n)"));
    SAME("57500000", gap("duration(speed)"));
    SAME("null", gap("duration(missing)"));
    SAME("null", gap("duration(nothing)"));
    SAME("null", gap("duration(1e300)"));
    HAS("a duration is wanted, as in duration('30s'), and n is int", gap("n"));
    HAS("time is timestamp", gap("time"));
}

TEST(Expression, times_are_no_results) {
    HAS("time is timestamp", value("time"));
    HAS("is duration", value("duration('3s')"));
    HAS("(time - time) is duration and 3 is int", value("time - time > 3"));
    HAS("has no meaning", value("time + time"));
    HAS("has no meaning", value("duration('3s') * 2"));
    HAS("a timestamp, or a duration alone", value("n.getHours()"));
    HAS("takes a timestamp, and duration('3s') is duration", value("duration('3s').getDate()"));
    HAS("not a duration", value("duration('3 s') > duration('1s')"));
    HAS("not a timestamp", value("timestamp('2009-02-30T00:00:00Z') == time"));
}

TEST(Expression, a_column_may_hide_the_event_time) {
    const Schema named({{"time", ColumnType::integer}});
    Problem problem;
    const auto expression = Expression::compile("time + 1", named, problem);
    CHECK(expression.has_value());
    CHECK_FALSE(expression->uses_time());
    CHECK(Expression::compile("time.getHours() == 3", schema, problem)->uses_time());
}

TEST(Expression, comments_and_raw_strings) {
    SAME("8", value("n // seven\n + 1"));
    SAME("true", value(R"(r'a\d' == 'a\\d')"));
    SAME("true", value(R"('''it's''' == "it's")"));
    SAME("'A\xf0\x9f\x90\xb1'", value(R"('\101\U0001f431')"));
    HAS("unknown escape", value(R"('\d')"));
    HAS("not closed", value("'''a'"));
}

TEST(Expression, memory_counts_what_regular_expressions_may_grow_to) {
    Problem problem;
    CHECK_EQUAL(0u, Expression::compile("n + 1", schema, problem)->memory());
    CHECK(Expression::compile("kind.matches('a') || kind.matches('b')", schema, problem)->memory() >= 2 * 256 * 1024);
}

TEST(Expression, problems_name_the_column_and_the_types) {
    HAS("speed is float", problem_of("speed == kind"));
    HAS("kind is string", problem_of("speed == kind"));
    HAS("did you mean speed?", problem_of("sped > 3"));
    HAS("did you mean startsWith?", problem_of("startWith(kind, 'a')"));
    HAS("needs bools", problem_of("speed && ok"));
    HAS("'and' is written &&", problem_of("ok and ok"));
    HAS("'=' is written ==", problem_of("n = 3"));
    HAS("do not chain", problem_of("1 < n < 3"));
    HAS("ends where", problem_of("n +"));
    HAS("not closed", problem_of("kind == 'a"));
    HAS("% needs ints", problem_of("speed % 2"));
    HAS("aggregate", problem_of("min(speed) > 2"));
    HAS("two values", problem_of("max(1)"));
    HAS("takes a string, and n is int", problem_of("size(n)"));
    HAS("takes strings, and 3 is int", problem_of("kind.startsWith(3)"));
    HAS("strings cannot be joined", problem_of("kind + 'a' == 'b'"));
    HAS("takes one value or two, not 3", problem_of("time.getHours('UTC', 'UTC') > 3"));
    HAS("did you mean getHours?", problem_of("time.getHour() > 3"));
}

TEST(Expression, problems_have_a_place) {
    HAS("error 4:", value("n + sped"));
    HAS("error 5:", value("ok &&"));
    HAS("error 9:", value("n > 3 && kind"));
    HAS("error 4:", value("n + kind"));
    HAS("error 9:", value("contains(n, kind)"));
}

TEST(Expression, spelling_does_not_change_the_canonical_text) {
    SAME(canonical_of("n+1 > 2 && kind==\"a\""), canonical_of("((n + 1) > (2)) && (kind == 'a')"));
    CHECK(canonical_of("n + 1 > 2") != canonical_of("n + 1 > 3"));
    CHECK(canonical_of("1.0 + n") != canonical_of("1 + n"));
}

TEST(Expression, hostile_text_is_refused) {
    CHECK(problem_of(std::string(5000, ' ')) != "none");
    CHECK(problem_of(std::string(2000, '(') + "1" + std::string(2000, ')')) != "none");
    CHECK(problem_of(std::string(2000, '-') + "1") != "none");
    CHECK(problem_of(std::string(2000, '!') + "ok") != "none");
    std::string sum = "n";
    for (int i = 0; i < 1000; ++i) sum += "+n";
    CHECK(problem_of(sum) != "none");
    for (const char* text : {"", "(", ")", "[", "1..2", "1.e", ".", "'\\", "'\\u12", "`", "a.", "n.x(", "0x", "1e999", "99999999999999999999", "\xff"})
        CHECK(problem_of(text) != "none");
}
