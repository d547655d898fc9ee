#include "agent/pipeline.h"

#include <algorithm>
#include <cstring>

#include "agent/base/log.h"

namespace weir {
namespace {

constexpr std::uint64_t flash_format = 1;  // u32 length, configuration's text, state
constexpr unsigned entries_a_step = 4096;  // so that ticks and checkpoints are looked after under load

}  // namespace

Bytes Pipeline::need(const Assembly& assembly) {
    return Analysis::need(assembly, {}) + Arena::need<std::byte>(assembly.engine().record_size_max());
}

Bytes Pipeline::checkpoint_content_max(const Assembly& assembly, std::string_view configuration,
                                       Bytes staged_bytes_max) {
    return sizeof(std::uint32_t) + configuration.size() + Analysis::save_size_max(assembly) + staged_bytes_max;
}

Pipeline::Pipeline(Arena& arena, const Assembly& assembly, const Analysis::Options& analysis,
                   const Options& options, const Parts& parts, std::string configuration)
    : assembly_(assembly),
      options_(options),
      parts_(parts),
      configuration_(std::move(configuration)),
      encoded_(arena.take<std::byte>(assembly.engine().record_size_max())),
      analysis_(arena, assembly, analysis, *this) {}

Status Pipeline::restore(ByteSpan state) {
    ByteReader in(state);
    if (Status loaded = analysis_.load(in); !loaded.ok()) return loaded;
    return in.remaining() == 0 ? Status::success() : Status(Error::invalid);
}

void Pipeline::begin(std::uint64_t epoch, std::uint64_t journal_sequence_from) {
    epoch_ = epoch;
    if (parts_.journal != nullptr) cursor_ = parts_.journal->seek(journal_sequence_from);
    const MonotonicTime now = parts_.clock->monotonic();
    next_tick_ = now;
    next_checkpoint_ = now + options_.checkpoint;
    next_flush_ = now + options_.flush;
}

void Pipeline::catch_up() {
    while (take_entry()) {
    }
    analysis_.flush();
}

bool Pipeline::take_entry() {
    JournalEntry entry;
    if (!parts_.journal->next(cursor_, entry)) return false;
    switch (entry.kind) {
        case EntryKind::message:
            analysis_.message(entry.link, {entry.topic, entry.payload, entry.arrival, entry.clock_trusted});
            break;
        case EntryKind::tick: analysis_.tick(entry.arrival, entry.clock_trusted); break;
        case EntryKind::control:
        case EntryKind::connection: break;
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
    const MonotonicTime now = parts_.clock->monotonic();
    if (now >= next_tick_) {
        append_tick();
        next_tick_ = std::max(next_tick_ + options_.tick, now);
    }
    unsigned taken = 0;
    while (taken < entries_a_step && take_entry()) ++taken;
    analysis_.flush();
    if (parts_.printer != nullptr) parts_.printer->flush();

    if (checkpoint_due()) {
        if (!checkpoint().ok()) {
            ++counters_.checkpoint_failures;
            WEIR_LOG_ERROR("checkpoint", "the crash checkpoint could not be written");
        }
        next_checkpoint_ = parts_.clock->monotonic() + options_.checkpoint;
    }
    if (taken == 0) {
        const Duration until_tick = next_tick_ - parts_.clock->monotonic();
        parts_.journal->wait_for_more(cursor_, std::max(Duration{}, std::min(limit, until_tick)));
    }
}

bool Pipeline::checkpoint_due() const {
    if (flash_pending_ && checkpoints_since_flash_ >= 1) return false;  // its slot is being read
    return parts_.clock->monotonic() >= next_checkpoint_ || parts_.journal->wants_checkpoint(cursor_) || flash_wanted_;
}

Status Pipeline::checkpoint() {
    analysis_.flush();
    const MutableByteSpan content = parts_.checkpoints->begin();
    ByteWriter out(content);
    out.text(configuration_);
    CheckpointFile::Sizes sizes;
    sizes.configuration = out.size();
    if (Status saved = analysis_.save(out); !saved.ok()) return saved;
    sizes.engine = out.size() - sizes.configuration;
    if (parts_.outbox != nullptr) parts_.outbox->staged_snapshot(out);
    if (!out.ok()) return Error::full;
    sizes.staged_results = out.size() - sizes.configuration - sizes.engine;

    const CheckpointLabel label{assembly_.fingerprint(), epoch_, journal_position()};
    if (Status committed = parts_.checkpoints->commit(label, sizes); !committed.ok()) return committed;
    ++counters_.checkpoints;
    ++checkpoints_since_flash_;

    if (options_.release_after_flush_only)
        parts_.journal->release_to(flushed_sequence_);
    else
        parts_.journal->release_to(label.journal_sequence);

    const bool due = flash_wanted_ || parts_.clock->monotonic() >= next_flush_ ||
                     (options_.release_after_flush_only && parts_.journal->wants_checkpoint(cursor_));
    if (parts_.outbox != nullptr && due && !flash_pending_) {
        flash_wanted_ = false;
        next_flush_ = parts_.clock->monotonic() + options_.flush;
        flash_.info = {{epoch_, analysis_.last_sequence()}, label.journal_sequence, flash_format,
                       assembly_.fingerprint(), sizes.configuration + sizes.engine};
        flash_.bytes = content.first(sizes.configuration + sizes.engine);
        checkpoints_since_flash_ = 0;
        flash_pending_ = true;
        parts_.outbox->wake();
    }
    return {};
}

std::optional<FlashCheckpoint> Pipeline::flash_due() const {
    if (!flash_pending_) return std::nullopt;
    return flash_;
}

void Pipeline::flash_done(bool written) {
    if (written) flushed_sequence_ = flash_.info.journal_position;
    flash_pending_ = false;
}

std::optional<Pipeline::FlashContent> Pipeline::split(ByteSpan flash_bytes) {
    ByteReader in(flash_bytes);
    FlashContent content;
    content.configuration = in.text();
    content.state = in.bytes(in.remaining());
    if (!in.ok()) return std::nullopt;
    return content;
}

void Pipeline::result(const Record& record) {
    ++counters_.results;
    if (parts_.printer != nullptr) parts_.printer->result(record);
    stage(record);
}

void Pipeline::alert(const AlertTransition& transition, const Record& record) {
    ++counters_.alerts;
    if (parts_.publisher != nullptr) parts_.publisher->transition(transition);
    stage(record);
}

void Pipeline::stage(const Record& record) {
    if (!options_.deliver || parts_.outbox == nullptr) return;
    ByteWriter out(encoded_);
    WEIR_ASSERT(encode(record, out).ok());  // record_size_max() bounds it
    const Status staged = parts_.outbox->stage({record.kind, epoch_, record.sequence, record.definition,
                                                record.partition, record.end, out.written()});
    if (!staged.ok()) ++counters_.staging_dropped;
}

}  // namespace weir
