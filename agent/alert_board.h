// What stands at the moment, for people: a copy of the open alerts that the engine thread takes with the rest of the status.
// Memory: open_max entries of some 400 bytes, at start. Cost: take() O(keys). Threads: its owner's lock. Errors: none; what stands beyond
// open_max is counted.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/alerts.h"
#include "agent/base/clock.h"
#include "agent/journal.h"

namespace weir {

class JsonWriter;

struct OpenAlert {
    std::size_t alert = 0;  // index into Assembly::alerts()
    std::uint64_t definition = 0;
    std::uint64_t key = 0;
    std::uint64_t id = 0;
    std::uint64_t sequence = 0;
    AlertState state = AlertState::raised;  // or pending, acknowledged, flapping
    Timestamp since;
    std::array<char, 192> key_text{};
    std::size_t key_size = 0;

    std::string_view text() const { return {key_text.data(), key_size}; }
};

class AlertBoard {
public:
    static constexpr std::size_t open_max = 200;
    explicit AlertBoard(const Assembly& assembly);

    void take(const Alerts& alerts);
    std::span<const OpenAlert> open() const { return std::span(open_).first(used_); }
    std::uint64_t more() const { return more_; }
    const AlertConfig& config(const OpenAlert& open) const;

    // [{"alert":..,"key":..,"state":..,"severity":..,"since":MS,"id":..,"sequence":N}, ...]
    void put(JsonWriter& json) const;
    // What `ack ALERT [KEY]` asks for: a control entry to the journal, which says it to the engine and outlives a crash. KEY as put() says it.
    // The answer for people, which begins with "error:" if nothing was done.
    std::string acknowledge(std::string_view request, Journal& journal, const Clock& clock) const;

private:
    const Assembly& assembly_;
    std::vector<OpenAlert> open_;
    std::size_t used_ = 0;
    std::uint64_t more_ = 0;
};

}  // namespace weir
