#include <algorithm>
#include <cstring>

#include "windows/hopping_window.h"

// Memory of a hopping window, and its state as bytes.

namespace weir {
namespace {

std::size_t lists(const CompiledWindow& plan, std::size_t partitions_max) { return plan.by_partition ? partitions_max : 1; }
std::size_t slots(const CompiledWindow& plan) { return plan.groups_max + 1; }

bool is_time(std::int64_t time) { return time >= never_us && time <= forever_us; }

}  // namespace

Bytes HoppingWindow::need(const CompiledWindow& plan, std::size_t partitions_max) {
    return Arena::need<Cell>(plan.cells_all()) + Arena::need<Slot>(slots(plan)) +
           Arena::need<std::byte>(plan.groups_max * plan.key.width()) + HashIndex::need(plan.groups_max) +
           Arena::need<std::uint32_t>(lists(plan, partitions_max)) + Arena::need<Interval>(plan.intervals_max) +
           Arena::need<Results>() + Results::need(plan, plan.cells_all()) + Arena::need<AggregateStates>() +
           AggregateStates::need(plan.folded, plan.folded_max()) + 2 * Arena::need<std::uint32_t>(slots(plan)) +
           Frontier::need(plan.frontiers_max);
}

HoppingWindow::HoppingWindow(Arena& arena, const CompiledWindow& plan, std::string_view name, std::uint32_t number,
                             std::size_t partitions_max, std::uint64_t seed)
    : plan_(plan),
      number_(number),
      seed_(seed ^ plan.definition),
      backs_at_(static_cast<std::uint32_t>(plan.cells_max + plan.intervals_max)),
      results_at_(static_cast<std::uint32_t>(backs_at_ + slots(plan))),
      cells_(arena.take<Cell>(plan.cells_all())),
      slots_(arena.take<Slot>(slots(plan))),
      keys_(arena.take<std::byte>(plan.groups_max * plan.key.width())),
      index_(arena, plan.groups_max),
      heads_(arena.take<std::uint32_t>(lists(plan, partitions_max))),
      intervals_(arena.take<Interval>(plan.intervals_max)),
      results_(arena.make<Results>(arena, plan, name, plan.cells_all())),
      folded_(arena.make<AggregateStates>(arena, plan.folded, plan.folded_max())),
      dirty_(arena.take<std::uint32_t>(slots(plan))),
      order_(arena.take<std::uint32_t>(slots(plan))),
      frontier_(arena, plan.frontiers_max) {
    reset();
}

void HoppingWindow::reset() {
    std::fill(cells_.begin(), cells_.end(), Cell{});
    std::fill(slots_.begin(), slots_.end(), Slot{});
    results_->reset();
    folded_->reset();
    index_.reset();
    std::fill(heads_.begin(), heads_.end(), none);
    std::fill(intervals_.begin(), intervals_.end(), Interval{});
    free_ = free_slot_ = none;
    for (std::size_t i = plan_.cells_max; i-- > 0;) {
        cells_[i].next = free_;
        free_ = static_cast<std::uint32_t>(i);
    }
    for (std::size_t i = plan_.groups_max; i-- > 0;) {
        slots_[i].next = free_slot_;
        free_slot_ = static_cast<std::uint32_t>(i);
    }
    cells_used_ = intervals_used_ = dirty_count_ = 0;
    evicted_until_ = folded_until_ = never_us;
    recent_start_ = forever_us;
    recent_interval_ = none;
    counters_ = {};
    frontier_.reset();
}

void HoppingWindow::free_slot(std::uint32_t number) {
    Slot& slot = slots_[number];
    if (is_other(number)) {
        slot = Slot{};
        return;
    }
    index_.erase(number, [this](std::uint32_t of) { return slots_[of].hash; });
    unlink(number);
    slot = Slot{};
    slot.next = free_slot_;
    free_slot_ = number;
}

void HoppingWindow::link(std::uint32_t number) {
    Slot& slot = slots_[number];
    std::uint32_t& head = heads_[slot.list];
    slot.previous = none;
    slot.next = head;
    if (head != none) slots_[head].previous = number;
    head = number;
}

void HoppingWindow::unlink(std::uint32_t number) {
    const Slot& slot = slots_[number];
    (slot.previous == none ? heads_[slot.list] : slots_[slot.previous].next) = slot.next;
    if (slot.next != none) slots_[slot.next].previous = slot.previous;
}

Bytes HoppingWindow::save_size_max(const CompiledWindow& plan) {
    const Bytes states = AggregateStates::save_size_max(plan.folded, plan.folded_max()) + Results::save_size_max(plan, plan.cells_all());
    return 64 + window_counters * 8 + plan.intervals_max * 16 + slots(plan) * (96 + plan.key.width()) + plan.cells_all() * 24 +
           states + Frontier::save_size_max(plan.frontiers_max);
}

void HoppingWindow::save(ByteWriter& out) const {
    out.write(evicted_until_);
    out.write(folded_until_);
    for (std::uint64_t value : counters_.values()) out.write(value);
    frontier_.save(out);
    for (const Interval& interval : intervals_) {
        out.write(static_cast<std::uint8_t>(interval.used));
        if (interval.used) out.write(interval.start);
    }
    std::uint32_t count = 0;
    for (std::uint32_t i = 0; i < other(); ++i) count += slots_[i].flags & taken;
    out.write(count);
    for (std::uint32_t i = 0; i < other(); ++i)
        if (slots_[i].flags & taken) save_slot(i, out);
    out.write(static_cast<std::uint8_t>(slots_[other()].flags & taken));
    if (slots_[other()].flags & taken) save_slot(other(), out);
}

void HoppingWindow::save_slot(std::uint32_t number, ByteWriter& out) const {
    const Slot& slot = slots_[number];
    if (!is_other(number)) out.bytes({key(number), plan_.key.width()});
    out.write(slot.hash);
    out.write(slot.partition_hash);
    out.write(slot.list);
    out.write(slot.next_end);
    out.write(slot.own_from);
    std::uint32_t panes = 0;
    for (std::uint32_t pane = slot.first; pane != none; pane = cells_[pane].next) ++panes;
    out.write(panes);
    for (std::uint32_t pane = slot.first; pane != none; pane = cells_[pane].next) {
        out.write(cells_[pane].interval);
        save_states(pane, out);
    }
    out.write(static_cast<std::uint8_t>(has_back(number)));
    if (has_back(number)) save_states(back(number), out);
    out.write(slot.results);
    const std::uint32_t first = result_number(number, 0);
    for (std::uint32_t result = first; result < first + plan_.kept_max; ++result) {
        if (!(cells_[result].flags & used)) continue;
        out.write(cells_[result].start);
        out.write(cells_[result].revision);
        save_states(result, out);
    }
}

void HoppingWindow::save_states(std::uint32_t cell, ByteWriter& out) const {
    out.write(cells_[cell].flags);
    if (const std::uint32_t folded = folded_at(cell); folded != none) folded_->save(folded, out);
    results_->save(cell, out);
}

bool HoppingWindow::load(ByteReader& in, std::size_t partitions) {
    reset();
    evicted_until_ = in.read<std::int64_t>();
    folded_until_ = in.read<std::int64_t>();
    for (std::uint64_t& value : counters_.values()) value = in.read<std::uint64_t>();
    if (!frontier_.load(in)) return false;
    for (Interval& interval : intervals_) {
        if (in.read<std::uint8_t>() == 0) continue;
        interval.used = true;
        interval.start = in.read<std::int64_t>();
        ++intervals_used_;
        if (!is_time(interval.start) || floor_to(interval.start, plan_.every) != interval.start) return false;
    }
    const auto count = in.read<std::uint32_t>();
    if (!in.ok() || count > plan_.groups_max || !is_time(evicted_until_) || !is_time(folded_until_)) return false;
    for (std::uint32_t i = 0; i < count; ++i)
        if (!load_slot(free_slot_, in, partitions)) return false;
    if (in.read<std::uint8_t>() != 0 && !load_slot(other(), in, partitions)) return false;
    for (const Interval& interval : intervals_)
        if (interval.used && interval.live == 0) return false;
    return in.ok();
}

bool HoppingWindow::load_slot(std::uint32_t number, ByteReader& in, std::size_t partitions) {
    Slot slot;
    const ByteSpan identity = in.bytes(is_other(number) ? 0 : plan_.key.width());
    slot.hash = in.read<std::uint64_t>();
    slot.partition_hash = in.read<std::uint64_t>();
    slot.list = in.read<std::uint32_t>();
    slot.next_end = in.read<std::int64_t>();
    slot.own_from = in.read<std::int64_t>();
    slot.flags = taken;
    const auto panes = in.read<std::uint32_t>();
    if (!in.ok() || !is_time(slot.next_end) || !is_time(slot.own_from)) return false;
    if (slot.list >= (plan_.by_partition && !is_other(number) ? std::min(partitions, heads_.size()) : 1)) return false;
    if (!is_other(number)) {
        if (!identity.empty()) std::memcpy(key(number), identity.data(), identity.size());
        free_slot_ = slots_[number].next;
    }
    slots_[number] = slot;
    if (!is_other(number)) {
        link(number);
        index_.insert(slot.hash, number);
    }
    for (std::uint32_t i = 0; i < panes; ++i)
        if (!load_pane(number, in)) return false;
    const bool backed = in.read<std::uint8_t>() != 0;
    if (!in.ok() || backed != (slots_[number].merged_last != none)) return false;
    cells_[back(number)].slot = number;
    if (backed && (!load_states(back(number), in) || (cells_[back(number)].flags & (turned | merged | dirty)))) return false;
    const auto results = in.read<std::uint32_t>();
    if (!in.ok() || results > plan_.kept_max) return false;
    for (std::uint32_t i = 0; i < results; ++i)
        if (!load_result(number, in)) return false;
    return is_sound(slots_[number]);
}

// What the walks rely on: a slot that is taken holds something, and its next end is that of a window with a pane.
bool HoppingWindow::is_sound(const Slot& slot) const {
    if (is_empty(slot)) return false;
    if (slot.first == none) return slot.next_end == forever_us;
    const std::int64_t start = cells_[slot.first].start;
    return floor_to(slot.next_end, plan_.every) == slot.next_end && slot.next_end > start && slot.next_end <= start + plan_.size;
}

bool HoppingWindow::load_pane(std::uint32_t number, ByteReader& in) {
    Slot& slot = slots_[number];
    const auto interval = in.read<std::uint32_t>();
    if (!in.ok() || interval >= intervals_.size() || !intervals_[interval].used) return false;
    const std::int64_t start = intervals_[interval].start;
    const std::uint32_t last = slot.last;
    if (last != none && cells_[last].start >= start) return false;
    const std::uint32_t pane = is_other(number) ? other_pane(interval) : free_;
    if (pane == none || (cells_[pane].flags & used)) return false;
    if (!is_other(number)) free_ = cells_[pane].next;
    Cell& cell = cells_[pane];
    cell = Cell{};
    cell.start = start;
    cell.slot = number;
    cell.interval = interval;
    cell.previous = last;
    (last == none ? slot.first : cells_[last].next) = pane;
    slot.last = pane;
    ++intervals_[interval].live;
    ++cells_used_;
    if (!load_states(pane, in) || (cell.flags & dirty)) return false;
    const bool is_turned = cell.flags & turned;
    const bool is_merged = cell.flags & merged;
    if (is_turned && (is_merged || slot.turned_last != last)) return false;
    if (is_turned) slot.turned_last = pane;
    if (is_merged) {
        // Before it lies a pane that the back does not hold.
        slot.disorder |= last != none && !(cells_[last].flags & (turned | merged));
        slot.merged_last = pane;
    }
    return true;
}

bool HoppingWindow::load_result(std::uint32_t slot, ByteReader& in) {
    const auto start = in.read<std::int64_t>();
    const auto revision = in.read<std::uint32_t>();
    if (!in.ok() || !is_time(start) || floor_to(start, plan_.every) != start) return false;
    const std::int64_t end = start + plan_.size;
    const std::uint32_t number = result_number(slot, end);
    if (end < 0 || (cells_[number].flags & used)) return false;
    make_result(slot, end);
    cells_[number].revision = revision;
    if (!load_states(number, in) || (cells_[number].flags & (turned | merged))) return false;
    if (cells_[number].flags & dirty) {
        cells_[number].flags &= static_cast<std::uint8_t>(~dirty);
        mark_late(number);
    }
    return true;
}

bool HoppingWindow::load_states(std::uint32_t cell, ByteReader& in) {
    cells_[cell].flags = in.read<std::uint8_t>();
    if (!(cells_[cell].flags & used)) return false;
    if (const std::uint32_t folded = folded_at(cell); folded != none && !folded_->load(folded, in)) return false;
    return results_->load(cell, in);
}

}  // namespace weir
