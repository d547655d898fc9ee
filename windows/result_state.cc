#include "windows/result_state.h"

#include <bit>

#include "agent/base/hash.h"

namespace weir {
namespace {

constexpr std::uint8_t format = 1;
// A sketch that a value would show but for being empty.
constexpr Bytes empty_sketch_bytes_max = 64;

}  // namespace

void ResultState::write(ByteWriter& out) const {
    out.write(format);
    out.write(shape);
    out.write(missing);
}

bool ResultState::read(ByteReader& in) {
    const auto version = in.read<std::uint8_t>();
    shape = in.read<std::uint32_t>();
    missing = in.read<std::uint32_t>();
    return in.ok() && version == format;
}

std::uint32_t state_shape(const CompiledWindow& window) {
    std::string text;
    const auto add = [&text](auto number) { text += std::to_string(number) + " "; };
    for (const StateSpec& state : window.states) {
        add(static_cast<int>(state.kind));
        add(static_cast<int>(state.type));
        add(static_cast<int>(state.lg_max));
        add(static_cast<int>(state.lg_k));
        add(state.half_life);
        for (const double bound : state.bounds) add(std::bit_cast<std::uint64_t>(bound));
        add(AggregateStates::leave_size_max(state));
    }
    for (const CallSpec& call : window.calls) add(call.state);
    return static_cast<std::uint32_t>(hash64(as_byte_span(text)));
}

Bytes state_size_max(const CompiledWindow& window) {
    if (!window.keeps_state) return 0;
    constexpr Bytes sketch_head = 1 + 4;
    Bytes total = ResultState::size + sketch_head + AggregateStates::sketch_size_max(window.folded);
    for (std::size_t i = 0; i < window.states.size(); ++i) {
        const StateSpec& state = window.states[i];
        bool shown = false;
        for (const CompiledValue& value : window.values) shown |= value.call && window.calls[*value.call].state == i;
        total += !is_sketch(state.kind) ? AggregateStates::leave_size_max(state)
                                        : sketch_head + (shown ? empty_sketch_bytes_max : AggregateStates::sketch_size_max(state));
    }
    return total;
}

}  // namespace weir
