#include "windows/lane_merger.h"

#include <algorithm>

#include "agent/base/hash.h"
#include "windows/engine_memory.h"
#include "windows/merged_window.h"

namespace weir {
namespace {

constexpr std::uint32_t save_version = 1;
constexpr Bytes save_header = 4 + 4 + 8 + 8 + 8;

std::uint64_t seal(ByteSpan payload, const CompiledPlan& plan) {
    return hash64(payload, {plan.fingerprint, 0x776569726c616e65ULL});
}

std::size_t due_max(const CompiledPlan& plan) {
    std::size_t cells = 0;
    for (const CompiledWindow& window : plan.windows) cells += window.merged ? window.merged->cells_all() : 0;
    return cells;
}

}  // namespace

class MergerState {
public:
    // How far one source is in one lane.
    struct Progress {
        std::int64_t watermark = never_us;
        bool holds = true;
    };

    static Bytes need_of_itself(const CompiledPlan& plan, std::size_t lanes);
    MergerState(Arena& arena, const CompiledPlan& plan, std::size_t lanes, RecordSink& sink);

    void passed(std::size_t lane, std::size_t source, std::int64_t watermark, bool holds);
    void settle();
    void finish();
    void mark_gap(std::int64_t from, std::int64_t to);
    void save_payload(ByteWriter& out) const;
    bool load_payload(ByteReader& in);
    void reset();

    const CompiledPlan& plan_;
    const std::size_t lanes_;
    std::span<MergedWindow*> windows_;      // null: needs no merging
    std::span<std::int64_t> watermarks_;    // of sources
    Emission emission_;

private:
    void collect(std::size_t source, std::size_t& count);
    void emit(std::size_t count);
    void release(std::size_t source);

    std::span<Progress> progress_;          // of each lane, for each source
    std::span<Due> due_;
};

Bytes MergerState::need_of_itself(const CompiledPlan& plan, std::size_t lanes) {
    return Arena::need<MergerState>() + Arena::need<MergedWindow*>(plan.windows.size()) +
           Arena::need<std::int64_t>(plan.sources.size()) + Arena::need<Progress>(plan.sources.size() * lanes) +
           Arena::need<Due>(due_max(plan)) + Arena::need<Emission::Gap>(gaps_max(plan)) + Arena::need<Field>(record_fields_max) +
           Arena::need<TopItem>(items_max(plan)) + Arena::need<std::byte>(sketch_bytes_max(plan)) + Arena::need<std::byte>(state_size_max(plan));
}

MergerState::MergerState(Arena& arena, const CompiledPlan& plan, std::size_t lanes, RecordSink& sink)
    : plan_(plan),
      lanes_(lanes),
      windows_(arena.take<MergedWindow*>(plan.windows.size())),
      watermarks_(arena.take<std::int64_t>(plan.sources.size())),
      progress_(arena.take<Progress>(plan.sources.size() * lanes)),
      due_(arena.take<Due>(due_max(plan))) {
    emission_.sink = &sink;
    emission_.gaps = arena.take<Emission::Gap>(gaps_max(plan));
    emission_.fields = arena.take<Field>(record_fields_max);
    emission_.top_items = arena.take<TopItem>(items_max(plan));
    emission_.sketches = arena.take<std::byte>(sketch_bytes_max(plan));
    emission_.state = arena.take<std::byte>(state_size_max(plan));
    for (std::size_t i = 0; i < plan.windows.size(); ++i)
        if (plan.windows[i].merged)
            windows_[i] = arena.make<MergedWindow>(arena, plan.windows[i], plan.spec.windows[i].name, plan.spec.seed);
    reset();
}

void MergerState::reset() {
    for (MergedWindow* window : windows_)
        if (window) window->reset();
    std::fill(watermarks_.begin(), watermarks_.end(), never_us);
    std::fill(progress_.begin(), progress_.end(), Progress{});
    emission_.next_sequence = 1;
    emission_.gap_count = 0;
}

void MergerState::passed(std::size_t lane, std::size_t source, std::int64_t watermark, bool holds) {
    const std::span<Progress> of = progress_.subspan(source * lanes_, lanes_);
    of[lane].watermark = std::max(of[lane].watermark, watermark);
    of[lane].holds = holds;
    std::int64_t least = forever_us;
    std::int64_t furthest = never_us;
    for (const Progress& progress : of) {
        furthest = std::max(furthest, progress.watermark);
        if (progress.holds) least = std::min(least, progress.watermark);
    }
    const bool held = std::any_of(of.begin(), of.end(), [](const Progress& p) { return p.holds; });
    const std::int64_t merged = held ? least : furthest;
    if (merged <= watermarks_[source]) return;
    watermarks_[source] = merged;
    std::size_t count = 0;
    collect(source, count);
    emit(count);
    release(source);
}

void MergerState::settle() {
    std::size_t count = 0;
    for (std::size_t source = 0; source < plan_.sources.size(); ++source)
        if (plan_.sources[source].revises) collect(source, count);
    emit(count);
}

void MergerState::finish() {
    std::size_t count = 0;
    std::fill(watermarks_.begin(), watermarks_.end(), forever_us);
    for (std::size_t source = 0; source < plan_.sources.size(); ++source) collect(source, count);
    emit(count);
    for (std::size_t source = 0; source < plan_.sources.size(); ++source) release(source);
}

void MergerState::collect(std::size_t source, std::size_t& count) {
    for (std::size_t number : plan_.sources[source].windows)
        if (windows_[number]) windows_[number]->collect(watermarks_[source], static_cast<std::uint32_t>(number), due_, count);
}

void MergerState::emit(std::size_t count) {
    std::sort(due_.begin(), due_.begin() + static_cast<std::ptrdiff_t>(count), [this](const Due& a, const Due& b) {
        if (a.end != b.end) return a.end < b.end;
        if (a.window != b.window) return a.window < b.window;
        return windows_[a.window]->before(a.cell, b.cell);
    });
    for (const Due& due : due_.first(count)) windows_[due.window]->emit(due.cell, 0, emission_);
}

void MergerState::release(std::size_t source) {
    for (std::size_t number : plan_.sources[source].windows)
        if (windows_[number]) windows_[number]->release(watermarks_[source]);
}

void MergerState::mark_gap(std::int64_t from, std::int64_t to) { emission_.mark_gap(from, to); }

void MergerState::save_payload(ByteWriter& out) const {
    emission_.save(out);
    for (std::int64_t watermark : watermarks_) out.write(watermark);
    for (const Progress& progress : progress_) {
        out.write(progress.watermark);
        out.write(static_cast<std::uint8_t>(progress.holds));
    }
    for (const MergedWindow* window : windows_)
        if (window) window->save(out);
}

bool MergerState::load_payload(ByteReader& in) {
    if (!emission_.load(in)) return false;
    const auto time = [&] {
        const auto value = in.read<std::int64_t>();
        if (value < never_us || value > forever_us) in.fail();
        return value;
    };
    for (std::int64_t& watermark : watermarks_) watermark = time();
    for (Progress& progress : progress_) {
        progress.watermark = time();
        progress.holds = in.read<std::uint8_t>() != 0;
    }
    for (MergedWindow* window : windows_)
        if (window && !window->load(in)) return false;
    return in.ok() && in.remaining() == 0;
}

std::vector<EnginePlan::Part> LaneMerger::parts(const EnginePlan& plan, std::size_t lanes) {
    const CompiledPlan& compiled = plan.compiled();
    std::vector<EnginePlan::Part> parts{{"merger of lanes", MergerState::need_of_itself(compiled, lanes)}};
    for (std::size_t i = 0; i < compiled.windows.size(); ++i)
        if (compiled.windows[i].merged)
            parts.push_back({"merger of lanes: " + compiled.spec.windows[i].name,
                             Arena::need<MergedWindow>() + MergedWindow::need(compiled.windows[i])});
    return parts;
}

Bytes LaneMerger::need(const EnginePlan& plan, std::size_t lanes) {
    Bytes total = 0;
    for (const EnginePlan::Part& part : parts(plan, lanes)) total += part.bytes;
    return total;
}

LaneMerger::LaneMerger(Arena& arena, const EnginePlan& plan, std::size_t lanes, RecordSink& sink)
    : state_(arena.make<MergerState>(arena, plan.compiled(), lanes, sink)) {}

Status LaneMerger::absorb(ByteSpan partial) {
    ByteReader in(partial);
    PartialHead head;
    if (!head.read(in) || head.window >= state_->windows_.size()) return Error::invalid;
    MergedWindow* const window = state_->windows_[head.window];
    if (!window) return Error::invalid;
    const std::int64_t watermark = state_->watermarks_[state_->plan_.windows[head.window].source];
    return window->absorb(head, in, watermark, state_->emission_) ? Status::success() : Status(Error::invalid);
}

void LaneMerger::passed(std::size_t lane, std::size_t source, Timestamp watermark, bool holds) {
    WEIR_ASSERT(lane < state_->lanes_ && source < state_->plan_.sources.size());
    state_->passed(lane, source, std::clamp(watermark.us(), never_us, forever_us), holds);
}

void LaneMerger::leave_out_sketches() { state_->emission_.with_sketches = false; }
void LaneMerger::settle() { state_->settle(); }
void LaneMerger::finish() { state_->finish(); }

Status LaneMerger::set_frontier(std::uint64_t definition, Timestamp end) {
    for (MergedWindow* window : state_->windows_)
        if (window && window->definition() == definition) return window->frontier().set(0, std::clamp(end.us(), never_us, forever_us));
    return Error::missing;
}

void LaneMerger::mark_gap(Timestamp from, Timestamp to) {
    if (from < to) state_->mark_gap(from.us(), to.us());
}

Timestamp LaneMerger::watermark(std::size_t source) const {
    const std::int64_t watermark = state_->watermarks_[source];
    return watermark == never_us ? Timestamp::min() : Timestamp::micros(watermark);
}

WindowStatus LaneMerger::status(std::size_t window) const {
    const MergedWindow* const of = state_->windows_[window];
    if (!of) return {};
    return {of->intervals_used(), of->cells_used(), state_->plan_.windows[window].merged->cells_max, of->counters().values()};
}

Bytes LaneMerger::save_size_max(const EnginePlan& plan, std::size_t lanes) {
    const CompiledPlan& compiled = plan.compiled();
    Bytes total = save_header + 12 + gaps_max(compiled) * sizeof(Emission::Gap) + compiled.sources.size() * (8 + lanes * 9);
    for (const CompiledWindow& window : compiled.windows)
        if (window.merged) total += MergedWindow::save_size_max(window);
    return total;
}

// u32 version, u32 lanes, u64 fingerprint, u64 payload bytes, u64 seal, payload.
Status LaneMerger::save(ByteWriter& out) const {
    out.write(save_version);
    out.write(static_cast<std::uint32_t>(state_->lanes_));
    out.write(state_->plan_.fingerprint);
    const Bytes size_at = out.size();
    out.write(std::uint64_t{0});
    out.write(std::uint64_t{0});
    const Bytes begin = out.size();
    state_->save_payload(out);
    if (!out.ok()) return Error::full;
    const ByteSpan payload = out.written().subspan(begin);
    out.patch(size_at, static_cast<std::uint64_t>(payload.size()));
    out.patch(size_at + 8, seal(payload, state_->plan_));
    return {};
}

Status LaneMerger::load(ByteReader& in) {
    const auto version = in.read<std::uint32_t>();
    const auto lanes = in.read<std::uint32_t>();
    const auto fingerprint = in.read<std::uint64_t>();
    const auto size = in.read<std::uint64_t>();
    const auto sealed = in.read<std::uint64_t>();
    if (!in.ok()) return Error::truncated;
    if (version != save_version) return Error::unsupported;
    if (fingerprint != state_->plan_.fingerprint || lanes != state_->lanes_) return Error::refused;
    if (size > in.remaining()) return Error::truncated;
    const ByteSpan payload = in.bytes(static_cast<Bytes>(size));
    if (seal(payload, state_->plan_) != sealed) return Error::corrupt;
    ByteReader reader(payload);
    state_->reset();
    if (state_->load_payload(reader)) return {};
    state_->reset();
    return Error::corrupt;
}

void LaneMerger::reset() { state_->reset(); }

}  // namespace weir
