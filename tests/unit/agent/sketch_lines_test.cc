#include "agent/sketch_lines.h"

#include <cstdint>
#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(SketchLines) {
    std::FILE* input = nullptr;
    Problem problem;

    void teardown() override {
        if (input) std::fclose(input);
    }
    SketchLines lines(const std::string& text, const SketchLineOptions& options = {}) {
        input = std::tmpfile();
        std::fwrite(text.data(), 1, text.size(), input);
        std::rewind(input);
        return SketchLines(input, options);
    }
};

TEST(SketchLines, every_line_comes_once_whatever_blocks_cut) {
    // Lengths that make some line cross every border of a block, and lines longer than one.
    std::vector<std::string> written;
    std::string text;
    for (std::size_t i = 0; text.size() < 3'000'000; ++i) {
        written.push_back(std::string(i % 50 == 49 ? 300'001 : i * 7919 % 4001, static_cast<char>('a' + i % 26)));
        text += written.back() + "\n";
    }
    SketchLines reader = lines(text);
    SketchColumn column;
    std::size_t at = 0;
    do {
        CHECK(reader.next(column, problem).ok());
        for (const std::string_view line : column.texts) CHECK(at < written.size() && line == written[at++]);
    } while (column.size() > 0);
    LONGS_EQUAL(written.size(), at);
}

TEST(SketchLines, nothing_is_no_line_and_an_end_of_line_ends_one) {
    SketchColumn column;
    CHECK(lines("").next(column, problem).ok());
    LONGS_EQUAL(0, column.size());
    std::fclose(input);
    SketchLines reader = lines("\n\r\n\r");
    CHECK(reader.next(column, problem).ok());
    LONGS_EQUAL(2, column.size());
    CHECK(column.texts[0].empty() && column.texts[1].empty());
    CHECK(reader.next(column, problem).ok());
    LONGS_EQUAL(1, column.size());
    CHECK(column.texts[0] == "\r");  // there is no LF behind it
}

TEST(SketchLines, floats_are_rounded_as_floats_are) {
    SketchColumn column;
    CHECK(lines("0.1\n-3.4028234663852886e38\n1e-60\n", {.items = ItemType::real32}).next(column, problem).ok());
    DOUBLES_EQUAL(static_cast<double>(0.1F), column.reals[0], 0);
    DOUBLES_EQUAL(-3.4028234663852886e38, column.reals[1], 0);
    DOUBLES_EQUAL(0, column.reals[2], 0);
}

TEST(SketchLines, integers_reach_to_both_ends_and_no_further) {
    std::int64_t value = 0;
    CHECK(parse_integer("9223372036854775807", value) && value == INT64_MAX);
    CHECK(parse_integer("-9223372036854775808", value) && value == INT64_MIN);
    CHECK(parse_integer(" \t+007 ", value) && value == 7);
    for (const char* wrong : {"9223372036854775808", "-9223372036854775809", "", " ", "+", "-", "+-1", "++1", "1 2", "1.0", "1e3", "0x1", "١"})
        CHECK_FALSE_TEXT(parse_integer(wrong, value), wrong);
}

TEST(SketchLines, reals_take_what_c_takes_but_hexadecimals) {
    double value = 0;
    for (const char* right : {"1", "-1.5e-3", "+.5", "5.", "1E5", "inf", "-Infinity", "nan", "4.9e-324", "1e-400", "-0"})
        CHECK_TEXT(parse_real(right, value), right);
    CHECK(parse_real("1e-400", value) && value == 0);
    for (const char* wrong : {"", "1e309", "-1e309", "1,5", "0x10", "1e", "e5", "1.2.3", "--1", "infinite", "1_000"})
        CHECK_FALSE_TEXT(parse_real(wrong, value), wrong);
}
