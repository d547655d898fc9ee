#include "agent/recovery.h"

#include <algorithm>

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
std::optional<Timestamp> least_watermark(const Engine& engine, std::size_t sources) {
    std::optional<Timestamp> least;
    for (std::size_t i = 0; i < sources; ++i) {
        const Timestamp watermark = engine.source_status(i).watermark;
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
    open_old_journal();
    found_ = find_crash_checkpoint();
    if (!found_) found_ = find_flash_checkpoint();
    if (!found_) {
        something_was_lost_ = outbox_.identity().epoch > 0;
    } else if (!may_go_on(*found_)) {
        if (!finish_other_configuration(*found_)) something_was_lost_ = true;
        found_.reset();
        // Its entries have had their effect; what it knows of deliveries that may come again still counts.
        if (old_journal_) old_journal_->release_to(old_journal_->newest_sequence());
    }
    return open_files(recovered, reason);
}

void Recovery::open_old_journal() {
    const std::string path = run_files(assembly_.config()).journal;
    const Result<JournalParams> shape = Journal::inspect(files_, path);
    if (!shape.ok()) return;
    same_journal_ = same_shape(*shape, parts_.journal);
    JournalOpenReport report;
    Result<std::unique_ptr<Journal>> journal =
        Journal::open(files_, entropy_, path, same_journal_ ? parts_.journal : *shape, report);
    if (report.kind == JournalOpenReport::Kind::set_aside)
        WEIR_LOG_ERROR("journal", "%.*s; the file is now %s", static_cast<int>(report.reason.size()),
                       report.reason.data(), report.aside_path.c_str());
    if (journal.ok() && report.kind == JournalOpenReport::Kind::recovered) old_journal_ = std::move(*journal);
    if (!old_journal_) same_journal_ = false;
}

std::optional<Recovery::Found> Recovery::find_crash_checkpoint() {
    const std::string path = run_files(assembly_.config()).checkpoint;
    const Result<Bytes> content = CheckpointFile::inspect(files_, path);
    if (!content.ok()) return std::nullopt;
    CheckpointFile::OpenReport report;
    const Result<std::unique_ptr<CheckpointFile>> file = CheckpointFile::open(files_, path, *content, report);
    if (!file.ok()) return std::nullopt;
    const std::optional<CheckpointView> newest = (*file)->newest();
    if (!newest) return std::nullopt;
    const bool same_epoch = newest->label.epoch == outbox_.identity().epoch;
    if (!same_epoch && !options_.outbox_is_fresh) {
        WEIR_LOG_WARNING("recovery", "%s", std::string(other_state).c_str());
        return std::nullopt;
    }
    ByteReader in(newest->configuration);
    return Found{same_epoch,
                 newest->label.plan_hash,
                 newest->label.epoch,
                 newest->label.journal_sequence,
                 std::string(in.text()),
                 text_of(newest->engine),
                 text_of(newest->staged_results)};
}

std::optional<Recovery::Found> Recovery::find_flash_checkpoint() {
    const Result<FlashCheckpointInfo> info = outbox_.checkpoint_info();
    if (!info.ok() && info.error() == Error::missing) return std::nullopt;
    std::string bytes(info.ok() ? info->size : 0, '\0');
    const bool read = info.ok() && outbox_.read_checkpoint(std::as_writable_bytes(std::span(bytes))).ok();
    const std::optional<Pipeline::FlashContent> content =
        read ? Pipeline::split(as_byte_span(bytes)) : std::nullopt;
    if (!content) {
        WEIR_LOG_ERROR("recovery", "the flash checkpoint is damaged: windows begin anew");
        return std::nullopt;
    }
    return Found{false,
                 info->plan,
                 info->output.epoch,
                 info->journal_position,
                 std::string(content->configuration),
                 text_of(content->state),
                 {}};
}

// Every entry behind sequence is there.
bool Recovery::journal_continues(std::uint64_t sequence) const {
    return old_journal_ && old_journal_->oldest_sequence() <= sequence + 1 &&
           old_journal_->newest_sequence() >= sequence;
}

// The same program under a configuration that computes the same; or a new version, and nothing to replay.
bool Recovery::may_go_on(const Found& found) const {
    if (found.program == assembly_.program()) return true;
    if (!journal_continues(found.journal_sequence) || old_journal_->newest_sequence() != found.journal_sequence)
        return false;
    ConfigContext context;
    context.files = &files_;
    context.read_secrets = false;
    const ConfigLoad old = parse_config(found.configuration, "/checkpoint", context);
    std::vector<ConfigProblem> problems;
    const std::unique_ptr<Assembly> assembly = old.ok() ? Assembly::make(old.config, problems) : nullptr;
    return assembly && assembly->fingerprint() == assembly_.fingerprint();
}

// Runs what another configuration had open to its end: the journal behind its state, then every window.
bool Recovery::finish_other_configuration(const Found& found) {
    ConfigContext context;
    context.files = &files_;
    context.read_secrets = false;
    const ConfigLoad old = parse_config(found.configuration, "/checkpoint", context);
    std::vector<ConfigProblem> problems;
    const std::unique_ptr<Assembly> assembly = old.ok() ? Assembly::make(old.config, problems) : nullptr;
    if (!assembly) {
        WEIR_LOG_ERROR("recovery", "the earlier configuration cannot be read by this version: its open windows are given up");
        return false;
    }
    ArenaBlock block(Pipeline::need(*assembly));
    Arena arena(block.memory());
    Pipeline::Options options;
    options.deliver = options_.deliver;
    options.staging_bytes = parts_.outbox.staging_bytes;
    Pipeline::Parts parts;
    parts.outbox = &outbox_;
    parts.clock = &clock_;
    Pipeline pipeline(arena, *assembly, {}, options, parts, found.configuration);
    if (!pipeline.restore(as_byte_span(found.state)).ok()) {
        WEIR_LOG_ERROR("recovery", "the earlier state cannot be read by this version: its open windows are given up");
        return false;
    }
    std::uint64_t epoch = found.epoch;
    if (!found.after_crash) {
        const Result<std::uint64_t> begun = outbox_.begin_epoch();
        if (!begun.ok()) return false;
        epoch = *begun;
        set_frontiers(pipeline.analysis().engine());
    }
    if (!restage(found.staged).ok()) return false;
    pipeline.begin(epoch, 0);
    if (old_journal_) pipeline.catch_up_from(*old_journal_, found.journal_sequence);
    pipeline.analysis().finish_partial();
    pipeline.seal();
    standing_alerts_ = pipeline.analysis().alerts().standing();
    if (!outbox_.commit().ok()) {
        WEIR_LOG_ERROR("recovery", "the outbox cannot be written");
        return false;
    }
    WEIR_LOG_WARNING("recovery", "the configuration or the program has changed: windows that were open have been closed as "
                                 "partial; later events of those intervals count as late_after_power_cut");
    return true;
}

Status Recovery::open_files(Recovered& recovered, std::string& reason) {
    const RunFiles paths = run_files(assembly_.config());
    const bool keep_checkpoint = found_ && found_->after_crash;
    const Result<Bytes> content = CheckpointFile::inspect(files_, paths.checkpoint);
    const bool fits = content.ok() && CheckpointFile::need(*content) == CheckpointFile::need(parts_.checkpoint_content);
    // One of another size is replaced only when the new one holds the state: see fill().
    const std::string checkpoint_path = keep_checkpoint && !fits ? paths.checkpoint + ".next" : paths.checkpoint;
    if (!keep_checkpoint || checkpoint_path != paths.checkpoint) (void)files_.remove(checkpoint_path).ok();
    CheckpointFile::OpenReport report;
    Result<std::unique_ptr<CheckpointFile>> checkpoints =
        CheckpointFile::open(files_, checkpoint_path, parts_.checkpoint_content, report);
    if (!checkpoints.ok()) {
        reason = checkpoint_path + ": " + std::string(name(checkpoints.error()));
        return checkpoints.error();
    }
    recovered.checkpoints = std::move(*checkpoints);

    // Without a state to continue, what the journal still holds is counted from nothing.
    if (same_journal_ && (!found_ || journal_continues(found_->journal_sequence))) {
        recovered.journal = std::move(old_journal_);
        journal_covers_ = found_.has_value();
        return {};
    }
    // A journal of another shape is read before it is replaced; one that does not continue the state is of no use.
    const bool read_first = found_ && journal_continues(found_->journal_sequence);
    if (!read_first) old_journal_.reset();
    journal_covers_ = read_first;
    const std::string journal_path = read_first ? paths.journal + ".next" : paths.journal;
    (void)files_.remove(journal_path).ok();
    JournalParams params = parts_.journal;
    params.first_sequence = 1 + (read_first ? old_journal_->newest_sequence() : found_ ? found_->journal_sequence : 0);
    JournalOpenReport journal_report;
    Result<std::unique_ptr<Journal>> journal = Journal::open(files_, entropy_, journal_path, params, journal_report);
    if (!journal.ok()) {
        reason = journal_path + ": " + std::string(name(journal.error()));
        return journal.error();
    }
    recovered.journal = std::move(*journal);
    return {};
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
    pipeline.analysis().engine().reset();
    something_was_lost_ = true;
    return false;
}

Status Recovery::fill(Pipeline& pipeline, Recovered& recovered, std::string& reason) {
    const bool restored = restore(pipeline);
    if (restored && !restage(found_->staged).ok()) {
        reason = "results that were not on flash yet cannot be written there";
        return Error::io;
    }
    // Without the journal the output behind the state cannot be made again with its old numbers.
    const bool same_epoch = restored && found_->after_crash && journal_covers_;
    std::uint64_t epoch = restored ? found_->epoch : 0;
    const bool first_ever = outbox_.identity().epoch == 0 && !restored;
    if (!same_epoch) {
        if (restored) outbox_.seal({found_->epoch, pipeline.analysis().last_sequence()});
        if (const Status committed = outbox_.commit(); !committed.ok()) return committed;
        // Behind the epoch of the state too: a new database begins to count anew.
        const std::uint64_t behind = epoch;
        do {
            const Result<std::uint64_t> begun = outbox_.begin_epoch();
            if (!begun.ok()) {
                reason = parts_.outbox.path + ": " + std::string(name(begun.error()));
                return begun.error();
            }
            epoch = *begun;
        } while (epoch <= behind);
        set_frontiers(pipeline.analysis().engine());
        if (!first_ever) something_was_lost_ = true;
    }
    if (!standing_alerts_.empty()) {
        const std::size_t adopted = pipeline.analysis().alerts().adopt(standing_alerts_);
        if (adopted < standing_alerts_.size())
            WEIR_LOG_WARNING("alert", "%zu raised alerts belong to definitions that are no longer there: nobody will clear "
                                      "them, and what was published retained stays at the broker",
                             standing_alerts_.size() - adopted);
    }
    const std::uint64_t from = restored ? found_->journal_sequence : 0;
    pipeline.begin(epoch, std::max(from + 1, recovered.journal->oldest_sequence()));
    const std::uint64_t before = pipeline.analysis().messages();
    if (old_journal_) {
        pipeline.catch_up_from(*old_journal_, from);
        pipeline.begin(epoch, recovered.journal->oldest_sequence());
    } else {
        pipeline.catch_up();
    }
    if (something_was_lost_) mark_gap(pipeline);
    WEIR_LOG_INFO("recovery", "epoch %llu %s, %llu messages replayed from the journal%s", number(epoch),
                  same_epoch ? "goes on" : "begins", number(pipeline.analysis().messages() - before),
                  something_was_lost_ ? "; windows that may miss events are marked partial" : "");

    if (const Status saved = pipeline.checkpoint(); !saved.ok()) return saved;
    // The new files hold everything: they take the places of those of another size.
    const RunFiles paths = run_files(assembly_.config());
    for (const std::string& path : {paths.checkpoint, paths.journal})
        if (files_.size(path + ".next").ok())
            if (const Status renamed = files_.rename(path + ".next", path); !renamed.ok()) return renamed;
    old_journal_.reset();
    found_.reset();
    return {};
}

// What belongs to windows that are gone is not for this engine.
void Recovery::set_frontiers(Engine& engine) {
    for (const Frontier& frontier : outbox_.frontiers())
        if (const Status set = engine.set_frontier(frontier.definition, frontier.partition, frontier.end);
            !set.ok() && set.error() != Error::missing)
            WEIR_LOG_ERROR("recovery", "more partitions than max_partitions: a window may be emitted again");
}

void Recovery::mark_gap(Pipeline& pipeline) {
    Engine& engine = pipeline.analysis().engine();
    const Timestamp from = least_watermark(engine, assembly_.engine().sources()).value_or(Timestamp::min());
    const Timestamp at_least = from + assembly_.config().agent.flush + gap_margin;
    engine.mark_gap(from, clock_.wall_trusted() ? std::max(clock_.wall(), at_least) : at_least);
}

}  // namespace weir
