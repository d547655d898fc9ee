// What an engine of a plan takes, by part. The constructor of EngineState takes the same.
// Memory: none of its own. Cost: O(plan). Threads: pure functions. Errors: none.
#pragma once

#include <vector>

#include "windows/compiled_plan.h"
#include "windows/plan.h"

namespace weir {

// A few of all windows, and one for each that a new configuration began.
inline std::size_t gaps_max(const CompiledPlan& plan) { return 8 + plan.windows.size() + plan.patterns.size(); }

// Version, fingerprint, size and seal in front of a saved state.
inline constexpr Bytes engine_save_header = 4 + 8 + 8 + 8;

std::vector<EnginePlan::Part> engine_parts(const CompiledPlan& plan);
Bytes engine_save_size_max(const CompiledPlan& plan);
Bytes window_record_size_max(const CompiledPlan& plan, std::size_t window);
Bytes pattern_record_size_max(const CompiledPlan& plan, std::size_t pattern);
// The most that one record needs: bytes of sketches, items of top lists.
Bytes sketch_bytes_max(const CompiledPlan& plan);
std::size_t items_max(const CompiledPlan& plan);
Bytes partial_size_max(const CompiledPlan& plan);
Bytes state_size_max(const CompiledPlan& plan);

}  // namespace weir
