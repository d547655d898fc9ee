// What the fields of a JSON payload are: for a tool that meets a stream for the first time (weir
// init). An object, an array of objects, or one of these a line; nested objects by path, arrays as
// one field. Memory: the fields, on the heap; not for the event path. Cost: O(bytes). Threads: pure
// function. Errors: invalid: not JSON, or no object in it; out_of_range: above 1 MiB. Source: RFC
// 8259, RFC 6901 (paths); parsed by simdjson.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/result.h"

namespace weir {

enum class JsonKind : std::uint8_t { null, boolean, integer, real, text, array };

struct JsonField {
    std::string path;  // a JSON pointer
    JsonKind kind = JsonKind::null;
    double number = 0;  // of integer and real
    std::string text;   // of text
};

using JsonEvent = std::vector<JsonField>;

// At most 1,000 events and 256 fields an event; what is beyond is left out.
Result<std::vector<JsonEvent>> json_shape(std::string_view payload);

}  // namespace weir
