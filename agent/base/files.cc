#include "agent/base/files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <limits>

namespace weir {
namespace {

Error from_errno(int code) {
    switch (code) {
        case ENOENT:
        case ENOTDIR: return Error::missing;
        case EEXIST: return Error::exists;
        case ENOSPC:
        case EDQUOT: return Error::no_space;
        case ENOMEM: return Error::no_memory;
        case EACCES:
        case EPERM:
        case EROFS: return Error::refused;
        case EBUSY:
        case EAGAIN: return Error::busy;
        default: return Error::io;
    }
}

class Descriptor {
public:
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }
    bool valid() const { return fd_ >= 0; }

private:
    int fd_;
};

class SystemMappedFile final : public MappedFile {
public:
    explicit SystemMappedFile(MutableByteSpan memory) : memory_(memory) {}
    ~SystemMappedFile() override { ::munmap(memory_.data(), memory_.size()); }
    MutableByteSpan memory() override { return memory_; }
    Status sync() override {
        if (::msync(memory_.data(), memory_.size(), MS_SYNC) != 0) return from_errno(errno);
        return {};
    }

private:
    MutableByteSpan memory_;
};

std::string folder_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

Status sync_folder(const std::string& folder) {
    Descriptor fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd.valid()) return from_errno(errno);
    return ::fsync(fd.get()) == 0 ? Status::success() : Status(from_errno(errno));
}

Status write_all(int fd, ByteSpan content) {
    while (!content.empty()) {
        const ssize_t written = ::write(fd, content.data(), content.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return from_errno(errno);
        content = content.subspan(static_cast<Bytes>(written));
    }
    return {};
}

}  // namespace

Result<std::unique_ptr<MappedFile>> SystemFiles::map(const std::string& path, Bytes size) {
    Descriptor fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!fd.valid()) return from_errno(errno);
    struct stat info {};
    if (::fstat(fd.get(), &info) != 0) return from_errno(errno);
    if (info.st_size != 0 && static_cast<std::uint64_t>(info.st_size) != size) return Error::invalid;
    // Allocated now, so that a full medium is an error here and not a SIGBUS later.
    if (const int failed = ::posix_fallocate(fd.get(), 0, static_cast<off_t>(size)); failed != 0) {
        if (info.st_size == 0) (void)::ftruncate(fd.get(), 0);
        return from_errno(failed);
    }
    void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd.get(), 0);
    if (memory == MAP_FAILED) return from_errno(errno);
    return std::unique_ptr<MappedFile>(
        new SystemMappedFile(MutableByteSpan(static_cast<std::byte*>(memory), size)));
}

Result<Bytes> SystemFiles::size(const std::string& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return from_errno(errno);
    return static_cast<Bytes>(info.st_size);
}

Result<std::string> SystemFiles::read(const std::string& path, Bytes size_max) {
    Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) return from_errno(errno);
    std::string content;
    char buffer[16384];
    for (;;) {
        const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return from_errno(errno);
        if (got == 0) return content;
        if (static_cast<Bytes>(got) > size_max - content.size()) return Error::out_of_range;
        content.append(buffer, static_cast<std::size_t>(got));
    }
}

Status SystemFiles::replace(const std::string& path, ByteSpan content, bool durable) {
    const std::string beside = path + ".new";
    {
        Descriptor fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
        if (!fd.valid()) return from_errno(errno);
        if (Status written = write_all(fd.get(), content); !written.ok()) return written;
        if (durable && ::fsync(fd.get()) != 0) return from_errno(errno);
    }
    if (Status renamed = rename(beside, path); !renamed.ok()) return renamed;
    return durable ? sync_folder(folder_of(path)) : Status::success();
}

Status SystemFiles::rename(const std::string& from, const std::string& to) {
    return ::rename(from.c_str(), to.c_str()) == 0 ? Status::success() : Status(from_errno(errno));
}

Status SystemFiles::remove(const std::string& path) {
    return ::unlink(path.c_str()) == 0 ? Status::success() : Status(from_errno(errno));
}

Status SystemFiles::make_folders(const std::string& path) {
    for (std::size_t slash = path.find('/', 1);; slash = path.find('/', slash + 1)) {
        const std::string part = path.substr(0, slash);
        if (::mkdir(part.c_str(), 0750) != 0 && errno != EEXIST) return from_errno(errno);
        if (slash == std::string::npos) return {};
    }
}

Result<std::vector<std::string>> SystemFiles::list(const std::string& folder) {
    DIR* directory = ::opendir(folder.c_str());
    if (directory == nullptr) return from_errno(errno);
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(directory)) {
        struct stat info {};
        const std::string path = folder + "/" + entry->d_name;
        if (::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode)) names.emplace_back(entry->d_name);
    }
    ::closedir(directory);
    std::sort(names.begin(), names.end());
    return names;
}

}  // namespace weir
