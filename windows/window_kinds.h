// The kinds of windows there are: which class a plan's window is, and what it takes.
// Memory, cost: those of the class. Threads: as the engine. Errors: none.
#pragma once

#include <string_view>

#include "agent/base/arena.h"
#include "windows/compiled_plan.h"
#include "windows/window.h"

namespace weir {

Bytes window_need(const CompiledWindow& plan, std::size_t partitions_max);
Bytes window_save_size_max(const CompiledWindow& plan);
// name and plan must outlive it; number is its index in the plan.
Window* make_window(Arena& arena, const CompiledWindow& plan, std::string_view name, std::uint32_t number,
                    std::size_t partitions_max, std::uint64_t seed);

}  // namespace weir
