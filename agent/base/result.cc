#include "agent/base/result.h"

#include <cstdio>
#include <cstdlib>

namespace weir {

std::string_view name(Error error) {
    switch (error) {
        case Error::none: return "none";
        case Error::invalid: return "invalid";
        case Error::unsupported: return "unsupported";
        case Error::corrupt: return "corrupt";
        case Error::truncated: return "truncated";
        case Error::out_of_range: return "out_of_range";
        case Error::wrong_type: return "wrong_type";
        case Error::missing: return "missing";
        case Error::full: return "full";
        case Error::no_memory: return "no_memory";
        case Error::no_space: return "no_space";
        case Error::io: return "io";
        case Error::busy: return "busy";
        case Error::timed_out: return "timed_out";
        case Error::closed: return "closed";
        case Error::refused: return "refused";
        case Error::unauthenticated: return "unauthenticated";
        case Error::fenced: return "fenced";
        case Error::exists: return "exists";
    }
    return "unknown";
}

void assertion_failed(const char* condition, const char* file, int line) noexcept {
    std::fprintf(stderr, "weir: assertion failed: %s (%s:%d)\n", condition, file, line);
    std::abort();
}

}  // namespace weir
