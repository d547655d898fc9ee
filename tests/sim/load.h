// What an agent's sensors send, and the record of it: each event has a digit of its own in its site and minute.
// Memory: the events. Cost: O(events). Threads: one. Errors: none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "agent/base/time.h"
#include "tests/sim/broker.h"
#include "tests/sim/scenario.h"

namespace weir::sim {

struct Event {
    std::string site;
    std::int64_t minute = 0;
    unsigned digit = 0;         // 0 to 30 in digits0, 31 to 61 in digits1
    bool in_order = true;       // at most as far behind the site's latest as lateness allows
    unsigned accepted = 0;      // acknowledged by the agent as a new message
    bool may_be_lost = false;   // in a power cut, within what is declared
};

struct Message {
    std::vector<std::uint32_t> events;  // indexes
};

struct LoadFigures {
    std::uint64_t messages = 0, events = 0, late = 0, out_of_order = 0, duplicates = 0, bad = 0, bursts = 0, silences = 0;
};

class Load {
public:
    Load(const AgentScenario& scenario, std::uint64_t seed) : scenario_(scenario), chance_(seed) {}

    // What is sent until now.
    void run(Timestamp from, Timestamp to, Broker& broker);
    // Nothing is sent any more.
    void end() { ended_ = true; }

    std::vector<Event> events;
    std::vector<Message> messages;
    LoadFigures figures;
    // The event of a digit; nullptr: there is none.
    const Event* find(const std::string& site, std::int64_t minute, unsigned digit) const;

private:
    void publish(Timestamp now, Broker& broker);
    std::string event(Timestamp now, unsigned site, Message& message);
    void send(Broker& broker, unsigned site, std::string payload, Message message);

    const AgentScenario& scenario_;
    Chance chance_;
    bool ended_ = false;
    double due_ = 0;
    Timestamp burst_until_;
    Timestamp silent_until_;
    std::int64_t mood_minute_ = 0;
    std::map<unsigned, std::int64_t> latest_;  // event time sent, ms, a site
    std::map<std::pair<std::string, std::int64_t>, std::vector<std::uint32_t>> digits_;
};

}  // namespace weir::sim
