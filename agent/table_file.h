// The file of a [[table]]: CSV whose first line names the fields, made into an image (windows/table.h).
// Memory: read_table_need() on the heap, gone when it returns but for the image. Cost: O(bytes).
// Threads: pure but for the file. Errors: a sentence that begins with the file and the line: what cannot be read, is
// too large, has no such field, a value of another type, a key that is missing or stands twice.
// Source: RFC 4180.
#pragma once

#include <string>
#include <vector>

#include "agent/base/files.h"
#include "agent/base/result.h"
#include "agent/config.h"
#include "windows/table.h"

namespace weir {

class Assembly;

TableSpec table_spec(const TableConfig& config);

// The image; or Error::invalid for what it holds, the error of reading it, and why.
Result<std::string> read_table(Files& files, const TableConfig& config, std::string& why);
Bytes read_table_need(const TableConfig& config);

// Reads every table's file; what stands against one is a problem at its `file`.
void check_tables(const AgentConfig& config, Files& files, std::vector<ConfigProblem>& problems);

}  // namespace weir
