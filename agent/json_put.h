// Members of a JSON object, for what the agent says of itself: `weir status --json` and the page's /api/v1.
// Memory, Cost, Errors: JsonWriter's. Threads: its owner's.
#pragma once

#include <cstdint>
#include <string_view>

#include "agent/base/json_writer.h"
#include "agent/base/time.h"

namespace weir {

inline void put(JsonWriter& json, std::string_view key, std::uint64_t value) {
    json.key(key);
    json.natural(value);
}
inline void put(JsonWriter& json, std::string_view key, std::string_view value) {
    json.key(key);
    json.text(value);
}
// Milliseconds since the epoch, or null.
inline void put(JsonWriter& json, std::string_view key, Timestamp value) {
    json.key(key);
    if (value == Timestamp::min() || value == Timestamp())
        json.null();
    else
        json.integer(value.ms());
}

}  // namespace weir
