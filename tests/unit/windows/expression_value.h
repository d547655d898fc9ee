// The value of an expression over a batch of equal rows, as text: for table tests.
#pragma once

#include <cmath>
#include <string>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "agent/base/json_writer.h"
#include "windows/civil.h"
#include "windows/expression.h"
#include "windows/regex.h"

#include "CppUTest/TestHarness.h"

namespace weir::test {

// Made before any test, so that what stays is no leak; so is what RE2 keeps for good.
inline const Schema value_schema({{"speed", ColumnType::real}, {"n", ColumnType::integer}, {"kind", ColumnType::text},
                                  {"ok", ColumnType::boolean}, {"missing", ColumnType::integer}, {"nothing", ColumnType::text}});
inline const bool regex_warm = [] {
    Problem problem;
    return Regex::make("a|(?i)b", problem)->found_in("a");
}();

// 2009-02-13T23:31:30.123456Z
inline constexpr std::int64_t value_time_us = 1234567890 * second_us + 123456;

inline std::string value_text(const Column& column, std::size_t row) {
    if (!column.present.test(row)) return "null";
    switch (column.type) {
        case ColumnType::integer: return std::to_string(column.integers[row]);
        case ColumnType::real: {
            if (std::isinf(column.reals[row])) return column.reals[row] > 0 ? "~inf" : "~-inf";
            if (column.reals[row] == 0 && std::signbit(column.reals[row])) return "~-0";
            char digits[40];
            JsonWriter writer({digits, sizeof digits});
            writer.real(column.reals[row]);
            return "~" + std::string(writer.text());
        }
        case ColumnType::boolean: return column.booleans[row] ? "true" : "false";
        case ColumnType::text: return "'" + std::string(column.texts[row]) + "'";
    }
    return "";
}

// Of rows speed 57.5, n 7, kind 'truck', ok true, missing and nothing null: "7", "~57.5", "'truck'", "true", "null",
// or "error OFFSET: MESSAGE". Durations are microseconds.
inline std::string value(const std::string& text, const Zones* zones = nullptr, Meaning wanted = Meaning::plain) {
    const Schema& schema = value_schema;
    Problem problem;
    const auto expression = Expression::compile(text, schema, problem, zones, wanted);
    if (!expression) return "error " + std::to_string(problem.offset) + ": " + problem.what;
    constexpr std::size_t rows = 100;
    Batch::Params params;
    params.rows = rows;
    ArenaBlock block(Batch::need(schema, params) + Evaluator::need(*expression, rows));
    Arena arena(block.memory());
    Batch batch(arena, schema, params);
    Evaluator evaluator(arena, *expression, rows);
    CHECK_EQUAL(block.memory().size(), arena.used());
    for (std::size_t row = 0; row < rows; ++row) {
        batch.begin_row();
        batch.set_real(0, 57.5);
        batch.set_integer(1, 7);
        batch.set_text(2, "truck");
        batch.set_boolean(3, true);
        batch.commit_row({Timestamp::micros(value_time_us), {}, true});
    }
    std::vector<const Column*> inputs;
    for (std::size_t i = 0; i < batch.columns(); ++i) inputs.push_back(&batch.column(i));
    const Column& result = evaluator.evaluate(inputs, rows, &batch.time(0));
    CHECK_EQUAL(value_text(result, 0), value_text(result, rows - 1));
    return value_text(result, 0);
}

}  // namespace weir::test
