// What becomes of the program when memory runs out. While it starts and stops: a sentence that says what to do, and exit
// code 1, from wherever the allocation failed, the constructors of shared libraries included. Nothing is cleaned up: the
// files hold what a SIGKILL would leave, and the next start goes on from there. While it runs: a thread of ours that
// allocates waits until there is memory. The engine's never does (the event path allocates nothing), so windows and alerts
// go on while the outbox, the uplink or a reloaded table waits; SQLite, mbedTLS and OpenSSL get a failed malloc, which is an
// error of theirs. (Paho's receive thread ends the process before anything is acknowledged: drivers/receive_guard.cc.)
// Memory: none. Cost: none. Threads: any. Errors: are what it is about.
// Source: std::set_new_handler; System V ABI, .preinit_array.
#pragma once

namespace weir {

enum class OutOfMemory { ends, waits };

// The handlers are in place before main(), with `ends`.
void on_out_of_memory(OutOfMemory behaviour);

}  // namespace weir
