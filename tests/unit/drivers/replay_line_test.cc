#include "drivers/replay_line.h"

#include <cstdio>
#include <fstream>
#include <random>
#include <unistd.h>

#include "drivers/replay_reader.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(ReplayLine) {
    std::string path = "/tmp/weir-replay-line-" + std::to_string(::getpid());
    void teardown() override { std::remove(path.c_str()); }

    static std::string line(std::string_view topic, std::string_view payload) {
        std::string out;
        append_replay_line(out, Timestamp::micros(1767600001000250), topic, as_byte_span(payload));
        return out;
    }
    std::unique_ptr<ReplayReader> reader(const std::string& content, bool csv_header = false) {
        std::ofstream(path, std::ios::binary) << content;
        ReplayOptions options{.path = path, .csv_header = csv_header, .line_bytes_max = 256};
        Problem problem;
        return std::move(ReplayReader::open(options, problem)).value();
    }
};

TEST(ReplayLine, text_stays_as_it_is) {
    STRCMP_EQUAL("2026-01-05T08:00:01.000250Z\tcity/s1\t{\"a\":\t\"\\n\xC3\xA9\"}\n", line("city/s1", "{\"a\":\t\"\\n\xC3\xA9\"}").c_str());
}

TEST(ReplayLine, what_would_break_a_line_is_escaped_and_the_line_says_so) {
    STRCMP_EQUAL("2026-01-05T08:00:01.000250Z#\tcity/s1\t{\\n  \"a\": \"\\\\n\"\\r\\n}\n", line("city/s1", "{\n  \"a\": \"\\n\"\r\n}").c_str());
    STRCMP_EQUAL("2026-01-05T08:00:01.000250Z#\ta\\tb\tx\n", line("a\tb", "x").c_str());
    STRCMP_EQUAL("2026-01-05T08:00:01.000250Z#\tt\t\\xff\\x00\\x7f\n", line("t", std::string_view("\xFF\0\x7F", 3)).c_str());
}

TEST(ReplayLine, any_bytes_come_back_as_they_were) {
    std::mt19937 random(1);
    std::string content;
    std::vector<std::pair<std::string, std::string>> sent;
    for (int i = 0; i < 2000; ++i) {
        std::string topic = "t/", payload;
        for (unsigned n = random() % 10; n > 0; --n) topic += static_cast<char>(random() % 4 ? 'a' + random() % 26 : random() % 256);
        for (unsigned n = random() % 200; n > 0; --n) payload += static_cast<char>(i % 3 ? 32 + random() % 95 : random() % 256);
        content += line(topic, payload);
        sent.emplace_back(topic, payload);
    }
    const auto in = reader(content);
    std::size_t at = 0;
    ReplayLine got;
    while (in->fill())
        while (in->next(got)) {
            CHECK(got.arrival_given);
            LONGS_EQUAL(1767600001000250, got.message.arrival.us());
            CHECK(got.message.topic == sent[at].first);
            CHECK(as_text(got.message.payload) == sent[at].second);
            ++at;
        }
    LONGS_EQUAL(sent.size(), at);
    LONGS_EQUAL(0, in->oversized_lines());
}

TEST(ReplayLine, what_is_no_escape_stays) {
    std::string text = "\\q\\x4\\xzz\\";
    text.resize(unescape_replay(text));
    STRCMP_EQUAL("\\q\\x4\\xzz\\", text.c_str());
}

TEST(ReplayLine, a_payload_counts_without_its_escapes) {
    const auto in = reader(line("t", std::string(256, '\n')) + line("t", std::string(257, 'x')));
    ReplayLine got;
    CHECK(in->fill());
    CHECK(in->next(got));
    LONGS_EQUAL(256, got.message.payload.size());
    CHECK_FALSE(in->next(got));
    LONGS_EQUAL(1, in->oversized_lines());
}

TEST(ReplayLine, a_recorded_line_is_no_header_of_a_csv) {
    const auto in = reader(line("t", "a,b\n1,2"), true);
    LONGS_EQUAL(0, in->header().size());
    ReplayLine got;
    CHECK(in->fill() && in->next(got));
    CHECK(as_text(got.message.payload) == "a,b\n1,2");
    LONGS_EQUAL(2, reader("a,b\n1,2\n", true)->header().size());
}
