// Assertions for what cannot happen; on in every build. Outside bytes never reach one.
// Memory: none. Cost: a predicted branch. Threads: any. Errors: prints file, line and condition to standard error, aborts; the
// journal outlives the process, so what was acknowledged is recovered by the next start.
#pragma once

namespace weir {

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace weir

#define WEIR_ASSERT(condition)                                                        \
    (__builtin_expect(!!(condition), 1)                                               \
         ? static_cast<void>(0)                                                       \
         : ::weir::assertion_failed(#condition, __FILE__, __LINE__))
