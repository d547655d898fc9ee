// Record::state: what it takes, beside a result's values, to merge it with its neighbours. Sketches stand in the values
// already, so it is the sums and counts behind means, variances and expressions, and the sketches that no value shows.
// That is why rows on flash hold the rendered record and this, and not the states alone: a record can be sent under any
// later configuration, and states alone, in their memory's form, are larger as soon as there is a sketch (README.md has figures).
//   head; for each state of the window, in order: its numbers; of a sketch u8 n, the sketch is that of value n, or 255,
//   u32 length, its bytes; of "(other)" the sketch of its folded keys, u32 length, bytes
// Memory: state_size_max(). Cost: a copy. Threads: plain values. Errors: read() says no to what cannot have been written;
// of another build or definition, the shape tells.
#pragma once

#include <cstdint>

#include "agent/base/bytes.h"
#include "windows/compiled_plan.h"

namespace weir {

struct ResultState {
    std::uint32_t shape = 0;    // CompiledWindow::state_shape
    std::uint32_t missing = 0;  // RowMerger::Head::missing

    static constexpr Bytes size = 1 + 4 + 4;
    static constexpr std::uint8_t own_sketch = 255;
    void write(ByteWriter& out) const;
    bool read(ByteReader& in);
};

// Of all that the bytes of a state depend on beside the definition.
std::uint32_t state_shape(const CompiledWindow& window);
// 0 for a window that keeps none.
Bytes state_size_max(const CompiledWindow& window);

}  // namespace weir
