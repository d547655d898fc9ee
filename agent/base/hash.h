// The hashes that Weir keeps its own data by. (The sketches' hash is sketches/murmur3.h: it belongs
// to their formats.)
// Memory: none beyond 8 KiB of constant tables. Cost: crc32c about 8 bytes a 3 cycles in software and
// hardware speed where the CPU has it; hash64 about 25 ns for a short key.
// Threads: pure functions. Errors: none. The same bytes give the same hash on every machine.
// Source: CRC-32C: RFC 3720 appendix B.4. SipHash: Aumasson and Bernstein, 2012 (here 1-3: one
// compression round, three finalisation rounds).
#pragma once

#include <cstdint>

#include "agent/base/bytes.h"

namespace weir {

// Continues from seed, so that crc32c(b, crc32c(a)) is the checksum of a followed by b.
std::uint32_t crc32c(ByteSpan bytes, std::uint32_t seed = 0);

struct HashKey {
    std::uint64_t k0 = 0x5765697220666c6fULL;
    std::uint64_t k1 = 0x77732077656c6c2eULL;
};

// SipHash-1-3: keyed, so that senders cannot choose colliding keys.
std::uint64_t hash64(ByteSpan bytes, HashKey key = {});

}  // namespace weir
