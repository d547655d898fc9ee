#include "agent/mqtt_outlet.h"

#include <algorithm>

namespace weir {

ActionOutlet::Begun MqttOutlet::begin(const Action& action, std::uint32_t token) {
    if (action.count != 2) return Begun::failed;
    switch (publish_(action.texts[0], action.texts[1], action.payload, action.qos, action.retain, token)) {
        case Sent::under_way: return Begun::under_way;
        case Sent::later: return Begun::later;
        case Sent::nowhere: return Begun::done;  // the connection is not configured any more
    }
    return Begun::failed;
}

void MqttOutlet::delivered(std::uint32_t token, bool done) {
    {
        const std::lock_guard lock(mutex_);
        if (token == 0 || count_ == ends_.size()) {  // more than are ever under way: begin again with all of them
            ends_[0] = {};
            count_ = 1;
        } else {
            ends_[count_++] = {token, done, "the broker did not take it"};
        }
    }
    if (wake_) wake_();
}

bool MqttOutlet::hear(Ended& ended) {
    const std::lock_guard lock(mutex_);
    if (count_ == 0) return false;
    ended = ends_[0];
    std::copy(ends_.begin() + 1, ends_.begin() + static_cast<std::ptrdiff_t>(count_), ends_.begin());
    --count_;
    return true;
}

}  // namespace weir
