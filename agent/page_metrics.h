// What /metrics says: the board's snapshot and the parts' counters under the names of Prometheus' conventions. Labels are
// names of the configuration and fixed words, never keys, devices or topics, so their number is that of the configuration.
// Memory: the caller's buffer; metrics_bytes_max() bounds the text. Cost: O(parts of the configuration). Threads: any, under
// the board's lock. Errors: a text that does not fit ends with its last whole line, and the answer says so.
#pragma once

#include <span>
#include <string_view>

#include "agent/assembly.h"
#include "agent/page/metrics.h"
#include "agent/status.h"

namespace weir {

Bytes metrics_bytes_max(const Assembly& assembly);
// REQUIRES: the board's lock is held (StatusBoard::read()).
void write_metrics(MetricsWriter& out, const StatusBoard& board, const StatusParts& parts);

}  // namespace weir
