#include "agent/out_of_memory.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <exception>
#include <new>
#include <system_error>

#include "agent/base/log.h"

namespace weir {
namespace {

constexpr int exit_failed = 1;
constexpr timespec pause{0, 20 * 1000000};
std::atomic<bool> waits{false};

[[noreturn]] void end(const char* text) {
    (void)!::write(STDERR_FILENO, text, std::strlen(text));
    ::_exit(exit_failed);
}

struct ThreadName {
    ThreadName() { (void)::pthread_getname_np(::pthread_self(), text, sizeof text); }
    char text[16] = "?";
};

// operator new tries again when this returns.
void no_memory() {
    if (!waits.load(std::memory_order_relaxed))
        end("weir: out of memory while starting or stopping; state is kept as it is. Free memory on this machine, raise the "
            "limit of its service, or lower agent.memory, and start again\n");
    WEIR_LOG_ERROR("memory", "out of memory: thread %s waits for some; windows and alerts go on", ThreadName().text);
    ::nanosleep(&pause, nullptr);
}

// Of exceptions that nobody caught, these two are no faults of the program.
void uncaught() {
    if (const std::exception_ptr current = std::current_exception()) try {
            std::rethrow_exception(current);
        } catch (const std::bad_alloc&) {
            char text[160];
            std::snprintf(text, sizeof text, "weir: out of memory on thread %s: ending; what was acknowledged is kept, and the "
                          "next start goes on from there\n", ThreadName().text);
            end(text);
        } catch (const std::system_error& e) {
            if (e.code() == std::errc::resource_unavailable_try_again || e.code() == std::errc::not_enough_memory)
                end("weir: no thread can be started: ending; state is kept as it is. Free memory on this machine, or raise "
                    "the limit of tasks of its service, and start again\n");
        } catch (...) {
        }
    std::abort();
}

void install() {
    std::set_new_handler(no_memory);
    std::set_terminate(uncaught);
}

// Shared libraries construct their objects before anything of this program runs, except what stands here.
[[gnu::section(".preinit_array"), gnu::used]] void (*const before_libraries)() = install;

}  // namespace

void on_out_of_memory(OutOfMemory behaviour) { waits.store(behaviour == OutOfMemory::waits, std::memory_order_relaxed); }

}  // namespace weir
