// The way of SQLite to the medium, counted: a VFS named "weir" over the system's own.
// It is also the seam for faults: a test installs a FlashFault that is asked before every write, sync
// and truncation and may fail it, so errors and full media need no broken disk.
// Memory: static. Cost: one call more an operation. Threads: the counters and the fault are for all;
// install a fault only while no database is open or from the thread that uses it.
// Errors: as the system's VFS. It offers no shared memory: a database in WAL mode must be opened in
// exclusive locking mode, where the index of the log lives in the heap and costs the flash nothing.
// Source: sqlite.org/vfs.html.
#pragma once

#include <cstdint>

#include "agent/base/bytes.h"

namespace weir {

struct FlashCounters {
    std::uint64_t written_bytes = 0;
    std::uint64_t writes = 0;
    std::uint64_t syncs = 0;
    std::uint64_t reads = 0;
    std::uint64_t read_errors = 0;
};

enum class FlashOperation { write, sync, truncate, open };

class FlashFault {
public:
    virtual ~FlashFault() = default;
    // An SQLite result code: 0 goes on, SQLITE_FULL or SQLITE_IOERR_... fails the operation undone.
    virtual int before(FlashOperation operation) = 0;
};

inline constexpr const char* flash_vfs_name = "weir";

// Registers the VFS; more than once does no harm. False if SQLite has no system VFS.
bool register_flash_vfs();
FlashCounters flash_counters();  // since the process started
void set_flash_fault(FlashFault* fault);  // nullptr: none

}  // namespace weir
