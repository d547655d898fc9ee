// One line of the log, in the form that its reader wants: text as in "2026-02-13T13:35:41Z W! [uplink] text",
// logfmt (https://brandur.org/logfmt: key=value, quoted where needed) or JSON, one object a line. Where standard error
// is the service manager's journal, a line begins with its priority, "<4>" (sd-daemon(3)), and has no time: the journal
// has its own.
// Memory: the caller's buffer; a message that does not fit is cut. Cost: O(bytes). Threads: any. Errors: none.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/log.h"

namespace weir {

enum class LogFormat : std::uint8_t { text, logfmt, json };
std::string_view name(LogFormat format);
std::string_view name(LogLevel level);

// For the whole process, from now on.
void set_log_format(LogFormat format);
// Whether standard error is the journal, as systemd says it in JOURNAL_STREAM: asked once at start.
void look_for_journal();

struct LogLine {
    LogLevel level = LogLevel::info;
    std::int64_t seconds = 0;  // since the epoch, UTC
    std::string_view component;
    std::string_view message;
    int repeats = 0;    // equal lines that were held back before it
    int held_back = 0;  // other lines that were, for want of patience
};

// With the newline at its end. REQUIRES: a buffer of at least 256 bytes.
std::string_view render_log_line(const LogLine& line, LogFormat format, bool journal, std::span<char> buffer);

}  // namespace weir
