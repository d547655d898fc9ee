#include "agent/base/log.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <utility>

#include "agent/base/hash.h"
#include "agent/base/log_line.h"

namespace weir {
namespace {

constexpr std::time_t repeat_after_seconds = 60;
// Lines that differ: so many at once, then so many a second. What a flood of bad input may cost of flash and of CPU.
constexpr int lines_at_once = 200;
constexpr int lines_a_second = 20;

std::atomic<LogLevel> level_most{LogLevel::info};
std::atomic<LogFormat> format_now{LogFormat::text};
std::atomic<bool> to_journal{false};

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

struct Patience {
    int left = lines_at_once;
    std::time_t at = 0;
    int held_back = 0;
} patience;

// How many lines were held back since the last one that was not, or -1 if this one is to be held back too. Errors never are.
int held_back_before(LogLevel level, std::time_t now) {
    const std::lock_guard lock(said_mutex);
    if (now > patience.at) {
        const std::time_t since = std::min<std::time_t>(now - patience.at, lines_at_once);
        patience.left = std::min(lines_at_once, patience.left + static_cast<int>(since) * lines_a_second);
        patience.at = now;
    }
    if (patience.left == 0 && level != LogLevel::error) {
        ++patience.held_back;
        return -1;
    }
    patience.left = std::max(0, patience.left - 1);
    return std::exchange(patience.held_back, 0);
}

}  // namespace

void set_log_level(LogLevel most) { level_most = most; }
void set_log_format(LogFormat format) { format_now = format; }

void look_for_journal() {
    const char* const told = std::getenv("JOURNAL_STREAM");  // DEVICE:INODE
    unsigned long long device = 0;
    unsigned long long inode = 0;
    struct stat found{};
    to_journal = told != nullptr && std::sscanf(told, "%llu:%llu", &device, &inode) == 2 &&
                 ::fstat(STDERR_FILENO, &found) == 0 && found.st_dev == device && found.st_ino == inode;
}

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

    const int held_back = held_back_before(level, steady.tv_sec);
    if (held_back < 0) return;
    char line[1536];
    const std::string_view out = render_log_line({level, now.tv_sec, component, message, repeats, held_back},
                                                 format_now.load(std::memory_order_relaxed),
                                                 to_journal.load(std::memory_order_relaxed), line);
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, out.data(), out.size());
}

}  // namespace weir
