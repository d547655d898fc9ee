// Whether files are other than when they were last looked at: by device, inode, size and time of change.
// A file that is missing has a stamp, too. Memory: a path and 40 bytes a file. Cost: a stat() a file.
// Threads: its owner's. Errors: none.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace weir {

class FileStamps {
public:
    // Looks at once. Empty paths are left out.
    explicit FileStamps(const std::vector<std::string>& paths) {
        for (const std::string& path : paths)
            if (!path.empty()) files_.push_back({path, {}});
        look();
    }

    void look() {
        for (File& file : files_) file.stamp = stamp_of(file.path);
    }
    bool changed() const {
        for (const File& file : files_)
            if (stamp_of(file.path) != file.stamp) return true;
        return false;
    }

private:
    using Stamp = std::array<std::int64_t, 5>;
    struct File {
        std::string path;
        Stamp stamp;
    };

    static Stamp stamp_of(const std::string& path) {
        struct stat info {};
        if (stat(path.c_str(), &info) != 0) return {-1, 0, 0, 0, 0};
        return {static_cast<std::int64_t>(info.st_dev), static_cast<std::int64_t>(info.st_ino),
                static_cast<std::int64_t>(info.st_size), static_cast<std::int64_t>(info.st_mtim.tv_sec),
                static_cast<std::int64_t>(info.st_mtim.tv_nsec)};
    }

    std::vector<File> files_;
};

}  // namespace weir
