// Counts what the program allocates: glibc's malloc is wrapped by the linker, whoever calls it.
#include <cstddef>
#include <cstdlib>

namespace {
std::size_t count = 0;
}
std::size_t allocations_seen() { return count; }

extern "C" {
void* __real_malloc(std::size_t size);
void* __wrap_malloc(std::size_t size) {
    ++count;
    return __real_malloc(size);
}
}
