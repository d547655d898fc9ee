#include "agent/lane_runner.h"

#include <pthread.h>

#include <algorithm>
#include <cstdio>

namespace weir {
namespace {

constexpr Duration wait_max = Duration::millis(500);

Analysis::Options options_of(Analysis::Options options, PartialSink* partials) {
    options.part = Analysis::Options::Part::lane;
    options.partials = partials;
    return options;
}

std::size_t links_of(const Assembly& assembly) { return assembly.config().mqtt.size(); }

}  // namespace

std::optional<LaneTick> LaneTick::read(const JournalEntry& entry) {
    if (entry.kind != EntryKind::tick || entry.payload.size() != sizeof(std::uint64_t)) return std::nullopt;
    return LaneTick{load_le<std::uint64_t>(entry.payload.data()), entry.arrival, entry.clock_trusted};
}

Status LaneTick::append_to(Journal& journal) const {
    std::byte payload[sizeof number];
    store_le(payload, number);
    JournalEntry entry;
    entry.kind = EntryKind::tick;
    entry.arrival = arrival;
    entry.clock_trusted = clock_trusted;
    entry.payload = payload;
    const Result<Journal::Appended> appended = journal.append(entry);
    return appended.ok() ? Status::success() : Status(appended.error());
}

Bytes LaneRunner::need(const Assembly& assembly, const Analysis::Options& options) {
    return Intake::need(links_of(assembly)) + Analysis::need(assembly, options_of(options, nullptr));
}

Bytes LaneRunner::heap_need(const Assembly& assembly) {
    return sizeof(LaneRunner) + LaneOutput::need(assembly) + Analysis::codecs_need(assembly);
}

Bytes LaneRunner::save_size_max(const Assembly& assembly) {
    return Intake::save_size(links_of(assembly)) + Analysis::save_size_max(assembly, Analysis::Options::Part::lane);
}

Status LaneRunner::save(ByteWriter& out) const {
    intake_.save(out);
    return analysis_.save(out);
}

Status LaneRunner::load(ByteReader& in) {
    return intake_.load(in) ? analysis_.load(in) : Status(Error::invalid);
}

void LaneRunner::reset() {
    intake_.reset();
    analysis_.reset();
}

LaneRunner::LaneRunner(Arena& arena, const Assembly& assembly, const Analysis::Options& options, std::size_t number,
                       LaneOutput& output, std::function<void()> hurry)
    : number_(number),
      links_(std::max<std::size_t>(links_of(assembly), 1)),
      output_(output),
      intake_(arena, links_of(assembly)),
      analysis_(arena, assembly, options_of(options, &output), output),
      hurry_(std::move(hurry)) {}

LaneRunner::~LaneRunner() {
    {
        const std::lock_guard lock(mutex_);
        stopping_ = true;
    }
    changed_.notify_all();
    output_.queue().close();
    if (journal_ != nullptr) journal_->wake();
    if (thread_.joinable()) thread_.join();
}

void LaneRunner::begin(Journal& journal, std::uint64_t position, std::uint64_t tick) {
    journal_ = &journal;
    cursor_ = journal.seek(position + 1);
    tick_ = tick;
    if (!thread_.joinable()) thread_ = std::thread([this] { loop(); });
}

void LaneRunner::go(Until until) {
    {
        const std::lock_guard lock(mutex_);
        until_ = until;
        runs_ = true;
    }
    changed_.notify_all();
    journal_->wake();
}

void LaneRunner::wait_until_it_stands() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !runs_; });
}

void LaneRunner::loop() {
    char name[16];
    std::snprintf(name, sizeof name, "weir-lane-%zu", number_);
    pthread_setname_np(pthread_self(), name);
    for (;;) {
        {
            std::unique_lock lock(mutex_);
            changed_.wait(lock, [&] { return runs_ || stopping_; });
        }
        if (!stopping_) work();
        {
            const std::lock_guard lock(mutex_);
            runs_ = false;
        }
        changed_.notify_all();
        if (stopping_) return;
    }
}

void LaneRunner::work() {
    hurried_ = false;
    while (!stopping_) {
        JournalEntry entry;
        if (journal_->next(cursor_, entry)) {
            if (take(entry)) return;
            if (hurried_ || !journal_->wants_checkpoint(cursor_)) continue;
            hurried_ = true;
            hurry_();
            continue;
        }
        if (stands_at_the_end()) return;
        (void)journal_->wait_for_more(cursor_, wait_max);
    }
}

bool LaneRunner::stands_at_the_end() {
    analysis_.flush();
    if (until_ == Until::tick) return false;
    if (until_ == Until::dry) {
        output_.end_round(analysis_);
        return true;
    }
    analysis_.finish();
    output_.end();
    return true;
}

// True at a barrier. A tick that was done comes again where a journal was read from an earlier place than its state says.
bool LaneRunner::take(const JournalEntry& entry) {
    const std::size_t link = entry.link % links_;
    switch (entry.kind) {
        case EntryKind::message:
            intake_.journaled(link);
            analysis_.message(link, {entry.topic, entry.payload, entry.arrival, entry.clock_trusted});
            return false;
        case EntryKind::control: analysis_.control(entry.payload); return false;
        case EntryKind::connection: intake_.dropped(link, entry.payload); return false;
        case EntryKind::shed: intake_.dropped(link, Intake::write_drop(IntakeDrop::shed)); return false;
        case EntryKind::tick: break;
    }
    const std::optional<LaneTick> tick = LaneTick::read(entry);
    if (!tick || tick->number <= tick_) return false;
    tick_ = tick->number;
    analysis_.tick(tick->arrival, tick->clock_trusted);
    output_.end_round(analysis_);
    return true;
}

}  // namespace weir
