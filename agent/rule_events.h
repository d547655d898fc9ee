// The events of a case as the messages that sensors would send: columns written in the source's own format.
// Memory: on the heap, a line an event. Cost: O(bytes). Threads: plain values.
// Errors: a problem with its place where columns cannot be written as a message.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "agent/rule_test.h"

namespace weir {

struct RuleMessage {
    Timestamp arrival;
    std::string topic;  // empty: fields of their names give what a topic would
    std::string payload;
    std::optional<std::size_t> source;  // none: the topic says it
};

// In order of arrival; events of one arrival in the order of the file.
std::vector<RuleMessage> rule_messages(const RuleCase& of, Timestamp start, const AgentConfig& config, ConfigProblems& problems);
// text with {time} replaced by a time as the source spells it.
std::string with_time(std::string text, Timestamp time, TimeUnit unit);

}  // namespace weir
