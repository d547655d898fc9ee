// Keeps the journal's idea of the tables up to date with their files: a file that has changed (its time, size or
// inode, or when asked to look) is read, and when its content is another one appended to the journal, as control
// entries, before it takes effect. So a replay of the journal meets the same tables at the same rows. A file that is
// bad changes nothing: it is logged and counted, and what was there goes on.
// Memory: need() on the heap: reading the largest table, one at a time. Cost: poll() a stat a table; reading the file
// when it changed. Threads: poll() one at a time (the store thread; before it begins, the main one); look_again() and
// status() any. Errors: none; a full journal is tried again at the next poll().
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "agent/assembly.h"
#include "agent/base/clock.h"
#include "agent/base/files.h"
#include "agent/journal.h"
#include "windows/engine.h"

namespace weir {

class TableWatch {
public:
    struct Status {
        std::uint64_t appended = 0;  // contents that went into the journal
        std::uint64_t bad = 0;       // times a file was found changed, and could not be used
    };

    static Bytes need(const AgentConfig& config);
    // engine: as recovery left it, which says what the journal knows already.
    TableWatch(const AgentConfig& config, Files& files, Journal& journal, const Clock& clock, const Engine& engine);

    void poll();
    // The next poll() reads every file, whatever its time says.
    void look_again() { look_again_ = true; }
    Status status(std::size_t table) const;

private:
    struct Stamp {
        std::int64_t seconds = 0;
        std::int64_t nanoseconds = 0;
        std::uint64_t size = 0;
        std::uint64_t inode = 0;
        bool operator==(const Stamp&) const = default;
    };
    struct Watched {
        Stamp stamp;
        std::uint64_t known = 0;  // hash of the image that the journal has last
        std::atomic<std::uint64_t> appended{0};
        std::atomic<std::uint64_t> bad{0};
    };
    static Stamp stamp_of(const std::string& path);
    void read(std::size_t table);
    bool append_pending();

    const AgentConfig& config_;
    Files& files_;
    Journal& journal_;
    const Clock& clock_;
    std::vector<Watched> watched_;
    std::vector<std::byte> entry_;
    std::string pending_;  // an image on its way into the journal
    std::size_t pending_table_ = 0;
    Bytes pending_done_ = 0;
    std::atomic<bool> look_again_{false};
};

}  // namespace weir
