#include "agent/base/log.h"

#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <mutex>

#include "agent/base/hash.h"

namespace weir {
namespace {

constexpr std::time_t repeat_after_seconds = 60;

std::atomic<LogLevel> level_most{LogLevel::info};

// What was said lately, so that a line that repeats is held back for a minute and then counted.
struct Said {
    std::uint64_t hash = 0;
    std::time_t at = 0;
    unsigned held_back = 0;
};
std::mutex said_mutex;
std::array<Said, 64> said_lately;

// How many equal lines were held back since the last one, or -1 if this one is to be held back too.
int repeats_of(std::uint64_t hash, std::time_t now) {
    const std::lock_guard lock(said_mutex);
    Said* oldest = said_lately.data();
    for (Said& said : said_lately) {
        if (said.hash == hash) {
            if (now >= said.at && now - said.at < repeat_after_seconds) {
                ++said.held_back;
                return -1;
            }
            const int held_back = static_cast<int>(said.held_back);
            said = {hash, now, 0};
            return held_back;
        }
        if (said.at < oldest->at) oldest = &said;
    }
    *oldest = {hash, now, 0};
    return 0;
}

char letter(LogLevel level) { return "EWID"[static_cast<int>(level)]; }

}  // namespace

void set_log_level(LogLevel most) { level_most = most; }

void log(LogLevel level, const char* component, const char* format, ...) {
    if (level > level_most.load(std::memory_order_relaxed)) return;
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    std::vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);

    timespec now{};
    ::clock_gettime(CLOCK_REALTIME, &now);
    timespec steady{};
    ::clock_gettime(CLOCK_MONOTONIC, &steady);
    const std::uint64_t hash = hash64(as_byte_span(message), {hash64(as_byte_span(component)), 1});
    const int repeats = repeats_of(hash, steady.tv_sec);
    if (repeats < 0) return;

    std::tm utc{};
    ::gmtime_r(&now.tv_sec, &utc);
    char line[1280];
    int size = std::snprintf(line, sizeof line, "%04d-%02d-%02dT%02d:%02d:%02dZ %c! [%s] %s", utc.tm_year + 1900,
                             utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec, letter(level),
                             component, message);
    if (repeats > 0 && size > 0 && size < 1200)
        size += std::snprintf(line + size, sizeof line - static_cast<std::size_t>(size), " (and %d times before)",
                              repeats);
    if (size < 0) return;
    if (size > static_cast<int>(sizeof line) - 2) size = static_cast<int>(sizeof line) - 2;
    line[size] = '\n';
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line, static_cast<std::size_t>(size) + 1);
}

}  // namespace weir
