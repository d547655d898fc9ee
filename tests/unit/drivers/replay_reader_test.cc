#include "drivers/replay_reader.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <unistd.h>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

class TemporaryFile {
public:
    explicit TemporaryFile(std::string_view content) {
        char path[] = "/tmp/weir_replay_XXXXXX";
        const int descriptor = mkstemp(path);
        WEIR_ASSERT(descriptor >= 0);
        for (std::size_t done = 0; done < content.size();) {
            const ssize_t n = write(descriptor, content.data() + done, content.size() - done);
            WEIR_ASSERT(n > 0);
            done += static_cast<std::size_t>(n);
        }
        close(descriptor);
        path_ = path;
    }
    ~TemporaryFile() { std::remove(path_.c_str()); }
    const std::string& path() const { return path_; }

private:
    std::string path_;
};

// "arrival topic payload;" a line.
std::string read_all(ReplayReader& reader) {
    std::string all;
    ReplayLine line;
    while (reader.fill())
        while (reader.next(line)) {
            // The codec's requirement: readable padding.
            volatile std::byte sum{};
            for (std::size_t i = 0; i < payload_padding; ++i) sum = sum | *(line.message.payload.data() + line.message.payload.size() + i);
            all += (line.arrival_given ? std::to_string(line.message.arrival.ms()) : "-") + " " + std::string(line.message.topic) + " " +
                   std::string(as_text(line.message.payload)) + ";";
        }
    return all;
}

std::string read_text(std::string_view content, ReplayOptions options = {}) {
    TemporaryFile file(content);
    options.path = file.path();
    Problem problem;
    auto reader = std::move(ReplayReader::open(options, problem)).value();
    return read_all(*reader);
}

}  // namespace

TEST_GROUP(ReplayReader){};

TEST(ReplayReader, the_three_forms_of_a_line) {
    STRCMP_EQUAL("- dflt {\"a\":1};- t/1 {\"a\":2};1441107000123 t/2 {\"a\":3};1441107000000 t/3 x,y;",
                 read_text("{\"a\":1}\nt/1\t{\"a\":2}\n1441107000123\tt/2\t{\"a\":3}\r\n\n2015-09-01T11:30:00Z\tt/3\tx,y", {.topic = "dflt"}).c_str());
}

TEST(ReplayReader, tabs_inside_json_do_not_split) {
    STRCMP_EQUAL("- d {\"a\":\t1,\t\"b\":2};- d \"q\t1\",2;- t {\"a\":\t1};",
                 read_text("{\"a\":\t1,\t\"b\":2}\n\"q\t1\",2\nt\t{\"a\":\t1}\n", {.topic = "d"}).c_str());
}

TEST(ReplayReader, a_topic_of_digits_needs_no_arrival) {
    STRCMP_EQUAL("- 123 x;", read_text("123\tx\n").c_str());
    STRCMP_EQUAL("123 t x;", read_text("123\tt\tx\n").c_str());
}

TEST(ReplayReader, absurd_arrivals_count_as_not_given) {
    TemporaryFile file("99999999999999999\tt\tx\n");
    Problem problem;
    auto reader = std::move(ReplayReader::open({.path = file.path()}, problem)).value();
    STRCMP_EQUAL("- t x;", read_all(*reader).c_str());
    LONGS_EQUAL(1, reader->bad_arrivals());
}

TEST(ReplayReader, csv_header_is_taken_from_the_first_line) {
    TemporaryFile file("\xEF\xBB\xBFtimestamp,value\r\n2015-09-01 11:30:00,58\n");
    Problem problem;
    auto reader = std::move(ReplayReader::open({.path = file.path(), .csv_header = true}, problem)).value();
    LONGS_EQUAL(2, reader->header().size());
    STRCMP_EQUAL("timestamp", reader->header()[0].c_str());
    STRCMP_EQUAL("value", reader->header()[1].c_str());
    STRCMP_EQUAL("-  2015-09-01 11:30:00,58;", read_all(*reader).c_str());
}

TEST(ReplayReader, lines_above_the_limit_are_skipped_and_counted) {
    const std::string content = "a\n" + std::string(101, 'x') + "\nb\n" + std::string(3 << 20, 'y') + "\nc\n" + std::string(2 << 20, 'z');
    TemporaryFile file(content);
    Problem problem;
    std::uint64_t seen = 0;
    ReplayOptions options{.path = file.path(), .line_bytes_max = 100};
    options.progress = [&](std::uint64_t done, std::uint64_t size) {
        LONGS_EQUAL(content.size(), size);
        seen = done;
    };
    auto reader = std::move(ReplayReader::open(options, problem)).value();
    STRCMP_EQUAL("-  a;-  b;-  c;", read_all(*reader).c_str());
    LONGS_EQUAL(3, reader->oversized_lines());
    LONGS_EQUAL(3, reader->lines());
    LONGS_EQUAL(content.size(), seen);
    CHECK(reader->status().ok());
}

TEST(ReplayReader, lines_that_straddle_buffers_are_whole) {
    std::string content, expected;
    for (int i = 0; i < 40000; ++i) {
        const std::string line = "{\"i\":" + std::to_string(i) + ",\"pad\":\"" + std::string(static_cast<std::size_t>(i % 97), 'p') + "\"}";
        content += line + "\n";
        expected += "-  " + line + ";";
    }
    CHECK(read_text(content) == expected);
}

TEST(ReplayReader, a_file_that_is_not_there_is_a_problem) {
    Problem problem;
    CHECK(ReplayReader::open({.path = "/nonexistent/file"}, problem).error() == Error::missing);
    CHECK(problem.what.find("/nonexistent/file") != std::string::npos);
    CHECK(ReplayReader::open({.path = "/tmp"}, problem).error() == Error::io);
}
