#include "windows/hopping_window.h"

#include <algorithm>

#include "windows/window_layout.h"

// The way of rows into panes. The panes themselves are in hopping_panes.cc, what is due in hopping_close.cc, memory and
// saving in hopping_state.cc.

namespace weir {

bool HoppingWindow::may_evict(std::int64_t earliest, std::int64_t latest) const {
    const auto free = static_cast<std::int64_t>(intervals_.size() - intervals_used_);
    return (floor_to(latest, plan_.every) - floor_to(earliest, plan_.every)) / plan_.every + 1 > free;
}

void HoppingWindow::add(const Run& run, Emission& emission) {
    std::size_t pending = 0;
    const Column* const where = plan_.where ? run.source.inputs()[*plan_.where] : nullptr;
    counters_.add(WindowCounter::rows, run.last - run.first);
    if (is_plain(run)) {
        add_plain(run, where, emission, pending);
    } else {
        for (std::size_t row = run.first; row < run.last; ++row) {
            if (run.source.quarantined().test(row))
                counters_.add(WindowCounter::quarantined);
            else if (passes_where(where, row, counters_) && admit(run, row, emission, pending))
                counters_.add(WindowCounter::counted);
        }
    }
    aggregate(run, pending);
}

void HoppingWindow::turn_to(std::int64_t at) {
    if (static_cast<std::uint64_t>(at - recent_start_) < static_cast<std::uint64_t>(plan_.every)) return;
    recent_start_ = floor_to(at, plan_.every);
}

// Whether no window of any of these rows has closed: as nearly always. Then none needs to be judged by itself.
bool HoppingWindow::is_plain(const Run& run) {
    const Source& source = run.source;
    if (source.uneven || source.latest < source.earliest) return false;
    const std::int64_t first_end = floor_to(source.earliest, plan_.every) + plan_.every;
    return first_end > source.watermarks().furthest() && first_end > evicted_until_ &&
           !frontier_.reaches(first_end - plan_.every + plan_.size);
}

void HoppingWindow::add_plain(const Run& run, const Column* where, Emission& emission, std::size_t& pending) {
    turn_to(run.source.earliest);
    if (run.source.latest < recent_start_ + plan_.every) return add_stretches(run, where, emission, pending);
    for (std::size_t row = run.first; row < run.last; ++row) {
        if (!passes_where(where, row, counters_)) continue;
        turn_to(run.batch.time(row).event.us());
        add_one(run, row, emission, pending);
    }
}

void HoppingWindow::add_one(const Run& run, std::size_t row, Emission& emission, std::size_t& pending) {
    const Watermarks& watermarks = run.watermarks();
    const std::int64_t watermark = plan_.by_partition ? watermarks.watermark(run.source.partitions()[row]) : watermarks.watermark();
    if (put(run, row, watermark, emission, pending)) counters_.add(WindowCounter::counted);
}

// All rows are of one pane: stretches of rows whose keys have it are found by their hashes, then their keys are compared.
// What is left to do lies in run.rows behind what is pending: a row that starts a pane takes one place, too.
void HoppingWindow::add_stretches(const Run& run, const Column* where, Emission& emission, std::size_t& pending) {
    std::size_t count = 0;
    for (std::size_t row = run.first; row < run.last; ++row)
        if (passes_where(where, row, counters_)) run.rows[count++] = static_cast<std::uint16_t>(row);
    for (std::size_t i = 0; i < count;) {
        const auto rest = run.rows.subspan(i, count - i);
        const auto found = run.cells.subspan(pending);
        const std::size_t same = plan_.key.same(run.batch, rest.first(find_by_hash(run, rest, found)), found, keys_.data());
        if (pending != i) std::copy_n(rest.begin(), same, run.rows.begin() + static_cast<std::ptrdiff_t>(pending));
        for (std::uint32_t& cell : found.first(same)) cell = slots_[cell].recent;
        counters_.add(WindowCounter::counted, same);
        pending += same;
        i += same;
        if (i < count) add_one(run, run.rows[i++], emission, pending);
    }
}

// The slots of rows, by their hashes alone, up to the first row whose key has no slot or did not go to this pane last.
// How many there are.
std::size_t HoppingWindow::find_by_hash(const Run& run, std::span<const std::uint16_t> rows, std::span<std::uint32_t> to) const {
    const Slot* const slots = slots_.data();
    const std::uint64_t* const hashes = run.hashes.data();
    const std::int64_t start = recent_start_;
    const HashIndex::Places places = index_.places();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::uint64_t hash = hashes[rows[i]];
        std::size_t at = places.first(hash);
        for (; !places.is_free(at); at = places.next(at))
            if (slots[places.number(at)].hash == hash) [[likely]] break;
        if (places.is_free(at) || slots[places.number(at)].recent_start != start) return i;
        to[i] = places.number(at);
    }
    return rows.size();
}

void HoppingWindow::aggregate(const Run& run, std::size_t& pending) {
    if (pending == 0) return;
    results_->add(run, {run.rows.first(pending), run.cells.first(pending)}, counters_);
    pending = 0;
}

bool HoppingWindow::admit(const Run& run, std::size_t row, Emission& emission, std::size_t& pending) {
    turn_to(run.batch.time(row).event.us());
    const std::uint32_t partition = run.source.partitions()[row];
    const std::int64_t watermark = plan_.by_partition ? run.watermarks().watermark(partition) : run.watermarks().watermark();
    if (is_late(plan_.by_partition ? run.watermarks().hash(partition) : 0, watermark)) return false;
    return put(run, row, watermark, emission, pending);
}

// For the last of its windows, and so for all; counted by its reason.
bool HoppingWindow::is_late(std::uint64_t partition, std::int64_t watermark) {
    const std::int64_t end = recent_start_ + plan_.size;
    if (frontier_.covers(partition, end))
        counters_.add(WindowCounter::late_after_power_cut);
    else if (end + plan_.allow <= watermark)
        counters_.add(WindowCounter::late);
    else if (end <= evicted_until_)
        counters_.add(WindowCounter::late_after_eviction);
    else
        return false;
    return true;
}

// Leaves the row and the cells that take it in run.rows and run.cells. False, with the reason counted, when there is no place.
bool HoppingWindow::put(const Run& run, std::size_t row, std::int64_t watermark, Emission& emission, std::size_t& pending) {
    // "(other)" goes by the source's watermark, which may be behind.
    const std::int64_t least = plan_.by_partition ? std::min(watermark, run.watermarks().watermark()) : watermark;
    Place place{none, none, recent_start_, watermark};
    if (place.start + plan_.size > closed_until(least)) {
        place.interval = open_interval(run, place.start, emission, pending);
        if (place.interval == none) {
            counters_.add(WindowCounter::late_after_eviction);
            return false;
        }
    }
    place.slot = find_slot(run, row);
    if (place.slot == none && (free_ != none || place.interval == none)) place.slot = take_slot(run, row, place.start);
    const bool counted = (place.slot != none && put_at(run, row, place, pending)) || fold(run, row, place, pending);
    if (place.interval != none && intervals_[place.interval].live == 0) free_interval(place.interval);
    return counted;
}

// False when it takes a new pane and there is none.
bool HoppingWindow::put_at(const Run& run, std::size_t row, const Place& place, std::size_t& pending) {
    Slot& slot = slots_[place.slot];
    const std::int64_t closed = closed_until(place.watermark);
    const std::int64_t first_end = place.start + plan_.every;
    std::uint32_t pane = none;
    if (place.start + plan_.size > closed) {
        std::uint32_t before = none;
        pane = find_pane(place.slot, place.start, before);
        if (pane == none) {
            if (is_among_turned(place.slot, place.start)) aggregate(run, pending);
            pane = make_pane(place.slot, place.start, place.interval, before);
        }
        if (pane == none) return false;
        slot.next_end = std::min(slot.next_end, std::max(first_end, floor_to(closed, plan_.every) + plan_.every));
    }
    if (first_end <= closed) {
        put_late(run, row, place, pane, pending);
        return true;
    }
    put_in(run, row, pane, pending);
    slot.recent = pane;
    slot.recent_start = place.start;
    return true;
}

// Some of its windows have closed: the others get it, and of the closed ones those that may be revised.
void HoppingWindow::put_late(const Run& run, std::size_t row, const Place& place, std::uint32_t pane, std::size_t& pending) {
    if (pane != none) {
        put_in(run, row, pane, pending);
        const std::uint8_t flags = cells_[pane].flags;
        if (flags & merged) put_in(run, row, back(place.slot), pending);
        if (flags & turned)
            for (std::uint32_t of = cells_[pane].previous; of != none; of = cells_[of].previous) put_in(run, row, of, pending);
    }
    const std::int64_t first_end = place.start + plan_.every;
    const std::int64_t gone = closed_until_for_good(place.watermark);
    if (first_end <= gone) counters_.add(WindowCounter::late_in_part);
    std::int64_t end = std::max(first_end, floor_to(gone, plan_.every) + plan_.every);
    bool revises = false;
    for (; plan_.allow > 0 && end <= place.watermark && end <= place.start + plan_.size; end += plan_.every) {
        if (frontier_.covers(slots_[place.slot].partition_hash, end)) continue;
        std::uint32_t result = result_at(place.slot, end);
        if (result == none) {
            result = make_result(place.slot, end);
            create_states(result, end - plan_.size);
        }
        put_in(run, row, result, pending);
        mark_late(result);
        revises = true;
    }
    if (revises) counters_.add(WindowCounter::revised);
}

void HoppingWindow::put_in(const Run& run, std::size_t row, std::uint32_t cell, std::size_t& pending) {
    if (pending == run.rows.size()) aggregate(run, pending);
    if (!run.batch.time(row).arrival_trusted) cells_[cell].flags |= untrusted;
    run.rows[pending] = static_cast<std::uint16_t>(row);
    run.cells[pending++] = cell;
    const std::uint32_t folded = folded_at(cell);
    if (folded == none) return;
    counters_.add(WindowCounter::sketches_settled, folded_->add_item(folded, static_cast<std::int64_t>(run.hashes[row])));
}

// "(other)" closes by the source's watermark, whatever partitions its keys are of. place.slot: of the key, if it has one.
bool HoppingWindow::fold(const Run& run, std::size_t row, Place place, std::size_t& pending) {
    if (place.slot != none || free_slot_ != none) counters_.add(WindowCounter::pool_exhausted);
    place.watermark = run.watermarks().watermark();
    if (plan_.by_partition && is_late(0, place.watermark)) return false;
    counters_.add(WindowCounter::folded);
    if (place.slot != none) slots_[place.slot].own_from = std::max(slots_[place.slot].own_from, place.start + plan_.every);
    place.slot = other();
    slots_[place.slot].flags |= taken;
    folded_until_ = std::max(folded_until_, place.start);
    return put_at(run, row, place, pending);
}

std::uint32_t HoppingWindow::find_slot(const Run& run, std::size_t row) const {
    const std::uint64_t hash = run.hashes[row];
    return index_.find(hash, [&](std::uint32_t number) {
        return slots_[number].hash == hash && plan_.key.equals(run.batch, row, key(number));
    });
}

// none when all are taken.
std::uint32_t HoppingWindow::take_slot(const Run& run, std::size_t row, std::int64_t start) {
    if (free_slot_ == none) return none;
    const std::uint32_t number = free_slot_;
    Slot& slot = slots_[number];
    free_slot_ = slot.next;
    const std::uint32_t partition = run.source.partitions()[row];
    slot = Slot{};
    slot.hash = run.hashes[row];
    slot.partition_hash = plan_.by_partition ? run.watermarks().hash(partition) : 0;
    slot.list = plan_.by_partition ? partition : 0;
    slot.flags = taken;
    if (!is_empty(slots_[other()])) slot.own_from = std::max(start, folded_until_) + plan_.every;
    if (plan_.key.encode(run.batch, row, key(number))) counters_.add(WindowCounter::key_cut);
    link(number);
    index_.insert(slot.hash, number);
    return number;
}

std::uint32_t HoppingWindow::open_interval(const Run& run, std::int64_t start, Emission& emission, std::size_t& pending) {
    const auto is_it = [start](const Interval& i) { return i.used && i.start == start; };
    if (recent_interval_ != none && is_it(intervals_[recent_interval_])) return recent_interval_;
    auto found = std::find_if(intervals_.begin(), intervals_.end(), is_it);
    if (found == intervals_.end()) {
        if (intervals_used_ == intervals_.size()) {
            if (intervals_[oldest_interval()].start > start) return none;
            evict_oldest(run, emission, pending);
        }
        found = std::find_if(intervals_.begin(), intervals_.end(), [](const Interval& i) { return !i.used; });
        *found = {start, 0, true};
        ++intervals_used_;
    }
    recent_interval_ = static_cast<std::uint32_t>(found - intervals_.begin());
    return recent_interval_;
}

std::uint32_t HoppingWindow::oldest_interval() const {
    std::uint32_t oldest = none;
    for (std::uint32_t i = 0; i < intervals_.size(); ++i)
        if (intervals_[i].used && (oldest == none || intervals_[i].start < intervals_[oldest].start)) oldest = i;
    return oldest;
}

void HoppingWindow::free_interval(std::uint32_t interval) {
    intervals_[interval] = Interval{};
    --intervals_used_;
}

}  // namespace weir
