#include "uplink/block.h"

#include <zstd.h>

#include <cstring>
#include <string>
#include <vector>

#include "agent/base/entropy.h"
#include "uplink/wire.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

std::vector<std::byte> text_like(Bytes size) {
    std::vector<std::byte> bytes(size);
    for (Bytes i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>("site_minute lane 17 n 42 "[(i * 7 + i / 90) % 25]);
    return bytes;
}

}  // namespace

TEST_GROUP(Block) {
    ArenaBlock memory{BlockPacker::need() + BlockUnpacker::need()};
    Arena arena{memory.memory()};
    BlockPacker packer{arena};
    BlockUnpacker unpacker{arena};
    std::vector<std::byte> out = std::vector<std::byte>(block_raw_bytes_max);

    std::vector<std::byte> pack(ByteSpan raw) {
        std::vector<std::byte> packed(block_bound(raw.size()));
        const Result<Bytes> size = packer.pack(raw, packed);
        CHECK_TRUE(size.ok());
        packed.resize(*size);
        return packed;
    }
};

TEST(Block, takes_exactly_the_memory_it_said) { CHECK_EQUAL(arena.size(), arena.used()); }

TEST(Block, every_size_reads_back_in_fixed_memory) {
    for (const Bytes size : {Bytes{1}, Bytes{100}, Bytes{65535}, Bytes{65536}, Bytes{65537}, block_raw_bytes_max}) {
        const auto raw = text_like(size);
        const auto packed = pack(raw);
        const Result<ByteSpan> back = unpacker.unpack(packed, size, out);
        CHECK_TRUE(back.ok());
        CHECK_EQUAL(size, back->size());
        MEMCMP_EQUAL(raw.data(), back->data(), size);
    }
    CHECK_TRUE(pack(text_like(65536)).size() < 65536 / 4);
    std::vector<std::byte> noise(block_raw_bytes_max);
    SeededEntropy(5).fill(noise);
    CHECK_TRUE(unpacker.unpack(pack(noise), noise.size(), out).ok());
}

TEST(Block, a_wrong_size_or_anything_behind_is_refused) {
    const auto raw = text_like(5000);
    auto packed = pack(raw);
    CHECK_FALSE(unpacker.unpack(packed, 4999, out).ok());
    CHECK_FALSE(unpacker.unpack(packed, 5001, out).ok());
    CHECK_FALSE(unpacker.unpack(ByteSpan(packed).first(packed.size() - 1), 5000, out).ok());
    packed.push_back(std::byte{0});
    CHECK_FALSE(unpacker.unpack(packed, 5000, out).ok());
    CHECK_FALSE(unpacker.unpack({}, 0, out).ok());
}

TEST(Block, a_large_window_is_refused) {
    // 256 KiB at a window of 128 KiB: the format would make a streaming reader keep that much.
    const auto raw = text_like(block_raw_bytes_max);
    std::vector<std::byte> packed(ZSTD_compressBound(raw.size()));
    ZSTD_CCtx* context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, 17);
    const std::size_t size = ZSTD_compress2(context, packed.data(), packed.size(), raw.data(), raw.size());
    ZSTD_freeCCtx(context);
    packed.resize(size);
    CHECK_FALSE(unpacker.unpack(packed, raw.size(), out).ok());
}

TEST(Block, mutated_blocks_never_crash) {
    const auto packed = pack(text_like(3000));
    SeededEntropy random(9);
    for (int i = 0; i < 20000; ++i) {
        auto bytes = packed;
        for (std::uint64_t flips = 1 + random.word() % 3; flips-- > 0;)
            bytes[random.word() % bytes.size()] = static_cast<std::byte>(random.word());
        const Result<ByteSpan> back = unpacker.unpack(bytes, 3000, MutableByteSpan(out).first(3000));
        if (back) CHECK_EQUAL(3000, back->size());
    }
}
