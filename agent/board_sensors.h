// What the board itself says: the temperatures of its zones, and how well its clock is kept.
// Memory: the caller's. Cost: a few system calls. Threads: any. Errors: what cannot be read is left out.
// Source: the kernel's thermal sysfs ABI; adjtimex(2).
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "agent/base/time.h"

namespace weir {

struct Temperature {
    std::array<char, 32> zone{};
    std::uint8_t zone_size = 0;
    double celsius = 0;

    std::string_view name() const { return {zone.data(), zone_size}; }
};
inline constexpr std::size_t temperatures_max = 8;

// Of ROOT/class/thermal/thermal_zone0, 1 ... Returns how many there are.
std::size_t read_temperatures(const std::string& root, std::span<Temperature> out);
// "/sys", or what WEIR_SYS_ROOT names: tests have no board.
std::string sys_root();

struct ClockDiscipline {
    bool synchronized = false;  // by NTP or the like, as the kernel knows
    Duration error;             // estimated, at most; of a synchronized clock
};
ClockDiscipline clock_discipline();

}  // namespace weir
