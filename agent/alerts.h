// Alerts in their plainest form: a condition on a window's results raises one for a key, another (or the end
// of the first) clears it, each said once. Or a score that is high enough raises, and the next that is not clears.
// A transition is decided per alert and key. Only a window's first word on an interval counts (revision 0):
// what was acted on is not taken back by a late event. A condition that is null changes nothing.
// Memory: need(): per alert one entry for each key that the window can have, 16 bytes each.
// Cost: one condition a result and alert; O(keys) when some key stands or rises. Threads: one owner (the engine's).
// Errors: none; with more raised keys than entries the oldest is forgotten and counted.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "agent/assembly.h"
#include "agent/base/arena.h"
#include "agent/base/record.h"
#include "windows/expression.h"

namespace weir {

enum class AlertState : std::uint8_t { raised, cleared };
std::string_view name(AlertState state);
std::string_view name(Severity severity);

struct AlertTransition {
    const AlertConfig* alert = nullptr;
    std::uint64_t definition = 0;
    AlertState state = AlertState::raised;
    const Record* result = nullptr;  // what decided it; lives during the call
};

// Of the key as text, so that it is the same for equal keys whatever the record's memory. Never 0.
std::uint64_t hash_of_key(const Record& record);

class AlertSink {
public:
    virtual ~AlertSink() = default;
    virtual void transition(const AlertTransition& transition) = 0;
};

class Alerts {
public:
    static Bytes need(const Assembly& assembly);
    Alerts(Arena& arena, const Assembly& assembly, AlertSink& sink);

    // A result of the engine, in order.
    void observe(const Record& result);
    // A score of the detector of alert (an index into Assembly::alerts()) and what it is of.
    void observe(std::size_t alert, double score, const Record& record);

    std::size_t raised(std::size_t alert) const;
    std::uint64_t transitions() const { return transitions_; }
    std::uint64_t forgotten() const { return forgotten_; }

    // What stands now, for an Alerts of another configuration: adopt() takes those whose definition it has.
    struct Standing {
        std::uint64_t definition = 0;
        std::uint64_t key = 0;
    };
    std::vector<Standing> standing() const;
    std::size_t adopt(std::span<const Standing> standing);

    static Bytes save_size_max(const Assembly& assembly);
    void save(ByteWriter& out) const;
    Status load(ByteReader& in);

private:
    // A key for which the alert stands. Empty: hash 0.
    struct Raised {
        std::uint64_t hash = 0;
        std::uint64_t number = 0;  // of the transition; the least is the oldest
    };
    struct Rule {
        const AlertConfig* alert = nullptr;
        std::uint64_t definition = 0;
        std::string_view window;
        std::uint64_t window_definition = 0;
        std::optional<Condition> when;  // none: its detectors' scores
        double score_above = 0;
        std::optional<Condition> clear;
        std::span<Raised> raised;
        std::size_t count = 0;
    };
    static std::size_t table_size(const Assembly& assembly, const AlertPlan& plan);
    Raised* find(Rule& rule, std::uint64_t hash);
    void raise(Rule& rule, std::uint64_t hash);
    void judge(Rule& rule, const Record& result, std::optional<bool> raises, std::optional<bool> clears);

    std::vector<Rule> rules_;
    AlertSink& sink_;
    std::uint64_t transitions_ = 0;
    std::uint64_t forgotten_ = 0;
};

}  // namespace weir
