#include "drivers/gpio.h"

#include <dlfcn.h>
#include <errno.h>

#include <algorithm>
#include <type_traits>

#include <gpiod.h>

namespace weir {

GpioCalls GpioCalls::load() {
    GpioCalls calls;
    void* const library = ::dlopen("libgpiod.so.2", RTLD_NOW | RTLD_LOCAL);  // of version 1
    bool found = library != nullptr;
    const auto get = [&](auto& function, const char* name) {
        if (found) function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
        found = found && function != nullptr;
    };
    get(calls.open_chip, "gpiod_chip_open_lookup");
    get(calls.close_chip, "gpiod_chip_close");
    get(calls.get_line, "gpiod_chip_get_line");
    get(calls.request_output, "gpiod_line_request_output_flags");
    get(calls.set_value, "gpiod_line_set_value");
    get(calls.release, "gpiod_line_release");
    return found ? calls : GpioCalls{};
}

GpioLines::~GpioLines() {
    for (Active& active : active_)
        if (active.chip != nullptr) end(active);
}

Status GpioLines::begin(const GpioPulse& pulse) {
    if (calls_.open_chip == nullptr) return Error::missing;
    const auto free = std::find_if(active_.begin(), active_.end(), [](const Active& active) { return active.chip == nullptr; });
    if (free == active_.end() || ended_count_ == ended_.size()) return Error::busy;
    gpiod_chip* const chip = calls_.open_chip(pulse.chip.c_str());
    if (chip == nullptr) return errno == EACCES ? Error::refused : Error::missing;
    gpiod_line* const line = calls_.get_line(chip, pulse.line);
    if (line == nullptr) {
        calls_.close_chip(chip);
        return Error::missing;
    }
    if (calls_.request_output(line, "weir", pulse.active_low ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0, 1) != 0) {
        const Error error = errno == EBUSY ? Error::busy : Error::io;
        calls_.close_chip(chip);
        return error;
    }
    *free = {chip, line, pulse.token, clock_.monotonic() + pulse.pulse};
    return {};
}

void GpioLines::end(Active& active) {
    (void)calls_.set_value(active.line, 0);
    calls_.release(active.line);
    calls_.close_chip(active.chip);
    active = {};
}

MonotonicTime GpioLines::keep_up() {
    MonotonicTime next{Duration::max()};
    for (Active& active : active_) {
        if (active.chip == nullptr) continue;
        if (clock_.monotonic() >= active.until && ended_count_ < ended_.size()) {
            ended_[ended_count_++] = active.token;
            end(active);
        } else {
            next = std::min(next, active.until);
        }
    }
    return next;
}

bool GpioLines::hear(std::uint64_t& token) {
    if (ended_count_ == 0) return false;
    token = ended_[--ended_count_];
    return true;
}

}  // namespace weir
