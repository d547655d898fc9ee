// A topic to publish to, from a pattern and the record that is published.
// Memory: none. Cost: O(bytes). Threads: pure functions. Errors: what does not fit is empty.
#pragma once

#include <span>
#include <string_view>
#include <utility>

#include "agent/base/record.h"

namespace weir {

using TopicName = std::pair<std::string_view, std::string_view>;

// pattern with {agent}, {window}, {key} (all of it, with _ between), the key's columns and what is in names expanded. What a
// value may not hold in a topic (/ + # and NUL, or a leading '-') becomes '_'. Empty if it does not fit.
std::string_view expand_topic(std::string_view pattern, const Record& record, std::string_view agent,
                              std::span<const TopicName> names, std::span<char> buffer);
// The whole key as {key} says it.
std::string_view key_in_topic(const Record& record, std::span<char> buffer);

}  // namespace weir
