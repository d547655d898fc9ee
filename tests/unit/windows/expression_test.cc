#include "windows/expression.h"

#include <string>

#include "tests/unit/windows/harness.h"

#include "CppUTest/TestHarness.h"

using namespace weir;

namespace {

const Schema schema({{"speed", ColumnType::real}, {"n", ColumnType::integer}, {"kind", ColumnType::text}, {"ok", ColumnType::boolean}, {"missing", ColumnType::integer}});

// The value of one row speed 57.5, n 7, kind 'truck', ok true, missing null, as text.
std::string value(const std::string& text) {
    Problem problem;
    const auto expression = Expression::compile(text, schema, problem);
    if (!expression) return "error " + std::to_string(problem.offset) + ": " + problem.what;
    Batch::Params params;
    params.rows = 100;
    ArenaBlock block(Batch::need(schema, params) + Evaluator::need(*expression, 100));
    Arena arena(block.memory());
    Batch batch(arena, schema, params);
    Evaluator evaluator(arena, *expression, 100);
    CHECK_EQUAL(block.memory().size(), arena.used());
    for (int row = 0; row < 100; ++row) {
        batch.begin_row();
        batch.set_real(0, 57.5);
        batch.set_integer(1, 7);
        batch.set_text(2, "truck");
        batch.set_boolean(3, true);
        batch.commit_row({});
    }
    std::vector<const Column*> inputs;
    for (std::size_t i = 0; i < batch.columns(); ++i) inputs.push_back(&batch.column(i));
    const Column& result = evaluator.evaluate(inputs, 100);
    std::string seen[2];
    for (std::size_t row : {std::size_t{0}, std::size_t{99}}) {
        std::string& out = seen[row ? 1 : 0];
        if (!result.present.test(row)) {
            out = "null";
            continue;
        }
        switch (result.type) {
            case ColumnType::integer: out = std::to_string(result.integers[row]); break;
            case ColumnType::real: {
                char digits[40];
                JsonWriter writer({digits, sizeof digits});
                writer.real(result.reals[row]);
                out = "~" + std::string(writer.text());
                break;
            }
            case ColumnType::boolean: out = result.booleans[row] ? "true" : "false"; break;
            case ColumnType::text: out = "'" + std::string(result.texts[row]) + "'"; break;
        }
    }
    CHECK_EQUAL(seen[0], seen[1]);
    return seen[0];
}

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
}

TEST(Expression, problems_have_a_place) {
    HAS("error 4:", value("n + sped"));
    HAS("error 5:", value("ok &&"));
    HAS("error 9:", value("n > 3 && kind"));
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
