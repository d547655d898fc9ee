#include "tests/sim/simulation.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace weir::sim {
namespace {

constexpr Duration drain_limit = Duration::minutes(120);
constexpr int quiet_seconds = 5;  // that nothing has been waiting
constexpr int turns_a_step = 10;

}  // namespace

Identities::Identities() {
    ok_ = mkdtemp(folder_) != nullptr;
    const auto run = [&](const std::string& command) {
        ok_ = ok_ && std::system(("cd " + folder() + " && " + command + " >/dev/null 2>&1").c_str()) == 0;
    };
    const std::string make = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    run("openssl req -x509 " + make + " -days 30 -subj /CN=ca -addext keyUsage=keyCertSign -keyout ca.key -out ca.pem");
    for (const std::string name : {"bridge", "a1", "a2", "a3"}) {
        run("openssl req -new " + make + " -subj /CN=" + name + " -addext subjectAltName=DNS:" + name + " -keyout " + name + ".key -out " + name + ".csr");
        run("openssl x509 -req -in " + name + ".csr -copy_extensions copy -days 30 -CA ca.pem -CAkey ca.key -CAcreateserial -out " + name + ".pem");
    }
}
Identities::~Identities() { std::filesystem::remove_all(folder_); }

Simulation::Simulation(std::uint64_t seed, const Options& options, const Identities& identities)
    : options_(options),
      scenario_(Scenario::make(seed, identities.folder())),
      chance_(Chance::mix(seed) + 1),
      begin_(Timestamp::seconds(2000000040)),  // a minute's beginning
      now_(begin_),
      clock_(begin_),
      tls_entropy_(Chance::mix(seed) + 2),
      kafka_(Chance::mix(seed) + 3),
      wires_(scenario_.agents.size()),
      checks_(agents_),
      bridge_back_(scenario_.bridges),
      disk_back_(scenario_.agents.size()),
      clock_back_(scenario_.agents.size()),
      answers_back_(scenario_.agents.size()),
      dies_(scenario_.agents.size()) {
    std::string reason;
    auto tls = TlsContext::load(TlsRole::server, identities.files("bridge"), tls_entropy_, reason);
    WEIR_ASSERT(tls.ok());
    tls_ = *tls;
    for (unsigned i = 0; i < scenario_.bridges; ++i)
        bridges_.push_back(std::make_unique<SimBridge>("bridge" + std::to_string(i), tls_, kafka_, clock_));
    for (std::size_t i = 0; i < scenario_.agents.size(); ++i)
        agents_.push_back(std::make_unique<SimAgent>(scenario_.agents[i], Chance::mix(seed) + 16 * (i + 1), disk_, [this, i] { return connect(i); }, begin_));
    verdict_.seed = seed;
    checks_.order_decides = !scenario_.enabled(Fault::clock_step) && !scenario_.enabled(Fault::broker_away);
    checks_.begin_minute = begin_.ms() / 60000;
}

Simulation::~Simulation() {
    agents_.clear();
    bridges_.clear();
}

void Simulation::trace(const std::string& what) {
    if (options_.trace) std::printf("%6lld s  %s\n", static_cast<long long>(second()), what.c_str());
}

// To the bridge that a name would lead to.
std::unique_ptr<Stream> Simulation::connect(std::size_t agent) {
    if (bridges_[primary_]->state() == SimBridge::State::down) return nullptr;
    auto wire = std::make_shared<Wire>();
    wire->activity = &activity_;
    wires_[agent] = wire;
    ++verdict_.sessions;
    bridges_[primary_]->accept(stream_of(wire, false));
    return stream_of(wire, true);
}

void Simulation::bridges() {
    for (std::size_t i = 0; i < bridges_.size(); ++i) {
        if (bridges_[i]->state() != SimBridge::State::running && now_ >= bridge_back_[i]) {
            trace("bridge " + std::to_string(i) + " goes on");
            bridges_[i]->start();
        }
        bridges_[i]->step();
    }
}

void Simulation::step(bool with_faults) {
    const Duration by = Duration::millis(chance_.between(400, 1600));
    const Timestamp before = now_;
    now_ = now_ + by;
    clock_.advance(by);
    for (const auto& agent : agents_) agent->advance(by);
    if (with_faults) faults(by);
    for (std::size_t i = 0; i < agents_.size(); ++i) {
        SimAgent& agent = *agents_[i];
        if (clock_back_[i] != Timestamp() && now_ >= clock_back_[i]) {
            agent.step_clock(now_);
            clock_back_[i] = Timestamp();
        }
        agent.set_disk_full(now_ < disk_back_[i]);
        if (answers_back_[i] != Timestamp() && now_ >= answers_back_[i]) {
            if (wires_[i]) wires_[i]->cut = true;
            answers_back_[i] = Timestamp();
        }
        std::optional<std::pair<SimAgent::Death, SimAgent::Point>> death;
        if (dies_[i]) death.emplace(*dies_[i], static_cast<SimAgent::Point>(chance_.below(SimAgent::points)));
        dies_[i].reset();
        const std::uint64_t epoch = agent.epoch();
        agent.step(before, now_, death);
        if (agent.alive() && agent.epoch() != epoch) trace(scenario_.agents[i].id + " runs in epoch " + std::to_string(agent.epoch()));
    }
    kafka_.up = now_ >= kafka_back_;
    kafka_.answer_lost = now_ < answers_clear_ ? 0.3 : 0;
    std::uint64_t seen = activity_ - 1;
    for (int turn = 0; turn < turns_a_step && activity_ != seen; ++turn) {
        seen = activity_;
        bridges();
        for (const auto& agent : agents_) (void)agent->uplink_step();
    }
    checks_.look(kafka_);
}

void Simulation::faults(Duration by) {
    const double hours = by.as_seconds() / 3600;
    for (std::size_t kind = 0; kind < fault_kinds; ++kind) {
        const double rate = scenario_.per_hour[kind] * hours;
        if (rate == 0) continue;
        const auto fault_kind = static_cast<Fault>(kind);
        const bool of_bridge = fault_kind >= Fault::bridge_killed && fault_kind <= Fault::kafka_vague;
        if (of_bridge) {
            if (chance_.entropy().unit() < rate) fault(fault_kind, nullptr);
        } else {
            for (const auto& agent : agents_)
                if (chance_.entropy().unit() < rate) fault(fault_kind, agent.get());
        }
    }
}

void Simulation::fault(Fault kind, SimAgent* agent) {
    ++verdict_.faults[static_cast<std::size_t>(kind)];
    const auto index = static_cast<std::size_t>(std::find_if(agents_.begin(), agents_.end(), [&](const auto& a) { return a.get() == agent; }) - agents_.begin());
    trace((agent != nullptr ? agent->scenario().id + ": " : "") + std::string(name(kind)));
    const auto in = [&](std::int64_t least, std::int64_t most) { return now_ + Duration::millis(chance_.between(1000 * least, 1000 * most)); };
    switch (kind) {
        case Fault::kill:
        case Fault::power_cut:
            dies_[index] = kind == Fault::kill ? SimAgent::Death::kill : SimAgent::Death::power_cut;
            agent->restart_at(in(1, kind == Fault::kill ? 20 : 90));
            break;
        case Fault::edit:
            dies_[index] = SimAgent::Death::kill;
            agent->use_edited(!agent->edited());
            agent->restart_at(in(1, 10));
            break;
        case Fault::connection_lost: agent->lose_connection(true); break;
        case Fault::session_lost: agent->lose_connection(false); break;
        case Fault::broker_away: agent->broker_away_until(in(10, 600)); break;
        case Fault::uplink_cut:
            if (wires_[index]) {
                wires_[index]->sends_left = static_cast<std::uint64_t>(chance_.between(1, 12));
                wires_[index]->last_part = static_cast<unsigned>(chance_.below(17));
            }
            break;
        case Fault::answers_lost:
            if (wires_[index]) wires_[index]->bridge_is_deaf_mute = true;
            answers_back_[index] = in(1, 60);
            break;
        case Fault::bridge_killed:
        case Fault::bridge_paused: {
            SimBridge& bridge = *bridges_[primary_];
            if (bridge.state() != SimBridge::State::running) break;
            bridge_back_[primary_] = in(5, kind == Fault::bridge_killed ? 200 : 300);
            kind == Fault::bridge_killed ? bridge.kill() : bridge.pause();
            primary_ = (primary_ + 1) % bridges_.size();
            if (kind == Fault::bridge_paused && chance_.one_in(2))
                for (const auto& wire : wires_)
                    if (wire) wire->cut = true;
            break;
        }
        case Fault::kafka_away: kafka_back_ = in(5, 400); break;
        case Fault::kafka_vague: answers_clear_ = in(10, 300); break;
        case Fault::disk_full: disk_back_[index] = in(10, 300); break;
        case Fault::slow_sync: agent->store_waits_until(in(2, 40)); break;
        case Fault::clock_step: {
            const std::int64_t by[] = {-1, 1, -3600, 3600, -86400, 86400, -2000000000, 300000000};
            agent->step_clock(now_ + Duration::seconds(by[chance_.below(8)]));
            clock_back_[index] = in(5, 400);
            break;
        }
    }
}

void Simulation::heal() {
    trace("healed");
    for (std::size_t i = 0; i < agents_.size(); ++i) {
        if (clock_back_[i] != Timestamp()) clock_back_[i] = now_;
        if (answers_back_[i] != Timestamp()) answers_back_[i] = now_;
        disk_back_[i] = now_;
        agents_[i]->restart_at(now_);
        agents_[i]->heal_broker();
        agents_[i]->store_waits_until(now_);
        if (wires_[i]) wires_[i]->sends_left = ~std::uint64_t{0};
    }
    for (Timestamp& back : bridge_back_) back = now_;
    kafka_back_ = answers_clear_ = now_;
}

bool Simulation::broken() {
    if (verdict_.trouble.empty()) verdict_.trouble = checks_.trouble();
    for (const auto& agent : agents_)
        if (verdict_.trouble.empty()) verdict_.trouble = agent->trouble();
    for (const auto& bridge : bridges_)
        if (verdict_.trouble.empty() && !bridge->trouble().empty()) verdict_.trouble = "an agent sent " + bridge->trouble();
    return !verdict_.trouble.empty();
}

// Until nothing waits anywhere.
bool Simulation::drain() {
    const Timestamp limit = now_ + drain_limit;
    for (int quiet = 0; quiet < quiet_seconds;) {
        step(false);
        if (broken()) return false;
        const bool waits = std::any_of(agents_.begin(), agents_.end(), [](const auto& agent) { return agent->has_waiting(); });
        quiet = waits ? 0 : quiet + 1;
        if (now_ <= limit) continue;
        verdict_.trouble = "two hours after everything was healed something still waits";
        return false;
    }
    return true;
}

Verdict Simulation::run() {
    const Timestamp end = begin_ + Duration::micros(static_cast<std::int64_t>(options_.hours * 3600e6));
    while (now_ < end && !broken()) step(true);
    heal();
    const Timestamp quiet_from = now_ + Duration::minutes(3);
    while (now_ < quiet_from && !broken()) step(false);
    for (const auto& agent : agents_) agent->load().end();
    if (!broken() && drain()) {
        for (const auto& agent : agents_) agent->finish();
        if (drain()) checks_.look_at_the_end();
    }
    (void)broken();
    verdict_.at_second = second();
    verdict_.hash = checks_.hash();
    verdict_.simulated_seconds = (now_ - begin_).as_seconds();
    verdict_.records = kafka_.log().size();
    verdict_.fenced = kafka_.fenced;
    for (const auto& bridge : bridges_) verdict_.repeated += bridge->repeated();
    for (const auto& agent : agents_) {
        const LoadFigures& of = agent->load().figures;
        LoadFigures& all = verdict_.load;
        all.messages += of.messages, all.events += of.events, all.late += of.late, all.out_of_order += of.out_of_order;
        all.duplicates += of.duplicates, all.bad += of.bad, all.bursts += of.bursts, all.silences += of.silences;
        verdict_.redelivered += agent->broker().redelivered();
        verdict_.skipped += agent->duplicates_skipped();
        verdict_.lost_by_broker += agent->broker().lost();
    }
    return verdict_;
}

}  // namespace weir::sim
