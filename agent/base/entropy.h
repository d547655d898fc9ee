// The seam for randomness: identities, jitter, hash keys. (Sketches use their own seeded generator.)
// Memory: none. Cost: a system call. Threads: any. Errors: the system's source cannot fail once the
// kernel is up; an impossible failure asserts.
#pragma once

#include <cstdint>

#include "agent/base/bytes.h"

namespace weir {

class Entropy {
public:
    virtual ~Entropy() = default;
    virtual void fill(MutableByteSpan out) = 0;
    std::uint64_t word();
    double unit();  // in [0, 1)
};

class SystemEntropy final : public Entropy {
public:
    void fill(MutableByteSpan out) override;
};

// splitmix64 from a seed; for tests and the simulator.
class SeededEntropy final : public Entropy {
public:
    explicit SeededEntropy(std::uint64_t seed) : state_(seed) {}
    void fill(MutableByteSpan out) override;

private:
    std::uint64_t state_;
};

}  // namespace weir
