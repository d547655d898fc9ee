// An agent of real code, driven by steps: journal, recovery, pipeline, outbox and uplink over the model media, broker and
// network. What threads do in `weir run` happens here in turn; a step can be cut short between any two turns.
// Memory: of an agent, and its twin. Cost: as the parts. Threads: one. Errors: trouble() says which promise was broken.
#pragma once

#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "agent/memory_plan.h"
#include "agent/pipeline.h"
#include "agent/recovery.h"
#include "tests/sim/broker.h"
#include "tests/sim/load.h"
#include "tests/sim/medium.h"
#include "tests/sim/network.h"
#include "tests/sim/scenario.h"
#include "tests/sim/twin.h"

namespace weir::sim {

// Counters of drops on the way to window w, of all lives: what an event that is in no result may have come to.
struct Drops {
    std::uint64_t before_window = 0;  // quarantined, late in every way, filtered
    std::uint64_t output = 0;         // results that had no room
};

class SimAgent {
public:
    SimAgent(const AgentScenario& scenario, std::uint64_t seed, CrashDisk& disk, SimNetwork::Connect connect, Timestamp now);
    ~SimAgent();

    enum class Death { kill, power_cut };
    // Where in a step it happens.
    enum class Point { before, after_append, after_engine, in_commit, after_commit, after_uplink };
    static constexpr std::uint64_t points = 6;

    void advance(Duration by) { clock_.advance(by); }
    // Load, broker, engine, store and uplink, once. death: it dies at this point.
    void step(Timestamp from, Timestamp to, std::optional<std::pair<Death, Point>> death);
    bool uplink_step();  // whether the uplink has work for another turn
    bool alive() const { return pipeline_ != nullptr; }
    bool has_waiting() const;

    // ---- faults ------------------------------------------------------------------------------------
    void restart_at(Timestamp at) { restart_at_ = at; }
    void use_edited(bool edited) { wanted_config_ = edited; }
    bool edited() const { return wanted_config_; }
    // Of the acknowledgements of the last step some do not arrive.
    void lose_connection(bool session);
    void broker_away_until(Timestamp at);
    void heal_broker() { broker_away_until_ = Timestamp(); }
    void set_disk_full(bool full) { disk_full_ = full; }
    void store_waits_until(Timestamp at) { store_waits_until_ = at; }
    void step_clock(Timestamp to) { clock_.step_wall(to); }
    void die(Death death);

    // ---- the end -------------------------------------------------------------------------------------
    void finish();
    const std::string& trouble() const { return trouble_; }
    Load& load() { return load_; }
    Broker& broker() { return broker_; }
    Twin& twin() { return twin_; }
    Pipeline& pipeline() { return *pipeline_; }
    Outbox& outbox() { return *outbox_; }
    const AgentScenario& scenario() const { return scenario_; }
    Drops drops() const;
    std::uint64_t dropped_before_window() const;  // as the counters stand
    std::uint64_t power_cuts() const { return power_cuts_; }
    std::uint64_t kills() const { return kills_; }
    std::uint64_t accepted_messages() const { return accepted_messages_; }
    std::uint64_t duplicates_skipped() const { return duplicates_skipped_; }
    std::uint64_t edits() const { return edits_; }
    std::uint64_t epoch() const { return pipeline_ ? pipeline_->epoch() : 0; }

private:
    struct Made {
        ConfigLoad load;
        std::unique_ptr<Assembly> assembly;
        PartOptions options;
    };
    void start(Timestamp now);
    void receive(bool die_before_acknowledging);
    void store();
    void fail(const std::string& what);
    void check();

    const AgentScenario& scenario_;
    CrashDisk& disk_;
    const std::string machine_;  // paths begin so
    Medium medium_;
    SeededEntropy entropy_;
    Chance chance_;
    ManualClock clock_;
    Broker broker_;
    Load load_;
    Twin twin_;
    SimNetwork network_;
    std::array<Made, 2> made_;
    bool wanted_config_ = false;
    bool running_config_ = false;

    // Of a life.
    std::unique_ptr<ArenaBlock> block_;
    std::unique_ptr<Arena> arena_;
    std::unique_ptr<Outbox> outbox_;
    Recovered recovered_;
    std::unique_ptr<Pipeline> pipeline_;
    std::unique_ptr<UplinkClient> uplink_;
    Bytes arena_used_ = 0;
    std::uint64_t drops_at_start_ = 0;
    std::uint64_t checkpoints_ = 0;
    MonotonicTime next_sync_;

    Timestamp restart_at_;
    Timestamp broker_away_until_;
    Timestamp connect_at_;
    Timestamp store_waits_until_;
    bool disk_full_ = false;
    bool power_lost_ = false;  // before this start
    std::optional<Death> last_death_;
    std::vector<std::uint16_t> acknowledgements_;  // on their way

    struct Accepted {
        std::uint64_t sequence;
        std::uint64_t message;
    };
    std::deque<Accepted> accepted_;     // and perhaps not on flash
    std::uint64_t durable_ = 0;         // journal sequence
    std::uint64_t last_epoch_ = 0;
    Drops drops_;
    std::uint64_t drops_in_checkpoint_ = 0;  // the counters, in the newest one
    std::uint64_t drops_in_flash_ = 0;       // and in the one on flash
    std::uint64_t drops_at_death_ = 0;
    std::uint64_t power_cuts_ = 0, kills_ = 0, accepted_messages_ = 0, duplicates_skipped_ = 0, edits_ = 0;
    std::string trouble_;
};

}  // namespace weir::sim
