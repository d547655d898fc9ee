#include "agent/base/log_line.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

std::string rendered(const LogLine& line, LogFormat format, bool journal = false, std::size_t room = 512) {
    std::array<char, 1536> buffer;
    return std::string(render_log_line(line, format, journal, std::span(buffer).first(room)));
}

// What a body writes to standard error.
template <class Body>
std::string said(Body body) {
    std::FILE* const file = std::tmpfile();
    const int kept = ::dup(STDERR_FILENO);
    ::dup2(::fileno(file), STDERR_FILENO);
    body();
    ::dup2(kept, STDERR_FILENO);
    ::close(kept);
    std::rewind(file);
    std::string all;
    char part[4096];
    while (const std::size_t n = std::fread(part, 1, sizeof part, file)) all.append(part, n);
    std::fclose(file);
    return all;
}

std::size_t count(const std::string& text, const std::string& what) {
    std::size_t found = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++found;
    return found;
}

}  // namespace

TEST_GROUP(Log) {
    LogLine line{LogLevel::warning, 1763712000, "mqtt", "broker \"a\\b\" is\tgone\n\x01", 3, 2};
    void teardown() override {
        set_log_format(LogFormat::text);
        ::unsetenv("JOURNAL_STREAM");
        look_for_journal();
    }
};

TEST(Log, text_is_as_telegraf_writes_it_and_stays_one_line) {
    STRCMP_EQUAL("2025-11-21T08:00:00Z W! [mqtt] broker \"a\\b\" is\tgone   (and 3 times before) (2 other lines were held back before it)\n",
                 rendered(line, LogFormat::text).c_str());
}

TEST(Log, logfmt_and_json_escape_what_would_end_them) {
    STRCMP_EQUAL("time=2025-11-21T08:00:00Z level=warning component=mqtt msg=\"broker \\\"a\\\\b\\\" is\\tgone\\n\\u0001\" repeats=3 held_back=2\n",
                 rendered(line, LogFormat::logfmt).c_str());
    STRCMP_EQUAL("{\"time\":\"2025-11-21T08:00:00Z\",\"level\":\"warning\",\"component\":\"mqtt\","
                 "\"message\":\"broker \\\"a\\\\b\\\" is\\tgone\\n\\u0001\",\"repeats\":3,\"held_back\":2}\n",
                 rendered(line, LogFormat::json).c_str());
}

TEST(Log, the_journal_gets_priorities_and_has_a_time_of_its_own) {
    line = {LogLevel::error, 0, "outbox", "full"};
    STRCMP_EQUAL("<3>[outbox] full\n", rendered(line, LogFormat::text, true).c_str());
    line.level = LogLevel::info;
    STRCMP_EQUAL("<6>{\"level\":\"info\",\"component\":\"outbox\",\"message\":\"full\"}\n", rendered(line, LogFormat::json, true).c_str());
}

TEST(Log, a_message_that_does_not_fit_is_cut_and_the_line_is_whole) {
    const std::string message(2000, '"');
    line = {LogLevel::error, 0, "codec", message, 2147483647, 2147483647};
    for (const LogFormat format : {LogFormat::text, LogFormat::logfmt, LogFormat::json}) {
        const std::string cut = rendered(line, format, false, 300);
        CHECK_TRUE(cut.size() <= 300);
        STRCMP_CONTAINS("...", cut.c_str());
        STRCMP_CONTAINS("2147483647", cut.c_str());
        CHECK_EQUAL('\n', cut.back());
        if (format == LogFormat::json) STRCMP_CONTAINS("...\",\"repeats\":2147483647,\"held_back\":2147483647}\n", cut.c_str());
    }
}

TEST(Log, a_flood_of_lines_is_held_back_and_counted_errors_are_not) {
    const std::string all = said([] {
        for (int i = 0; i < 300; ++i) WEIR_LOG_WARNING("flood", "line %d", i);
        WEIR_LOG_ERROR("flood", "and an error");
    });
    const std::size_t lines = count(all, "[flood] line ");
    CHECK_TRUE(lines > 150 && lines < 290);  // others may have spoken, and a second may pass
    STRCMP_CONTAINS("[flood] and an error (", all.c_str());
    STRCMP_CONTAINS("other lines were held back", all.c_str());
}

TEST(Log, standard_error_is_the_journal_if_systemd_says_so) {
    const std::string all = said([] {
        struct stat found{};
        ::fstat(STDERR_FILENO, &found);
        ::setenv("JOURNAL_STREAM", (std::to_string(found.st_dev) + ":" + std::to_string(found.st_ino)).c_str(), 1);
        look_for_journal();
        WEIR_LOG_ERROR("one", "to the journal");
        ::setenv("JOURNAL_STREAM", "1:1", 1);  // inherited by somebody whose standard error is another
        look_for_journal();
        WEIR_LOG_ERROR("one", "to a file");
    });
    STRCMP_CONTAINS("<3>[one] to the journal\n", all.c_str());
    STRCMP_CONTAINS("Z E! [one] to a file\n", all.c_str());
}
