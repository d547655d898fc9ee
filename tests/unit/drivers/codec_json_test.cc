#include "drivers/codec.h"

#include <string>

#include "tests/unit/drivers/decode_fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

CodecSpec traffic() {
    CodecSpec spec;
    spec.columns = {{"speed", ColumnType::real}, {"n", ColumnType::integer}, {"ok", ColumnType::boolean}, {"vid", ColumnType::text}};
    return spec;
}
CodecSpec timed(TimeUnit unit = TimeUnit::milliseconds) {
    CodecSpec spec;
    spec.columns = {{"v", ColumnType::integer}};
    spec.time = {"ts", unit};
    return spec;
}
#define DECODES(expected, actual) STRCMP_EQUAL(expected, (actual).c_str())

}  // namespace

TEST_GROUP(JsonCodec){};

TEST(JsonCodec, one_object_is_one_row) {
    DecodeFixture f(traffic());
    DECODES("speed=57.299999999999997 n=3 ok=true vid=a1 @7000;|", f.decode(R"({"vid":"a1","speed":57.3,"ok":true,"n":3})"));
    DECODES("speed=1 @7000;|", f.decode(" {\"speed\" : 1 , \"other\":[1,{\"speed\":2}], \"x\":null}\n"));
    DECODES("@7000;|", f.decode("{}"));
    LONGS_EQUAL(3, f.counters().events);
    LONGS_EQUAL(3, f.counters().messages);
}

TEST(JsonCodec, an_array_is_a_row_an_element) {
    DecodeFixture f(traffic());
    DECODES("n=1 @7000;n=2 @7000;n=3 @7000;|", f.decode(R"([{"n":1},{"n":2},{"n":3}])"));
    DECODES("", f.decode("[]"));
    LONGS_EQUAL(0, f.count(DecodeReason::malformed));
}

TEST(JsonCodec, lines_are_documents_of_their_own) {
    DecodeFixture f(traffic());
    DECODES("n=1 @7000;n=2 @7000;n=3 @7000;|", f.decode("{\"n\":1}\n\n{\"n\":2}\r\n[{\"n\":3}]\n"));
    DECODES("n=1 @7000;n=3 @7000;|", f.decode("{\"n\":1}\n{\"n\":oops}\n{\"n\":3}"));
    LONGS_EQUAL(1, f.count(DecodeReason::malformed));
}

TEST(JsonCodec, a_printed_document_over_many_lines_is_one) {
    DecodeFixture f(traffic());
    DECODES("n=1 vid=x @7000;|", f.decode("{\n  \"a\": {\"b\": 1}\n  ,\"n\": 1,\n  \"vid\": \"x\"\n}\n"));
    DECODES("n=1 @7000;n=2 @7000;|", f.decode("[\n{\"n\":1},\n{\"n\":2}\n]"));
}

TEST(JsonCodec, nested_members_by_pointer) {
    CodecSpec spec;
    spec.columns = {{"len", ColumnType::real, "/vehicle/length"}, {"k", ColumnType::text, "/vehicle/kind"}, {"odd", ColumnType::integer, "/a~1b/c~0d"}, {"dotted", ColumnType::integer, "x.y"}};
    DecodeFixture f(spec);
    DECODES("len=4.5 k=truck odd=1 dotted=2 @7000;|", f.decode(R"({"vehicle":{"kind":"truck","axles":[{"length":9}],"length":4.5},"a/b":{"c~d":1},"x.y":2})"));
    DECODES("@7000;|", f.decode(R"({"vehicle":7})"));
    DECODES("len=2 @7000;|", f.decode(R"({"vehicle":{"length":2}})"));
}

TEST(JsonCodec, an_object_where_a_value_is_wanted_is_a_wrong_type_and_still_searched) {
    CodecSpec spec;
    spec.columns = {{"whole", ColumnType::integer, "/a"}, {"part", ColumnType::integer, "/a/b"}};
    DecodeFixture f(spec);
    DECODES("part=1 @7000;|", f.decode(R"({"a":{"b":1}})"));
    LONGS_EQUAL(1, f.count(DecodeReason::wrong_type));
    DECODES("whole=5 @7000;|", f.decode(R"({"a":5})"));
}

TEST(JsonCodec, two_columns_can_read_one_member) {
    CodecSpec spec = timed();
    spec.columns = {{"a", ColumnType::integer, "ts"}, {"b", ColumnType::real, "ts"}};
    DecodeFixture f(spec);
    DECODES("a=1000 b=1000 @1000000;|", f.decode(R"({"ts":1000})"));
}

TEST(JsonCodec, a_wrong_type_is_null_and_counted_and_the_event_kept) {
    DecodeFixture f(traffic());
    DECODES("n=1 @7000;|", f.decode(R"({"speed":"57.3","n":1})"));
    DECODES("n=1 @7000;|", f.decode(R"({"speed":true,"n":1})"));
    DECODES("n=1 @7000;|", f.decode(R"({"speed":[1],"n":1})"));
    DECODES("speed=1 @7000;|", f.decode(R"({"n":1.5,"speed":1})"));
    DECODES("speed=1 @7000;|", f.decode(R"({"vid":12,"speed":1})"));
    DECODES("speed=1 @7000;|", f.decode(R"({"ok":1,"speed":1})"));
    LONGS_EQUAL(6, f.count(DecodeReason::wrong_type));
    LONGS_EQUAL(6, f.counters().events);
}

TEST(JsonCodec, null_and_missing_are_null_and_not_errors) {
    DecodeFixture f(traffic());
    DECODES("n=1 @7000;|", f.decode(R"({"speed":null,"n":1})"));
    LONGS_EQUAL(0, f.count(DecodeReason::wrong_type));
}

TEST(JsonCodec, integral_floats_fit_int_columns_and_big_numbers_do_not) {
    DecodeFixture f(traffic());
    DECODES("n=1000 @7000;|", f.decode(R"({"n":1e3})"));
    DECODES("n=-2 @7000;|", f.decode(R"({"n":-2.0})"));
    DECODES("n=9223372036854775807 @7000;|", f.decode(R"({"n":9223372036854775807})"));
    DECODES("n=-9223372036854775808 @7000;|", f.decode(R"({"n":-9223372036854775808})"));
    DECODES("@7000;|", f.decode(R"({"n":9223372036854775808})"));
    DECODES("@7000;|", f.decode(R"({"n":1e300})"));
    DECODES("@7000;|", f.decode(R"({"speed":1e999})"));
    LONGS_EQUAL(3, f.count(DecodeReason::out_of_range));
    DECODES("speed=1.8446744073709552e+19 @7000;|", f.decode(R"({"speed":18446744073709551615})"));
    DECODES("speed=-0 @7000;|", f.decode(R"({"speed":-0})"));
}

TEST(JsonCodec, numbers_in_strings_only_if_asked) {
    CodecSpec spec;
    spec.columns = {{"v", ColumnType::real, "", true}};
    DecodeFixture f(spec);
    DECODES("v=57.5 @7000;|", f.decode(R"({"v":"57.5"})"));
    DECODES("@7000;|", f.decode(R"({"v":"57.5 km/h"})"));
    DECODES("@7000;|", f.decode(R"({"v":""})"));
    LONGS_EQUAL(2, f.count(DecodeReason::wrong_type));
}

TEST(JsonCodec, of_duplicate_members_the_last_usable_counts) {
    DecodeFixture f(traffic());
    DECODES("n=2 @7000;|", f.decode(R"({"n":1,"n":2})"));
    DECODES("n=1 @7000;|", f.decode(R"({"n":1,"n":null})"));
}

TEST(JsonCodec, strings_without_escapes_are_views_into_the_payload) {
    CodecSpec spec = traffic();
    const Schema schema = schema_of(spec);
    Batch::Params params{.rows = 4, .text_bytes = 16};
    ArenaBlock block(Batch::need(schema, params));
    Arena arena(block.memory());
    Batch batch(arena, schema, params);
    DecodeScratch scratch(spec.max_message);
    Problem problem;
    auto codec = std::move(make_codec(spec, scratch, problem)).value();
    struct : BatchSink {
        void push(Batch& b) override { b.clear(); }
    } sink;
    std::string payload = R"({"vid":"a plain one that is longer than the text buffer"})";
    const std::size_t size = payload.size();
    payload.append(payload_padding, ' ');
    codec->decode({"t", as_byte_span(std::string_view(payload).substr(0, size)), Timestamp(), true}, batch, sink);
    CHECK(batch.column(3).texts[0].data() == payload.data() + 8);
}

TEST(JsonCodec, escapes_in_values_and_names_are_resolved) {
    DecodeFixture f(traffic());
    DECODES("n=4 vid=a\"\xC3\xA9\n @7000;|", f.decode(R"({"vid":"a\"\u00e9\n","\u006e":4})"));
    DECODES("", f.decode(R"({"vid":"\ud800"})"));
    LONGS_EQUAL(1, f.count(DecodeReason::malformed));
}

TEST(JsonCodec, times_as_numbers_in_each_unit_and_as_text) {
    DecodeFixture seconds(timed(TimeUnit::seconds));
    DECODES("v=1 @1441107000250000;|", seconds.decode(R"({"ts":1441107000.25,"v":1})"));
    DecodeFixture micros(timed(TimeUnit::microseconds));
    DECODES("v=1 @1441107000123456;|", micros.decode(R"({"ts":1441107000123456,"v":1})"));
    DecodeFixture nanos(timed(TimeUnit::nanoseconds));
    DECODES("v=1 @1441107000123456;|", nanos.decode(R"({"ts":1441107000123456789,"v":1})"));
    DecodeFixture f(timed());
    DECODES("v=1 @1441107000000000;|", f.decode(R"({"v":1,"ts":"2015-09-01 11:30:00"})"));
    DECODES("v=1 @1441107000000000;|", f.decode(R"({"v":1,"ts":"2015-09-01T13:30:00\u002b02:00"})"));
    LONGS_EQUAL(0, f.counters().dropped_events);
}

TEST(JsonCodec, events_without_a_valid_time_are_dropped_and_counted) {
    DecodeFixture f(timed());
    DECODES("v=2 @1000000;|", f.decode(R"([{"v":1},{"v":2,"ts":1000},{"v":3,"ts":null}])"));
    LONGS_EQUAL(2, f.count(DecodeReason::missing_time));
    DECODES("", f.decode(R"([{"ts":"soon"},{"ts":true},{"ts":[1]},{"ts":-5},{"ts":1e30},{"ts":"1000"}])"));
    LONGS_EQUAL(6, f.count(DecodeReason::bad_time));
    LONGS_EQUAL(8, f.counters().dropped_events);
    LONGS_EQUAL(1, f.counters().events);
}

TEST(JsonCodec, a_number_in_a_string_is_a_time_only_if_asked) {
    CodecSpec spec = timed();
    spec.time.numbers_in_strings = true;
    DecodeFixture f(spec);
    DECODES("@1000000;|", f.decode(R"({"ts":"1000"})"));
    DECODES("@1441107000000000;|", f.decode(R"({"ts":"2015-09-01T11:30:00Z"})"));
}

TEST(JsonCodec, malformed_payloads_are_counted_and_rows_before_the_damage_kept) {
    DecodeFixture f(traffic());
    const char* bad[] = {"", " ", "x", "{", "{\"n\":1", "{\"n\":}", "{\"n\" 1}", "{\"n\":1,}x", "{\"n\":1}}", "{\"n\":1} x", "nul", "12", "\"text\"",
                         "{\"n\":01}", "{\"n\":1.}", "{\"n\":tru}", "{\"n\":nulll}", "{\"vid\":\"a", "{\"vid\":\"\x01\"}", "{\"vid\":\"\xff\"}", "{n:1}", "[1]", "[{\"n\":1]"};
    std::uint64_t count = 0;
    for (const char* payload : bad) {
        const std::string rows = f.decode(payload);
        LONGS_EQUAL_TEXT(++count, f.count(DecodeReason::malformed), payload);
        if (payload[0] != '[') STRCMP_EQUAL_TEXT("", rows.c_str(), payload);
    }
    DECODES("n=1 @7000;n=2 @7000;|", f.decode(R"([{"n":1},{"n":2},7,{"n":3}])"));
    DECODES("n=1 @7000;|", f.decode(R"([{"n":1},{"n":2x},{"n":3}])"));
    DECODES("n=9 @7000;|", f.decode(R"({"n":9})"));
}

TEST(JsonCodec, deep_nesting_is_skipped_or_refused_in_constant_stack) {
    CodecSpec spec = traffic();
    spec.max_message = 1 << 20;
    DecodeFixture f(spec);
    const std::string deep = std::string(200000, '[') + std::string(200000, ']');
    DECODES("n=1 @7000;|", f.decode("{\"x\":" + deep + ",\"n\":1}"));
    f.decode(deep);
    f.decode(std::string(400000, '['));
    f.decode(std::string(400000, '{'));
    LONGS_EQUAL(3, f.count(DecodeReason::malformed));
}

TEST(JsonCodec, topic_levels_become_columns) {
    CodecSpec spec;
    spec.columns = {{"site", ColumnType::text}, {"lane", ColumnType::integer}, {"v", ColumnType::integer}};
    spec.topics = {topic_template("city/{site}/loop/{lane:int}"), topic_template("alt/{lane:int}/{site}")};
    DecodeFixture f(spec);
    DECODES("site=s1 lane=4 v=1 @7000;site=s1 lane=4 v=2 @7000;|", f.decode(R"([{"v":1,"site":"liar"},{"v":2}])", "city/s1/loop/4"));
    DECODES("site=s2 lane=5 v=1 @7000;|", f.decode(R"({"v":1})", "alt/5/s2"));
    DECODES("site=s1 v=1 @7000;|", f.decode(R"({"v":1})", "city/s1/loop/left"));
    LONGS_EQUAL(1, f.count(DecodeReason::wrong_type));
    DECODES("", f.decode(R"({"v":1})", "city/s1/loop"));
    DECODES("", f.decode(R"({"v":1})", "city/\xff/loop/1"));
    LONGS_EQUAL(2, f.count(DecodeReason::topic_mismatch));
}

TEST(JsonCodec, a_batch_that_fills_is_pushed_and_the_message_goes_on) {
    DecodeFixture f(traffic(), {.rows = 2, .text_bytes = 64});
    DECODES("n=1 @7000;n=2 @7000;/n=3 @7000;n=4 @7000;/n=5 @7000;|", f.decode(R"([{"n":1},{"n":2},{"n":3},{"n":4},{"n":5}])"));
    DECODES("n=1 @7000;n=2 @7000;|", f.decode(R"([{"n":1},{"n":2}])"));
}

TEST(JsonCodec, a_full_text_buffer_pushes_the_rows_before_and_repeats_the_row) {
    DecodeFixture f(traffic(), {.rows = 8, .text_bytes = 6});
    DECODES("n=1 vid=\nabc @7000;/n=2 vid=\ndef @7000;|", f.decode(R"([{"n":1,"vid":"\nabc","speed":"x"},{"n":2,"speed":"y","vid":"\ndef"}])"));
    LONGS_EQUAL(2, f.count(DecodeReason::wrong_type));
}

TEST(JsonCodec, a_string_beyond_the_text_buffer_is_null_and_counted) {
    DecodeFixture f(traffic(), {.rows = 8, .text_bytes = 6});
    DECODES("/n=1 @7000;|", f.decode(R"({"vid":"\nlonger than six","n":1})"));
    LONGS_EQUAL(1, f.count(DecodeReason::oversized));
}

TEST(JsonCodec, rows_are_the_same_for_every_size_of_batch) {
    std::string payload = "[";
    for (int i = 0; i < 50; ++i)
        payload += (i ? ",{\"n\":" : "{\"n\":") + std::to_string(i) + ",\"vid\":\"\\u0041" + std::to_string(i) + "\",\"speed\":" + (i % 3 ? "1" : "\"x\"") + "}";
    payload += "]";
    std::string expected;
    for (std::size_t rows : {1024u, 1u, 7u}) {
        DecodeFixture f(traffic(), {.rows = rows, .text_bytes = rows == 7 ? 16u : 4096u});
        std::string got = f.decode(payload);
        std::erase(got, '/');
        if (expected.empty()) expected = got;
        STRCMP_EQUAL(expected.c_str(), got.c_str());
        LONGS_EQUAL(17, f.count(DecodeReason::wrong_type));
    }
}

TEST(JsonCodec, messages_above_the_limit_are_counted_not_decoded) {
    CodecSpec spec = traffic();
    spec.max_message = 64;
    DecodeFixture f(spec);
    DECODES("", f.decode("{\"n\":1" + std::string(60, ' ') + "}"));
    LONGS_EQUAL(1, f.count(DecodeReason::oversized));
    DECODES("n=1 @7000;|", f.decode("{\"n\":1}"));
}

TEST(JsonCodec, the_last_failures_are_kept_as_samples) {
    DecodeFixture f(traffic());
    for (int i = 0; i < 20; ++i) f.decode("bad " + std::to_string(i) + std::string(500, 'x'), "some/topic");
    f.decode(R"([{"n":"a"},{"n":"b"}])");
    LONGS_EQUAL(Codec::samples_max, f.codec().samples());
    const DecodeSample& oldest = f.codec().sample(0);
    CHECK(oldest.reason == DecodeReason::malformed);
    CHECK(oldest.topic() == "some/topic");
    CHECK(as_text(oldest.payload()).starts_with("bad 5x"));
    LONGS_EQUAL(256, oldest.payload().size());
    LONGS_EQUAL(505, oldest.message_bytes);
    CHECK(f.codec().sample(Codec::samples_max - 1).reason == DecodeReason::wrong_type);
    STRCMP_EQUAL("wrong_type", std::string(name(DecodeReason::wrong_type)).c_str());
}

TEST(JsonCodec, a_byte_order_mark_is_skipped) {
    DecodeFixture f(traffic());
    DECODES("n=1 @7000;|", f.decode("\xEF\xBB\xBF{\"n\":1}"));
}

TEST(JsonCodec, specifications_that_cannot_work_are_refused) {
    DecodeScratch scratch(1024);
    Problem problem;
    CodecSpec spec;
    spec.max_message = 1024;
    spec.columns = {{"a", ColumnType::real, "/x/~2"}};
    CHECK_FALSE(make_codec(spec, scratch, problem).ok());
    spec.columns = {{"a", ColumnType::real}};
    spec.topics = {topic_template("x/{a:int}")};
    CHECK_FALSE(make_codec(spec, scratch, problem).ok());
    spec.topics = {topic_template("x/{a:float}"), topic_template("y/+")};
    CHECK_FALSE(make_codec(spec, scratch, problem).ok());
    CHECK_FALSE(problem.what.empty());
    spec.topics = {};
    spec.max_message = 2048;
    CHECK_FALSE(make_codec(spec, scratch, problem).ok());
}
