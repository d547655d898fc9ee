// What the engine of a lane leaves of one group of one interval: this, the key's bytes (of "(other)" the sketch of folded
// keys), then what Results::save() writes. Not for others; within a process, so of one build.
// Memory: size_max() bytes. Cost: a copy. Threads: plain values. Errors: read() says no to what cannot have been written.
#pragma once

#include <cstdint>

#include "agent/base/bytes.h"
#include "agent/base/record.h"
#include "windows/compiled_plan.h"

namespace weir {

struct PartialHead {
    std::uint32_t window = 0;
    std::uint16_t flags = 0;  // of the record: record_other, record_partial, record_clock_untrusted
    std::int64_t start = 0;
    std::int64_t end = 0;

    static constexpr Bytes size = 4 + 2 + 8 + 8;
    void write(ByteWriter& out) const {
        out.write(window);
        out.write(flags);
        out.write(start);
        out.write(end);
    }
    bool read(ByteReader& in) {
        window = in.read<std::uint32_t>();
        flags = in.read<std::uint16_t>();
        start = in.read<std::int64_t>();
        end = in.read<std::int64_t>();
        return in.ok() && start >= never_us && start < end && end <= forever_us;
    }
    static Bytes size_max(const CompiledWindow& window);
};

}  // namespace weir
