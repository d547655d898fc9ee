#include "tests/fault/crash_disk.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstring>
#include <new>

#include "agent/base/assert.h"

namespace weir {
namespace {

CrashDisk* disk = nullptr;  // SQLite's VFS has no owner

struct CrashFile {
    sqlite3_file base;
    std::shared_ptr<CrashDisk::Inode>* inode;
    bool names_with_it;  // its first sync also makes its name durable, as SQLite's own VFS does for logs
    bool close_deletes;
    std::string* path;
};
CrashFile& file_of(sqlite3_file* file) { return *reinterpret_cast<CrashFile*>(file); }
CrashDisk::Inode& inode_of(sqlite3_file* file) { return **file_of(file).inode; }

int close_file(sqlite3_file* file) {
    CrashFile& it = file_of(file);
    if (it.close_deletes && !disk->is_off()) disk->remove(*it.path);
    delete it.inode;
    delete it.path;
    return SQLITE_OK;
}
// A full medium refuses what needs room, and nothing else.
bool refuses(int usual, int& code) {
    if (!disk->fails()) return false;
    const bool full = disk->trouble().code == SQLITE_FULL;
    if (full && usual != SQLITE_IOERR_WRITE && usual != SQLITE_CANTOPEN) return false;
    code = full && usual == SQLITE_IOERR_WRITE ? SQLITE_FULL : usual;
    return true;
}

int read_file(sqlite3_file* file, void* into, int count, sqlite3_int64 offset) {
    if (disk->is_off()) return SQLITE_IOERR_READ;
    if (int code = 0; refuses(SQLITE_IOERR_READ, code)) return code;
    const std::vector<std::byte>& all = inode_of(file).now;
    const auto wanted = static_cast<Bytes>(count);
    const auto at = static_cast<Bytes>(offset);
    const Bytes there = at >= all.size() ? 0 : std::min(wanted, all.size() - at);
    if (there > 0) std::memcpy(into, all.data() + at, there);
    if (there == wanted) return SQLITE_OK;
    std::memset(static_cast<std::byte*>(into) + there, 0, wanted - there);
    return SQLITE_IOERR_SHORT_READ;
}
int write_file(sqlite3_file* file, const void* from, int count, sqlite3_int64 offset) {
    if (disk->is_off()) return SQLITE_IOERR_WRITE;
    if (int code = 0; refuses(SQLITE_IOERR_WRITE, code)) {
        if (disk->trouble().half)
            disk->write(inode_of(file), static_cast<Bytes>(offset),
                        {static_cast<const std::byte*>(from), static_cast<Bytes>(count) / 2});
        return code;
    }
    disk->write(inode_of(file), static_cast<Bytes>(offset),
                {static_cast<const std::byte*>(from), static_cast<Bytes>(count)});
    return disk->operation() ? SQLITE_OK : SQLITE_IOERR_WRITE;
}
int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
    if (disk->is_off()) return SQLITE_IOERR_TRUNCATE;
    if (int code = 0; refuses(SQLITE_IOERR_TRUNCATE, code)) return code;
    disk->truncate(inode_of(file), static_cast<Bytes>(size));
    return disk->operation() ? SQLITE_OK : SQLITE_IOERR_TRUNCATE;
}
// The power goes before a sync has done anything, or (with the next operation) after it.
int sync_file(sqlite3_file* file, int) {
    if (int code = 0; !disk->is_off() && refuses(SQLITE_IOERR_FSYNC, code)) return code;
    if (disk->is_off() || !disk->operation()) return SQLITE_IOERR_FSYNC;
    disk->sync(inode_of(file));
    if (file_of(file).names_with_it) disk->sync_names();
    file_of(file).names_with_it = false;
    return SQLITE_OK;
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
    *size = static_cast<sqlite3_int64>(inode_of(file).now.size());
    return SQLITE_OK;
}
int lock_file(sqlite3_file*, int) { return SQLITE_OK; }
int check_lock(sqlite3_file*, int* held) {
    *held = 0;
    return SQLITE_OK;
}
int file_control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sector_size(sqlite3_file*) { return 4096; }
int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

constexpr sqlite3_io_methods crash_methods{1,           close_file, read_file,  write_file, truncate_file, sync_file, file_size,
                                           lock_file,   lock_file,  check_lock, file_control, sector_size, characteristics,
                                           nullptr,     nullptr,    nullptr,    nullptr,    nullptr,       nullptr};

int open_file(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    file->pMethods = nullptr;
    if (disk->is_off()) return SQLITE_CANTOPEN;
    if (int code = 0; refuses(SQLITE_CANTOPEN, code)) return code;
    const std::string path = name != nullptr ? name : "unnamed";
    std::shared_ptr<CrashDisk::Inode> inode = disk->find(path);
    const bool made = !inode;
    if (made && !(flags & SQLITE_OPEN_CREATE)) return SQLITE_CANTOPEN;
    if (made) {
        inode = disk->make(path);
        if (!disk->operation()) return SQLITE_CANTOPEN;
    }
    constexpr int logs = SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL;
    CrashFile& it = file_of(file);
    it.inode = new std::shared_ptr<CrashDisk::Inode>(inode);
    it.path = new std::string(path);
    it.names_with_it = (flags & logs) != 0;
    it.close_deletes = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    file->pMethods = &crash_methods;
    if (out_flags != nullptr) *out_flags = flags;
    return SQLITE_OK;
}
int delete_file(sqlite3_vfs*, const char* name, int sync_folder) {
    if (disk->is_off()) return SQLITE_IOERR_DELETE;
    if (int code = 0; refuses(SQLITE_IOERR_DELETE, code)) return code;
    if (!disk->find(name)) return SQLITE_IOERR_DELETE_NOENT;
    disk->remove(name);
    if (!disk->operation()) return SQLITE_IOERR_DELETE;
    if (sync_folder != 0) disk->sync_names();
    return SQLITE_OK;
}
int has_file(sqlite3_vfs*, const char* name, int, int* out) {
    if (disk->is_off()) return SQLITE_IOERR_ACCESS;
    if (int code = 0; refuses(SQLITE_IOERR_ACCESS, code)) return code;
    *out = disk->find(name) ? 1 : 0;
    return SQLITE_OK;
}
int full_name(sqlite3_vfs*, const char* name, int size, char* out) {
    sqlite3_snprintf(size, out, "%s", name);
    return SQLITE_OK;
}

sqlite3_vfs crash_vfs{};

}  // namespace

// The default one from now on, so that Weir's own VFS lies over it.
CrashDisk::CrashDisk() {
    WEIR_ASSERT(disk == nullptr);
    disk = this;
    if (sqlite3_vfs_find(vfs_name) != nullptr) return;
    crash_vfs = *sqlite3_vfs_find(nullptr);
    crash_vfs.pNext = nullptr;
    crash_vfs.zName = vfs_name;
    crash_vfs.szOsFile = static_cast<int>(sizeof(CrashFile));
    crash_vfs.xOpen = open_file;
    crash_vfs.xDelete = delete_file;
    crash_vfs.xAccess = has_file;
    crash_vfs.xFullPathname = full_name;
    WEIR_ASSERT(sqlite3_vfs_register(&crash_vfs, 1) == SQLITE_OK);
}

CrashDisk::~CrashDisk() { disk = nullptr; }

bool CrashDisk::operation() {
    if (off_) return false;
    ++operations_;
    if (left_ > 0 && --left_ == 0) off_ = true;
    return !off_;
}

std::shared_ptr<CrashDisk::Inode> CrashDisk::find(const std::string& path) const {
    const auto at = names_.find(path);
    return at == names_.end() ? nullptr : at->second;
}

std::shared_ptr<CrashDisk::Inode> CrashDisk::make(const std::string& path) {
    return names_[path] = std::make_shared<Inode>();
}

void CrashDisk::write(Inode& inode, Bytes offset, ByteSpan bytes) {
    if (inode.now.size() < offset + bytes.size()) inode.now.resize(offset + bytes.size());
    std::copy(bytes.begin(), bytes.end(), inode.now.begin() + static_cast<std::ptrdiff_t>(offset));
    inode.changes.push_back({offset, {bytes.begin(), bytes.end()}, inode.now.size()});
}

void CrashDisk::truncate(Inode& inode, Bytes size) {
    inode.now.resize(size);
    inode.changes.push_back({size, {}, size});
}

void CrashDisk::sync(Inode& inode) {
    inode.synced.resize(inode.now.size());
    for (const Inode::Change& change : inode.changes) {
        const Bytes end = std::min(change.offset + change.bytes.size(), inode.now.size());
        for (Bytes at = change.offset; at < end; ++at) inode.synced[at] = inode.now[at];
    }
    inode.changes.clear();
}

void CrashDisk::remove(const std::string& path) { names_.erase(path); }

bool CrashDisk::rename(const std::string& from, const std::string& to) {
    const auto at = names_.find(from);
    if (at == names_.end()) return false;
    names_[to] = at->second;
    names_.erase(from);
    return true;
}

// Each sector gets some prefix of the writes that touched it, the last of them perhaps torn; the size is one of those
// that the file had.
void CrashDisk::settle(Inode& inode, Entropy& chance, const Loss& loss) {
    std::vector<std::byte> left = inode.synced;
    Bytes size = left.size();
    if (!inode.changes.empty()) {
        const bool latest = chance.unit() < loss.keep;
        const std::size_t pick = latest ? inode.changes.size() : chance.word() % (inode.changes.size() + 1);
        if (pick > 0) size = inode.changes[pick - 1].size;
        Bytes longest = left.size();
        for (const Inode::Change& change : inode.changes) longest = std::max(longest, change.size);
        left.resize(longest);
        for (Bytes sector = 0; sector < longest; sector += loss.sector) {
            std::vector<const Inode::Change*> touching;
            for (const Inode::Change& change : inode.changes)
                if (change.offset < sector + loss.sector && change.offset + change.bytes.size() > sector) touching.push_back(&change);
            const std::size_t count =
                chance.unit() < loss.keep ? touching.size() : chance.word() % (touching.size() + 1);
            for (std::size_t i = 0; i < count; ++i) {
                const Inode::Change& change = *touching[i];
                const Bytes from = std::max(sector, change.offset);
                Bytes to = std::min(sector + loss.sector, change.offset + change.bytes.size());
                if (i + 1 == count && chance.unit() < loss.tear) to = from + chance.word() % (to - from + 1);
                std::copy(change.bytes.begin() + static_cast<std::ptrdiff_t>(from - change.offset),
                          change.bytes.begin() + static_cast<std::ptrdiff_t>(to - change.offset),
                          left.begin() + static_cast<std::ptrdiff_t>(from));
            }
        }
    }
    left.resize(size);
    inode.synced = inode.now = left;
    inode.changes.clear();
}

void CrashDisk::power_on(Entropy& chance, const Loss& loss, const std::string& machine) {
    resume();
    const auto is_here = [&](const std::string& path) { return path.starts_with(machine); };
    // Of a name that was made, removed or renamed since the folder was synced, either state.
    Names survived = synced_names_;
    for (const auto& [path, inode] : names_) {
        const auto before = synced_names_.find(path);
        if (before != synced_names_.end() && before->second == inode) continue;
        if (!is_here(path) || chance.unit() < loss.keep) survived[path] = inode;
    }
    for (const auto& [path, inode] : synced_names_)
        if (!names_.count(path) && (!is_here(path) || chance.unit() < loss.keep)) survived.erase(path);
    names_ = survived;
    for (const auto& [path, inode] : names_)
        if (is_here(path)) settle(*inode, chance, loss);
    for (const auto& [path, inode] : names_)
        if (is_here(path)) synced_names_[path] = inode;
    std::erase_if(synced_names_, [&](const auto& entry) { return !names_.count(entry.first); });
}

Result<Bytes> CrashFiles::size(const std::string& path) {
    const auto inode = disk_.find(path);
    if (!inode) return Error::missing;
    return inode->now.size();
}

Status CrashFiles::rename(const std::string& from, const std::string& to) {
    if (disk_.is_off()) return Error::io;
    if (!disk_.rename(from, to)) return Error::missing;
    return disk_.operation() ? Status{} : Status(Error::io);
}

Status CrashFiles::remove(const std::string& path) {
    if (disk_.is_off()) return Error::io;
    if (!disk_.find(path)) return Error::missing;
    disk_.remove(path);
    return disk_.operation() ? Status{} : Status(Error::io);
}

}  // namespace weir
