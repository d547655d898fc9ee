// Holds the process to its budget: small thread stacks and one malloc arena before anything starts,
// then RLIMIT_DATA, so that a library which wants more meets a failing malloc, not the OOM killer.
// Memory: none. Cost: start-up only. Threads: call prepare_process() before the first thread.
// Errors: a limit that cannot be set is Error::refused; the agent says so and runs without it.
// Source: setrlimit(2): RLIMIT_DATA counts private writable mappings, thread stacks included.
#pragma once

#include "agent/base/bytes.h"
#include "agent/base/result.h"

namespace weir {

inline constexpr Bytes thread_stack_bytes = 256 * 1024;

void prepare_process();

// Private writable bytes as the kernel counts them now (VmData + VmStk of /proc/self/status).
Bytes private_bytes_now();
// Resident bytes now.
Bytes resident_bytes_now();

Status limit_private_bytes(Bytes most);

}  // namespace weir
