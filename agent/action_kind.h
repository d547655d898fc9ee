// What an alert can do. Memory, cost, threads, errors: an enumeration.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace weir {

enum class ActionKind : std::uint8_t { mqtt, exec, webhook, gpio };
inline constexpr std::size_t action_kinds = 4;
std::string_view name(ActionKind kind);

}  // namespace weir
