#include "tests/sim/medium.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace weir::sim {
namespace {

constexpr Bytes sector = 512;

class Mapping final : public MappedFile {
public:
    Mapping(std::shared_ptr<Medium::Memory> memory, const CrashDisk& disk) : memory_(std::move(memory)), disk_(disk) {}
    MutableByteSpan memory() override { return {memory_->data, memory_->size}; }
    Status sync() override {
        if (disk_.is_off()) return Error::io;
        memory_->synced.assign(memory_->data, memory_->data + memory_->size);
        return {};
    }

private:
    const std::shared_ptr<Medium::Memory> memory_;
    const CrashDisk& disk_;
};

}  // namespace

// Zeroed, a page's alignment.
Medium::Memory::Memory(Bytes bytes) : data(static_cast<std::byte*>(std::aligned_alloc(4096, align_up(bytes, 4096)))), size(bytes) {
    std::memset(data, 0, bytes);
}
Medium::Memory::~Memory() { std::free(data); }

Result<std::unique_ptr<MappedFile>> Medium::map(const std::string& path, Bytes size) {
    if (disk_.is_off()) return Error::io;
    std::shared_ptr<Memory>& memory = mapped_[path];
    if (!memory) {
        memory = std::make_shared<Memory>(size);
        memory->synced.assign(on_tmpfs(path) ? 0 : size, std::byte{});
    }
    if (memory->size != size) return Error::invalid;
    return std::unique_ptr<MappedFile>(std::make_unique<Mapping>(memory, disk_));
}

Result<Bytes> Medium::size(const std::string& path) {
    const auto at = mapped_.find(path);
    if (at != mapped_.end()) return at->second->size;
    return beneath_.size(path);
}

Status Medium::rename(const std::string& from, const std::string& to) {
    const auto at = mapped_.find(from);
    if (at == mapped_.end()) return beneath_.rename(from, to);
    if (disk_.is_off()) return Error::io;
    mapped_[to] = at->second;
    mapped_.erase(from);
    return {};
}

Status Medium::remove(const std::string& path) {
    if (mapped_.count(path) == 0) return beneath_.remove(path);
    if (disk_.is_off()) return Error::io;
    mapped_.erase(path);
    return {};
}

void Medium::cut_power(Entropy& chance) {
    for (auto at = mapped_.begin(); at != mapped_.end();) {
        if (on_tmpfs(at->first)) {
            at = mapped_.erase(at);
            continue;
        }
        // The kernel writes back by itself, too: each sector has its latest content, or that of the last sync.
        Memory& memory = *at->second;
        const double keep = chance.unit();
        for (Bytes from = 0; from < memory.size; from += sector) {
            const Bytes count = std::min(sector, memory.size - from);
            if (std::memcmp(memory.data + from, memory.synced.data() + from, count) == 0 || chance.unit() < keep) continue;
            std::memcpy(memory.data + from, memory.synced.data() + from, count);
        }
        memory.synced.assign(memory.data, memory.data + memory.size);
        ++at;
    }
}

}  // namespace weir::sim
