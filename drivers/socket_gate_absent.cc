// What drivers link where the executable does not take weir_socket_gate (an archive member is only taken for
// symbols that are still missing).
#include "drivers/socket_gate.h"

namespace weir::socket_gate {

void add(Gate&, const Endpoint&) {}
void remove(Gate&) {}
int keep(const Gate&) { return -1; }
void finish(int, Duration) {}
bool linked() { return false; }
std::uint64_t reads() { return 0; }
std::size_t guarded_bytes() { return 0; }
NeedsMemory::NeedsMemory() = default;
NeedsMemory::~NeedsMemory() = default;
bool needs_memory() { return false; }
std::size_t largest_message() { return 0; }

}  // namespace weir::socket_gate
