// No allocation may fail on Paho's threads: see socket_gate.h. The C library's own functions do the work, so that
// free() needs no companion here. Sanitizers replace the allocator themselves and are left alone.
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "agent/base/log.h"
#include "drivers/socket_gate.h"

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) && defined(__GLIBC__)

extern "C" {

void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);

}

namespace {

[[noreturn]] void end(const char* text) {
    (void)!::write(STDERR_FILENO, text, std::strlen(text));
    std::abort();
}

// Paho names its threads MQTTAsync_send and MQTTAsync_rcv. Asked for only where memory is short.
bool is_pahos_thread() {
    char name[16] = "";
    return ::pthread_getname_np(::pthread_self(), name, sizeof name) == 0 && std::strncmp(name, "MQTTAsync_", 10) == 0;
}

void wait_for_memory(int tries) {
    constexpr timespec pause{0, 20 * 1000000};
    constexpr int tries_max = 50 * 60;  // a minute: it may hold a lock of Paho's that receiving waits for
    if (tries == 0) WEIR_LOG_ERROR("memory", "out of memory: the MQTT library waits for some; windows go on");
    if (tries == tries_max) end("weir: out of memory in the MQTT library for a minute: ending; the next start goes on\n");
    ::nanosleep(&pause, nullptr);
}

// What allocate() gives. Where it gives nothing, Paho would go on regardless: on its receive thread to acknowledge what
// nobody has seen; on its sending thread, before it first receives and where it is called, to use what it has not got.
template <class Allocate>
void* certain(Allocate allocate, size_t bytes) {
    void* memory = allocate();
    if (__builtin_expect(memory != nullptr || bytes == 0, 1)) return memory;
    if (bytes <= weir::socket_gate::guarded_bytes())
        end("weir: out of memory on the receive thread: ending before anything is acknowledged\n");
    if (bytes > weir::socket_gate::largest_message() || !(weir::socket_gate::needs_memory() || is_pahos_thread()))
        return nullptr;
    for (int tries = 0; memory == nullptr; ++tries) {
        wait_for_memory(tries);
        memory = allocate();
    }
    return memory;
}

}  // namespace

extern "C" {

void* malloc(size_t size) {
    return certain([size] { return __libc_malloc(size); }, size);
}
void* calloc(size_t count, size_t size) {
    size_t bytes = 0;
    if (__builtin_mul_overflow(count, size, &bytes)) return __libc_calloc(count, size);
    return certain([count, size] { return __libc_calloc(count, size); }, bytes);
}
void* realloc(void* old, size_t size) {
    return certain([old, size] { return __libc_realloc(old, size); }, size);
}

}

#endif
