// A line of a GPIO chip, active for a while: a relay, a lamp, a buzzer. Through libgpiod's character device (1.6, as Debian bookworm has it),
// which is loaded when a GpioLines is made, so that an agent without lines needs none.
// A line is requested for the time of a pulse and given back after it; what is not requested is as the board has it.
// Memory: fixed. Cost: a few system calls a pulse. Threads: one owner. Errors: begin(): missing (no library, chip or line), busy
// (another program has the line, or all of ours are active), io.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "agent/base/clock.h"
#include "agent/base/result.h"
#include "agent/base/time.h"

struct gpiod_chip;
struct gpiod_line;

namespace weir {

// The seam: what of libgpiod is used.
struct GpioCalls {
    gpiod_chip* (*open_chip)(const char* name) = nullptr;
    void (*close_chip)(gpiod_chip* chip) = nullptr;
    gpiod_line* (*get_line)(gpiod_chip* chip, unsigned offset) = nullptr;
    int (*request_output)(gpiod_line* line, const char* consumer, int flags, int value) = nullptr;
    int (*set_value)(gpiod_line* line, int value) = nullptr;
    void (*release)(gpiod_line* line) = nullptr;

    // Of the system; empty where there is no library.
    static GpioCalls load();
};

struct GpioPulse {
    std::uint64_t token = 0;
    std::string chip;  // a name, a number or a path under /dev
    unsigned line = 0;
    bool active_low = false;
    Duration pulse;
};

class GpioLines {
public:
    static constexpr std::size_t active_max = 4;

    GpioLines(const GpioCalls& calls, const Clock& clock) : calls_(calls), clock_(clock) {}
    ~GpioLines();
    GpioLines(const GpioLines&) = delete;
    GpioLines& operator=(const GpioLines&) = delete;

    Status begin(const GpioPulse& pulse);
    // Ends what has been active long enough, and says when the next does.
    MonotonicTime keep_up();
    // The token of a pulse that has ended, once.
    bool hear(std::uint64_t& token);

private:
    struct Active {
        gpiod_chip* chip = nullptr;
        gpiod_line* line = nullptr;
        std::uint64_t token = 0;
        MonotonicTime until;
    };
    void end(Active& active);

    const GpioCalls calls_;
    const Clock& clock_;
    std::array<Active, active_max> active_{};
    std::array<std::uint64_t, active_max> ended_{};
    std::size_t ended_count_ = 0;
};

}  // namespace weir
