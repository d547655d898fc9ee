#include "agent/lane_group.h"

#include <algorithm>
#include <map>

namespace weir {
namespace {

constexpr std::uint64_t several_lanes = 0x73656e616c726577;  // "werlanes"; a state of one lane begins with a count of records

}  // namespace

std::optional<LaneStateHead> LaneStateHead::read(ByteReader& in) {
    ByteReader ahead = in;
    if (ahead.read<std::uint64_t>() != several_lanes) return std::nullopt;
    const auto lanes = ahead.read<std::uint32_t>();
    LaneStateHead head;
    head.tick = ahead.read<std::uint64_t>();
    if (!ahead.ok() || lanes < 2 || lanes > lanes_max) return std::nullopt;
    for (std::uint32_t i = 0; i < lanes; ++i) head.positions.push_back(ahead.read<std::uint64_t>());
    if (!ahead.ok()) return std::nullopt;
    in = ahead;
    return head;
}

Bytes LaneGroup::need(const Assembly& assembly, const Analysis::Options& options) {
    return assembly.lanes() * LaneRunner::need(assembly, options) + LaneMerge::need(assembly);
}

Bytes LaneGroup::heap_need(const Assembly& assembly) {
    return sizeof(LaneGroup) + assembly.lanes() * LaneRunner::heap_need(assembly) + sizeof(RecordStorage);
}

Bytes LaneGroup::save_size_max(const Assembly& assembly) {
    return LaneStateHead::size(assembly.lanes()) + assembly.lanes() * LaneRunner::save_size_max(assembly) +
           LaneMerge::save_size_max(assembly);
}

LaneGroup::LaneGroup(Arena& arena, const Assembly& assembly, const Analysis::Options& options, Analysis& behind)
    : assembly_(assembly),
      outputs_([&] {
          std::vector<std::unique_ptr<LaneOutput>> outputs;
          for (std::size_t i = 0; i < assembly.lanes(); ++i) outputs.push_back(std::make_unique<LaneOutput>(assembly, i));
          return outputs;
      }()),
      merge_(arena, assembly, outputs_, behind) {
    for (std::size_t i = 0; i < assembly.lanes(); ++i)
        runners_.push_back(std::make_unique<LaneRunner>(arena, assembly, options, i, *outputs_[i], [this] { hurry(); }));
}

LaneGroup::~LaneGroup() = default;

Status LaneGroup::save(ByteWriter& out) const {
    out.write(several_lanes);
    out.write(static_cast<std::uint32_t>(runners_.size()));
    out.write(heard_);
    for (const auto& runner : runners_) out.write(runner->position());
    for (const auto& runner : runners_)
        if (Status saved = runner->save(out); !saved.ok()) return saved;
    return merge_.save(out);
}

Status LaneGroup::load(ByteReader& in) {
    const std::optional<LaneStateHead> head = LaneStateHead::read(in);
    if (!head || head->positions.size() != runners_.size()) return Error::invalid;
    heard_ = issued_ = head->tick;
    for (const auto& runner : runners_)
        if (Status loaded = runner->load(in); !loaded.ok()) return loaded;
    return merge_.load(in);
}

void LaneGroup::reset() {
    for (const auto& runner : runners_) runner->reset();
    merge_.reset();
    heard_ = issued_ = 0;
}

Status LaneGroup::begin(std::span<Journal* const> journals, std::span<const std::uint64_t> positions) {
    WEIR_ASSERT(stand_ && journals.size() == runners_.size() && positions.size() == runners_.size());
    for (std::size_t i = 0; i < runners_.size(); ++i) runners_[i]->begin(*journals[i], positions[i], heard_);
    return even_out_ticks();
}

// A crash, or the end of a disk's power, comes between the appends to one journal and to the next.
Status LaneGroup::even_out_ticks() {
    std::map<std::uint64_t, LaneTick> ticks;
    std::vector<std::uint64_t> newest(runners_.size(), heard_);
    std::uint64_t before = heard_;  // the first that all have: a state that could not be read says nothing of it
    for (std::size_t i = 0; i < runners_.size(); ++i) {
        const Journal& journal = runners_[i]->journal();
        JournalCursor cursor = journal.seek(runners_[i]->position() + 1);
        for (JournalEntry entry; journal.next(cursor, entry);)
            if (const std::optional<LaneTick> tick = LaneTick::read(entry); tick && tick->number > newest[i]) {
                if (newest[i] == heard_) before = std::max(before, tick->number - 1);
                newest[i] = tick->number;
                ticks[tick->number] = *tick;
            }
    }
    heard_ = before;
    for (const auto& runner : runners_) runner->begin_behind(heard_);
    for (std::uint64_t& tick : newest) tick = std::max(tick, heard_);
    issued_ = *std::max_element(newest.begin(), newest.end());
    for (std::size_t i = 0; i < runners_.size(); ++i)
        for (auto missing = ticks.upper_bound(newest[i]); missing != ticks.end(); ++missing)
            if (Status appended = missing->second.append_to(runners_[i]->journal()); !appended.ok()) return appended;
    return {};
}

bool LaneGroup::may_go() const {
    return std::all_of(runners_.begin(), runners_.end(), [](const auto& runner) { return runner->journal().has_room_for_tick(); });
}

void LaneGroup::go(LaneRunner::Until until) {
    if (stand_) hurries_ = false;
    stand_ = false;
    for (const auto& runner : runners_) runner->go(until);
}

void LaneGroup::tick(Timestamp arrival, bool clock_trusted) {
    WEIR_ASSERT(settled());
    const LaneTick tick{++issued_, arrival, clock_trusted};
    for (const auto& runner : runners_) WEIR_ASSERT(tick.append_to(runner->journal()).ok());  // may_go()
}

LaneMerge::Heard LaneGroup::hear_next() {
    const LaneMerge::Heard heard = merge_.hear_next();
    if (heard != LaneMerge::Heard::round && heard != LaneMerge::Heard::end) return heard;
    for (const auto& runner : runners_) runner->wait_until_it_stands();
    stand_ = true;
    heard_ = runners_.front()->tick();
    return heard;
}

void LaneGroup::hurry() {
    hurries_ = true;
    for (const auto& output : outputs_) output->queue().poke();
}

}  // namespace weir
