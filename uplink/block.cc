#define ZSTD_STATIC_LINKING_ONLY  // for the contexts in memory of ours
#include "uplink/block.h"

#include <zstd.h>

#include "uplink/wire.h"

namespace weir {
namespace {

// The fast strategy with small tables: results of one block resemble each other, so little is lost, and
// tables of 32 KiB stay in the cache of a small board.
constexpr ZSTD_compressionParameters compression{16, 13, 13, 1, 5, 1, ZSTD_fast};
constexpr unsigned window_log_max = 16;

struct Setting {
    ZSTD_cParameter parameter;
    int value;
};
constexpr Setting settings[] = {
    {ZSTD_c_windowLog, static_cast<int>(compression.windowLog)},
    {ZSTD_c_chainLog, static_cast<int>(compression.chainLog)},
    {ZSTD_c_hashLog, static_cast<int>(compression.hashLog)},
    {ZSTD_c_searchLog, static_cast<int>(compression.searchLog)},
    {ZSTD_c_minMatch, static_cast<int>(compression.minMatch)},
    {ZSTD_c_targetLength, static_cast<int>(compression.targetLength)},
    {ZSTD_c_strategy, static_cast<int>(compression.strategy)},
    {ZSTD_c_contentSizeFlag, 1},
    {ZSTD_c_checksumFlag, 0},  // TLS has its own
    {ZSTD_c_dictIDFlag, 0},
};

}  // namespace

Bytes block_bound(Bytes raw_size) { return ZSTD_compressBound(raw_size); }

Bytes BlockPacker::need() { return align_up(ZSTD_estimateCCtxSize_usingCParams(compression), Arena::alignment); }

BlockPacker::BlockPacker(Arena& arena) {
    const MutableByteSpan memory = arena.take_bytes(need());
    context_ = ZSTD_initStaticCCtx(memory.data(), memory.size());
    WEIR_ASSERT(context_ != nullptr);
    for (const Setting& setting : settings) {
        const std::size_t set =
            ZSTD_CCtx_setParameter(static_cast<ZSTD_CCtx*>(context_), setting.parameter, setting.value);
        WEIR_ASSERT(!ZSTD_isError(set));
    }
}

Result<Bytes> BlockPacker::pack(ByteSpan raw, MutableByteSpan out) {
    WEIR_ASSERT(raw.size() <= block_raw_bytes_max);
    const std::size_t size =
        ZSTD_compress2(static_cast<ZSTD_CCtx*>(context_), out.data(), out.size(), raw.data(), raw.size());
    if (ZSTD_isError(size)) return Error::full;
    return size;
}

Bytes BlockUnpacker::need() { return align_up(ZSTD_estimateDCtxSize(), Arena::alignment); }

BlockUnpacker::BlockUnpacker(Arena& arena) {
    const MutableByteSpan memory = arena.take_bytes(need());
    context_ = ZSTD_initStaticDCtx(memory.data(), memory.size());
    WEIR_ASSERT(context_ != nullptr);
}

Result<ByteSpan> BlockUnpacker::unpack(ByteSpan block, Bytes raw_size, MutableByteSpan out) {
    WEIR_ASSERT(out.size() >= raw_size);
    ZSTD_frameHeader header{};
    const bool sound = ZSTD_getFrameHeader(&header, block.data(), block.size()) == 0 &&
                       header.frameType == ZSTD_frame && header.frameContentSize == raw_size &&
                       header.dictID == 0 &&
                       (header.windowSize <= (1ULL << window_log_max) || header.windowSize == raw_size) &&
                       ZSTD_findFrameCompressedSize(block.data(), block.size()) == block.size();
    if (!sound) return Error::invalid;
    const std::size_t size = ZSTD_decompressDCtx(static_cast<ZSTD_DCtx*>(context_), out.data(), raw_size,
                                                 block.data(), block.size());
    if (ZSTD_isError(size) || size != raw_size) return Error::invalid;
    return ByteSpan(out.first(size));
}

}  // namespace weir
