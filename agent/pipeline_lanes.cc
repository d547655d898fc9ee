#include <chrono>
#include <thread>

#include "agent/pipeline.h"

// The pipeline of several lanes: their rounds, and what happens at the barriers between them.

namespace weir {
namespace {

constexpr unsigned stretches_a_step = 4096;  // so that ticks are looked after under load
constexpr auto full_pause = std::chrono::milliseconds(10);

}  // namespace

LinkAccounting Pipeline::link_accounting(std::size_t link) const {
    LinkAccounting sum = intake_.links()[link];
    for (std::size_t lane = 0; lanes_ && lane < lanes_->size(); ++lane) {
        const LinkAccounting& part = lanes_->lane(lane).intake().links()[link];
        sum.received += part.received;
        sum.journaled += part.journaled;
        for (std::size_t i = 0; i < intake_drops; ++i) sum.dropped[i] += part.dropped[i];
    }
    return sum;
}

std::uint64_t Pipeline::messages() const {
    if (!lanes_) return analysis_.messages();
    std::uint64_t sum = 0;
    for (std::size_t lane = 0; lane < lanes_->size(); ++lane) sum += lanes_->lane(lane).analysis().messages();
    return sum;
}

// What has no place for it says so by Error::missing, as an engine that has no such window.
Status Pipeline::set_frontier(std::uint64_t definition, std::uint64_t partition, Timestamp end) {
    Status worst;
    for (std::size_t lane = 0; lane < engines(); ++lane)
        if (Status set = analysis_of(lane).engine().set_frontier(definition, partition, end); !set.ok()) worst = set;
    if (!lanes_) return worst;
    if (Status set = lanes_->merger().set_frontier(definition, end); !set.ok() && set.error() != Error::missing) worst = set;
    return worst;
}

void Pipeline::mark_gap(Timestamp from, Timestamp to, std::uint64_t definition) {
    for (std::size_t lane = 0; lane < engines(); ++lane) analysis_of(lane).engine().mark_gap(from, to, definition);
    if (lanes_) lanes_->merger().mark_gap(from, to);
}

Status Pipeline::begin(std::uint64_t epoch, std::span<Journal* const> journals, std::span<const std::uint64_t> positions) {
    epoch_ = epoch;
    sealed_ = 0;
    schedule();
    return lanes_->begin(journals, positions);
}

void Pipeline::step_lanes(Duration limit) {
    if (lanes_->stand()) {
        if (!lanes_->may_go()) {  // until a checkpoint, or the flash, has covered what the journals hold
            checkpoint_if_due();
            std::this_thread::sleep_for(full_pause);
            return;
        }
        lanes_->go(LaneRunner::Until::tick);
    }
    const MonotonicTime now = parts_.clock->monotonic();
    if (lanes_->settled() && (now >= next_tick_ || lanes_->hurries() || flash_wanted_)) {
        lanes_->tick(parts_.clock->wall(), parts_.clock->wall_trusted());
        next_tick_ = std::max(next_tick_ + options_.tick, now);
    }
    for (unsigned stretches = 0; stretches < stretches_a_step; ++stretches) {
        const LaneMerge::Heard heard = lanes_->hear_next();
        if (heard == LaneMerge::Heard::dry) {
            if (parts_.printer != nullptr) parts_.printer->flush();
            const Duration until_tick = lanes_->settled() ? next_tick_ - parts_.clock->monotonic() : limit;
            return lanes_->wait(std::max(Duration{}, std::min(limit, until_tick)));
        }
        seal();
        if (heard == LaneMerge::Heard::round) return end_round();
    }
}

// All stand, and what they said is out.
void Pipeline::end_round() {
    ++counters_.ticks;
    for (std::size_t lane = 0; lane < engines(); ++lane) done_positions_[lane] = position(lane);
    if (parts_.printer != nullptr) parts_.printer->flush();
    checkpoint_if_due();
}

// From where the lanes are to the next place where all of them stand.
void Pipeline::run_round(LaneRunner::Until until) {
    lanes_->go(until);
    for (;;) {
        const LaneMerge::Heard heard = lanes_->hear_next();
        if (heard == LaneMerge::Heard::dry) {
            lanes_->wait(options_.tick);
            continue;
        }
        seal();
        if (heard != LaneMerge::Heard::stretch) break;
    }
    for (std::size_t lane = 0; lane < engines(); ++lane) done_positions_[lane] = position(lane);
}

// The round after the last tick ends where the journals do. Nobody appends to them, or what is appended later says
// nothing before the state has been saved: so a crash until then leaves journals that end at the same places.
void Pipeline::catch_up_lanes() {
    while (!lanes_->settled()) run_round(LaneRunner::Until::tick);
    run_round(LaneRunner::Until::dry);
}

void Pipeline::close_lanes() {
    catch_up_lanes();
    run_round(LaneRunner::Until::closed);
    lanes_->finish();
}

void Pipeline::finish_partial() {
    if (!lanes_) {
        analysis_.finish_partial();
    } else {
        analysis_.mark_partial();
        close_lanes();
    }
    seal();
}

void Pipeline::finish() {
    if (lanes_)
        close_lanes();
    else
        analysis_.finish();
    seal();
}

}  // namespace weir
