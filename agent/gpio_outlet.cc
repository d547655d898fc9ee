#include "agent/gpio_outlet.h"

#include <charconv>
#include <utility>

namespace weir {

ActionOutlet::Begun GpioOutlet::begin(const Action& action, std::uint32_t token) {
    if (action.count != 4) return Begun::failed;
    if (failed_ != 0) return Begun::later;
    GpioPulse pulse;
    pulse.token = token;
    pulse.chip = action.texts[1];
    std::from_chars(action.texts[2].data(), action.texts[2].data() + action.texts[2].size(), pulse.line);
    pulse.active_low = action.texts[3] == "low";
    pulse.pulse = Duration::micros(static_cast<std::int64_t>(action.number));
    const Status begun = lines_.begin(pulse);
    if (begun.ok()) return Begun::under_way;
    failed_ = token;
    why_ = begun.error() == Error::missing   ? "there is no such chip or line, or no libgpiod2 on this machine"
           : begun.error() == Error::refused ? "this user may not open the chip: add it to the group gpio"
           : begun.error() == Error::busy    ? "another program holds the line"
                                             : "the line cannot be set";
    return Begun::under_way;  // its end, with the reason, is heard at once
}

bool GpioOutlet::hear(Ended& ended) {
    if (failed_ != 0) {
        ended = {std::exchange(failed_, 0), false, why_};
        return true;
    }
    std::uint64_t token = 0;
    if (!lines_.hear(token)) return false;
    ended = {static_cast<std::uint32_t>(token), true, {}};
    return true;
}

}  // namespace weir
