// Valid documents cut short and changed at random: whatever comes, no crash, no overrun (a sanitizer
// watches the 64 bytes of padding), no endless loop, and the counters add up.
#include <string>
#include <vector>

#include "agent/base/entropy.h"
#include "tests/unit/drivers/decode_fixture.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

CodecSpec rich(PayloadFormat format) {
    CodecSpec spec;
    spec.format = format;
    spec.columns = {{"speed", ColumnType::real}, {"n", ColumnType::integer, "", true}, {"ok", ColumnType::boolean}, {"vid", ColumnType::text},
                    {"len", ColumnType::real, "/vehicle/length"}, {"a_name_that_is_much_longer_than_the_padding_after_every_payload_is_so_reading_it_overruns", ColumnType::text}};
    spec.time = {"ts", TimeUnit::milliseconds};
    return spec;
}

const std::vector<std::string> json_documents = {
    R"({"ts":1441107000000,"speed":57.3,"n":"12","ok":true,"vid":"a\u00e9\n","vehicle":{"length":4.5,"x":[1,2,{"y":null}]}})",
    R"([{"ts":1,"n":1},{"ts":2,"vid":"b","speed":-1.5e3},{"ts":"2015-09-01T11:30:00.5+02:00","vehicle":{}}])",
    "{\"ts\":1,\"n\":1}\n{\"ts\":2,\"n\":2}\n[{\"ts\":3}]\n",
    R"({"a_name_that_is_much_longer_than_the_padding_after_every_payload_is_so_reading_it_overruns":"x","ts":5})",
    R"({"ts":9,"n":123456789012345678901234567890,"speed":1e-320,"\u006e":1})",
};
const std::vector<std::string> csv_documents = {
    "ts,speed,n,ok,vid\n1,2.5,3,true,x\n2,,,,\n\"3\",1,2,false,\"a\"\"b\"\n",
    "vid,ts\r\n\"two\nlines\",4\r\n,5\r\n",
};

void survive(PayloadFormat format, const std::vector<std::string>& documents, std::uint64_t seed) {
    DecodeFixture f(rich(format), {.rows = 3, .text_bytes = 16});
    SeededEntropy random(seed);
    std::uint64_t messages = 0;
    const std::string alphabet = "{}[]\",:\\0123456789.eE+-tfnu \n\r\t\xff\x80\xc3";
    for (const std::string& document : documents) {
        for (std::size_t size = 0; size <= document.size(); ++size, ++messages) f.decode(document.substr(0, size));
        for (int i = 0; i < 3000; ++i, ++messages) {
            std::string changed = document;
            for (std::uint64_t n = 1 + random.word() % 4; n > 0; --n) {
                const std::size_t at = random.word() % changed.size();
                const char c = random.word() % 4 ? alphabet[random.word() % alphabet.size()] : static_cast<char>(random.word());
                switch (random.word() % 4) {
                    case 0: changed[at] = c; break;
                    case 1: changed.insert(at, 1, c); break;
                    case 2: changed.erase(at, 1 + random.word() % 3); break;
                    default: changed.insert(at, changed.substr(random.word() % changed.size(), random.word() % 40)); break;
                }
                if (changed.empty()) changed = "x";
            }
            f.decode(changed);
        }
    }
    LONGS_EQUAL(messages, f.counters().messages);
    LONGS_EQUAL(f.counters().dropped_events, f.count(DecodeReason::missing_time) + f.count(DecodeReason::bad_time));
    CHECK(f.counters().events > 0);
    CHECK(f.count(DecodeReason::malformed) > 0);
}

}  // namespace

TEST_GROUP(HostilePayloads){};

TEST(HostilePayloads, json_survives_truncation_and_mutation) { survive(PayloadFormat::json, json_documents, 1); }

TEST(HostilePayloads, csv_survives_truncation_and_mutation) { survive(PayloadFormat::csv, csv_documents, 2); }

TEST(HostilePayloads, every_single_byte_is_survived) {
    for (PayloadFormat format : {PayloadFormat::json, PayloadFormat::csv}) {
        DecodeFixture f(rich(format));
        for (int c = 0; c < 256; ++c) f.decode(std::string(1, static_cast<char>(c)));
        LONGS_EQUAL(0, f.counters().events);
    }
}
