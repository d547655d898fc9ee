#include "agent/recovery.h"

#include <algorithm>

#include "agent/base/log.h"

namespace weir {
namespace {

ByteSpan whole_of(const std::string& bytes) { return as_byte_span(bytes); }

Bytes checkpoint_text(std::string_view area, std::string_view& text) {
    ByteReader in(as_byte_span(area));
    text = in.text();
    return in.position();
}

// The least watermark: windows that end before it were complete when the state was saved.
Timestamp least_watermark(const Engine& engine, std::size_t sources) {
    Timestamp least = Timestamp::max();
    for (std::size_t i = 0; i < sources; ++i) least = std::min(least, engine.source_status(i).watermark);
    return least;
}

}  // namespace

RunFiles run_files(const AgentConfig& config) {
    const bool disk = config.agent.journal.on == JournalMedium::disk;
    return {(disk ? config.agent.state : config.agent.run) + "/journal", config.agent.run + "/checkpoint"};
}

Status Recovery::prepare(Recovered& recovered, std::string& reason) {
    look_at_crash_checkpoint();
    if (plan_ == Plan::power_cut) look_at_flash_checkpoint();
    return open_files(recovered, reason);
}

void Recovery::look_at_crash_checkpoint() {
    const RunFiles paths = run_files(assembly_.config());
    const Result<Bytes> content = CheckpointFile::inspect(files_, paths.checkpoint);
    if (!content.ok()) return;
    CheckpointFile::OpenReport report;
    Result<std::unique_ptr<CheckpointFile>> file = CheckpointFile::open(files_, paths.checkpoint, *content, report);
    if (!file.ok()) return;
    const std::optional<CheckpointView> newest = (*file)->newest();
    if (!newest) return;
    if (newest->label.epoch != outbox_.identity().epoch) {
        WEIR_LOG_WARNING("recovery", "the crash checkpoint belongs to another state: not used");
        return;
    }
    const Result<JournalParams> journal = Journal::inspect(files_, paths.journal);
    const bool same_shape = CheckpointFile::need(*content) == CheckpointFile::need(options_.checkpoint_content) &&
                            journal.ok() &&
                            Journal::need(*journal) == Journal::need(options_.journal);
    if (newest->label.plan_hash == assembly_.fingerprint() && same_shape) {
        plan_ = Plan::resume;
        state_journal_position_ = newest->label.journal_sequence;
        return;
    }
    std::string_view configuration;
    checkpoint_text(as_text(newest->configuration), configuration);
    finish_other_configuration({configuration, newest->engine, newest->staged_results, newest->label.plan_hash,
                                newest->label.journal_sequence, newest->label.epoch});
    file->reset();
    remove_files();
}

void Recovery::look_at_flash_checkpoint() {
    const Result<FlashCheckpointInfo> info = outbox_.checkpoint_info();
    if (!info.ok()) {
        if (info.error() != Error::missing)
            WEIR_LOG_WARNING("recovery", "the flash checkpoint is damaged: windows begin anew");
        return;
    }
    std::string bytes(info->size, '\0');
    if (!outbox_.read_checkpoint(std::as_writable_bytes(std::span(bytes))).ok()) {
        WEIR_LOG_WARNING("recovery", "the flash checkpoint is damaged: windows begin anew");
        return;
    }
    const std::optional<Pipeline::FlashContent> content = Pipeline::split(whole_of(bytes));
    if (!content) return;
    if (info->plan == assembly_.fingerprint()) {
        state_.assign(as_text(content->state));
        state_journal_position_ = info->journal_position;
        return;
    }
    finish_other_configuration({content->configuration, content->state, {}, info->plan, info->journal_position, 0});
    remove_files();
}

// Runs what another configuration had open to its end: the journal behind its state, then every window.
bool Recovery::finish_other_configuration(const Leftover& left) {
    ConfigContext context;
    context.files = &files_;
    context.read_secrets = false;
    const ConfigLoad old = parse_config(std::string(left.configuration), "/checkpoint", context);
    std::vector<ConfigProblem> problems;
    const std::unique_ptr<Assembly> assembly = old.ok() ? Assembly::make(old.config, problems) : nullptr;
    if (!assembly || assembly->fingerprint() != left.fingerprint) {
        WEIR_LOG_WARNING("recovery", "another version of Weir left open windows that this one cannot read: given up");
        return false;
    }

    const RunFiles paths = run_files(assembly_.config());
    std::unique_ptr<Journal> journal;
    if (const Result<JournalParams> params = Journal::inspect(files_, paths.journal); params.ok()) {
        JournalOpenReport report;
        Result<std::unique_ptr<Journal>> opened = Journal::open(files_, entropy_, paths.journal, *params, report);
        if (opened.ok()) journal = std::move(*opened);
    }
    ArenaBlock block(Pipeline::need(*assembly));
    Arena arena(block.memory());
    Pipeline::Options options;
    options.deliver = deliver_;
    Pipeline::Parts parts;
    parts.journal = journal.get();
    parts.outbox = &outbox_;
    parts.clock = &clock_;
    Pipeline pipeline(arena, *assembly, {}, options, parts, std::string(left.configuration));
    if (!pipeline.restore(left.state).ok() || (!left.staged.empty() && !outbox_.restage(left.staged).ok())) {
        WEIR_LOG_WARNING("recovery", "the state of the earlier configuration is damaged: its open windows are given up");
        return false;
    }
    std::uint64_t epoch = left.epoch;
    if (epoch == 0) {
        const Result<std::uint64_t> begun = outbox_.begin_epoch();
        if (!begun.ok()) return false;
        epoch = *begun;
        set_frontiers(pipeline.analysis().engine());
    }
    pipeline.begin(epoch, left.journal_sequence + 1);
    if (journal) pipeline.catch_up();
    if (!outbox_.commit().ok()) WEIR_LOG_WARNING("recovery", "the outbox cannot be written");
    pipeline.analysis().finish_partial();
    if (!outbox_.commit().ok()) WEIR_LOG_WARNING("recovery", "the outbox cannot be written");
    WEIR_LOG_WARNING("recovery", "the configuration has changed: windows that were open have been closed as partial");
    return true;
}

void Recovery::remove_files() {
    const RunFiles paths = run_files(assembly_.config());
    (void)files_.remove(paths.checkpoint).ok();
    (void)files_.remove(paths.journal).ok();
}

Status Recovery::open_files(Recovered& recovered, std::string& reason) {
    const RunFiles paths = run_files(assembly_.config());
    if (plan_ == Plan::power_cut) {
        (void)files_.remove(paths.checkpoint).ok();
        if (!options_.journal.durable) (void)files_.remove(paths.journal).ok();
    }
    CheckpointFile::OpenReport checkpoint_report;
    Result<std::unique_ptr<CheckpointFile>> checkpoints =
        CheckpointFile::open(files_, paths.checkpoint, options_.checkpoint_content, checkpoint_report);
    if (!checkpoints.ok()) {
        reason = paths.checkpoint + ": " + std::string(name(checkpoints.error()));
        return checkpoints.error();
    }
    recovered.checkpoints = std::move(*checkpoints);

    JournalParams params = options_.journal;
    params.first_sequence = state_journal_position_ + 1;
    JournalOpenReport report;
    Result<std::unique_ptr<Journal>> journal = Journal::open(files_, entropy_, paths.journal, params, report);
    if (!journal.ok()) {
        reason = paths.journal + ": " + std::string(name(journal.error()));
        return journal.error();
    }
    recovered.journal = std::move(*journal);
    if (report.kind == JournalOpenReport::Kind::set_aside)
        WEIR_LOG_ERROR("journal", "%.*s; the file is now %s", static_cast<int>(report.reason.size()),
                       report.reason.data(), report.aside_path.c_str());
    journal_continues_ = report.kind == JournalOpenReport::Kind::recovered &&
                         recovered.journal->oldest_sequence() <= state_journal_position_ + 1;
    if (plan_ == Plan::resume && report.kind != JournalOpenReport::Kind::recovered) plan_ = Plan::power_cut;
    return {};
}

Status Recovery::fill(Pipeline& pipeline, Recovered& recovered, std::string& reason) {
    if (plan_ == Plan::resume) {
        const std::optional<CheckpointView> newest = recovered.checkpoints->newest();
        if (newest && pipeline.restore(newest->engine).ok() && outbox_.restage(newest->staged_results).ok()) {
            pipeline.begin(newest->label.epoch, newest->label.journal_sequence + 1);
            pipeline.catch_up();
            WEIR_LOG_INFO("recovery", "resumed epoch %llu: %llu journal entries replayed",
                          static_cast<unsigned long long>(newest->label.epoch),
                          static_cast<unsigned long long>(pipeline.journal_position() - newest->label.journal_sequence));
            return pipeline.checkpoint();
        }
        WEIR_LOG_ERROR("recovery", "the crash checkpoint is damaged: windows begin anew");
        pipeline.analysis().engine().reset();
    }

    if (!state_.empty() && !pipeline.restore(whole_of(state_)).ok()) {
        WEIR_LOG_ERROR("recovery", "the flash checkpoint is damaged: windows begin anew");
        pipeline.analysis().engine().reset();
        state_.clear();
    }
    std::uint64_t epoch = 0;
    if (Status begun = begin_new_epoch(pipeline, epoch); !begun.ok()) {
        reason = options_.outbox.path + ": " + std::string(name(begun.error()));
        return begun;
    }
    const std::uint64_t from = !state_.empty() && journal_continues_ ? state_journal_position_ + 1
                                                                     : recovered.journal->oldest_sequence();
    pipeline.begin(epoch, from);
    pipeline.catch_up();
    state_ = {};
    return pipeline.checkpoint();
}

// What belongs to windows that are gone is not for this engine.
void Recovery::set_frontiers(Engine& engine) {
    for (const Frontier& frontier : outbox_.frontiers())
        if (const Status set = engine.set_frontier(frontier.definition, frontier.partition, frontier.end);
            !set.ok() && set.error() != Error::missing)
            WEIR_LOG_ERROR("recovery", "more partitions than max_partitions: a window may be emitted again");
}

Status Recovery::begin_new_epoch(Pipeline& pipeline, std::uint64_t& epoch) {
    const bool first_ever = outbox_.identity().epoch == 0;
    const Result<std::uint64_t> begun = outbox_.begin_epoch();
    if (!begun.ok()) return begun.error();
    epoch = *begun;
    if (first_ever) return {};

    Engine& engine = pipeline.analysis().engine();
    set_frontiers(engine);
    const Timestamp from = least_watermark(engine, assembly_.engine().sources());
    if (from != Timestamp::max() && from != Timestamp::min()) {
        const Timestamp now = clock_.wall_trusted() ? clock_.wall() : from;
        engine.mark_gap(from, std::max(now, from + Duration::seconds(1)));
    }
    WEIR_LOG_WARNING("recovery", "epoch %llu: %s", static_cast<unsigned long long>(epoch),
                     state_.empty() ? "windows begin anew" : "windows go on from the last flash checkpoint, marked partial");
    return {};
}

}  // namespace weir
