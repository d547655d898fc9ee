#include "agent/base/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "agent/base/entropy.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(JsonWriter) {
    std::array<char, 4096> buffer;
    JsonWriter out{buffer};

    std::string text_of(std::string_view value) {
        JsonWriter one(buffer);
        one.text(value);
        CHECK(one.ok());
        return std::string(one.text());
    }
    std::string real_of(double value) {
        JsonWriter one(buffer);
        one.real(value);
        return std::string(one.text());
    }
    std::string base64_of(std::string_view value) {
        JsonWriter one(buffer);
        one.base64(as_byte_span(value));
        return std::string(one.text());
    }
    std::string value_of(const Value& value, bool sketches) {
        JsonWriter one(buffer);
        write_value(one, value, sketches);
        return std::string(one.text());
    }
};

TEST(JsonWriter, commas_stand_between_values_only) {
    out.begin_object();
    out.key("a");
    out.begin_array();
    out.integer(1);
    out.null();
    out.begin_object();
    out.end_object();
    out.boolean(false);
    out.end_array();
    out.key("b");
    out.raw("{}");
    out.key("c");
    out.begin_array();
    out.end_array();
    out.end_object();
    out.natural(std::numeric_limits<std::uint64_t>::max());
    CHECK(out.text() == "{\"a\":[1,null,{},false],\"b\":{},\"c\":[]},18446744073709551615");
}

TEST(JsonWriter, numbers_are_the_shortest_that_read_back) {
    STRCMP_EQUAL("0.1", real_of(0.1).c_str());
    STRCMP_EQUAL("57.3", real_of(57.3).c_str());
    STRCMP_EQUAL("3", real_of(3.0).c_str());
    STRCMP_EQUAL("0", real_of(-0.0).c_str());
    STRCMP_EQUAL("5e-324", real_of(5e-324).c_str());
    SeededEntropy random(1);
    for (int round = 0; round < 20000; ++round) {
        const double value = std::bit_cast<double>(random.word());
        const std::string written = real_of(value);
        if (!std::isfinite(value)) {
            STRCMP_EQUAL("null", written.c_str());
            continue;
        }
        double back = 0;
        std::from_chars(written.data(), written.data() + written.size(), back);
        CHECK(back == value);
    }
}

TEST(JsonWriter, what_json_cannot_hold_is_null) {
    STRCMP_EQUAL("null", real_of(std::nan("")).c_str());
    STRCMP_EQUAL("null", real_of(INFINITY).c_str());
    STRCMP_EQUAL("null", real_of(-INFINITY).c_str());
}

TEST(JsonWriter, integers_reach_their_ends) {
    out.integer(std::numeric_limits<std::int64_t>::min());
    CHECK(out.text() == "-9223372036854775808");
}

TEST(JsonWriter, control_characters_quotes_and_backslashes_are_escaped) {
    STRCMP_EQUAL("\"a\\\"b\\\\c\\n\\t\\r\"", text_of("a\"b\\c\n\t\r").c_str());
    STRCMP_EQUAL("\"\\u0000\\u001f\x7f\"", text_of(std::string_view("\0\x1f\x7f", 3)).c_str());
}

TEST(JsonWriter, utf8_passes_as_it_is) {
    for (const char* text : {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x9A\xA6", "\xEF\xBF\xBF", "\xED\x9F\xBF", "\xF4\x8F\xBF\xBF"})
        STRCMP_EQUAL(("\"" + std::string(text) + "\"").c_str(), text_of(text).c_str());
}

TEST(JsonWriter, bytes_that_are_not_utf8_are_replaced_one_by_one) {
    const std::string r = "\xEF\xBF\xBD";
    STRCMP_EQUAL(("\"a" + r + "b\"").c_str(), text_of("a\xFF""b").c_str());
    STRCMP_EQUAL(("\"" + r + r + "\"").c_str(), text_of("\xC0\x80").c_str());              // overlong
    STRCMP_EQUAL(("\"" + r + r + r + "\"").c_str(), text_of("\xED\xA0\x80").c_str());      // a surrogate
    STRCMP_EQUAL(("\"" + r + r + r + r + "\"").c_str(), text_of("\xF4\x90\x80\x80").c_str());  // above U+10FFFF
    STRCMP_EQUAL(("\"" + r + r + "\"").c_str(), text_of("\xE2\x82").c_str());              // cut short
    STRCMP_EQUAL(("\"" + r + "\\\"\"").c_str(), text_of("\xE2\"").c_str());                // the quote is not eaten
}

TEST(JsonWriter, base64_is_that_of_rfc_4648) {
    STRCMP_EQUAL("\"\"", base64_of("").c_str());
    STRCMP_EQUAL("\"Zg==\"", base64_of("f").c_str());
    STRCMP_EQUAL("\"Zm8=\"", base64_of("fo").c_str());
    STRCMP_EQUAL("\"Zm9v\"", base64_of("foo").c_str());
    STRCMP_EQUAL("\"Zm9vYmFy\"", base64_of("foobar").c_str());
    STRCMP_EQUAL("\"+/8=\"", base64_of("\xFB\xFF").c_str());
}

TEST(JsonWriter, full_buffer_is_sticky_and_never_passed) {
    for (Bytes size = 0; size < 40; ++size) {
        std::array<char, 48> small;
        small.fill('#');
        const std::span<char> room = small;
        JsonWriter cut(room.first(size));
        cut.begin_object();
        cut.key("name");
        cut.text("\n\xE2\x82\xAC and more");
        cut.key("n");
        cut.integer(12345);
        cut.end_object();
        CHECK_EQUAL(size >= 35, cut.ok());
        CHECK(cut.text().size() <= size);
        for (Bytes i = size; i < small.size(); ++i) CHECK(small[i] == '#');
    }
}

TEST(JsonWriter, values_with_error_bring_their_bounds_and_sketches_if_asked_for) {
    const std::byte bytes[] = {std::byte{'f'}};
    Value value = Value::of_real(2);
    value.kind = ValueKind::estimate;
    value.lower = 1.5;
    value.upper = 2.5;
    value.sketch = {SketchKind::kll, ItemType::real, bytes};
    STRCMP_EQUAL("{\"estimate\":2,\"lower\":1.5,\"upper\":2.5}", value_of(value, false).c_str());
    STRCMP_EQUAL("{\"estimate\":2,\"lower\":1.5,\"upper\":2.5,\"sketch\":\"Zg==\",\"kind\":\"kll\",\"type\":\"double\"}",
                 value_of(value, true).c_str());
    TopItem item;
    item.text = "a";
    item.estimate = 3;
    item.lower = 2;
    item.upper = 3;
    Value top;
    top.kind = ValueKind::top;
    top.top = {&item, 1};
    STRCMP_EQUAL("{\"items\":[{\"item\":\"a\",\"estimate\":3,\"lower\":2,\"upper\":3}]}", value_of(top, true).c_str());
}

TEST(JsonWriter, a_histogram_is_its_bounds_and_one_more_count) {
    const double bounds[] = {-2.5, 10};
    const std::uint64_t counts[] = {0, 5, std::numeric_limits<std::uint64_t>::max()};
    Value value;
    value.kind = ValueKind::histogram;
    value.bounds = bounds;
    value.counts = counts;
    STRCMP_EQUAL("{\"bounds\":[-2.5,10],\"counts\":[0,5,18446744073709551615]}", value_of(value, true).c_str());
}

TEST(JsonWriter, record_is_written_as_documented) {
    const Field key{"site", Value::of_text("s1")};
    const Field value{"n", Value::of_integer(3)};
    Record record;
    record.window = "w";
    record.start = Timestamp::millis(60000);
    record.end = Timestamp::millis(120000);
    record.key = {&key, 1};
    record.values = {&value, 1};
    write_record(out, record, {});
    CHECK(out.text() ==
          "{\"window\":\"w\",\"start\":60000,\"end\":120000,\"revision\":0,\"key\":{\"site\":\"s1\"},\"values\":{\"n\":3}}");
}

TEST(JsonWriter, flags_that_are_set_follow) {
    Record record;
    record.kind = RecordKind::retraction;
    record.flags = record_partial | record_clock_untrusted;
    write_record(out, record, {});
    CHECK(out.text() ==
          "{\"window\":\"\",\"retracted\":true,\"start\":0,\"end\":0,\"revision\":0,\"key\":{},\"values\":{},"
          "\"partial\":true,\"clock_untrusted\":true}");
}

TEST(JsonWriter, numbers_are_written_as_the_library_writes_them) {
    const auto check = [&](double value) {
        std::array<char, 32> digits;
        const char* const end = std::to_chars(digits.begin(), digits.end(), value).ptr;
        CHECK(std::string_view(digits.data(), static_cast<std::size_t>(end - digits.data())) == real_of(value));
    };
    for (const double value : {1e-4, 9e-4, 0.001, 0.00105, 9999.9999, 10000.0, 20000.0, 99999.9999, 100000.0, 1e5 - 1e-5, 123456.5, 1e22})
        for (const double sign : {1.0, -1.0}) {
            check(sign * value);
            check(sign * std::nextafter(value, 0));
            check(sign * std::nextafter(value, 1e300));
        }
    SeededEntropy random(2);
    for (int round = 0; round < 50000; ++round) {
        const auto digits = static_cast<double>(random.word() % 2'000'000'000);
        check(digits / 10);
        check(digits / 10000);
        check(-digits / 100000);
        check(digits / 7);
    }
}

TEST(JsonWriter, strings_fill_the_buffer_to_its_last_byte_and_no_further) {
    for (const std::string_view text : {"plain", "", "q\"uote", "\xC3\xA9", "tab\t"})
        for (std::size_t room = 0; room < 12; ++room) {
            std::array<char, 16> small;
            small.fill('#');
            JsonWriter one(std::span<char>(small).first(room));
            one.text(text);
            const std::string whole = text_of(text);
            CHECK_EQUAL(whole.size() <= room, one.ok());
            if (one.ok()) CHECK(one.text() == whole);
            for (std::size_t i = room; i < small.size(); ++i) BYTES_EQUAL('#', small[i]);
        }
}
