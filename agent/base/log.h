// The log: one line an entry to standard error, which the service manager keeps; no files of our own.
// "2026-02-13T13:35:41Z W! [uplink] text". A line that repeats is written once a minute with a count.
// Memory: a fixed table of the last 64 distinct messages; lines are cut at 1 KiB; allocates nothing.
// Cost: a system call a line. Threads: any. Errors: a failed write is ignored.
#pragma once

#include <string_view>

namespace weir {

enum class LogLevel { error, warning, info, debug };

void set_log_level(LogLevel most);
// component is a short static name ("mqtt", "journal"); format as printf.
[[gnu::format(printf, 3, 4)]] void log(LogLevel level, const char* component, const char* format, ...);

}  // namespace weir

#define WEIR_LOG_ERROR(component, ...) ::weir::log(::weir::LogLevel::error, component, __VA_ARGS__)
#define WEIR_LOG_WARNING(component, ...) ::weir::log(::weir::LogLevel::warning, component, __VA_ARGS__)
#define WEIR_LOG_INFO(component, ...) ::weir::log(::weir::LogLevel::info, component, __VA_ARGS__)
#define WEIR_LOG_DEBUG(component, ...) ::weir::log(::weir::LogLevel::debug, component, __VA_ARGS__)
