// Up to where each partition's results of one window had been committed before a power cut.
// Memory: need(partitions): 32 to 64 bytes each. Cost: covers() O(1), and a comparison for rows beyond all of it.
// Threads: one owner. Errors: set() says full.
#pragma once

#include <cstdint>
#include <span>

#include "agent/base/arena.h"
#include "agent/base/bytes.h"
#include "agent/base/result.h"

namespace weir {

class Frontier {
public:
    static Bytes need(std::size_t partitions_max);
    Frontier(Arena& arena, std::size_t partitions_max);

    // Never moves back.
    Status set(std::uint64_t partition, std::int64_t end);
    // Whether a window that ends at `end` could lie at or below it.
    bool reaches(std::int64_t end) const { return end <= furthest_; }
    // Whether a window of this partition that ends at `end` lies at or below the frontier.
    bool covers(std::uint64_t partition, std::int64_t end) const {
        return end <= furthest_ && (end <= at(partition) || end <= shared_);
    }

    static Bytes save_size_max(std::size_t partitions_max) { return 16 + partitions_max * 16; }
    void save(ByteWriter& out) const;
    bool load(ByteReader& in);
    void reset();

private:
    struct Entry {
        std::uint64_t partition = 0;
        std::int64_t end = 0;
        bool used = false;
    };
    std::int64_t at(std::uint64_t partition) const;
    std::size_t place(std::uint64_t partition) const;

    std::span<Entry> entries_;
    std::size_t partitions_max_;
    std::size_t used_ = 0;
    std::int64_t furthest_;
    // Of the partitions beyond the table: which they were is not known, so it holds for all.
    std::int64_t shared_;
};

}  // namespace weir
