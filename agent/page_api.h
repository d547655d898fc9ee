// What /api/v1 says, as JSON: a section a path, and all of them as the overview, which goes to those who watch, too.
// agent/page/assets/openapi.json describes it; a test holds each answer against it.
// Memory: the caller's room; api_bytes_max() bounds an overview. Cost: O(parts of the configuration).
// Threads: the page's. Errors: false where the room is too small.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/json_writer.h"
#include "agent/board_sensors.h"
#include "agent/recent_results.h"
#include "agent/status.h"

namespace weir {

// What a rendering looks at, all of it taken for this call.
struct ApiView {
    const StatusBoard& board;  // under its lock
    const StatusParts& parts;
    Duration since_progress;
    std::span<const Temperature> temperatures;
    ClockDiscipline clock;
    bool can_acknowledge;  // there is a token
};

Bytes api_bytes_max(const Assembly& assembly);

// Each writes one value.
void write_agent(JsonWriter& json, const ApiView& view);
void write_connections(JsonWriter& json, const ApiView& view);
void write_sources(JsonWriter& json, const ApiView& view);
void write_windows(JsonWriter& json, const ApiView& view);
void write_alerts(JsonWriter& json, const ApiView& view);
void write_open_alerts(JsonWriter& json, const ApiView& view);
void write_memory(JsonWriter& json, const ApiView& view);
void write_outbox(JsonWriter& json, const ApiView& view);
void write_uplink(JsonWriter& json, const ApiView& view);
void write_clock(JsonWriter& json, const ApiView& view);
void write_board(JsonWriter& json, const ApiView& view);
void write_overview(JsonWriter& json, const ApiView& view);

// Of results as RecentResults has them, the last of each key, in their order.
void keep_last_of_each_key(std::vector<std::string_view>& results);
// The values of an array, as many of the last as leave `spare` bytes; returns whether all are there.
bool write_results(JsonWriter& json, std::span<const std::string_view> results, Bytes room, Bytes spare);

}  // namespace weir
