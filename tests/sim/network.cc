#include "tests/sim/network.h"

#include <algorithm>
#include <cstring>

namespace weir::sim {
namespace {

class End final : public Stream {
public:
    End(std::shared_ptr<Wire> wire, bool of_agent) : wire_(std::move(wire)), of_agent_(of_agent) {}
    ~End() override { wire_->cut = true; }

    Result<Bytes> receive(MutableByteSpan into) override {
        std::string& from = of_agent_ ? wire_->to_agent : wire_->to_bridge;
        if (from.empty()) return wire_->cut ? Error::closed : Error::busy;
        const Bytes count = std::min(into.size(), from.size());
        std::memcpy(into.data(), from.data(), count);
        from.erase(0, count);
        return count;
    }
    Result<Bytes> send(ByteSpan from) override {
        if (wire_->cut) return Error::closed;
        ++*wire_->activity;
        wire_->bytes += from.size();
        Bytes arrives = from.size();
        if (wire_->sends_left > 0 && --wire_->sends_left == 0) {
            wire_->cut = true;
            arrives = arrives * wire_->last_part / 16;
        }
        if (of_agent_)
            wire_->to_bridge.append(reinterpret_cast<const char*>(from.data()), arrives);
        else if (!wire_->bridge_is_deaf_mute)
            wire_->to_agent.append(reinterpret_cast<const char*>(from.data()), arrives);
        return from.size();
    }
    Status wait_readable(Duration) override { return Error::timed_out; }
    Status wait_writable(Duration) override { return Error::timed_out; }
    int descriptor() const override { return -1; }

private:
    const std::shared_ptr<Wire> wire_;
    const bool of_agent_;
};

}  // namespace

std::unique_ptr<Stream> stream_of(std::shared_ptr<Wire> wire, bool of_agent) { return std::make_unique<End>(std::move(wire), of_agent); }

}  // namespace weir::sim
