// What an alert says, and to whom: a change of its state for one key.
// One `id` holds for a raise and all that follows it up to its clear, and each transition has the next `sequence` of this agent. Both are part
// of the saved state and of what a replay makes again, so an action that is repeated after a kill carries the same two, and a receiver can tell.
// Memory: views, which live during the call. Cost: hash_of_key() O(key). Threads: plain values. Errors: none.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/record.h"
#include "agent/config.h"

namespace weir {

enum class AlertState : std::uint8_t {
    raised,
    cleared,
    pending,       // the condition holds, but not yet for `hold`; never told, shown in `weir status`
    acknowledged,  // raised, and somebody has seen it
    flapping,      // raised too often: said once, in place of what would follow until it is calm
};
std::string_view name(AlertState state);
std::string_view name(Severity severity);

// Why now.
enum class AlertReason : std::uint8_t {
    condition,  // `when` or `clear`, or a score
    held,       // it has held for `hold`, by the time that went on without a result
    missing,    // there was no result of this key, and missing = "clear"
    lapsed,     // nothing raised it again for `clear_after`
    forgotten,  // more keys stand than there is room for: the one that changed longest ago had to go
    absent,     // nothing came for `absent`
    came,       // and now something did
    calm,       // it no longer flaps
    person,     // weir ack, or the page
    restated,   // said before, under the same sequence, and said again after a power cut
};
std::string_view name(AlertReason reason);

struct AlertTransition {
    const AlertConfig* alert = nullptr;
    std::uint64_t definition = 0;
    AlertState state = AlertState::raised;
    // What decided it. Where time did (held, missing, lapsed ...): the newest result of the key again, its end the time of the change.
    const Record* result = nullptr;
    std::uint64_t id = 0;
    std::uint64_t sequence = 0;  // 1, 2, 3 ... of all alerts of the agent
    AlertReason reason = AlertReason::condition;
    std::string_view message = {};  // the alert's template, expanded; empty: it has none
};

// Of the key as text, so that it is the same for equal keys whatever the record's memory. Never 0.
std::uint64_t hash_of_key(const Record& record);
std::uint64_t hash_of_key(std::span<const Field> key);

class AlertSink {
public:
    virtual ~AlertSink() = default;
    virtual void transition(const AlertTransition& transition) = 0;
};

// As JSON and people see it: 16 hexadecimal digits.
struct AlertId {
    char digits[16];
    explicit AlertId(std::uint64_t id);
    std::string_view text() const { return {digits, sizeof digits}; }
};

// The template with {NAME} of key and values expanded, {alert}, {severity}, {state} and {agent}; numbers with six digits, what is not there "null". No
// control characters come out; what does not fit is cut between characters.
std::string_view expand_message(std::string_view text, const AlertTransition& transition, std::string_view agent, std::span<char> buffer);

}  // namespace weir
