#include "windows/hopping_window.h"

#include "windows/window_layout.h"

// The panes of a slot as two stacks: the turned ones from the first on, then those that the back holds, then those
// whose windows are all open. Only a late row makes an exception, a pane before the last that the back holds: the back is then
// made anew at the next close.

namespace weir {

// none, and in `before` the last pane that begins earlier. Rows are mostly of the last panes.
std::uint32_t HoppingWindow::find_pane(std::uint32_t slot, std::int64_t start, std::uint32_t& before) const {
    before = slots_[slot].last;
    while (before != none && cells_[before].start > start) before = cells_[before].previous;
    return before != none && cells_[before].start == start ? before : none;
}

bool HoppingWindow::is_among_turned(std::uint32_t slot, std::int64_t start) const {
    const std::uint32_t last = slots_[slot].turned_last;
    return last != none && start < cells_[last].start;
}

// none when no cell is free. before: the pane it follows, or none.
std::uint32_t HoppingWindow::make_pane(std::uint32_t slot, std::int64_t start, std::uint32_t interval, std::uint32_t before) {
    const std::uint32_t number = is_other(slot) ? other_pane(interval) : free_;
    if (number == none) return none;
    Slot& of = slots_[slot];
    Cell& pane = cells_[number];
    if (!is_other(slot)) free_ = pane.next;
    pane = Cell{};
    pane.start = start;
    pane.slot = slot;
    pane.interval = interval;
    pane.flags = used;
    pane.previous = before;
    std::uint32_t& next = before == none ? of.first : cells_[before].next;
    pane.next = next;
    next = number;
    (pane.next == none ? of.last : cells_[pane.next].previous) = number;
    ++intervals_[interval].live;
    ++cells_used_;
    if (is_among_turned(slot, start)) {
        pane.flags |= turned;
        copy_states(number, pane.next);
    } else {
        of.disorder |= of.merged_last != none && start < cells_[of.merged_last].start;
        create_states(number, start);
    }
    return number;
}

// Panes go from the first on.
void HoppingWindow::free_pane(std::uint32_t number) {
    Cell& pane = cells_[number];
    Slot& slot = slots_[pane.slot];
    slot.first = pane.next;
    (pane.next == none ? slot.last : cells_[pane.next].previous) = none;
    if (slot.turned_last == number) slot.turned_last = none;
    if (slot.merged_last == number) slot.merged_last = none;
    if (slot.recent == number) {
        slot.recent = none;
        slot.recent_start = forever_us;
    }
    if (--intervals_[pane.interval].live == 0) free_interval(pane.interval);
    --cells_used_;
    release_states(number);
    const bool pooled = !is_other(pane.slot);
    pane = Cell{};
    if (!pooled) return;
    pane.next = free_;
    free_ = number;
}

void HoppingWindow::drop_before(std::uint32_t slot, std::int64_t start) {
    const Slot& of = slots_[slot];
    bool stale = false;
    while (of.first != none && cells_[of.first].start < start) {
        stale |= (cells_[of.first].flags & merged) != 0;
        free_pane(of.first);
    }
    if (stale) turn(slot);
}

// What the back holds becomes turned panes. REQUIRES: there are none.
void HoppingWindow::turn(std::uint32_t slot) {
    Slot& of = slots_[slot];
    release_back(slot);
    of.turned_last = of.merged_last;
    for (std::uint32_t pane = of.merged_last; pane != none; pane = cells_[pane].previous) {
        if (pane != of.merged_last) merge_states(pane, cells_[pane].next);
        cells_[pane].flags = static_cast<std::uint8_t>((cells_[pane].flags | turned) & ~merged);
    }
    of.merged_last = none;
    of.disorder = false;
}

// Panes of windows that end here go into the back.
void HoppingWindow::merge_until(std::uint32_t slot, std::int64_t end) {
    Slot& of = slots_[slot];
    if (of.disorder) {
        release_back(slot);
        for (std::uint32_t pane = of.first; pane != none; pane = cells_[pane].next) cells_[pane].flags &= static_cast<std::uint8_t>(~merged);
        of.merged_last = none;
        of.disorder = false;
    }
    const std::uint32_t after = of.merged_last != none ? of.merged_last : of.turned_last;
    for (std::uint32_t pane = after != none ? cells_[after].next : of.first; pane != none && cells_[pane].start < end; pane = cells_[pane].next) {
        if (has_back(slot)) {
            merge_states(back(slot), pane);
        } else {
            cells_[back(slot)].slot = slot;
            copy_states(back(slot), pane);
        }
        cells_[pane].flags |= merged;
        of.merged_last = pane;
    }
}

void HoppingWindow::release_back(std::uint32_t slot) {
    if (!has_back(slot)) return;
    release_states(back(slot));
    cells_[back(slot)] = Cell{};
}

// The cell that holds the window which ends here: a result made for it, or, when it need not be kept, one that is
// there already. REQUIRES: drop_before() and merge_until() brought the panes there.
std::uint32_t HoppingWindow::window_cell(std::uint32_t slot, std::int64_t end, bool keep) {
    const std::uint32_t front = slots_[slot].turned_last != none ? slots_[slot].first : none;
    const std::uint32_t rest = has_back(slot) ? back(slot) : none;
    if (!keep && (front == none || rest == none)) return front == none ? rest : front;
    const std::uint32_t result = make_result(slot, end);
    copy_states(result, front == none ? rest : front);
    if (front != none && rest != none) merge_states(result, rest);
    return result;
}

std::uint32_t HoppingWindow::result_number(std::uint32_t slot, std::int64_t end) const {
    if (plan_.kept_max == 0) return results_at_ + (is_other(slot) ? 1 : 0);
    const auto at = static_cast<std::uint64_t>(end / plan_.every) % plan_.kept_max;
    return results_at_ + static_cast<std::uint32_t>(slot * plan_.kept_max + at);
}

// none when there is none.
std::uint32_t HoppingWindow::result_at(std::uint32_t slot, std::int64_t end) const {
    const std::uint32_t number = result_number(slot, end);
    return (cells_[number].flags & used) && cells_[number].start == end - plan_.size ? number : none;
}

// Without states. What had its place is so old that it can no longer be revised.
std::uint32_t HoppingWindow::make_result(std::uint32_t slot, std::int64_t end) {
    const std::uint32_t number = result_number(slot, end);
    if (cells_[number].flags & used) free_result(number);
    cells_[number].start = end - plan_.size;
    cells_[number].slot = slot;
    cells_[number].flags = used;
    ++slots_[slot].results;
    return number;
}

void HoppingWindow::free_result(std::uint32_t number) {
    Slot& slot = slots_[cells_[number].slot];
    if (cells_[number].flags & dirty) --slot.dirty_results;
    --slot.results;
    release_states(number);
    cells_[number] = Cell{};
}

// The number of a cell of "(other)" among the states that count keys.
std::uint32_t HoppingWindow::folded_at(std::uint32_t cell) const {
    if (cell < plan_.cells_max) return none;
    if (cell < backs_at_) return cell - static_cast<std::uint32_t>(plan_.cells_max);
    const auto intervals = static_cast<std::uint32_t>(plan_.intervals_max);
    if (cell == back(other())) return intervals;
    const std::uint32_t first = result_number(other(), 0);
    return cell >= first ? intervals + 1 + (cell - first) : none;
}

std::uint64_t HoppingWindow::states_seed(std::uint32_t cell, std::int64_t start) const {
    const std::uint32_t slot = cells_[cell].slot;
    return cell_hash(is_other(slot) ? ~std::uint64_t{0} : slots_[slot].hash, start) ^ seed_;
}

void HoppingWindow::create_states(std::uint32_t cell, std::int64_t start) {
    results_->create(cell, states_seed(cell, start));
    if (const std::uint32_t folded = folded_at(cell); folded != none) folded_->create(folded, 0);
}

void HoppingWindow::merge_states(std::uint32_t to, std::uint32_t from) {
    cells_[to].flags = static_cast<std::uint8_t>(cells_[to].flags | (cells_[from].flags & untrusted));
    results_->merge(to, from, counters_);
    if (const std::uint32_t folded = folded_at(to); folded != none)
        counters_.add(WindowCounter::sketches_settled, folded_->merge(folded, folded_at(from)));
}

// REQUIRES: `to` has no states.
void HoppingWindow::copy_states(std::uint32_t to, std::uint32_t from) {
    cells_[to].flags = static_cast<std::uint8_t>(cells_[to].flags | used | (cells_[from].flags & untrusted));
    results_->copy(to, from, states_seed(to, cells_[from].start), counters_);
    if (const std::uint32_t folded = folded_at(to); folded != none)
        counters_.add(WindowCounter::sketches_settled, folded_->copy(folded, folded_at(from), 0));
}

void HoppingWindow::release_states(std::uint32_t cell) {
    results_->release(cell);
    if (const std::uint32_t folded = folded_at(cell); folded != none) folded_->release(folded);
}

}  // namespace weir
