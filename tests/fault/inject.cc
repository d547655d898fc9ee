// A library to preload into a real program (LD_PRELOAD): makes its allocations and its calls on files fail, or take
// long, as a mapped control file says. The file named by WEIR_INJECT outlives the program and is shared with the test that
// made it (weirtest/inject.py), which arms and reads it while the program runs.
// The agent brings malloc of its own over glibc's __libc_malloc (drivers/receive_guard.cc), so both names are taken here.
// Both names of each call are taken, so neither may become the other.
#undef _FILE_OFFSET_BITS
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

namespace {

// What may fail: call number `from`, counted from 1 since the test last cleared `seen`, and the `count - 1` after it.
struct Plan {
    uint64_t from;   // 0: none
    uint64_t count;
    uint64_t seen;
    uint64_t failed;
};

enum Kind : uint32_t { read_ = 1, write_ = 2, sync_ = 4, truncate_ = 8, open_ = 16, rename_ = 32, map_ = 64, remove_ = 128 };

struct Control {
    Plan allocations;
    char thread[16];  // only on threads of this name; empty: on all
    Plan files;
    char path[256];      // only files whose path contains this
    uint32_t kinds;      // of Kind
    int32_t error;       // errno
    uint32_t is_short;   // a write or read does half of its work and says so, instead of failing
    uint32_t delay_ms;   // what a call would take that would fail; then it is made
};

Control idle;
Control* control = &idle;

__attribute__((constructor(101))) void take_control() {
    const char* const path = getenv("WEIR_INJECT");
    if (path == nullptr) return;
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0) return;
    void* const memory = mmap(nullptr, sizeof(Control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory != MAP_FAILED) control = static_cast<Control*>(memory);
}

bool counted(Plan& plan) {
    const uint64_t number = __atomic_add_fetch(&plan.seen, 1, __ATOMIC_RELAXED);
    const uint64_t from = __atomic_load_n(&plan.from, __ATOMIC_RELAXED);
    if (from == 0 || number < from || number - from >= __atomic_load_n(&plan.count, __ATOMIC_RELAXED)) return false;
    __atomic_add_fetch(&plan.failed, 1, __ATOMIC_RELAXED);
    return true;
}

bool allocation_fails() {
    Control& now = *control;
    if (now.thread[0] != 0) {
        char name[16] = {};
        prctl(PR_GET_NAME, name);
        if (strncmp(name, now.thread, sizeof name) != 0) return false;
    }
    if (!counted(now.allocations)) return false;
    errno = ENOMEM;
    return true;
}

template <typename Function>
Function next(Function& known, const char* name) {
    if (known == nullptr) known = reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
    return known;
}
#define NEXT(function, name) \
    (*[]() {                 \
        static decltype(&function) known; \
        return next(known, name);         \
    }())

enum class Fate { as_usual, fail, half };

Fate fate_of(Kind kind, const char* path) {
    Control& now = *control;
    if ((now.kinds & kind) == 0 || path == nullptr || now.path[0] == 0 || strstr(path, now.path) == nullptr) return Fate::as_usual;
    if (!counted(now.files)) return Fate::as_usual;
    if (now.delay_ms > 0) {
        timespec pause{now.delay_ms / 1000, static_cast<long>(now.delay_ms % 1000) * 1000000};
        nanosleep(&pause, nullptr);
        return Fate::as_usual;
    }
    errno = now.error;
    return now.is_short ? Fate::half : Fate::fail;
}
Fate fate_of(Kind kind, int fd) {
    if ((control->kinds & kind) == 0 || fd <= STDERR_FILENO) return Fate::as_usual;
    char name[40];
    char path[512];
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(name, path, sizeof path - 1);
    if (length <= 0) return Fate::as_usual;
    path[length] = 0;
    return fate_of(kind, path);
}

size_t part(Fate fate, size_t count) { return fate == Fate::half ? (count + 1) / 2 : count; }

}  // namespace

extern "C" {

// ---- allocations ---------------------------------------------------------------------------------

void* __libc_malloc(size_t size) { return allocation_fails() ? nullptr : NEXT(__libc_malloc, "__libc_malloc")(size); }
void* __libc_calloc(size_t count, size_t size) {
    return allocation_fails() ? nullptr : NEXT(__libc_calloc, "__libc_calloc")(count, size);
}
void* __libc_realloc(void* old, size_t size) {
    return size > 0 && allocation_fails() ? nullptr : NEXT(__libc_realloc, "__libc_realloc")(old, size);
}
void* malloc(size_t size) { return __libc_malloc(size); }
void* calloc(size_t count, size_t size) { return __libc_calloc(count, size); }
void* realloc(void* old, size_t size) { return __libc_realloc(old, size); }
void* memalign(size_t alignment, size_t size) {
    return allocation_fails() ? nullptr : NEXT(memalign, "memalign")(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void** out, size_t alignment, size_t size) {
    return allocation_fails() ? ENOMEM : NEXT(posix_memalign, "posix_memalign")(out, alignment, size);
}
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*), void* argument) {
    if (allocation_fails()) return EAGAIN;  // its stack
    return NEXT(pthread_create, "pthread_create")(thread, attributes, body, argument);
}

// ---- files ---------------------------------------------------------------------------------------

ssize_t read(int fd, void* into, size_t count) {
    const Fate fate = fate_of(read_, fd);
    return fate == Fate::fail ? -1 : NEXT(read, "read")(fd, into, part(fate, count));
}
ssize_t pread64(int fd, void* into, size_t count, off64_t offset) {
    const Fate fate = fate_of(read_, fd);
    return fate == Fate::fail ? -1 : NEXT(pread64, "pread64")(fd, into, part(fate, count), offset);
}
ssize_t pread(int fd, void* into, size_t count, off_t offset) { return pread64(fd, into, count, offset); }
ssize_t write(int fd, const void* from, size_t count) {
    const Fate fate = fate_of(write_, fd);
    return fate == Fate::fail ? -1 : NEXT(write, "write")(fd, from, part(fate, count));
}
ssize_t pwrite64(int fd, const void* from, size_t count, off64_t offset) {
    const Fate fate = fate_of(write_, fd);
    return fate == Fate::fail ? -1 : NEXT(pwrite64, "pwrite64")(fd, from, part(fate, count), offset);
}
ssize_t pwrite(int fd, const void* from, size_t count, off_t offset) { return pwrite64(fd, from, count, offset); }
int fsync(int fd) { return fate_of(sync_, fd) == Fate::as_usual ? NEXT(fsync, "fsync")(fd) : -1; }
int fdatasync(int fd) { return fate_of(sync_, fd) == Fate::as_usual ? NEXT(fdatasync, "fdatasync")(fd) : -1; }
int ftruncate64(int fd, off64_t size) noexcept {
    return fate_of(truncate_, fd) == Fate::as_usual ? NEXT(ftruncate64, "ftruncate64")(fd, size) : -1;
}
int ftruncate(int fd, off_t size) noexcept { return ftruncate64(fd, size); }
int posix_fallocate64(int fd, off64_t offset, off64_t size) {
    return fate_of(truncate_, fd) == Fate::as_usual ? NEXT(posix_fallocate64, "posix_fallocate64")(fd, offset, size)
                                                    : control->error;
}
int posix_fallocate(int fd, off_t offset, off_t size) { return posix_fallocate64(fd, offset, size); }
int open64(const char* path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return fate_of(open_, path) == Fate::as_usual ? NEXT(open64, "open64")(path, flags, mode) : -1;
}
int open(const char* path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    return open64(path, flags, mode);
}
int rename(const char* from, const char* to) noexcept {
    return fate_of(rename_, to) == Fate::as_usual ? NEXT(rename, "rename")(from, to) : -1;
}
int unlink(const char* path) noexcept { return fate_of(remove_, path) == Fate::as_usual ? NEXT(unlink, "unlink")(path) : -1; }
void* mmap64(void* at, size_t size, int protection, int flags, int fd, off64_t offset) noexcept {
    if (fd >= 0 && fate_of(map_, fd) != Fate::as_usual) return MAP_FAILED;
    return NEXT(mmap64, "mmap64")(at, size, protection, flags, fd, offset);
}
void* mmap(void* at, size_t size, int protection, int flags, int fd, off_t offset) noexcept {
    return mmap64(at, size, protection, flags, fd, offset);
}
int msync(void* at, size_t size, int flags) {
    // A mapping has no descriptor: msync counts as a sync of the journal.
    return fate_of(sync_, "journal") == Fate::as_usual ? NEXT(msync, "msync")(at, size, flags) : -1;
}

}
