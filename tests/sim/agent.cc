#include "tests/sim/agent.h"

#include <sqlite3.h>

#include <utility>

#include "uplink/flash_vfs.h"

namespace weir::sim {
namespace {

// A medium without room, while it is installed.
class FullMedium final : public FlashFault {
public:
    int before(FlashOperation operation) override { return operation == FlashOperation::write ? SQLITE_FULL : SQLITE_OK; }
};

}  // namespace

SimAgent::SimAgent(const AgentScenario& scenario, std::uint64_t seed, CrashDisk& disk, SimNetwork::Connect connect, Timestamp now)
    : scenario_(scenario), disk_(disk), machine_("/sim/" + scenario.id + "/"), medium_(disk, machine_ + "run/"), entropy_(Chance::mix(seed)),
      chance_(seed + 1), clock_(now), broker_(scenario.max_inflight), load_(scenario, seed + 2), network_(std::move(connect)),
      restart_at_(now) {
    for (std::size_t i = 0; i < made_.size(); ++i) {
        ConfigContext context;
        SystemFiles files;
        context.files = &files;
        context.read_secrets = false;
        made_[i].load = parse_config(scenario.config[i], "/sim/weir.toml", context);
        std::vector<ConfigProblem> problems = made_[i].load.problems;
        if (made_[i].load.ok()) made_[i].assembly = Assembly::make(made_[i].load.config, problems);
        if (!made_[i].assembly) std::fputs(render_problems(made_[i].load.config, problems).c_str(), stderr);
        WEIR_ASSERT(made_[i].assembly != nullptr);
        made_[i].options = part_options(*made_[i].assembly);
        made_[i].options.outbox.number_when_welcomed = true;
        made_[i].options.outbox.linger = Duration{};
    }
}

SimAgent::~SimAgent() {
    if (alive()) die(Death::kill);
}

void SimAgent::fail(const std::string& what) {
    if (trouble_.empty()) trouble_ = scenario_.id + ": " + what;
}

// As Service::open_state().
void SimAgent::start(Timestamp) {
    if (wanted_config_ != running_config_) ++edits_;
    running_config_ = wanted_config_;
    Made& made = made_[running_config_];
    block_ = std::make_unique<ArenaBlock>(arena_need(*made.assembly, made.options));
    arena_ = std::make_unique<Arena>(block_->memory());
    OpenReport report;
    Result<std::unique_ptr<Outbox>> opened = Outbox::open(made.options.outbox, *arena_, medium_, entropy_, report);
    if (!opened.ok()) return;  // a full medium: the next try
    outbox_ = std::move(*opened);
    if (report.set_aside) fail("the database was set aside: " + report.reason);
    Recovery recovery(*made.assembly, made.options, medium_, entropy_, clock_, *outbox_, {true, report.fresh});
    std::string reason;
    Pipeline::Options options;
    options.checkpoint = made.load.config.agent.checkpoint;
    options.flush = made.load.config.agent.flush;
    options.release_after_flush_only = made.options.journal.durable;
    options.deliver = true;
    options.staging_bytes = made.options.outbox.staging_bytes;
    if (recovery.prepare(recovered_, reason).ok()) {
        Pipeline::Parts parts;
        parts.journal = recovered_.journal.get();
        parts.checkpoints = recovered_.checkpoints.get();
        parts.outbox = outbox_.get();
        parts.clock = &clock_;
        pipeline_ = std::make_unique<Pipeline>(*arena_, *made.assembly, Analysis::Options{}, options, parts, made.options.configuration);
        if (!recovery.fill(*pipeline_, recovered_, reason).ok()) pipeline_.reset();
    }
    if (!pipeline_) {
        recovered_ = {};
        outbox_.reset();
        return;
    }
    uplink_ = std::make_unique<UplinkClient>(made.options.uplink, *arena_, *outbox_, network_, clock_, entropy_);
    arena_used_ = arena_->used();
    next_sync_ = clock_.monotonic();
    const std::uint64_t epoch = pipeline_->epoch();
    if (twin_.running() && epoch == twin_.epoch()) {
        twin_.reopen();
        twin_.follow(*recovered_.journal);
    } else {
        if (twin_.running() && power_lost_) twin_.said()[twin_.epoch()].tail_may_be_lost = true;
        twin_.begin(*made.assembly, pipeline_->analysis(), epoch, pipeline_->journal_position());
    }
    if (last_epoch_ > epoch) fail("the epoch went back");
    last_epoch_ = epoch;
    const bool was_power_cut = std::exchange(power_lost_, false);
    const std::uint64_t drops_now = dropped_before_window();
    drops_at_start_ = std::min(drops_now, was_power_cut ? drops_in_flash_ : drops_at_death_);
    drops_in_checkpoint_ = drops_now;
    checkpoints_ = pipeline_->counters().checkpoints;
    check();
}

std::uint64_t SimAgent::dropped_before_window() const {
    const Engine& engine = pipeline_->analysis().engine();
    const WindowStatus window = engine.window_status(0);
    const auto of = [&](WindowCounter c) { return window.counters[static_cast<std::size_t>(c)]; };
    return of(WindowCounter::rows) - of(WindowCounter::counted);
}

Drops SimAgent::drops() const {
    Drops all = drops_;
    if (pipeline_) {
        const std::uint64_t now = dropped_before_window();
        all.before_window += now - std::min(now, drops_at_start_);
        all.output += pipeline_->counters().output.dropped;
    }
    return all;
}

void SimAgent::die(Death death) {
    if (alive()) {
        drops_ = drops();
        drops_at_death_ = dropped_before_window();
        twin_.follow(*recovered_.journal);  // what is in the journal cannot get lost in a kill
    }
    (death == Death::kill ? kills_ : power_cuts_) += 1;
    last_death_ = death;
    disk_.freeze();  // destructors write nothing
    uplink_.reset();
    pipeline_.reset();
    recovered_ = {};
    outbox_.reset();
    arena_.reset();
    block_.reset();
    broker_.disconnect();
    acknowledgements_.clear();
    disk_.resume();
    if (death == Death::kill) return;
    medium_.cut_power(chance_.entropy());
    const double keep = chance_.entropy().unit();
    disk_.power_on(chance_.entropy(), {chance_.one_in(2) ? Bytes{512} : Bytes{4096}, keep, chance_.entropy().unit() / 2}, machine_);
    power_lost_ = true;
    for (const Accepted& accepted : accepted_)
        if (accepted.sequence > durable_)
            for (const std::uint32_t event : load_.messages[accepted.message].events) load_.events[event].may_be_lost = true;
    accepted_.clear();
}

void SimAgent::lose_connection(bool session) {
    // Acknowledgements travel in order: of those on their way the first few arrive.
    std::uint64_t arrive = chance_.below(acknowledgements_.size() + 1);
    for (const std::uint16_t id : acknowledgements_)
        if (arrive > 0) {
            broker_.acknowledge(id);
            --arrive;
        }
    acknowledgements_.clear();
    broker_.disconnect();
    if (!session) (void)broker_.lose_session();
}

void SimAgent::broker_away_until(Timestamp at) {
    lose_connection(true);
    broker_away_until_ = at;
}

// As Paho's receive thread and Receiver: the journal first, then the acknowledgement.
void SimAgent::receive(bool die_before_acknowledging) {
    Journal& journal = *recovered_.journal;
    while (!journal.above_high_mark()) {
        const Broker::Delivery* delivery = broker_.next();
        if (delivery == nullptr) break;
        JournalEntry entry;
        entry.arrival = clock_.wall();
        entry.clock_trusted = clock_.wall_trusted();
        entry.packet_id = delivery->packet_id;
        entry.qos = 1;
        entry.dup = delivery->duplicate;
        entry.topic = delivery->what.topic;
        entry.payload = as_byte_span(delivery->what.payload);
        const Result<Journal::Appended> appended = journal.append(entry);
        if (!appended.ok()) return fail("the journal refused a message below its high mark");
        if (appended->duplicate) {
            ++duplicates_skipped_;
        } else {
            ++accepted_messages_;
            accepted_.push_back({appended->sequence, delivery->what.number});
            for (const std::uint32_t event : load_.messages[delivery->what.number].events) ++load_.events[event].accepted;
        }
        acknowledgements_.push_back(delivery->packet_id);
        if (die_before_acknowledging && chance_.one_in(3)) break;
    }
}

void SimAgent::step(Timestamp from, Timestamp to, std::optional<std::pair<Death, Point>> death) {
    load_.run(from, to, broker_);
    if (!alive()) {
        if (to < restart_at_) return;
        FullMedium full;
        if (disk_full_) set_flash_fault(&full);
        // Some starts are cut short by the same accident again.
        if (last_death_ && chance_.one_in(6)) disk_.cut_after(1 + chance_.below(30));
        start(to);
        set_flash_fault(nullptr);
        if (disk_.is_off()) return die(*last_death_);
        disk_.cut_after(0);
        if (!alive()) return;
    }
    const auto dies = [&](Point point) {
        if (!death || death->second != point) return false;
        if (point == Point::after_append) {  // some were acknowledged, some are known by the journal alone
            acknowledgements_.resize(chance_.below(acknowledgements_.size() + 1));
            for (const std::uint16_t id : acknowledgements_) broker_.acknowledge(id);
        }
        die(death->first);
        return true;
    };
    if (dies(Point::before)) return;
    // Those that left in the last step have arrived, or are slow.
    if (chance_.percent(70)) {
        for (const std::uint16_t id : acknowledgements_) broker_.acknowledge(id);
        acknowledgements_.clear();
    }
    if (!broker_.connected() && to >= broker_away_until_)
        if (!broker_.connect()) recovered_.journal->forget_session(0);
    for (int turn = 0; turn < 4; ++turn) {
        receive(death && death->second == Point::after_append);
        if (dies(Point::after_append)) return;
        if (acknowledgements_.size() < scenario_.max_inflight) break;
        // A full window: they are answered at once.
        for (const std::uint16_t id : acknowledgements_) broker_.acknowledge(id);
        acknowledgements_.clear();
    }
    pipeline_->step(Duration{});
    if (pipeline_->counters().checkpoints != checkpoints_) {
        checkpoints_ = pipeline_->counters().checkpoints;
        drops_in_checkpoint_ = dropped_before_window();
    }
    twin_.follow(*recovered_.journal);
    check();
    if (dies(Point::after_engine)) return;
    if (death && death->second == Point::in_commit) disk_.cut_after(1 + chance_.below(12));
    if (to >= store_waits_until_) store();
    if (disk_.is_off() || (death && death->second == Point::in_commit)) return die(death->first);
    if (dies(Point::after_commit)) return;
    (void)uplink_step();
    if (dies(Point::after_uplink)) return;
}

bool SimAgent::uplink_step() {
    if (!alive()) return false;
    uplink_->step(Duration{});
    return true;
}

// As the store thread.
void SimAgent::store() {
    FullMedium full;
    if (disk_full_) set_flash_fault(&full);
    const std::optional<FlashCheckpoint> flash = pipeline_->flash_due();
    const std::uint64_t position = flash ? flash->info.journal_position : 0;
    const Status committed = outbox_->commit(flash ? &*flash : nullptr, pipeline_.get());
    if (flash) pipeline_->flash_done(committed.ok());
    if (flash && committed.ok()) {
        durable_ = std::max(durable_, position);
        drops_in_flash_ = drops_in_checkpoint_;
    }
    set_flash_fault(nullptr);
    if (recovered_.journal->params().durable && clock_.monotonic() >= next_sync_) {
        const std::uint64_t newest = recovered_.journal->newest_sequence();
        if (recovered_.journal->sync().ok()) durable_ = std::max(durable_, newest);
        next_sync_ = clock_.monotonic() + Duration::seconds(1);
    }
    while (!accepted_.empty() && accepted_.front().sequence <= durable_) accepted_.pop_front();
}

// After each step: what the engine has said is what its twin says (so alerts are raised at once, whatever flash and
// network do), nothing is unaccounted for, and no memory was taken.
void SimAgent::check() {
    Analysis& analysis = pipeline_->analysis();
    if (analysis.last_sequence() != twin_.last_sequence())
        fail("said " + std::to_string(analysis.last_sequence()) + " records in epoch " + std::to_string(pipeline_->epoch()) + ", its twin " +
             std::to_string(twin_.last_sequence()));
    if (arena_->used() != arena_used_) fail("memory was taken after the start");
    for (const LinkAccounting& link : pipeline_->intake().links())
        if (!link.sum_ok()) fail("a connection's messages do not add up");
    const SourceStatus source = analysis.engine().source_status(0);
    if (!accounting_of(analysis.codec(0).counters(), analysis.message_ends_of(0), source).sum_ok) fail("a source's messages do not add up");
    if (analysis.messages() != analysis.unrouted() + analysis.codec(0).counters().messages) fail("messages do not add up");
    if (!pipeline_->counters().output.sum_ok()) fail("results do not add up");
    for (std::size_t w = 0; w < made_[running_config_].assembly->engine().windows(); ++w)
        if (!sum_ok(analysis.engine().window_status(w))) fail("a window's rows do not add up");
}

bool SimAgent::has_waiting() const {
    if (!alive() || broker_.waiting() > 0) return true;
    return outbox_->counters().staged_bytes > 0 || uplink_->status().acknowledged_ship != outbox_->identity().last_ship;
}

void SimAgent::finish() {
    pipeline_->analysis().finish();
    pipeline_->seal();
    twin_.follow(*recovered_.journal);
    twin_.finish();
    check();
}

}  // namespace weir::sim
