#include "agent/memory_limit.h"

#include <malloc.h>
#include <pthread.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace weir {
namespace {

// The sum of the named lines ("VmData:") of /proc/self/status, in bytes.
Bytes status_bytes(std::initializer_list<const char*> names) {
    std::FILE* file = std::fopen("/proc/self/status", "re");
    if (file == nullptr) return 0;
    char buffer[256];
    std::setvbuf(file, buffer, _IOLBF, sizeof buffer);
    Bytes total = 0;
    char line[256];
    while (std::fgets(line, sizeof line, file) != nullptr)
        for (const char* name : names) {
            unsigned long kib = 0;
            const std::size_t length = std::strlen(name);
            if (std::strncmp(line, name, length) == 0 && std::sscanf(line + length, "%lu", &kib) == 1)
                total += Bytes{kib} * 1024;
        }
    std::fclose(file);
    return total;
}

}  // namespace

void prepare_process() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_DATA, &limit) == 0 && limit.rlim_cur != limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;  // an agent that started this has a budget, which is not ours
        (void)::setrlimit(RLIMIT_DATA, &limit);
    }
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, thread_stack_bytes);
    pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
    ::mallopt(M_ARENA_MAX, 1);
    ::mallopt(M_TRIM_THRESHOLD, 256 * 1024);
    ::mallopt(M_TOP_PAD, 64 * 1024);
}

Bytes private_bytes_now() { return status_bytes({"VmData:", "VmStk:"}); }
Bytes resident_bytes_now() { return status_bytes({"VmRSS:"}); }

// The soft limit is what malloc meets; weir-exec, which programs of alerts run in, raises its own to the hard one again.
Status limit_private_bytes(Bytes most) {
    rlimit limit{};
    // The hard limit stays: a program that this one becomes, or starts, has its own budget to set.
    if (::getrlimit(RLIMIT_DATA, &limit) != 0) return Error::refused;
    limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? most : std::min<rlim_t>(most, limit.rlim_max);
    return ::setrlimit(RLIMIT_DATA, &limit) == 0 ? Status::success() : Status(Error::refused);
}

}  // namespace weir
