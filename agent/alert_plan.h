// What an [[alert]] means, beside what it watches: helpers of Assembly.
// Memory: the text. Cost: O(text). Threads: start-up only. Errors: none.
#pragma once

#include <string>

#include "agent/base/record.h"
#include "agent/config.h"

namespace weir {

// What a column's values are in a record.
ValueKind kind_of(ColumnType type);

// What decides how an alert's keys live and what is said of them, in one text: it belongs to the fingerprint, not to the definition.
std::string life_text(const AlertConfig& alert);

}  // namespace weir
