// Alerts on a line: a pulse each (drivers/gpio.h). An action is done when its pulse has ended; pulses of a line follow each other.
// Memory: fixed. Cost: a few system calls a pulse. Threads: the runner's. Errors: a chip or a line that is not there, or taken: told, tried
// again, given up; the agent goes on.
#pragma once

#include <array>
#include <string>

#include "agent/action_outlet.h"
#include "drivers/gpio.h"

namespace weir {

class GpioOutlet final : public ActionOutlet {
public:
    GpioOutlet(const GpioCalls& calls, const Clock& clock) : lines_(calls, clock) {}

    std::size_t parallel_max() const override { return GpioLines::active_max; }
    // action.texts: what pulses of a line have in common, chip, line, "low" or "high".
    Begun begin(const Action& action, std::uint32_t token) override;
    bool hear(Ended& ended) override;
    MonotonicTime keep_up() override { return lines_.keep_up(); }

private:
    GpioLines lines_;
    std::uint32_t failed_ = 0;  // token of one that could not begin
    std::string why_;
};

}  // namespace weir
