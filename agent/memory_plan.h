// What a configuration will use, part by part, before anything runs: the sums come from the need() of the
// code that will allocate. What libraries allocate by themselves has lines of its own, as measured.
// Memory: start-up only. Cost: O(parts). Threads: a plain value. Errors: fits() and the messages of
// check_plan().
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/assembly.h"
#include "agent/base/bytes.h"
#include "agent/checkpoint_file.h"
#include "agent/journal.h"
#include "drivers/mqtt_source.h"
#include "uplink/client.h"
#include "uplink/outbox.h"

namespace weir {

struct PlanPart {
    std::string name;
    Bytes bytes = 0;
    bool mapped = false;  // a shared mapping: in the budget, but not in the kernel's limit
};

// The options of every part, derived from the configuration in one place: the plan counts what runs.
struct PartOptions {
    JournalParams journal;
    Bytes checkpoint_content = 0;
    OutboxOptions outbox;
    UplinkOptions uplink;             // only with an [uplink]
    // Without what is known only at run time: as config.mqtt, in lane 0; then those that other lanes have.
    std::vector<MqttOptions> mqtt;
    struct MqttOwner {
        std::size_t config = 0;  // index into config.mqtt
        std::size_t lane = 0;
    };
    std::vector<MqttOwner> mqtt_owners;  // of each
    std::string configuration;        // explain() without comments
};
PartOptions part_options(const Assembly& assembly);
// "mqtt", "mqtt.NAME", "mqtt.NAME, lane 1".
std::string connection_title(const AgentConfig& config, const PartOptions::MqttOwner& owner);

struct MemoryPlan {
    std::vector<PlanPart> parts;
    Bytes budget = 0;
    std::uint64_t sketch_bytes = 0;                  // for sketches to grow in, of all windows together
    std::uint64_t sketch_bytes_max = 0;              // what they would take if every group had them at full size
    std::uint64_t flash_bytes_per_day_max = 0;       // with every group in use
    std::uint64_t flash_bytes_per_day_one_group = 0; // with one group a window
    std::uint64_t flash_bytes_per_day_full = 0;      // with every group in use while the outbox is full and coarsens
    std::uint64_t flash_budget_per_day = 0;
    std::uint64_t uplink_rate_per_second = 0;        // uplink.rate; 0: no uplink
    std::uint64_t uplink_bytes_per_second_max = 0;   // steady output with every group in use, before zstd

    std::uint64_t outbox_bytes = 0;                  // of results
    std::uint64_t outbox_one_a_key_bytes = 0;        // down to which it can be coarsened, at most
    bool outbox_coarsens = false;
    bool outbox_stops = false;                       // when that is not enough; else the oldest go
    std::vector<std::string> outbox_not_merged;      // windows and patterns

    Bytes total() const;
    Bytes mapped() const;
    bool fits() const { return total() <= budget; }
};
MemoryPlan make_plan(const Assembly& assembly, const PartOptions& options, bool print);

// What stands against running it. Flash is judged by one group a window, which is the least it can be.
void check_plan(const MemoryPlan& plan, std::vector<ConfigProblem>& problems);

std::string render_plan(const MemoryPlan& plan);
std::string render_plan_json(const MemoryPlan& plan);

// From the arena, by the composition: analysis, alerts' queue, outbox, uplink.
Bytes arena_need(const Assembly& assembly, const PartOptions& options);

}  // namespace weir
