// Blocks of results, compressed with zstd inside memory fixed at start.
// Memory: need(), from the arena (packer about 0.5 MiB, unpacker about 0.1 MiB), never more.
// Cost: O(bytes); about 10 ns a byte packing on a Cortex-A53, less unpacking. Threads: one owner each.
// Errors: pack() full when the output ends; unpack() gives invalid for anything but one zstd frame of
// exactly the announced size whose window is 64 KiB or less, so hostile blocks cost no memory.
// Source: RFC 8878; zstd's static contexts.
#pragma once

#include "agent/base/arena.h"
#include "agent/base/bytes.h"
#include "agent/base/result.h"

namespace weir {

// The most that pack() writes for raw_size bytes.
Bytes block_bound(Bytes raw_size);

class BlockPacker {
public:
    static Bytes need();
    explicit BlockPacker(Arena& arena);

    // Bytes written to the front of out. REQUIRES: raw.size() <= block_raw_bytes_max.
    Result<Bytes> pack(ByteSpan raw, MutableByteSpan out);

private:
    void* context_;
};

class BlockUnpacker {
public:
    static Bytes need();
    explicit BlockUnpacker(Arena& arena);

    // raw_size as the frame announced it; the result is the front of out.
    // REQUIRES: out.size() >= raw_size (block_raw_bytes_max always suffices).
    Result<ByteSpan> unpack(ByteSpan block, Bytes raw_size, MutableByteSpan out);

private:
    void* context_;
};

}  // namespace weir
