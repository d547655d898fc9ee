#include "windows/pattern.h"

#include <algorithm>
#include <bit>

#include "windows/pattern_registers.h"

// The way of rows into groups, sorted by time. What becomes of them there is in pattern_runs.cc, memory and
// saving in pattern_state.cc.

namespace weir {

void Pattern::add(const PatternRows& rows) {
    const Column* const where = plan_.where ? rows.inputs[*plan_.where] : nullptr;
    counters_.add(PatternCounter::rows, rows.last - rows.first);
    for (std::size_t row = rows.first; row < rows.last; ++row) {
        if (rows.quarantined.test(row))
            counters_.add(PatternCounter::quarantined);
        else if (where && !where->present.test(row))
            counters_.add(PatternCounter::where_null);
        else if (where && !where->booleans[row])
            counters_.add(PatternCounter::filtered);
        else if (admit(rows, row))
            counters_.add(PatternCounter::counted);
    }
}

bool Pattern::admit(const PatternRows& rows, std::size_t row) {
    const std::uint32_t lane = plan_.by_partition ? rows.partitions[row] : 0;
    if (rows.batch.time(row).event.us() < watermark_of(rows.watermarks, lane)) {
        counters_.add(PatternCounter::late);
        return false;
    }
    const std::uint32_t fitting = fits(rows, row);
    // Where rows may be passed over, one that fits nothing never matters.
    if (fitting == 0 && plan_.contiguity == Contiguity::next) return true;
    if (free_row_ == none) {
        counters_.add(PatternCounter::pending_full);
        return false;
    }
    std::uint32_t group = find(rows, row);
    if (group == none) {
        if (free_group_ == none) {
            counters_.add(PatternCounter::groups_full);
            return false;
        }
        group = make_group(rows, row, lane);
    }
    wait(rows, row, group, fitting);
    return true;
}

std::uint32_t Pattern::fits(const PatternRows& rows, std::size_t row) const {
    std::uint32_t out = 0;
    for (std::size_t i = 0; i < plan_.variables.size(); ++i) {
        const auto alone = plan_.variables[i].alone;
        const Column* const column = alone ? rows.inputs[*alone] : nullptr;
        if (!column || (column->present.test(row) && column->booleans[row])) out |= std::uint32_t{1} << i;
    }
    return out;
}

std::uint32_t Pattern::find(const PatternRows& rows, std::size_t row) const {
    const std::uint64_t hash = rows.hashes[row];
    return index_.find(hash, [&](std::uint32_t group) {
        return groups_[group].hash == hash && plan_.key.equals(rows.batch, row, key(group));
    });
}

std::uint32_t Pattern::make_group(const PatternRows& rows, std::size_t row, std::uint32_t lane) {
    const std::uint32_t number = free_group_;
    Group& group = groups_[number];
    free_group_ = group.next;
    group = Group{};
    group.hash = rows.hashes[row];
    group.partition_hash = plan_.by_partition ? rows.watermarks.hash(rows.partitions[row]) : 0;
    group.lane = lane;
    group.used = 1;
    if (plan_.key.encode(rows.batch, row, key(number))) counters_.add(PatternCounter::key_cut);
    index_.insert(groups_[number].hash, number);
    link_group(number);
    ++groups_used_;
    return number;
}

void Pattern::wait(const PatternRows& rows, std::size_t row, std::uint32_t group, std::uint32_t fitting) {
    const std::uint32_t number = free_row_;
    Waiting& waiting = waiting_[number];
    free_row_ = waiting.next;
    waiting = Waiting{};
    waiting.time = rows.batch.time(row).event.us();
    waiting.group = group;
    waiting.fits = fitting;
    waiting.untrusted = rows.batch.time(row).arrival_trusted ? 0 : 1;
    std::byte* const cells = row_cells(number);
    for (const PatternInput& input : plan_.inputs) write_cell(cells + input.at, *rows.inputs[input.input], row);
    link_row(number, groups_[group].lane);
    ++groups_[group].pending;
    ++pending_used_;
}

void Pattern::advance(const Watermarks& watermarks, std::uint32_t partition, Emission& emission) {
    const std::uint32_t lane = plan_.by_partition ? partition : 0;
    advance_lane(lane, watermark_of(watermarks, lane), emission);
}

void Pattern::finish(const Watermarks& watermarks, Emission& emission) {
    for (std::uint32_t lane = 0; lane < lanes_.size(); ++lane) advance_lane(lane, watermark_of(watermarks, lane), emission);
}

void Pattern::advance_lane(std::uint32_t number, std::int64_t watermark, Emission& emission) {
    Lane& lane = lanes_[number];
    while (lane.first != none && waiting_[lane.first].time < watermark) {
        const std::uint32_t row = lane.first;
        const std::uint32_t group = waiting_[row].group;
        step(group, row, emission);
        free_row(row, number);
        lane.deadline = std::min(lane.deadline, deadline(group));
        drop_if_idle(group);
    }
    if (lane.deadline <= watermark) end_runs(number, watermark, emission);
}

void Pattern::end_runs(std::uint32_t number, std::int64_t watermark, Emission& emission) {
    Lane& lane = lanes_[number];
    lane.deadline = forever_us;
    for (std::uint32_t group = lane.head; group != none;) {
        const std::uint32_t next = groups_[group].next;
        if (deadline(group) <= watermark) expire(group, watermark, emission);
        lane.deadline = std::min(lane.deadline, deadline(group));
        drop_if_idle(group);
        group = next;
    }
}

void Pattern::drop_if_idle(std::uint32_t number) {
    Group& group = groups_[number];
    if (group.runs > 0 || group.pending > 0) return;
    index_.erase(number, [this](std::uint32_t of) { return groups_[of].hash; });
    unlink_group(number);
    group = Group{};
    group.next = free_group_;
    free_group_ = number;
    --groups_used_;
}

void Pattern::link_group(std::uint32_t number) {
    Group& group = groups_[number];
    Lane& lane = lanes_[group.lane];
    group.next = none;
    group.previous = lane.tail;
    (lane.tail == none ? lane.head : groups_[lane.tail].next) = number;
    lane.tail = number;
}

void Pattern::unlink_group(std::uint32_t number) {
    const Group& group = groups_[number];
    Lane& lane = lanes_[group.lane];
    (group.previous == none ? lane.head : groups_[group.previous].next) = group.next;
    (group.next == none ? lane.tail : groups_[group.next].previous) = group.previous;
}

// Behind all rows that are not later: looked for from the end, where most rows belong.
void Pattern::link_row(std::uint32_t number, std::uint32_t at) {
    Waiting& row = waiting_[number];
    Lane& lane = lanes_[at];
    std::uint32_t before = lane.last;
    while (before != none && waiting_[before].time > row.time) before = waiting_[before].previous;
    row.previous = before;
    row.next = before == none ? lane.first : waiting_[before].next;
    (before == none ? lane.first : waiting_[before].next) = number;
    (row.next == none ? lane.last : waiting_[row.next].previous) = number;
}

// The first of its lane.
void Pattern::free_row(std::uint32_t number, std::uint32_t at) {
    Waiting& row = waiting_[number];
    Lane& lane = lanes_[at];
    lane.first = row.next;
    (row.next == none ? lane.last : waiting_[row.next].previous) = none;
    --groups_[row.group].pending;
    --pending_used_;
    row = Waiting{};
    row.next = free_row_;
    free_row_ = number;
}

}  // namespace weir
