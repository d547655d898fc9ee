#include "drivers/codec.h"

#include <string>

#include "tests/unit/drivers/decode_fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

CodecSpec table(std::vector<std::string> header = {}) {
    CodecSpec spec;
    spec.format = PayloadFormat::csv;
    spec.columns = {{"n", ColumnType::integer}, {"v", ColumnType::real}, {"b", ColumnType::boolean}, {"s", ColumnType::text}};
    spec.csv_header = std::move(header);
    return spec;
}
#define DECODES(expected, actual) STRCMP_EQUAL(expected, (actual).c_str())

}  // namespace

TEST_GROUP(CsvCodec){};

TEST(CsvCodec, a_header_in_the_message_names_the_fields) {
    DecodeFixture f(table());
    DECODES("n=1 v=2.5 b=true s=x @7000;n=2 @7000;|", f.decode("s,extra,n,v,b\r\nx,9,1,2.5,true\r\n,,2,,\r\n"));
    DECODES("", f.decode("n,v"));
    DECODES("", f.decode(""));
    LONGS_EQUAL(1, f.count(DecodeReason::malformed));
}

TEST(CsvCodec, a_header_from_the_configuration) {
    DecodeFixture f(table({"v", "n"}));
    DECODES("n=1 v=0.5 @7000;|", f.decode("0.5,1"));
    DECODES("n=3 @7000;|", f.decode(",3\n"));
}

TEST(CsvCodec, quotes_as_in_the_rfc) {
    DecodeFixture f(table({"s", "n"}));
    DECODES("n=1 s=a,b @7000;|", f.decode("\"a,b\",1"));
    DECODES("n=1 s=say \"hi\" @7000;|", f.decode("\"say \"\"hi\"\"\",1"));
    DECODES("n=1 s=two\nlines @7000;n=2 s=y @7000;|", f.decode("\"two\nlines\",1\ny,2"));
    DECODES("n=1 s= @7000;|", f.decode("\"\",1"));
    DECODES("n=1 @7000;|", f.decode(",1"));
    DECODES("n=5 s=x @7000;|", f.decode("x,\"5\"\r\n"));
}

TEST(CsvCodec, damaged_records_are_counted_and_the_next_one_read) {
    DecodeFixture f(table({"s", "n"}));
    DECODES("n=2 s=b @7000;|", f.decode("\"a\"x,1\nb,2"));
    DECODES("n=2 s=b @7000;|", f.decode("a\nb,2"));
    DECODES("n=2 s=b @7000;|", f.decode("a,1,2\nb,2"));
    DECODES("n=2 s=b @7000;|", f.decode("\"open,1\nb,2"));
    LONGS_EQUAL(4, f.count(DecodeReason::malformed));
}

TEST(CsvCodec, fields_are_typed_by_the_schema) {
    DecodeFixture f(table({"n", "v", "b"}));
    DECODES("n=4 b=false @7000;|", f.decode("4.0,abc,0"));
    DECODES("v=1 @7000;|", f.decode("99999999999999999999,1,yes"));
    LONGS_EQUAL(2, f.count(DecodeReason::wrong_type));
    LONGS_EQUAL(1, f.count(DecodeReason::out_of_range));
}

TEST(CsvCodec, text_that_is_not_utf8_is_a_wrong_type) {
    DecodeFixture f(table({"s", "n"}));
    DECODES("n=1 @7000;|", f.decode("caf\xe9,1"));
    LONGS_EQUAL(1, f.count(DecodeReason::wrong_type));
}

TEST(CsvCodec, times_as_text_and_as_numbers) {
    CodecSpec spec = table({"timestamp", "v"});
    spec.time = {"timestamp", TimeUnit::seconds};
    DecodeFixture f(spec);
    DECODES("v=58 @1441107000000000;|", f.decode("2015-09-01 11:30:00,58"));
    DECODES("v=58 @1441107000000000;|", f.decode("1441107000,58"));
    DECODES("", f.decode("yesterday,58\n,58"));
    LONGS_EQUAL(1, f.count(DecodeReason::bad_time));
    LONGS_EQUAL(1, f.count(DecodeReason::missing_time));
}

TEST(CsvCodec, batches_and_text_buffers_that_fill_lose_nothing) {
    DecodeFixture f(table({"s", "n"}), {.rows = 3, .text_bytes = 8});
    std::string got = f.decode("\"a\"\"1\",1\n\"b\"\"22\",2\n\"c\"\"333\",3\nd,4\ne,5\nf,6");
    std::erase(got, '/');
    DECODES("n=1 s=a\"1 @7000;n=2 s=b\"22 @7000;n=3 s=c\"333 @7000;n=4 s=d @7000;n=5 s=e @7000;n=6 s=f @7000;|", got);
    LONGS_EQUAL(6, f.counters().events);
}

TEST(CsvCodec, a_header_line_can_be_split_alone) {
    const auto header = split_csv_header("timestamp,\"a \"\"b\"\"\",value");
    LONGS_EQUAL(3, header->size());
    STRCMP_EQUAL("a \"b\"", (*header)[1].c_str());
    CHECK_FALSE(split_csv_header("a,\"b").has_value());
}
