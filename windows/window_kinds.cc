#include "windows/window_kinds.h"

#include "windows/count_window.h"
#include "windows/hopping_window.h"
#include "windows/session_window.h"
#include "windows/tumbling_window.h"

namespace weir {

Bytes window_need(const CompiledWindow& plan, std::size_t partitions_max) {
    if (plan.count > 0) return Arena::need<CountWindow>() + CountWindow::need(plan, partitions_max);
    if (plan.is_session) return Arena::need<SessionWindow>() + SessionWindow::need(plan, partitions_max);
    if (plan.is_hopping()) return Arena::need<HoppingWindow>() + HoppingWindow::need(plan, partitions_max);
    return Arena::need<TumblingWindow>() + TumblingWindow::need(plan, partitions_max);
}

Bytes window_save_size_max(const CompiledWindow& plan) {
    if (plan.count > 0) return CountWindow::save_size_max(plan);
    if (plan.is_hopping()) return HoppingWindow::save_size_max(plan);
    return plan.is_session ? SessionWindow::save_size_max(plan) : TumblingWindow::save_size_max(plan);
}

Window* make_window(Arena& arena, const CompiledWindow& plan, std::string_view name, std::uint32_t number,
                    std::size_t partitions_max, std::uint64_t seed) {
    if (plan.count > 0) return arena.make<CountWindow>(arena, plan, name, number, partitions_max, seed);
    if (plan.is_session) return arena.make<SessionWindow>(arena, plan, name, number, partitions_max, seed);
    if (plan.is_hopping()) return arena.make<HoppingWindow>(arena, plan, name, number, partitions_max, seed);
    return arena.make<TumblingWindow>(arena, plan, name, number, partitions_max, seed);
}

}  // namespace weir
