#include "windows/window_kinds.h"

#include "windows/tumbling_window.h"

namespace weir {

Bytes window_need(const CompiledWindow& plan, std::size_t partitions_max) {
    return Arena::need<TumblingWindow>() + TumblingWindow::need(plan, partitions_max);
}

Bytes window_save_size_max(const CompiledWindow& plan) { return TumblingWindow::save_size_max(plan); }

Window* make_window(Arena& arena, const CompiledWindow& plan, std::string_view name, std::uint32_t number,
                    std::size_t partitions_max, std::uint64_t seed) {
    return arena.make<TumblingWindow>(arena, plan, name, number, partitions_max, seed);
}

}  // namespace weir
