#include "tests/sim/broker.h"

#include <algorithm>

namespace weir::sim {

void Broker::publish(Publication publication) {
    if (session_)
        queue_.push_back(std::move(publication));
    else
        ++lost_;
}

bool Broker::connect() {
    const bool known = session_;
    connected_ = session_ = true;
    sent_ = 0;
    for (Delivery& delivery : inflight_) delivery.duplicate = true;
    return known;
}

void Broker::disconnect() {
    connected_ = false;
    sent_ = 0;
}

std::vector<std::uint64_t> Broker::lose_session() {
    std::vector<std::uint64_t> numbers;
    for (const Delivery& delivery : inflight_) numbers.push_back(delivery.what.number);
    for (const Publication& publication : queue_) numbers.push_back(publication.number);
    lost_ += numbers.size();
    queue_.clear();
    inflight_.clear();
    disconnect();
    session_ = false;
    last_id_ = 0;
    return numbers;
}

const Broker::Delivery* Broker::next() {
    if (!connected_) return nullptr;
    if (sent_ == inflight_.size()) {
        if (queue_.empty() || inflight_.size() == max_inflight_) return nullptr;
        const auto is_used = [&](std::uint16_t id) {
            return id == 0 || std::any_of(inflight_.begin(), inflight_.end(), [&](const Delivery& d) { return d.packet_id == id; });
        };
        do ++last_id_;
        while (is_used(last_id_));
        inflight_.push_back({last_id_, false, std::move(queue_.front())});
        queue_.pop_front();
    }
    const Delivery& delivery = inflight_[sent_++];
    redelivered_ += delivery.duplicate;
    return &delivery;
}

void Broker::acknowledge(std::uint16_t packet_id) {
    const auto at = std::find_if(inflight_.begin(), inflight_.end(), [&](const Delivery& d) { return d.packet_id == packet_id; });
    if (at == inflight_.end()) return;
    if (static_cast<std::size_t>(at - inflight_.begin()) < sent_) --sent_;
    inflight_.erase(at);
}

}  // namespace weir::sim
