#include "agent/pipeline.h"

#include <algorithm>
#include <chrono>
#include <thread>

#include "agent/base/log.h"

namespace weir {
namespace {

// The preamble, which is two pieces of u32 length and bytes (configuration's text, horizon), and the state.
constexpr std::uint64_t flash_format = 2;
constexpr std::uint64_t flash_format_without_horizon = 1;
constexpr unsigned entries_a_step = 4096;  // so that ticks and checkpoints are looked after under load
constexpr Duration room_wait_max = Duration::millis(500);
constexpr Bytes entry_overhead_max = 128;  // of the staging ring, padding included

std::size_t links_of(const Assembly& assembly) { return assembly.config().mqtt.size(); }

Analysis::Options behind_lanes(Analysis::Options options) {
    options.part = Analysis::Options::Part::behind_lanes;
    return options;
}

}  // namespace

// An alert's record has its window's key and plain values, and says state, severity, id, sequence, reason and message.
Bytes Pipeline::record_bytes_max(const Assembly& assembly) {
    Bytes longest_name = 0;
    for (const AlertConfig& alert : assembly.config().alerts) longest_name = std::max(longest_name, alert.name.size());
    Bytes scored = 0;
    for (const AlertPlan& plan : assembly.alerts())
        if (plan.anomaly) scored = std::max(scored, Anomalies::record_bytes_max(assembly, plan));
    constexpr Bytes said = 512 + AlertTeller::message_bytes_max;
    return assembly.engine().record_size_max() + longest_name + scored + said;
}

Bytes Pipeline::need(const Assembly& assembly) {
    const Bytes own = Arena::need<std::byte>(record_bytes_max(assembly)) + Intake::need(links_of(assembly));
    if (assembly.lanes() == 1) return own + Analysis::need(assembly, {});
    return own + Analysis::need(assembly, behind_lanes({})) + LaneGroup::need(assembly, {});
}

Bytes Pipeline::state_bytes_max(const Assembly& assembly) {
    const Bytes intake = Intake::save_size(links_of(assembly));
    if (assembly.lanes() == 1) return intake + Analysis::save_size_max(assembly);
    return LaneGroup::save_size_max(assembly) + intake + Analysis::save_size_max(assembly, Analysis::Options::Part::behind_lanes);
}

Bytes Pipeline::checkpoint_content_max(const Assembly& assembly, std::string_view configuration,
                                       const JournalParams& journal, Bytes staged_bytes_max) {
    return 2 * sizeof(std::uint32_t) + configuration.size() + assembly.lanes() * Journal::horizon_bytes(journal) +
           state_bytes_max(assembly) + staged_bytes_max;
}

Pipeline::Pipeline(Arena& arena, const Assembly& assembly, const Analysis::Options& analysis,
                   const Options& options, const Parts& parts, std::string configuration)
    : assembly_(assembly),
      options_(options),
      parts_(parts),
      configuration_(std::move(configuration)),
      encoded_(arena.take<std::byte>(record_bytes_max(assembly))),
      intake_(arena, links_of(assembly)),
      analysis_(arena, assembly, assembly.lanes() == 1 ? analysis : behind_lanes(analysis), *this) {
    if (assembly.lanes() > 1) lanes_ = std::make_unique<LaneGroup>(arena, assembly, analysis, analysis_);
}

Status Pipeline::restore(ByteSpan state) {
    ByteReader in(state);
    if (lanes_)
        if (Status loaded = lanes_->load(in); !loaded.ok()) return loaded;
    if (!intake_.load(in)) return Error::invalid;
    if (Status loaded = analysis_.load(in); !loaded.ok()) return loaded;
    return in.remaining() == 0 ? Status::success() : Status(Error::invalid);
}

void Pipeline::reset_state() {
    intake_.reset();
    if (lanes_)
        lanes_->reset();
    else
        analysis_.reset();
}

void Pipeline::adopt_intake(const Pipeline& from) {
    const std::vector<MqttConfig>& ours = assembly_.config().mqtt;
    const std::vector<MqttConfig>& theirs = from.assembly_.config().mqtt;
    for (std::size_t i = 0; i < ours.size(); ++i)
        for (std::size_t j = 0; j < theirs.size(); ++j)
            if (ours[i].name == theirs[j].name) intake_.adopt(i, from.link_accounting(j));
}

void Pipeline::begin(std::uint64_t epoch, std::uint64_t journal_sequence_from) {
    epoch_ = epoch;
    sealed_ = 0;
    if (parts_.journal != nullptr) cursor_ = parts_.journal->seek(journal_sequence_from);
    schedule();
}

void Pipeline::begin_epoch(std::uint64_t epoch) {
    epoch_ = epoch;
    sealed_ = 0;
    schedule();
}

void Pipeline::schedule() {
    const MonotonicTime now = parts_.clock->monotonic();
    next_tick_ = now;
    next_checkpoint_ = now + options_.checkpoint;
    next_flush_ = now + options_.flush;
}

void Pipeline::catch_up() {
    if (lanes_) return catch_up_lanes();
    while (take_entry(*parts_.journal)) {
    }
    parts_.journal->mark_read(cursor_);
    analysis_.flush();
    seal();
}

void Pipeline::catch_up_from(Journal& other, std::uint64_t sequence) {
    cursor_ = other.seek(sequence + 1);
    while (take_entry(other)) {
    }
    analysis_.flush();
    seal();
}

void Pipeline::seal() {
    if (!options_.deliver || parts_.outbox == nullptr || analysis_.last_sequence() == sealed_) return;
    sealed_ = analysis_.last_sequence();
    parts_.outbox->seal({epoch_, sealed_});
}

bool Pipeline::take_entry(Journal& journal) {
    JournalEntry entry;
    if (!journal.next(cursor_, entry)) return false;
    seal();
    switch (entry.kind) {
        case EntryKind::message:
            intake_.journaled(entry.link);
            analysis_.message(entry.link, {entry.topic, entry.payload, entry.arrival, entry.clock_trusted});
            break;
        case EntryKind::tick: analysis_.tick(entry.arrival, entry.clock_trusted); break;
        case EntryKind::control: analysis_.control(entry.payload); break;
        case EntryKind::connection: intake_.dropped(entry.link, entry.payload); break;
        case EntryKind::shed: intake_.dropped(entry.link, Intake::write_drop(IntakeDrop::shed)); break;
    }
    return true;
}

void Pipeline::append_tick() {
    JournalEntry tick;
    tick.kind = EntryKind::tick;
    tick.arrival = parts_.clock->wall();
    tick.clock_trusted = parts_.clock->wall_trusted();
    if (!parts_.journal->append(tick).ok()) WEIR_LOG_WARNING("journal", "no room for a tick of time");
    ++counters_.ticks;
}

void Pipeline::step(Duration limit) {
    if (lanes_) return step_lanes(limit);
    const MonotonicTime now = parts_.clock->monotonic();
    if (now >= next_tick_) {
        append_tick();
        next_tick_ = std::max(next_tick_ + options_.tick, now);
    }
    unsigned taken = 0;
    while (taken < entries_a_step && take_entry(*parts_.journal)) ++taken;
    analysis_.flush();
    seal();
    done_positions_[0] = journal_position();
    parts_.journal->mark_read(cursor_);
    if (parts_.printer != nullptr) parts_.printer->flush();

    checkpoint_if_due();
    if (taken == 0) {
        const Duration until_tick = next_tick_ - parts_.clock->monotonic();
        parts_.journal->wait_for_more(cursor_, std::max(Duration{}, std::min(limit, until_tick)));
    }
}

void Pipeline::checkpoint_if_due() {
    if (!checkpoint_due()) return;
    if (!checkpoint().ok()) {
        ++counters_.checkpoint_failures;
        WEIR_LOG_ERROR("checkpoint", "the crash checkpoint could not be written");
    }
    next_checkpoint_ = parts_.clock->monotonic() + options_.checkpoint;
}

bool Pipeline::checkpoint_due() const {
    if (slot_is_being_read()) return false;
    return parts_.clock->monotonic() >= next_checkpoint_ || journals_fill() || flash_wanted_;
}

bool Pipeline::journals_fill() const { return lanes_ ? lanes_->hurries() : parts_.journal->wants_checkpoint(cursor_); }

std::uint64_t Pipeline::position(std::size_t lane) const { return lanes_ ? lanes_->lane(lane).position() : journal_position(); }

void Pipeline::release_journals() {
    for (std::size_t lane = 0; lane < engines(); ++lane)
        journal(lane).release_to(options_.release_after_flush_only ? flushed_positions_[lane].load() : position(lane));
}

Journal& Pipeline::journal(std::size_t lane) const { return lanes_ ? lanes_->lane(lane).journal() : *parts_.journal; }

// By the store thread, which copies it into the database: a matter of milliseconds.
bool Pipeline::slot_is_being_read() const {
    return flash_state_ == Flash::reading && checkpoints_since_flash_ >= 1;
}

Status Pipeline::checkpoint(bool keep_journal) {
    analysis_.flush();
    seal();
    // One that the store thread has not begun is withdrawn: a newer one takes its place.
    Flash offered = Flash::offered;
    if (flash_state_.compare_exchange_strong(offered, Flash::none)) flash_wanted_ = true;
    const MutableByteSpan content = parts_.checkpoints->begin();
    ByteWriter out(content);
    out.text(configuration_);
    out.write(static_cast<std::uint32_t>(engines() * Journal::horizon_bytes(parts_.journal->params())));
    for (std::size_t lane = 0; lane < engines(); ++lane) journal(lane).save_horizon(position(lane), out);
    CheckpointFile::Sizes sizes;
    sizes.configuration = out.size();
    if (lanes_)
        if (Status saved = lanes_->save(out); !saved.ok()) return saved;
    intake_.save(out);  // with several lanes, what was counted before there were
    if (Status saved = analysis_.save(out); !saved.ok()) return saved;
    sizes.engine = out.size() - sizes.configuration;
    if (parts_.outbox != nullptr) parts_.outbox->staged_snapshot(out);
    if (!out.ok()) return Error::full;
    sizes.staged_results = out.size() - sizes.configuration - sizes.engine;

    const CheckpointLabel label{assembly_.program(), epoch_, position(0)};
    if (Status committed = parts_.checkpoints->commit(label, sizes); !committed.ok()) return committed;
    ++counters_.checkpoints;
    ++checkpoints_since_flash_;

    if (keep_journal) return {};
    release_journals();
    const bool due = flash_wanted_ || parts_.clock->monotonic() >= next_flush_ ||
                     (options_.release_after_flush_only && journals_fill());
    if (parts_.outbox != nullptr && due && flash_state_ == Flash::none) {
        flash_wanted_ = false;
        next_flush_ = parts_.clock->monotonic() + options_.flush;
        flash_.info = {{epoch_, analysis_.last_sequence()}, label.journal_sequence, flash_format,
                       assembly_.program(), sizes.configuration + sizes.engine};
        flash_.bytes = content.first(sizes.configuration + sizes.engine);
        for (std::size_t lane = 0; lane < engines(); ++lane) offered_positions_[lane] = position(lane);
        checkpoints_since_flash_ = 0;
        flash_state_ = Flash::offered;
        parts_.outbox->wake();
    }
    return {};
}

std::optional<FlashCheckpoint> Pipeline::flash_due() {
    Flash offered = Flash::offered;
    if (!flash_state_.compare_exchange_strong(offered, Flash::reading)) return std::nullopt;
    flash_positions_ = offered_positions_;
    return flash_;
}

void Pipeline::bytes_taken() { flash_state_ = Flash::none; }

void Pipeline::flash_done(bool written) {
    if (written)
        std::copy(flash_positions_.begin(), flash_positions_.end(), flushed_positions_.begin());
    else
        flash_wanted_ = true;
    Flash reading = Flash::reading;  // unless bytes_taken() has given it back, and a newer one is offered
    flash_state_.compare_exchange_strong(reading, Flash::none);
}

Pipeline::Preamble Pipeline::read_preamble(ByteReader& in) {
    Preamble preamble;
    preamble.configuration = in.text();
    if (in.remaining() > 0) preamble.horizon = as_byte_span(in.text());
    return preamble;
}

std::optional<Pipeline::FlashContent> Pipeline::split(ByteSpan flash_bytes, std::uint64_t format) {
    if (format > flash_format) return std::nullopt;
    ByteReader in(flash_bytes);
    FlashContent content;
    if (format == flash_format_without_horizon)
        content.preamble.configuration = in.text();
    else
        content.preamble = read_preamble(in);
    content.state = in.bytes(in.remaining());
    if (!in.ok()) return std::nullopt;
    return content;
}

void Pipeline::result(const Record& record) {
    const bool provisional = record.flags & record_provisional;
    ++(provisional ? counters_.provisional : counters_.results);
    if (parts_.printer != nullptr) parts_.printer->result(record);
    if (parts_.results != nullptr) parts_.results->result(record);
    if (parts_.recent != nullptr) parts_.recent->add(record);
    if (!provisional) stage(record);
}

void Pipeline::alert(const AlertTransition& transition, const Record& record) {
    ++counters_.alerts;
    if (parts_.publisher != nullptr) parts_.publisher->transition(transition, epoch_, record.sequence);
    if (parts_.recent != nullptr) parts_.recent->add(record);
    stage(record);
}

void Pipeline::stage(const Record& record) {
    ++counters_.output.emitted;
    if (!options_.deliver || parts_.outbox == nullptr) {
        ++counters_.output.not_delivered;
        return;
    }
    // A replay makes again what is on flash already.
    if (OutputPosition{epoch_, record.sequence} <= parts_.outbox->committed_position()) {
        ++counters_.output.known;
        return;
    }
    ByteWriter out(encoded_);
    WEIR_ASSERT(encode(record, out).ok());  // record_bytes_max() bounds it
    (void)make_room(out.size());
    StagedRecord staging;
    staging.kind = record.kind;
    staging.epoch = epoch_;
    staging.sequence = record.sequence;
    staging.definition = record.definition;
    staging.partition = record.partition;
    staging.end = record.end;
    staging.closes = false;  // seal() follows
    staging.revises = record.revision > 0 || record.kind == RecordKind::retraction || record.kind == RecordKind::late;
    staging.bytes = out.written();
    const Status staged = parts_.outbox->stage(staging);
    ++(staged.ok() ? counters_.output.staged : counters_.output.dropped);
    if (staged.ok()) return;
    ++counters_.staging_dropped;
    WEIR_LOG_ERROR("outbox", "no room in memory for a result, and flash does not take any: dropped and counted");
}

// Room for a record in the staging ring. While the store thread runs the engine waits for it, once and for
// a moment; a medium that is stuck costs results (they are counted), not windows or alerts.
bool Pipeline::make_room(Bytes bytes) {
    Outbox& outbox = *parts_.outbox;
    const auto fits = [&] {
        return outbox.counters().staged_bytes + bytes + entry_overhead_max <= options_.staging_bytes / 8 * 7;
    };
    if (fits()) return true;
    if (!store_runs_) return outbox.commit().ok();
    if (stuck_at_ == outbox.committed_position()) return false;
    ++counters_.staging_waits;
    outbox.wake();
    const MonotonicTime give_up = parts_.clock->monotonic() + room_wait_max;
    while (!fits()) {
        if (parts_.clock->monotonic() >= give_up) {
            stuck_at_ = outbox.committed_position();
            return false;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return true;
}

}  // namespace weir
