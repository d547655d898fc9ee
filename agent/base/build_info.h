// What this program is: version and the time before which no clock can be right.
// Memory: static. Cost: none. Threads: any. Errors: none.
#pragma once

#include <string_view>

#include "agent/base/time.h"

namespace weir {

std::string_view version();    // "0.1.0"
Timestamp build_time_floor();  // the date of the sources (SOURCE_DATE), never later than the build

}  // namespace weir
