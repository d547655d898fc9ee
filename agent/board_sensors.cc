#include "agent/board_sensors.h"

#include <fcntl.h>
#include <sys/timex.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace weir {
namespace {

// The first line of a file of the kernel; empty if there is none.
std::string_view first_line(const std::string& path, std::array<char, 64>& buffer) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    ::close(fd);
    const std::string_view text(buffer.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
    return text.substr(0, text.find('\n'));
}

}  // namespace

std::size_t read_temperatures(const std::string& root, std::span<Temperature> out) {
    std::size_t used = 0;
    for (unsigned zone = 0; zone < temperatures_max && used < out.size(); ++zone) {
        const std::string folder = root + "/class/thermal/thermal_zone" + std::to_string(zone);
        std::array<char, 64> buffer;
        const std::string_view value = first_line(folder + "/temp", buffer);
        std::int32_t millidegrees = 0;
        const auto [end, failure] = std::from_chars(value.data(), value.data() + value.size(), millidegrees);
        if (value.empty() || failure != std::errc{}) continue;
        Temperature& temperature = out[used++];
        temperature = {};
        temperature.celsius = millidegrees / 1000.0;
        const std::string_view name = first_line(folder + "/type", buffer);
        temperature.zone_size = static_cast<std::uint8_t>(std::min(name.size(), temperature.zone.size()));
        std::copy_n(name.begin(), temperature.zone_size, temperature.zone.begin());
    }
    return used;
}

std::string sys_root() {
    const char* const named = std::getenv("WEIR_SYS_ROOT");
    return named != nullptr && named[0] != '\0' ? named : "/sys";
}

ClockDiscipline clock_discipline() {
    ::timex state{};
    const int told = ::adjtimex(&state);
    ClockDiscipline discipline;
    discipline.synchronized = told >= 0 && told != TIME_ERROR && (state.status & STA_UNSYNC) == 0;
    if (discipline.synchronized) discipline.error = Duration::micros(state.maxerror);
    return discipline;
}

}  // namespace weir
