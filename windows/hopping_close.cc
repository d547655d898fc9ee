#include <algorithm>

#include "windows/hopping_window.h"

// From panes to records: what is due, in which order, and what it says.

namespace weir {

std::int64_t HoppingWindow::closing_watermark(const Watermarks& watermarks, std::uint32_t slot) const {
    if (plan_.by_partition && !is_other(slot)) return watermarks.watermark(slots_[slot].list);
    return watermarks.watermark();
}

// The least end, after `after`, of what the slot has to say by `until`; forever_us when it has nothing.
std::int64_t HoppingWindow::due_end(std::uint32_t slot, std::int64_t after, std::int64_t until) const {
    const Slot& of = slots_[slot];
    std::int64_t least = of.next_end <= until ? of.next_end : forever_us;
    if (of.dirty_results == 0) return least;
    const std::uint32_t first = results_at_ + static_cast<std::uint32_t>(slot * plan_.kept_max);
    for (std::uint32_t result = first; result < first + plan_.kept_max; ++result) {
        const std::int64_t end = cells_[result].start + plan_.size;
        if ((cells_[result].flags & dirty) && end > after && end <= until) least = std::min(least, end);
    }
    return least;
}

void HoppingWindow::collect(const Watermarks& watermarks, std::span<Due> due, std::size_t& count) {
    const auto ask = [&](std::uint32_t number, std::int64_t watermark) {
        Slot& slot = slots_[number];
        if (slot.again != forever_us) return;  // it stands there
        slot.watermark = watermark;
        slot.again = due_end(number, never_us, watermark);
        if (slot.again != forever_us) due[count++] = {number_, number, slot.again};
    };
    const auto ask_list = [&](std::uint32_t list, std::int64_t watermark) {
        for (std::uint32_t slot = heads_[list]; slot != none; slot = slots_[slot].next)
            if (slots_[slot].next_end <= watermark) ask(slot, watermark);
    };
    for (std::size_t i = 0; i < dirty_count_; ++i) {
        slots_[dirty_[i]].flags &= static_cast<std::uint8_t>(~listed_dirty);
        ask(dirty_[i], closing_watermark(watermarks, dirty_[i]));
    }
    dirty_count_ = 0;
    if (plan_.by_partition)
        for (std::uint32_t partition : watermarks.passed()) ask_list(partition, watermarks.watermark(partition));
    if (!watermarks.source_passed()) return;
    if (!plan_.by_partition) ask_list(0, watermarks.watermark());
    ask(other(), watermarks.watermark());
}

void HoppingWindow::release(const Watermarks& watermarks) {
    const auto release_list = [&](std::uint32_t list, std::int64_t watermark) {
        for (std::uint32_t slot = heads_[list]; slot != none;) {
            const std::uint32_t next = slots_[slot].next;
            release_slot(slot, watermark);
            slot = next;
        }
    };
    if (plan_.by_partition)
        for (std::uint32_t partition : watermarks.passed()) release_list(partition, watermarks.watermark(partition));
    if (!watermarks.source_passed()) return;
    if (!plan_.by_partition) release_list(0, watermarks.watermark());
    release_slot(other(), watermarks.watermark());
}

// Frees the results that can no longer be revised, and the slot when it holds nothing.
void HoppingWindow::release_slot(std::uint32_t slot, std::int64_t watermark) {
    if (slots_[slot].results > 0) {
        const std::uint32_t first = results_at_ + static_cast<std::uint32_t>(slot * plan_.kept_max);
        for (std::uint32_t result = first; result < first + plan_.kept_max; ++result)
            if ((cells_[result].flags & used) && cells_[result].start + plan_.size + plan_.allow <= watermark) free_result(result);
    }
    if ((slots_[slot].flags & taken) && is_empty(slots_[slot])) free_slot(slot);
}

void HoppingWindow::emit(const Due& due, std::uint16_t flags, Emission& emission) {
    speak(due.cell, due.end, flags, emission);
    slots_[due.cell].again = due_end(due.cell, due.end, slots_[due.cell].watermark);
}

bool HoppingWindow::is_due_again(Due& due) const {
    due.end = slots_[due.cell].again;
    return due.end != forever_us;
}

// What a slot has to say of the window that ends here: once more, or for the first time.
void HoppingWindow::speak(std::uint32_t slot, std::int64_t end, std::uint16_t flags, Emission& emission) {
    const std::uint32_t result = plan_.kept_max > 0 ? result_at(slot, end) : none;
    if (result == none || !(cells_[result].flags & dirty)) return close(slot, end, flags, emission);
    cells_[result].flags &= static_cast<std::uint8_t>(~dirty);
    --slots_[slot].dirty_results;
    say(slot, result, end, flags, emission);
}

void HoppingWindow::close(std::uint32_t slot, std::int64_t end, std::uint16_t flags, Emission& emission) {
    Slot& of = slots_[slot];
    drop_before(slot, end - plan_.size);
    merge_until(slot, end);
    const bool keep = plan_.allow > 0 && !(flags & record_partial) && end + plan_.allow > of.watermark;
    const std::uint32_t cell = window_cell(slot, end, keep);
    say(slot, cell, end, flags, emission);
    if (cell >= results_at_ && !keep) free_result(cell);
    drop_before(slot, end - plan_.size + plan_.every);
    // Each key turns its panes at a time of its own, so that a close turns few.
    const auto panes = static_cast<std::uint64_t>(plan_.size / plan_.every);
    const bool is_time = static_cast<std::uint64_t>(end / plan_.every) % panes == (of.hash >> 32) % panes;
    if (is_time && of.turned_last == none) turn(slot);
    of.next_end = of.first == none ? forever_us : std::max(end, cells_[of.first].start) + plan_.every;
}

void HoppingWindow::say(std::uint32_t slot, std::uint32_t cell, std::int64_t end, std::uint16_t flags, Emission& emission) {
    const Slot& of = slots_[slot];
    if (frontier_.covers(of.partition_hash, end)) {
        counters_.add(WindowCounter::suppressed);
        return;
    }
    if (cells_[cell].flags & untrusted) flags |= record_clock_untrusted;
    if (end - plan_.size < of.own_from) flags |= record_partial;
    // What is no result is said once.
    const std::uint32_t revision = cell >= results_at_ ? cells_[cell].revision++ : 0;
    Value folded_keys;
    Results::Of record{cell, end - plan_.size, end, of.partition_hash, revision, flags, nullptr, nullptr};
    if (is_other(slot)) {
        CallSpec keys;
        keys.function = Function::distinct;
        folded_keys = folded_->finish(keys, folded_at(cell), {});
        record.flags |= record_other;
        record.folded_keys = &folded_keys;
    } else {
        record.key = key(slot);
    }
    counters_.add(WindowCounter::emitted);
    results_->emit(record, emission);
}

void HoppingWindow::mark_late(std::uint32_t result) {
    Cell& cell = cells_[result];
    Slot& slot = slots_[cell.slot];
    if (cell.flags & dirty) return;
    cell.flags |= dirty;
    ++slot.dirty_results;
    if (!(slot.flags & listed_dirty)) dirty_[dirty_count_++] = cell.slot;
    slot.flags |= listed_dirty;
}

// Too many panes are open: all windows of the oldest are closed as they stand, and say that they are partial.
void HoppingWindow::evict_oldest(const Run& run, Emission& emission, std::size_t& pending) {
    aggregate(run, pending);
    const std::int64_t until = intervals_[oldest_interval()].start + plan_.size;
    for (;;) {
        std::int64_t end = forever_us;
        for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) end = std::min(end, due_end(slot, never_us, until));
        if (end == forever_us) break;
        std::size_t count = 0;
        for (std::uint32_t slot = 0; slot < slots_.size(); ++slot)
            if (due_end(slot, never_us, until) == end) order_[count++] = slot;
        const auto begin = order_.begin();
        std::sort(begin, begin + static_cast<std::ptrdiff_t>(count), [this](std::uint32_t a, std::uint32_t b) { return before(a, b); });
        for (std::uint32_t slot : order_.first(count)) speak(slot, end, record_partial, emission);
    }
    evicted_until_ = std::max(evicted_until_, until);
    for (std::uint32_t slot = 0; slot < slots_.size(); ++slot) release_slot(slot, until + plan_.allow);
    drop_clean_from_dirty();
    counters_.add(WindowCounter::evicted);
}

void HoppingWindow::drop_clean_from_dirty() {
    std::size_t kept = 0;
    for (std::uint32_t slot : dirty_.first(dirty_count_)) {
        if (slots_[slot].dirty_results > 0)
            dirty_[kept++] = slot;
        else
            slots_[slot].flags &= static_cast<std::uint8_t>(~listed_dirty);
    }
    dirty_count_ = kept;
}

bool HoppingWindow::before(std::uint32_t a, std::uint32_t b) const {
    if (is_other(a) || is_other(b)) return !is_other(a) && is_other(b);
    const int order = plan_.key.compare(key(a), key(b));
    return order != 0 ? order < 0 : a < b;
}

}  // namespace weir
