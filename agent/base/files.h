// The seam for files: mapped, replaced atomically, removed, synced. (SQLite has a seam of its own, its
// VFS.) Production is the operating system; the fault harness puts its own behind the same calls.
// Memory: none beyond the mappings handed out. Cost: the system calls named. Threads: any, as POSIX.
// Errors: io, no_space, missing, exists, busy. After io the state on the medium is unknown.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/base/bytes.h"
#include "agent/base/result.h"

namespace weir {

// A shared, writable mapping of a whole file; unmapped when it goes.
class MappedFile {
public:
    virtual ~MappedFile() = default;
    virtual MutableByteSpan memory() = 0;
    virtual Status sync() = 0;  // msync(MS_SYNC) of the whole file
};

class Files {
public:
    virtual ~Files() = default;
    // Opens or makes a file of exactly size bytes, all blocks allocated (new bytes are zero). A file of
    // another size is Error::invalid and stays as it is.
    virtual Result<std::unique_ptr<MappedFile>> map(const std::string& path, Bytes size) = 0;
    virtual Result<Bytes> size(const std::string& path) = 0;
    // The whole content; Error::out_of_range above size_max.
    virtual Result<std::string> read(const std::string& path, Bytes size_max) = 0;
    // All or nothing: written beside, synced if durable, renamed over.
    virtual Status replace(const std::string& path, ByteSpan content, bool durable) = 0;
    virtual Status rename(const std::string& from, const std::string& to) = 0;
    virtual Status remove(const std::string& path) = 0;
    virtual Status make_folders(const std::string& path) = 0;
    // Names (not paths) of the plain files in a folder, sorted.
    virtual Result<std::vector<std::string>> list(const std::string& folder) = 0;
};

class SystemFiles final : public Files {
public:
    Result<std::unique_ptr<MappedFile>> map(const std::string& path, Bytes size) override;
    Result<Bytes> size(const std::string& path) override;
    Result<std::string> read(const std::string& path, Bytes size_max) override;
    Status replace(const std::string& path, ByteSpan content, bool durable) override;
    Status rename(const std::string& from, const std::string& to) override;
    Status remove(const std::string& path) override;
    Status make_folders(const std::string& path) override;
    Result<std::vector<std::string>> list(const std::string& folder) override;
};

}  // namespace weir
