#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "agent/base/arena.h"
#include "tests/model/windows/expression_twin.h"
#include "windows/expression.h"
#include "windows/regex.h"

#include "CppUTest/TestHarness.h"

// Random typed expressions over random columns, against the twin, in batches of 1, 7 and 1,024.
// WEIR_MODEL_EXPRESSIONS=100000 for more than the 3,000 of every run.

using namespace weir;
using namespace weir::model;

namespace {

// RE2 keeps some tables for good, and so does the schema: both are made before a test looks for leaks.
const bool warm = [] {
    Problem problem;
    return Regex::make("a|(?i)b", problem)->found_in("a") && twin_schema().size() == 8;
}();

struct Tally {
    std::size_t expressions = 0;
    std::size_t refused = 0;
    std::size_t values = 0;
    std::size_t nulls = 0;
};

void fill(Batch& batch, const TwinRow& row) {
    batch.begin_row();
    if (row.i) batch.set_integer(0, row.i->integer);
    if (row.j) batch.set_integer(1, row.j->integer);
    if (row.x) batch.set_real(2, row.x->real);
    if (row.y) batch.set_real(3, row.y->real);
    if (row.b) batch.set_boolean(4, row.b->boolean);
    if (row.c) batch.set_boolean(5, row.c->boolean);
    if (row.s) batch.set_text(6, row.s->text);
    if (row.t) batch.set_text(7, row.t->text);
    batch.commit_row({Timestamp::micros(row.at), {}, true});
}

// Reals by their bits, so that 0 and -0 differ.
std::string shown(const MaybeValue& value, TwinType type) {
    if (!value) return "null";
    switch (type) {
        case TwinType::real:
            if (std::isnan(value->real)) return "nan";
            return std::to_string(value->real) + " (" + std::to_string(std::bit_cast<std::uint64_t>(value->real)) + ")";
        case TwinType::boolean: return value->boolean ? "true" : "false";
        case TwinType::text: return value->text;
        default: return std::to_string(value->integer);
    }
}

MaybeValue read(const Column& column, std::size_t row) {
    if (!column.present.test(row)) return std::nullopt;
    TwinValue value;
    switch (column.type) {
        case ColumnType::integer: value.integer = column.integers[row]; break;
        case ColumnType::real: value.real = column.reals[row]; break;
        case ColumnType::boolean: value.boolean = column.booleans[row] != 0; break;
        case ColumnType::text: value.text = column.texts[row]; break;
    }
    return value;
}

void compare(const std::string& text, const Expression& expression, TwinType type, const std::vector<TwinRow>& rows,
             const std::vector<MaybeValue>& wanted, std::size_t limit) {
    Batch::Params params;
    params.rows = limit;
    ArenaBlock block(Batch::need(twin_schema(), params) + Evaluator::need(expression, limit));
    Arena arena(block.memory());
    Batch batch(arena, twin_schema(), params);
    Evaluator evaluator(arena, expression, limit);
    std::vector<const Column*> inputs;
    for (std::size_t i = 0; i < batch.columns(); ++i) inputs.push_back(&batch.column(i));
    for (std::size_t first = 0; first < rows.size(); first += limit) {
        batch.clear();
        const std::size_t count = std::min(limit, rows.size() - first);
        for (std::size_t i = 0; i < count; ++i) fill(batch, rows[first + i]);
        const Column& found = evaluator.evaluate(inputs, count, &batch.time(0));
        for (std::size_t i = 0; i < count; ++i) {
            const std::string want = shown(wanted[first + i], type);
            const std::string got = shown(read(found, i), type);
            if (want != got) FAIL((text + " in batches of " + std::to_string(limit) + ": wanted " + want + ", got " + got).c_str());
        }
    }
}

}  // namespace

TEST_GROUP(ExpressionModel) {};

TEST(ExpressionModel, random_expressions_mean_what_the_twin_says) {
    const char* const wanted_count = std::getenv("WEIR_MODEL_EXPRESSIONS");
    const std::size_t count = wanted_count ? std::strtoul(wanted_count, nullptr, 10) : 3000;
    constexpr TwinType results[] = {TwinType::integer, TwinType::real, TwinType::boolean, TwinType::text, TwinType::span};
    Tally tally;
    for (std::size_t seed = 0; seed < count; ++seed) {
        Dice dice(seed);
        const TwinType type = results[dice.below(std::size(results))];
        const TwinNode tree = random_tree(dice, type, 1 + static_cast<int>(dice.below(5)));
        const std::string text = text_of(tree, dice);
        Problem problem;
        const auto expression = Expression::compile(text, twin_schema(), problem, nullptr, type == TwinType::span ? Meaning::duration : Meaning::plain);
        ++tally.expressions;
        if (!expression) {
            ++tally.refused;
            if (text.size() <= expression_text_max && problem.what.find("too large") == std::string::npos) FAIL((text + ": " + problem.what).c_str());
            continue;
        }
        std::vector<TwinRow> rows;
        std::vector<MaybeValue> wanted;
        for (std::size_t i = 0; i < (seed % 16 == 0 ? 1100u : 40u); ++i) {
            rows.push_back(random_row(dice));
            wanted.push_back(meaning_of(tree, rows.back()));
            ++tally.values;
            tally.nulls += wanted.back() ? 0 : 1;
        }
        if (rows.size() < 100) compare(text, *expression, type, rows, wanted, 1);
        compare(text, *expression, type, rows, wanted, 7);
        compare(text, *expression, type, rows, wanted, 1024);
    }
    std::printf("%zu expressions, %zu too large; %zu values, %zu null\n", tally.expressions, tally.refused, tally.values, tally.nulls);
    CHECK(tally.refused * 20 < tally.expressions);
    CHECK(tally.nulls * 10 > tally.values && tally.nulls * 10 < tally.values * 9);
}
