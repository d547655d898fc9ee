// An agent's media: a tmpfs that survives a kill and no power cut, and flash under base's Files. The database's files lie
// on the crash disk under SQLite; mapped files (journal, crash checkpoint) lie here.
// Memory: the files. Cost: as memory; a sync copies the file. Threads: one. Errors: io while the disk is frozen.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/entropy.h"
#include "agent/base/files.h"
#include "tests/fault/crash_disk.h"

namespace weir::sim {

class Medium final : public Files {
public:
    // What lies below tmpfs is lost in a power cut.
    Medium(CrashDisk& disk, std::string tmpfs) : disk_(disk), beneath_(disk), tmpfs_(std::move(tmpfs)) {}

    Result<std::unique_ptr<MappedFile>> map(const std::string& path, Bytes size) override;
    Result<Bytes> size(const std::string& path) override;
    Result<std::string> read(const std::string&, Bytes) override { return Error::missing; }
    Status replace(const std::string&, ByteSpan, bool) override { return Error::unsupported; }
    Status rename(const std::string& from, const std::string& to) override;
    Status remove(const std::string& path) override;
    Status make_folders(const std::string&) override { return {}; }
    Result<std::vector<std::string>> list(const std::string&) override { return std::vector<std::string>{}; }

    // Of what was mapped and not synced any sector may be old.
    void cut_power(Entropy& chance);

    struct Memory {
        explicit Memory(Bytes bytes);
        ~Memory();
        std::byte* data;
        Bytes size;
        std::vector<std::byte> synced;
    };

private:
    bool on_tmpfs(const std::string& path) const { return path.starts_with(tmpfs_); }

    CrashDisk& disk_;
    CrashFiles beneath_;
    const std::string tmpfs_;
    std::map<std::string, std::shared_ptr<Memory>> mapped_;
};

}  // namespace weir::sim
