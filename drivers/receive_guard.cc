// No allocation may fail on Paho's receive thread: see socket_gate.h. The C library's own functions do the work, so that
// free() needs no companion here. Sanitizers replace the allocator themselves and are left alone.
#include <unistd.h>

#include <cstdlib>

#include "drivers/socket_gate.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)

extern "C" {

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);

}

namespace {

void* checked(void* memory, size_t bytes) {
    if (__builtin_expect(memory != nullptr || bytes == 0, 1)) return memory;
    if (bytes > weir::socket_gate::guarded_bytes()) return nullptr;
    static constexpr char text[] = "weir: out of memory on the receive thread: ending before anything is acknowledged\n";
    (void)!::write(STDERR_FILENO, text, sizeof text - 1);
    std::abort();
}

}  // namespace

extern "C" {

void* malloc(size_t size) { return checked(__libc_malloc(size), size); }
void* calloc(size_t count, size_t size) {
    size_t bytes = 0;
    void* const memory = __libc_calloc(count, size);
    return __builtin_mul_overflow(count, size, &bytes) ? memory : checked(memory, bytes);
}
void* realloc(void* old, size_t size) { return checked(__libc_realloc(old, size), size); }

}

#endif
