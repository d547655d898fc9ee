#include "agent/recovery.h"

#include <algorithm>
#include <numeric>

#include "agent/base/log.h"

namespace weir {
namespace {

constexpr std::string_view other_state = "the crash checkpoint belongs to another state folder: not used";

// What is lost of a power cut came within a flush interval after the state that was saved; a little more for
// events that had been on their way.
constexpr Duration gap_margin = Duration::minutes(1);

unsigned long long number(std::uint64_t n) { return n; }

std::string text_of(ByteSpan bytes) { return std::string(as_text(bytes)); }

// The least watermark of sources that have one: windows that end before it were complete when the state was saved.
std::optional<Timestamp> least_watermark(Pipeline& pipeline, std::size_t sources) {
    std::optional<Timestamp> least;
    for (std::size_t lane = 0; lane < pipeline.engines(); ++lane)
        for (std::size_t i = 0; i < sources; ++i) {
            const Timestamp watermark = pipeline.analysis_of(lane).engine().source_status(i).watermark;
            if (watermark != Timestamp::min()) least = std::min(least.value_or(watermark), watermark);
        }
    return least;
}

bool same_shape(const JournalParams& a, const JournalParams& b) {
    return a.ring_bytes == b.ring_bytes && a.links == b.links && a.horizon_rows == b.horizon_rows;
}

}  // namespace

RunFiles run_files(const AgentConfig& config) {
    const bool disk = config.agent.journal.on == JournalMedium::disk;
    return {(disk ? config.agent.state : config.agent.run) + "/journal", config.agent.run + "/checkpoint"};
}

Status Recovery::prepare(Recovered& recovered, std::string& reason) {
    OldJournal old = open_old_journal(run_files(assembly_.config()).journal);
    old_journal_ = std::move(old.journal);
    same_journal_ = old.same;
    found_ = find_crash_checkpoint();
    if (!found_ && trouble_.ok()) found_ = find_flash_checkpoint();
    if (trouble_.ok()) open_old_lanes(found_ ? &*found_ : nullptr);
    if (!trouble_) return not_read(reason);
    forget_next_files();
    if (!found_) {
        something_was_lost_ = outbox_.identity().epoch > 0;
    } else {
        keep_checkpoint_ = found_->after_crash;
        position_ = found_->journal_sequence;
        horizon_ = std::move(found_->horizon);
        if (!may_go_on(*found_)) {
            if (!run_other_configuration(*found_)) {
                something_was_lost_ = true;
                position_ = 0;
                old_lanes_.clear();
            }
            if (!trouble_) return not_read(reason);
            found_.reset();
        }
    }
    return open_files(recovered, reason);
}

Recovery::OldJournal Recovery::open_old_journal(const std::string& path) {
    const Result<JournalParams> shape = Journal::inspect(files_, path);
    if (!shape.ok()) {
        note_trouble(shape.error());
        return {};
    }
    const bool same = same_shape(*shape, parts_.journal);
    JournalOpenReport report;
    Result<std::unique_ptr<Journal>> journal = Journal::open(files_, entropy_, path, same ? parts_.journal : *shape, report);
    if (report.kind == JournalOpenReport::Kind::set_aside)
        WEIR_LOG_ERROR("journal", "%.*s; the file is now %s", static_cast<int>(report.reason.size()),
                       report.reason.data(), report.aside_path.c_str());
    if (!journal.ok()) {
        note_trouble(journal.error());
        return {};
    }
    if (report.kind == JournalOpenReport::Kind::recovered) return {std::move(*journal), same};
    return {};
}

// What a start left that did not come to its end, and that nothing goes on from: it must not take anybody's place later.
void Recovery::forget_next_files() {
    const RunFiles paths = run_files(assembly_.config());
    (void)files_.remove(paths.checkpoint + ".next").ok();
    for (std::size_t lane = 0; lane < lanes_max; ++lane) (void)files_.remove(paths.journal_of(lane) + ".next").ok();
}

// A change of the configuration leaves its checkpoint beside the old one until the new epoch has begun.
std::optional<Recovery::Found> Recovery::find_crash_checkpoint() {
    const std::string path = run_files(assembly_.config()).checkpoint;
    if (std::optional<Found> next = crash_checkpoint_at(path + ".next", false)) {
        const Status renamed = files_.rename(path + ".next", path);
        if (renamed.ok()) return next;
        note_trouble(renamed.error());
    }
    std::optional<Found> found = crash_checkpoint_at(path, options_.outbox_is_fresh);
    if (!found && files_.size(path).ok()) WEIR_LOG_WARNING("recovery", "%s", std::string(other_state).c_str());
    return found;
}

std::optional<Recovery::Found> Recovery::crash_checkpoint_at(const std::string& path, bool any_epoch) {
    const Result<Bytes> content = CheckpointFile::inspect(files_, path);
    if (!content.ok()) {
        note_trouble(content.error());
        return std::nullopt;
    }
    CheckpointFile::OpenReport report;
    const Result<std::unique_ptr<CheckpointFile>> file = CheckpointFile::open(files_, path, *content, report);
    if (!file.ok()) {
        note_trouble(file.error());
        return std::nullopt;
    }
    const std::optional<CheckpointView> newest = (*file)->newest();
    if (!newest) return std::nullopt;
    const bool same_epoch = newest->label.epoch == outbox_.identity().epoch;
    if (!same_epoch && !any_epoch) return std::nullopt;
    ByteReader in(newest->configuration);
    const Pipeline::Preamble preamble = Pipeline::read_preamble(in);
    return Found{same_epoch,
                 newest->label.plan_hash,
                 newest->label.epoch,
                 newest->label.journal_sequence,
                 std::string(preamble.configuration),
                 text_of(preamble.horizon),
                 text_of(newest->engine),
                 text_of(newest->staged_results)};
}

std::optional<Recovery::Found> Recovery::find_flash_checkpoint() {
    const Result<FlashCheckpointInfo> info = outbox_.checkpoint_info();
    if (!info.ok() && info.error() == Error::missing) return std::nullopt;
    std::string bytes(info.ok() ? info->size : 0, '\0');
    const Status read = info.ok() ? outbox_.read_checkpoint(std::as_writable_bytes(std::span(bytes))) : Status(info.error());
    if (!read.ok()) note_trouble(read.error());
    if (!trouble_) return std::nullopt;
    const std::optional<Pipeline::FlashContent> content =
        read.ok() ? Pipeline::split(as_byte_span(bytes), info->format) : std::nullopt;
    if (!content) {
        WEIR_LOG_ERROR("recovery", "the flash checkpoint is damaged, or of a newer version: windows begin anew");
        return std::nullopt;
    }
    return Found{false,
                 info->plan,
                 info->output.epoch,
                 info->journal_position,
                 std::string(content->preamble.configuration),
                 text_of(content->preamble.horizon),
                 text_of(content->state),
                 {}};
}

// A file that cannot be read for want of memory or by an error of the medium may be whole: to begin anew would throw away
// what the next start could go on from.
void Recovery::note_trouble(Error error) {
    switch (error) {
        case Error::no_memory:
        case Error::no_space:
        case Error::io:
        case Error::busy:
        case Error::refused: trouble_ = error; return;
        default: return;  // it is missing, damaged, or not ours
    }
}

Status Recovery::not_read(std::string& reason) const {
    reason = "the saved state cannot be read (" + std::string(name(trouble_.error())) + ") and may be whole: not starting";
    return trouble_;
}

// Every entry behind sequence is there.
bool Recovery::journal_continues(std::uint64_t sequence) const {
    return old_journal_ && old_journal_->oldest_sequence() <= sequence + 1 &&
           old_journal_->newest_sequence() >= sequence;
}

bool Recovery::nothing_behind(const Found& found) const {
    if (!several_) return journal_continues(found.journal_sequence) && old_journal_->newest_sequence() == found.journal_sequence;
    for (std::size_t lane = 0; lane < old_lanes_.size(); ++lane)
        if (!lane_continues(lane) || old_lanes_[lane].old.journal->newest_sequence() != old_lanes_[lane].position) return false;
    return true;
}

// The same program under a configuration that computes the same; or a new version, and nothing to replay.
bool Recovery::may_go_on(const Found& found) const {
    if (found.program == assembly_.program()) return true;
    if (!nothing_behind(found)) return false;
    ConfigContext context;
    context.files = &files_;
    context.read_secrets = false;
    const ConfigLoad old = parse_config(found.configuration, "/checkpoint", context);
    std::vector<ConfigProblem> problems;
    const std::unique_ptr<Assembly> assembly = old.ok() ? Assembly::make(old.config, problems) : nullptr;
    return assembly && assembly->fingerprint() == assembly_.fingerprint();
}

struct Recovery::Earlier {
    ConfigLoad load;
    std::unique_ptr<Assembly> assembly;
    std::unique_ptr<ArenaBlock> block;
    std::unique_ptr<Arena> arena;
    std::unique_ptr<Pipeline> pipeline;
    std::uint64_t epoch = 0;
};

Recovery::Recovery(const Assembly& assembly, const PartOptions& parts, Files& files, Entropy& entropy, const Clock& clock,
                   Outbox& outbox, const Options& options)
    : assembly_(assembly), parts_(parts), files_(files), entropy_(entropy), clock_(clock), outbox_(outbox),
      options_(options) {}
Recovery::~Recovery() = default;

// Brings what another configuration had open up to date: its state, and the journal behind it.
bool Recovery::run_other_configuration(const Found& found) {
    auto earlier = std::make_unique<Earlier>();
    ConfigContext context;
    context.files = &files_;
    context.read_secrets = false;
    earlier->load = parse_config(found.configuration, "/checkpoint", context);
    std::vector<ConfigProblem> problems;
    if (earlier->load.ok()) earlier->assembly = Assembly::make(earlier->load.config, problems);
    if (!earlier->assembly) {
        WEIR_LOG_ERROR("recovery", "the earlier configuration cannot be read by this version: its open windows are given up");
        return false;
    }
    earlier->block = std::make_unique<ArenaBlock>(Pipeline::need(*earlier->assembly));
    earlier->arena = std::make_unique<Arena>(earlier->block->memory());
    Pipeline::Options options;
    options.deliver = options_.deliver;
    options.staging_bytes = parts_.outbox.staging_bytes;
    Pipeline::Parts parts;
    parts.outbox = &outbox_;
    parts.publisher = options_.publisher;
    parts.clock = &clock_;
    earlier->pipeline = std::make_unique<Pipeline>(*earlier->arena, *earlier->assembly, Analysis::Options{}, options, parts,
                                                   found.configuration);
    Pipeline& pipeline = *earlier->pipeline;
    if (!pipeline.restore(as_byte_span(found.state)).ok()) {
        WEIR_LOG_ERROR("recovery", "the earlier state cannot be read by this version: its open windows are given up");
        return false;
    }
    earlier->epoch = found.epoch;
    if (!found.after_crash) {
        const Result<std::uint64_t> begun = outbox_.begin_epoch();
        if (begun.ok()) earlier->epoch = *begun;
        trouble_ = begun.ok() ? set_frontiers(pipeline) : Status(begun.error());
        if (!trouble_) return false;
        something_was_lost_ = true;
    }
    trouble_ = restage(found.staged);
    if (!trouble_) return false;
    if (pipeline.lanes()) {
        trouble_ = replay_old_lanes(pipeline, earlier->epoch);
        if (!trouble_) return false;
    } else {
        Journal* const journal = several_ ? old_lanes_[0].old.journal.get() : old_journal_.get();
        pipeline.begin(earlier->epoch, 0);
        if (journal) pipeline.catch_up_from(*journal, found.journal_sequence);
    }
    earlier_ = std::move(earlier);
    return true;
}

// Windows, patterns and alerts whose definition is still there go on; what else was open is closed as partial.
Status Recovery::take_over(Pipeline& pipeline) {
    Pipeline& old = *earlier_->pipeline;
    if (several_) {  // in which lane a row lies is part of what a window is
        seen_ = latest_seen(old);
    } else {
        adopted_ = pipeline.analysis().engine().adopt(old.analysis().engine());
        pipeline.analysis().adopt_decoded(old.analysis());
    }
    pipeline.adopt_intake(old);
    (void)pipeline.analysis().anomalies().adopt(old.analysis().anomalies());
    old.finish_partial();
    if (const Status committed = outbox_.commit(); !committed.ok()) return committed;
    if (const std::size_t left = pipeline.analysis().alerts().adopt(old.analysis().alerts()); left > 0)
        WEIR_LOG_WARNING("alert", "%zu raised alerts belong to definitions that are no longer there: nobody will clear "
                                  "them, and what was published retained stays at the broker", left);
    const EnginePlan& before = earlier_->assembly->engine();
    WEIR_LOG_WARNING("recovery", "the configuration or the program has changed: %zu of %zu windows and patterns go on; what "
                                 "else was open has been closed as partial, and later events of those intervals count as late",
                     adopted_.size(), before.windows() + before.patterns());
    return {};
}

Status Recovery::open_files(Recovered& recovered, std::string& reason) {
    const RunFiles paths = run_files(assembly_.config());
    const Result<Bytes> content = CheckpointFile::inspect(files_, paths.checkpoint);
    const bool fits = content.ok() && CheckpointFile::need(*content) == CheckpointFile::need(parts_.checkpoint_content);
    // One of another size, or configuration, is replaced only when the new one holds the state: see fill().
    const bool apart = keep_checkpoint_ && (!fits || earlier_);
    const std::string checkpoint_path = apart ? paths.checkpoint + ".next" : paths.checkpoint;
    if (!keep_checkpoint_ || checkpoint_path != paths.checkpoint) (void)files_.remove(checkpoint_path).ok();
    CheckpointFile::OpenReport report;
    Result<std::unique_ptr<CheckpointFile>> checkpoints =
        CheckpointFile::open(files_, checkpoint_path, parts_.checkpoint_content, report);
    if (!checkpoints.ok()) {
        reason = checkpoint_path + ": " + std::string(name(checkpoints.error()));
        return checkpoints.error();
    }
    recovered.checkpoints = std::move(*checkpoints);

    return open_journal(recovered, reason);
}

Status Recovery::open_journal(Recovered& recovered, std::string& reason) {
    if (several_) return open_lane_journals(recovered, reason);
    const RunFiles paths = run_files(assembly_.config());
    // Without a state to continue, what the journal still holds is counted from nothing.
    const bool reaches = old_journal_ && old_journal_->newest_sequence() >= position_;
    if (same_journal_ && reaches && same_links() && (!found_ || journal_continues(position_))) {
        carry_horizon(*old_journal_, old_journal_.get(), position_, as_byte_span(horizon_), links_now());
        recovered.journal = std::move(old_journal_);
        journal_covers_ = found_.has_value();
        return {};
    }
    // A journal of another shape is read before it is replaced; one that does not continue the state is of no use.
    const bool read_first = found_ && journal_continues(position_);
    const bool read_already = earlier_ && old_journal_;  // and may have to be read again, should this start be cut short
    if (!read_first && !read_already) old_journal_.reset();
    journal_covers_ = read_first;
    const std::string journal_path = old_journal_ ? paths.journal + ".next" : paths.journal;
    (void)files_.remove(journal_path).ok();
    JournalParams params = parts_.journal;
    params.first_sequence = 1 + std::max(old_journal_ ? old_journal_->newest_sequence() : 0, position_);
    JournalOpenReport journal_report;
    Result<std::unique_ptr<Journal>> journal = Journal::open(files_, entropy_, journal_path, params, journal_report);
    if (!journal.ok()) {
        reason = journal_path + ": " + std::string(name(journal.error()));
        return journal.error();
    }
    carry_horizon(**journal, old_journal_.get(), position_, as_byte_span(horizon_), links_now());
    recovered.journal = std::move(*journal);
    return {};
}

// Where each link of the state that was found is now: connections are known by their names.
std::vector<std::uint16_t> Recovery::links_now() const {
    const std::vector<MqttConfig>& now = assembly_.config().mqtt;
    const std::vector<MqttConfig>& before = earlier_ ? earlier_->load.config.mqtt : now;
    std::vector<std::uint16_t> links;
    for (const MqttConfig& old : before) {
        const auto found = std::find_if(now.begin(), now.end(), [&](const MqttConfig& c) { return c.name == old.name; });
        links.push_back(found == now.end() ? DuplicateHorizon::no_link : static_cast<std::uint16_t>(found - now.begin()));
    }
    return links;
}

bool Recovery::same_links() const {
    const std::vector<std::uint16_t> links = links_now();
    for (std::size_t i = 0; i < links.size(); ++i)
        if (links[i] != i) return false;
    return true;
}

// What the broker may send again is known by the rows of the checkpoint, and by those of the journal, which has heard of
// sessions that the broker forgot since.
void Recovery::carry_horizon(Journal& to, Journal* old, std::uint64_t position, ByteSpan saved, std::span<const std::uint16_t> links) {
    if (!found_ && !earlier_) return;
    const auto load = [](Journal& into, ByteSpan rows, std::span<const std::uint16_t> link_of) {
        if (!rows.empty() && !into.load_horizon(rows, link_of).ok())
            WEIR_LOG_ERROR("recovery", "what repeated messages are known by is damaged: some may count twice");
    };
    if (!old || old->newest_sequence() < position) return load(to, saved, links);
    std::vector<std::uint16_t> as_they_are(links.size());
    std::iota(as_they_are.begin(), as_they_are.end(), std::uint16_t{0});
    load(*old, saved, as_they_are);
    if (&to == old) return;
    std::vector<std::byte> rows(Journal::horizon_bytes(old->params()));
    ByteWriter out(rows);
    old->save_horizon(old->newest_sequence(), out);
    load(to, out.written(), links);
}

// What the snapshot holds may be more than the ring of this configuration: what is in it goes to flash first.
Status Recovery::restage(const std::string& staged) {
    if (staged.empty()) return {};
    for (;;) {
        const Status taken = outbox_.restage(as_byte_span(staged));
        if (taken.ok() || taken.error() != Error::full) return taken;
        if (const Status committed = outbox_.commit(); !committed.ok()) return committed;
    }
}

bool Recovery::restore(Pipeline& pipeline) {
    if (!found_) return false;
    if (pipeline.restore(as_byte_span(found_->state)).ok()) return true;
    WEIR_LOG_ERROR("recovery", "the saved state is damaged: windows begin anew");
    pipeline.reset_state();
    something_was_lost_ = true;
    return false;
}

// Behind the epoch of a state that was found, too: a new database begins to count anew.
Status Recovery::begin_epoch(std::uint64_t behind, std::uint64_t& epoch, std::string& reason) {
    do {
        const Result<std::uint64_t> begun = outbox_.begin_epoch();
        if (!begun.ok()) {
            reason = parts_.outbox.path + ": " + std::string(name(begun.error()));
            return begun.error();
        }
        epoch = *begun;
    } while (epoch <= behind);
    return {};
}

Status Recovery::fill(Pipeline& pipeline, Recovered& recovered, std::string& reason) {
    const bool restored = restore(pipeline);
    if (restored)
        if (const Status staged = restage(found_->staged); !staged.ok()) {
            reason = "results that were not on flash yet cannot be written there";
            return staged;
        }
    if (earlier_)
        if (const Status taken = take_over(pipeline); !taken.ok()) {
            reason = parts_.outbox.path + " cannot be written";
            return taken;
        }
    // Without the journal the output behind the state cannot be made again with its old numbers.
    const bool same_epoch = restored && found_->after_crash && journal_covers_;
    const bool first_ever = outbox_.identity().epoch == 0 && !restored && !earlier_;
    std::uint64_t epoch = restored ? found_->epoch : earlier_ ? earlier_->epoch : 0;
    const std::uint64_t behind = epoch;
    if (!same_epoch) {
        if (restored) outbox_.seal({found_->epoch, pipeline.analysis().last_sequence()});
        if (const Status committed = outbox_.commit(); !committed.ok()) return committed;
        // Another configuration's checkpoint is good until ours is written: only then its epoch may end.
        if (earlier_)
            epoch = std::max(outbox_.identity().epoch, behind) + 1;
        else if (const Status begun = begin_epoch(behind, epoch, reason); !begun.ok())
            return begun;
        if (const Status set = set_frontiers(pipeline, adopted_); !set.ok()) {
            reason = parts_.outbox.path + " cannot be read";
            return set;
        }
        if (!first_ever && !earlier_) something_was_lost_ = true;
    }
    const std::uint64_t before = pipeline.messages();
    if (pipeline.lanes()) {
        if (const Status replayed = replay_lanes(pipeline, recovered, epoch); !replayed.ok()) {
            reason = "the journals of the lanes cannot be evened out";
            return replayed;
        }
    } else {
        replay(pipeline, recovered, epoch, restored ? found_->journal_sequence : 0);
    }
    if (same_epoch)
        if (const Status apart = leave_foreign_results(pipeline, epoch, reason); !apart.ok()) return apart;
    if (something_was_lost_)
        mark_gap(pipeline);
    else if (earlier_)
        mark_beginnings(pipeline);
    WEIR_LOG_INFO("recovery", "epoch %llu %s, %llu messages replayed from the journal%s", number(epoch),
                  same_epoch ? "goes on" : "begins", number(pipeline.messages() - before),
                  something_was_lost_ ? "; windows that may miss events are marked partial" : "");

    // Another configuration's checkpoint needs its journal until the new epoch has begun.
    if (const Status saved = pipeline.checkpoint(earlier_ != nullptr); !saved.ok()) return saved;
    if (earlier_)
        if (const Status begun = begin_epoch(epoch - 1, epoch, reason); !begun.ok()) return begun;
    if (const Status moved = move_next_files(); !moved.ok()) return moved;
    remove_other_lanes();
    old_journal_.reset();
    earlier_.reset();
    old_lanes_.clear();
    found_.reset();
    return {};
}

// The start of an edit that was taken back may have put results into this epoch that we never said, with numbers that we
// would give again: what comes from now on needs an epoch of its own. What that start closed stays closed.
Status Recovery::leave_foreign_results(Pipeline& pipeline, std::uint64_t& epoch, std::string& reason) {
    const OutputPosition said{epoch, pipeline.analysis().last_sequence()};
    if (outbox_.committed_position() <= said) return {};
    outbox_.seal(outbox_.committed_position());
    if (const Status committed = outbox_.commit(); !committed.ok()) return committed;
    if (const Status begun = begin_epoch(epoch, epoch, reason); !begun.ok()) return begun;
    if (const Status set = set_frontiers(pipeline); !set.ok()) return set;
    pipeline.begin_epoch(epoch);
    return {};
}

void Recovery::replay(Pipeline& pipeline, Recovered& recovered, std::uint64_t epoch, std::uint64_t from) {
    const std::uint64_t newest = recovered.journal->newest_sequence();
    pipeline.begin(epoch, earlier_ ? newest + 1 : std::max(from + 1, recovered.journal->oldest_sequence()));
    if (old_journal_ && !earlier_) {
        pipeline.catch_up_from(*old_journal_, from);
        pipeline.begin(epoch, recovered.journal->oldest_sequence());
    } else {
        pipeline.catch_up();
    }
}

// The new files hold everything: they take the places of those of another size or configuration.
Status Recovery::move_next_files() {
    const RunFiles paths = run_files(assembly_.config());
    std::vector<std::string> moved = {paths.checkpoint};
    for (std::size_t lane = 0; lane < assembly_.lanes(); ++lane) moved.push_back(paths.journal_of(lane));
    for (const std::string& path : moved)
        if (files_.size(path + ".next").ok())
            if (const Status renamed = files_.rename(path + ".next", path); !renamed.ok()) return renamed;
    return {};
}

// What belongs to windows that are gone is not for this engine.
// What goes on in this very process knows by itself what it has emitted.
Status Recovery::set_frontiers(Pipeline& pipeline, std::span<const std::uint64_t> but) {
    const Result<std::vector<Frontier>> frontiers = outbox_.frontiers();
    if (!frontiers) return frontiers.error();
    for (const Frontier& frontier : *frontiers) {
        if (std::find(but.begin(), but.end(), frontier.definition) != but.end()) continue;
        if (const Status set = pipeline.set_frontier(frontier.definition, frontier.partition, frontier.end);
            !set.ok() && set.error() != Error::missing)
            WEIR_LOG_ERROR("recovery", "more partitions than max_partitions: a window may be emitted again");
    }
    return {};
}

// A window that a new configuration began has not seen what came before.
void Recovery::mark_beginnings(Pipeline& pipeline) {
    const EnginePlan& plan = assembly_.engine();
    const std::optional<Timestamp> latest = seen_ ? seen_ : latest_seen(pipeline);
    if (!latest) return;
    const Timestamp seen = clock_.wall_trusted() ? std::max(*latest, clock_.wall()) : *latest;
    const auto mark = [&](std::uint64_t definition) {
        if (std::find(adopted_.begin(), adopted_.end(), definition) == adopted_.end())
            pipeline.mark_gap(Timestamp::min(), seen, definition);
    };
    for (std::size_t i = 0; i < plan.windows(); ++i) mark(plan.definition(i));
    for (std::size_t i = 0; i < plan.patterns(); ++i) mark(plan.pattern_definition(i));
}

// The furthest that an event can have been from which a source has its watermark.
std::optional<Timestamp> Recovery::latest_seen(Pipeline& pipeline) {
    std::optional<Timestamp> seen;
    for (std::size_t lane = 0; lane < pipeline.engines(); ++lane) {
        const Analysis& analysis = pipeline.analysis_of(lane);
        for (std::size_t i = 0; i < analysis.assembly().engine().sources(); ++i) {
            const SourceStatus status = analysis.engine().source_status(i);
            if (status.watermark == Timestamp::min()) continue;
            seen = std::max(seen.value_or(Timestamp::min()), status.watermark + status.lateness);
        }
    }
    return seen;
}

void Recovery::mark_gap(Pipeline& pipeline) {
    const Timestamp from = least_watermark(pipeline, assembly_.engine().sources()).value_or(Timestamp::min());
    const Timestamp at_least = from + assembly_.config().agent.flush + gap_margin;
    pipeline.mark_gap(from, clock_.wall_trusted() ? std::max(clock_.wall(), at_least) : at_least);
}

}  // namespace weir
