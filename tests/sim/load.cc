#include "tests/sim/load.h"

#include <algorithm>

namespace weir::sim {
namespace {

constexpr unsigned digits_max = 62;
std::string site_name(unsigned site) { return "s" + std::to_string(site); }

}  // namespace

const Event* Load::find(const std::string& site, std::int64_t minute, unsigned digit) const {
    const auto at = digits_.find({site, minute});
    if (at == digits_.end() || digit >= at->second.size()) return nullptr;
    return &events[at->second[digit]];
}

void Load::run(Timestamp from, Timestamp to, Broker& broker) {
    if (const std::int64_t minute = to.ms() / 60000; minute != mood_minute_) {
        mood_minute_ = minute;
        if (chance_.percent(scenario_.burst_percent)) {
            burst_until_ = to + Duration::seconds(chance_.between(5, 40));
            ++figures.bursts;
        }
        if (chance_.percent(scenario_.silence_percent)) {
            silent_until_ = to + Duration::seconds(chance_.between(20, 300));
            ++figures.silences;
        }
    }
    if (ended_ || to < silent_until_) return;
    due_ += scenario_.messages_a_second * (to - from).as_seconds() * (to < burst_until_ ? 10 : 1);
    for (; due_ >= 1; due_ -= 1) publish(from + Duration::micros(static_cast<std::int64_t>(chance_.entropy().unit() * static_cast<double>((to - from).us()))), broker);
}

void Load::publish(Timestamp now, Broker& broker) {
    const auto site = static_cast<unsigned>(chance_.below(scenario_.keys));
    Message message;
    if (chance_.percent(scenario_.bad_percent)) {
        ++figures.bad;
        const char* const bad[] = {"{\"ts\":", "[]", "{\"v\":1}", "{\"ts\":\"never\",\"v\":1}"};
        return send(broker, site, bad[chance_.below(4)], {});
    }
    std::string payload = event(now, site, message);
    if (payload.empty()) return;
    if (chance_.percent(20)) {
        for (std::uint64_t more = chance_.below(3); more > 0; --more)
            if (const std::string next = event(now, site, message); !next.empty()) payload += "," + next;
        payload = "[" + payload + "]";
    }
    const bool twice = chance_.percent(scenario_.duplicate_percent);
    send(broker, site, payload, message);
    if (!twice) return;
    ++figures.duplicates;
    send(broker, site, payload, message);
}

std::string Load::event(Timestamp now, unsigned site, Message& message) {
    std::int64_t& latest = latest_[site];
    std::int64_t ms = std::max(now.ms(), latest);
    Event event;
    if (chance_.percent(scenario_.late_percent)) {
        ms -= chance_.between(2500, 120000);
        event.in_order = false;
        ++figures.late;
    } else if (chance_.percent(scenario_.out_of_order_percent)) {
        ms -= chance_.between(0, 1900);
        ++figures.out_of_order;
    }
    event.site = site_name(site);
    event.minute = ms / 60000;
    std::vector<std::uint32_t>& taken = digits_[{event.site, event.minute}];
    if (taken.size() == digits_max) return {};
    latest = std::max(latest, ms);
    event.digit = static_cast<unsigned>(taken.size());
    const auto index = static_cast<std::uint32_t>(events.size());
    taken.push_back(index);
    message.events.push_back(index);
    events.push_back(event);
    ++figures.events;
    const bool first = event.digit < 31;
    const std::uint64_t weight = std::uint64_t{1} << 2 * (first ? event.digit : event.digit - 31);
    return "{\"ts\":" + std::to_string(ms) + ",\"" + (first ? "w0" : "w1") + "\":" + std::to_string(weight) +
           ",\"v\":" + std::to_string(chance_.below(1000)) + ".5,\"u\":\"u" + std::to_string(chance_.below(50)) + "\"}";
}

void Load::send(Broker& broker, unsigned site, std::string payload, Message message) {
    const std::uint64_t number = messages.size();
    messages.push_back(std::move(message));
    ++figures.messages;
    broker.publish({number, "t/" + site_name(site), std::move(payload)});
}

}  // namespace weir::sim
