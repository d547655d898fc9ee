// A message as a line of a file that `weir replay` and `weir test` take (replay_reader.h has the forms).
//     ARRIVAL <TAB> TOPIC <TAB> PAYLOAD         where both are text of one line
//     ARRIVAL# <TAB> TOPIC <TAB> PAYLOAD        where a byte would break that: \n \r \t \\ and \xHH stand for bytes
// (No topic holds a '#', so the second form is never taken for anything else.) ARRIVAL is ISO 8601 to the microsecond.
// Memory: the string's. Cost: O(bytes). Threads: pure functions. Errors: none; what is no escape stays as it is.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "agent/base/bytes.h"
#include "agent/base/time.h"

namespace weir {

// With its line end.
void append_replay_line(std::string& out, Timestamp arrival, std::string_view topic, ByteSpan payload);
// In place; how many bytes are left.
Bytes unescape_replay(std::span<char> text);

}  // namespace weir
