// A disk in memory whose power can be cut at any write, sync, truncation, opening or deletion, under SQLite as a VFS
// and under base's Files. What was not synced survives a cut by chance: sector by sector any of the contents it had
// since the last sync, possibly torn within, in any order between sectors and files; sizes and names likewise.
// Memory: the files, and every write since their last sync. Cost: as memory. Threads: one.
// Errors: after the cut every call fails with an I/O error until power_on().
// Source: the model of sqlite.org/atomiccommit.html and test6.c there (what a disk may do); powersafe overwrite
// (bytes outside a write keep their contents) as sqlite.org/psow.html says of today's media.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/entropy.h"
#include "agent/base/files.h"

namespace weir {

class CrashDisk {
public:
    struct Loss {
        Bytes sector = 512;
        double keep = 0.5;  // chance that a sector or a name has its latest content; else any earlier one
        double tear = 0.1;  // chance that it is cut within
    };

    struct Inode {
        std::vector<std::byte> synced;
        std::vector<std::byte> now;
        struct Change {
            Bytes offset = 0;
            std::vector<std::byte> bytes;
            Bytes size = 0;  // of the file afterwards
        };
        std::vector<Change> changes;  // since the last sync
    };

    CrashDisk();
    ~CrashDisk();
    CrashDisk(const CrashDisk&) = delete;
    CrashDisk& operator=(const CrashDisk&) = delete;

    // The power goes at the n-th operation from now, counted from 1; 0: never. The operation itself happens
    // like those before it: perhaps.
    void cut_after(std::uint64_t operations) { left_ = operations; }

    // A medium that fails: call number `from` from now, counted from 1, and the `count - 1` after it return `code` with
    // nothing done, or with half of it done. Reads count too.
    struct Trouble {
        std::uint64_t from = 0;  // 0: none
        std::uint64_t count = 1;
        std::uint64_t every = 1;  // of these, each so many
        int code = 0;        // SQLite's, for its writes and reads; its like is chosen for other calls
        bool half = false;
    };
    void fail(const Trouble& trouble) {
        trouble_ = trouble;
        calls_ = 0;
    }
    void heal() { trouble_.from = 0; }
    std::uint64_t calls() const { return calls_; }
    // For the VFS: whether this call fails.
    bool fails() {
        ++calls_;
        return trouble_.from != 0 && calls_ >= trouble_.from && calls_ - trouble_.from < trouble_.count &&
               (calls_ - trouble_.from) % trouble_.every == 0;
    }
    const Trouble& trouble() const { return trouble_; }
    bool is_off() const { return off_; }
    std::uint64_t operations() const { return operations_; }
    // What is left of everything, or of the machine whose paths begin so, and power is back. All its files must be closed.
    void power_on(Entropy& chance, const Loss& loss, const std::string& machine = {});
    // A process is about to be killed: nothing that it does from now on happens. resume(): what it had written is there,
    // synced or not.
    void freeze() { off_ = true; }
    void resume() {
        off_ = false;
        left_ = 0;
    }

    // For the VFS and Files beneath. False: the power is off.
    bool operation();
    std::shared_ptr<Inode> find(const std::string& path) const;
    std::shared_ptr<Inode> make(const std::string& path);
    void write(Inode& inode, Bytes offset, ByteSpan bytes);
    void truncate(Inode& inode, Bytes size);
    void sync(Inode& inode);
    void remove(const std::string& path);
    bool rename(const std::string& from, const std::string& to);
    void sync_names() { synced_names_ = names_; }

    static constexpr const char* vfs_name = "crash";

private:
    using Names = std::map<std::string, std::shared_ptr<Inode>>;
    static void settle(Inode& inode, Entropy& chance, const Loss& loss);

    Names names_;
    Names synced_names_;
    std::uint64_t left_ = 0;
    std::uint64_t operations_ = 0;
    bool off_ = false;
    Trouble trouble_;
    std::uint64_t calls_ = 0;
};

// The few calls that the outbox makes of Files: rename, remove, size.
class CrashFiles final : public Files {
public:
    explicit CrashFiles(CrashDisk& disk) : disk_(disk) {}
    Result<std::unique_ptr<MappedFile>> map(const std::string&, Bytes) override { return Error::unsupported; }
    Result<Bytes> size(const std::string& path) override;
    Result<std::string> read(const std::string&, Bytes) override { return Error::unsupported; }
    Status replace(const std::string&, ByteSpan, bool) override { return Error::unsupported; }
    Status rename(const std::string& from, const std::string& to) override;
    Status remove(const std::string& path) override;
    Status make_folders(const std::string&) override { return {}; }
    Result<std::vector<std::string>> list(const std::string&) override { return Error::unsupported; }

private:
    CrashDisk& disk_;
};

}  // namespace weir
