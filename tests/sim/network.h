// Byte streams between agents and bridges in memory, which break as they are told to: after so many sends, in the midst of
// one, or silently in one direction.
// Memory: what was sent and not received. Cost: O(bytes). Threads: one. Errors: closed, refused.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <string>

#include "agent/base/socket.h"

namespace weir::sim {

// A connection; each end holds a Stream to it.
struct Wire {
    std::string to_bridge, to_agent;
    bool cut = false;
    bool bridge_is_deaf_mute = false;       // what the bridge says is lost on the way: acknowledgements, above all
    std::uint64_t sends_left = std::numeric_limits<std::uint64_t>::max();  // of both ends together, then it is cut
    unsigned last_part = 0;                 // of the last send so many sixteenths arrive
    std::uint64_t* activity = nullptr;      // counts sends
    std::uint64_t bytes = 0;
};

std::unique_ptr<Stream> stream_of(std::shared_ptr<Wire> wire, bool of_agent);

class SimNetwork final : public Network {
public:
    using Connect = std::function<std::unique_ptr<Stream>()>;  // null: refused
    explicit SimNetwork(Connect connect) : connect_(std::move(connect)) {}
    Result<std::unique_ptr<Stream>> connect(const std::string&, std::uint16_t, Duration) override {
        std::unique_ptr<Stream> stream = connect_();
        if (!stream) return Error::refused;
        return stream;
    }

private:
    Connect connect_;
};

}  // namespace weir::sim
