#include "uplink/flash_vfs.h"

#include <sqlite3.h>

#include <atomic>
#include <cstring>

namespace weir {
namespace {

constexpr int read_tries_max = 4;

std::atomic<std::uint64_t> written_bytes{0};
std::atomic<std::uint64_t> writes{0};
std::atomic<std::uint64_t> syncs{0};
std::atomic<std::uint64_t> reads{0};
std::atomic<std::uint64_t> read_errors{0};
std::atomic<FlashFault*> fault{nullptr};

int ask(FlashOperation operation) {
    FlashFault* const installed = fault.load();
    return installed == nullptr ? SQLITE_OK : installed->before(operation);
}

// The system's file lies directly behind ours, in the memory that SQLite gives to both.
struct alignas(8) CountedFile {
    sqlite3_file base;
};
sqlite3_file* system_file(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(reinterpret_cast<CountedFile*>(file) + 1);
}
const sqlite3_io_methods& methods(sqlite3_file* file) { return *system_file(file)->pMethods; }

int close_file(sqlite3_file* file) { return methods(file).xClose(system_file(file)); }
// An EIO while reading is what SQLite takes for damage, and a database that is damaged is set aside: not before the medium
// has said so several times.
int read_file(sqlite3_file* file, void* into, int count, sqlite3_int64 offset) {
    ++reads;
    int code = SQLITE_OK;
    for (int tries = 0; tries < read_tries_max; ++tries) {
        code = methods(file).xRead(system_file(file), into, count, offset);
        if (code != SQLITE_IOERR_CORRUPTFS) break;
    }
    if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ) ++read_errors;
    return code;
}
int write_file(sqlite3_file* file, const void* from, int count, sqlite3_int64 offset) {
    if (const int code = ask(FlashOperation::write); code != SQLITE_OK) return code;
    written_bytes += static_cast<std::uint64_t>(count);
    ++writes;
    return methods(file).xWrite(system_file(file), from, count, offset);
}
int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
    if (const int code = ask(FlashOperation::truncate); code != SQLITE_OK) return code;
    return methods(file).xTruncate(system_file(file), size);
}
int sync_file(sqlite3_file* file, int flags) {
    if (const int code = ask(FlashOperation::sync); code != SQLITE_OK) return code;
    ++syncs;
    return methods(file).xSync(system_file(file), flags);
}
int file_size(sqlite3_file* file, sqlite3_int64* size) { return methods(file).xFileSize(system_file(file), size); }
int lock_file(sqlite3_file* file, int level) { return methods(file).xLock(system_file(file), level); }
int unlock_file(sqlite3_file* file, int level) { return methods(file).xUnlock(system_file(file), level); }
int check_reserved_lock(sqlite3_file* file, int* held) {
    return methods(file).xCheckReservedLock(system_file(file), held);
}
int file_control(sqlite3_file* file, int operation, void* argument) {
    return methods(file).xFileControl(system_file(file), operation, argument);
}
int sector_size(sqlite3_file* file) { return methods(file).xSectorSize(system_file(file)); }
int device_characteristics(sqlite3_file* file) { return methods(file).xDeviceCharacteristics(system_file(file)); }

// Version 1: no shared memory, no memory mapping.
constexpr sqlite3_io_methods counted_methods{
    1,         close_file,  read_file,           write_file,   truncate_file, sync_file,
    file_size, lock_file,   unlock_file,         check_reserved_lock, file_control, sector_size,
    device_characteristics, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};

sqlite3_vfs* system_vfs(sqlite3_vfs* vfs) { return static_cast<sqlite3_vfs*>(vfs->pAppData); }

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    file->pMethods = nullptr;
    if (const int code = ask(FlashOperation::open); code != SQLITE_OK) return code;
    sqlite3_file* const below = system_file(file);
    const int code = system_vfs(vfs)->xOpen(system_vfs(vfs), name, below, flags, out_flags);
    if (below->pMethods != nullptr) file->pMethods = &counted_methods;
    return code;
}

sqlite3_vfs counted_vfs{};

}  // namespace

// Everything that is not about a file goes to the system's functions, which take any VFS.
bool register_flash_vfs() {
    if (sqlite3_vfs_find(flash_vfs_name) != nullptr) return true;
    sqlite3_vfs* const system = sqlite3_vfs_find(nullptr);
    if (system == nullptr) return false;
    counted_vfs = *system;
    counted_vfs.pNext = nullptr;
    counted_vfs.zName = flash_vfs_name;
    counted_vfs.szOsFile = static_cast<int>(sizeof(CountedFile)) + system->szOsFile;
    counted_vfs.pAppData = system;
    counted_vfs.xOpen = open_file;
    return sqlite3_vfs_register(&counted_vfs, 0) == SQLITE_OK;
}

FlashCounters flash_counters() {
    return {written_bytes.load(), writes.load(), syncs.load(), reads.load(), read_errors.load()};
}

void set_flash_fault(FlashFault* installed) { fault = installed; }

}  // namespace weir
