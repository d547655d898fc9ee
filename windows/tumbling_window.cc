#include "windows/tumbling_window.h"

#include <algorithm>
#include <cstring>

#include "windows/window_layout.h"

// The way of rows into cells. Closing is in tumbling_close.cc, memory and saving in tumbling_state.cc.

namespace weir {

bool TumblingWindow::may_evict(std::int64_t earliest, std::int64_t latest) const {
    const auto free = static_cast<std::int64_t>(intervals_.size() - intervals_used_);
    if (!plan_.calendar) return (floor_to(latest, plan_.size) - floor_to(earliest, plan_.size)) / plan_.size + 1 > free;
    std::int64_t needed = 1;
    for (std::int64_t end = plan_.calendar->end(earliest); end <= latest && needed <= free; end = plan_.calendar->end(end)) ++needed;
    return needed > free;
}

void TumblingWindow::add(const Run& run, Emission& emission) {
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

void TumblingWindow::turn_to(std::int64_t at) {
    if (at >= recent_start_ && at < recent_end_) return;
    recent_start_ = plan_.cut().start(at);
    recent_end_ = plan_.cut().end(at);
}

// Whether all rows lie in one interval that no watermark has reached: as nearly always. Then none needs to be judged
// by itself.
bool TumblingWindow::is_plain(const Run& run) {
    const Source& source = run.source;
    if (source.uneven || source.latest < source.earliest) return false;
    turn_to(source.earliest);
    const std::int64_t end = recent_end_;
    return source.latest < end && end > source.watermarks().furthest() && end > evicted_until_ && !frontier_.reaches(end);
}

void TumblingWindow::add_plain(const Run& run, const Column* where, Emission& emission, std::size_t& pending) {
    const std::int64_t start = recent_start_;
    const std::size_t count = select(run, where);
    for (std::size_t i = 0; i < count;) {
        // Stretches of rows whose cells are there: found by their hashes, then their keys compared.
        const std::size_t found = find_by_hash(run, {run.rows.data() + i, count - i}, start, run.cells.subspan(pending));
        const std::size_t same = plan_.key.same(run.batch, {run.rows.data() + i, found}, run.cells.subspan(pending), keys_.data());
        if (pending != i) std::copy_n(run.rows.begin() + static_cast<std::ptrdiff_t>(i), same, run.rows.begin() + static_cast<std::ptrdiff_t>(pending));
        counters_.add(WindowCounter::counted, same);
        pending += same;
        i += same;
        if (i == count) break;
        const std::uint16_t row = run.rows[i++];
        const std::uint32_t cell = place(run, row, start, emission, pending);
        if (cell == none) continue;
        counters_.add(WindowCounter::counted);
        run.rows[pending] = row;
        run.cells[pending++] = cell;
    }
}

// The rows that `where` takes, into run.rows.
std::size_t TumblingWindow::select(const Run& run, const Column* where) {
    std::uint16_t* to = run.rows.data();
    if (where == nullptr) {
        for (std::size_t row = run.first; row < run.last; ++row) *to++ = static_cast<std::uint16_t>(row);
    } else {
        for (std::size_t row = run.first; row < run.last; ++row)
            if (passes_where(where, row, counters_)) *to++ = static_cast<std::uint16_t>(row);
    }
    return static_cast<std::size_t>(to - run.rows.data());
}

// The cells of rows, by their hashes alone, up to the first row that has none. How many there are.
std::size_t TumblingWindow::find_by_hash(const Run& run, std::span<const std::uint16_t> rows, std::int64_t start,
                                         std::span<std::uint32_t> to) const {
    const Cell* const cells = cells_.data();
    const std::uint64_t* const hashes = run.hashes.data();
    std::uint32_t* const found = to.data();
    const HashIndex::Places places = index_.places();
    for (std::size_t i = 0; i < rows.size(); ++i) {
        const std::uint64_t hash = cell_hash(hashes[rows[i]], start);
        std::size_t at = places.first(hash);
        for (;; at = places.next(at)) {
            if (places.is_free(at)) return i;
            const Cell& cell = cells[places.number(at)];
            if (cell.hash == hash && cell.start == start) [[likely]] break;
        }
        found[i] = places.number(at);
    }
    return rows.size();
}

void TumblingWindow::aggregate(const Run& run, std::size_t& pending) {
    if (pending == 0) return;
    results_->add(run, {run.rows.first(pending), run.cells.first(pending)}, counters_);
    if (plan_.early > 0)
        for (std::uint32_t cell : run.cells.first(pending)) cells_[cell].flags |= fresh;
    pending = 0;
}

// Finds the row's cell and leaves both in run.rows and run.cells.
bool TumblingWindow::admit(const Run& run, std::size_t row, Emission& emission, std::size_t& pending) {
    const RowTime& time = run.batch.time(row);
    turn_to(time.event.us());
    const std::int64_t start = recent_start_;
    const std::int64_t end = recent_end_;
    const std::uint32_t partition = run.source.partitions()[row];
    const std::int64_t watermark = plan_.by_partition ? run.watermarks().watermark(partition) : run.watermarks().watermark();
    if (frontier_.covers(plan_.by_partition ? run.watermarks().hash(partition) : 0, end)) {
        counters_.add(WindowCounter::late_after_power_cut);
        return false;
    }
    if (end + plan_.allow <= watermark) {
        counters_.add(WindowCounter::late);
        return false;
    }
    if (end <= evicted_until_) {
        counters_.add(WindowCounter::late_after_eviction);
        return false;
    }
    const std::uint32_t cell = place(run, row, start, emission, pending);
    if (cell == none) return false;
    if (!time.arrival_trusted) cells_[cell].flags |= untrusted;
    if (end <= closing_watermark(run.watermarks(), cell)) {
        counters_.add(plan_.aside ? WindowCounter::late_aside : WindowCounter::revised);
        mark_late(cell);
    }
    run.rows[pending] = static_cast<std::uint16_t>(row);
    run.cells[pending++] = cell;
    return true;
}

std::int64_t TumblingWindow::closing_watermark(const Watermarks& watermarks, std::uint32_t cell) const {
    if (plan_.by_partition && !is_other(cell)) return watermarks.watermark(cells_[cell].list);
    return watermarks.watermark();
}

// none, with the reason counted, when there is no place.
std::uint32_t TumblingWindow::place(const Run& run, std::size_t row, std::int64_t start, Emission& emission, std::size_t& pending) {
    const std::uint64_t hash = cell_hash(run.hashes[row], start);
    const std::uint32_t known = find(run, row, hash, start);
    return known != none ? known : place_new(run, row, start, hash, emission, pending);
}

// The same where there is no cell yet.
std::uint32_t TumblingWindow::place_new(const Run& run, std::size_t row, std::int64_t start, std::uint64_t hash, Emission& emission,
                                        std::size_t& pending) {
    std::uint32_t interval = interval_at(start);
    if (interval == none) interval = open_interval(run, start, emission, pending);
    if (interval == none) {
        counters_.add(WindowCounter::late_after_eviction);
        return none;
    }
    if (intervals_[interval].admitted < plan_.groups_max && free_ != none) return make_cell(run, row, interval, hash);
    return fold(run, row, interval);
}

std::uint32_t TumblingWindow::find(const Run& run, std::size_t row, std::uint64_t hash, std::int64_t start) const {
    return index_.find(hash, [&](std::uint32_t number) {
        const Cell& cell = cells_[number];
        return cell.hash == hash && cell.start == start && plan_.key.equals(run.batch, row, key(number));
    });
}

std::uint32_t TumblingWindow::interval_at(std::int64_t start) const {
    for (std::size_t i = 0; i < intervals_.size(); ++i)
        if (intervals_[i].used && intervals_[i].start == start) return static_cast<std::uint32_t>(i);
    return none;
}

std::uint32_t TumblingWindow::open_interval(const Run& run, std::int64_t start, Emission& emission, std::size_t& pending) {
    if (intervals_used_ == intervals_.size()) {
        const auto older = [](const Interval& a, const Interval& b) { return a.start < b.start; };
        if (start < std::min_element(intervals_.begin(), intervals_.end(), older)->start) return none;
        evict_oldest(run, emission, pending);
    }
    const auto unused = std::find_if(intervals_.begin(), intervals_.end(), [](const Interval& i) { return !i.used; });
    *unused = {start, plan_.cut().end(start), 0, 0, true};
    ++intervals_used_;
    return static_cast<std::uint32_t>(unused - intervals_.begin());
}

std::uint32_t TumblingWindow::make_cell(const Run& run, std::size_t row, std::uint32_t interval, std::uint64_t hash) {
    const std::uint32_t number = free_;
    Cell& cell = cells_[number];
    free_ = cell.next;
    const std::uint32_t partition = run.source.partitions()[row];
    cell = Cell{};
    cell.start = intervals_[interval].start;
    cell.hash = hash;
    cell.partition_hash = plan_.by_partition ? run.watermarks().hash(partition) : 0;
    cell.interval = interval;
    cell.list = plan_.by_partition ? partition : interval;
    cell.flags = used;
    if (plan_.key.encode(run.batch, row, key(number))) counters_.add(WindowCounter::key_cut);
    ++intervals_[interval].admitted;
    ++intervals_[interval].live;
    ++cells_used_;
    link(number);
    index_.insert(cells_[number].hash, number);
    results_->create(number, hash ^ seed_);
    begin_early(run.watermarks(), number);
    return number;
}

void TumblingWindow::begin_early(const Watermarks& watermarks, std::uint32_t cell) {
    if (plan_.early > 0) early_[cell] = early_count(cells_[cell].start, plan_.early, closing_watermark(watermarks, cell));
}

// "(other)" closes by the source's watermark, whatever partitions its keys are of.
std::uint32_t TumblingWindow::fold(const Run& run, std::size_t row, std::uint32_t interval) {
    const std::int64_t start = intervals_[interval].start;
    const std::int64_t end = intervals_[interval].end;
    if (intervals_[interval].admitted < plan_.groups_max) counters_.add(WindowCounter::pool_exhausted);
    if (plan_.by_partition && frontier_.covers(0, end)) {
        counters_.add(WindowCounter::late_after_power_cut);
        return none;
    }
    if (end + plan_.allow <= run.watermarks().watermark()) {
        counters_.add(WindowCounter::late);
        return none;
    }
    const std::uint32_t number = other(interval);
    Cell& cell = cells_[number];
    if (!(cell.flags & used)) {
        cell = Cell{};
        cell.start = start;
        cell.interval = interval;
        cell.flags = used;
        results_->create(number, cell_hash(~std::uint64_t{0}, start) ^ seed_);
        folded_->create(interval, 0);
        begin_early(run.watermarks(), number);
    }
    counters_.add(WindowCounter::folded);
    counters_.add(WindowCounter::sketches_settled, folded_->add_item(interval, static_cast<std::int64_t>(run.hashes[row])));
    return number;
}

void TumblingWindow::mark_late(std::uint32_t cell) {
    std::uint8_t& flags = cells_[cell].flags;
    if (plan_.aside) {
        flags |= closed | belated;
        return;
    }
    if (!(flags & dirty)) dirty_[dirty_count_++] = cell;
    flags |= closed | dirty;
}

void TumblingWindow::link(std::uint32_t number) {
    Cell& cell = cells_[number];
    std::uint32_t& head = heads_[cell.list];
    cell.previous = none;
    cell.next = head;
    if (head != none) cells_[head].previous = number;
    head = number;
}

void TumblingWindow::unlink(std::uint32_t number) {
    const Cell& cell = cells_[number];
    (cell.previous == none ? heads_[cell.list] : cells_[cell.previous].next) = cell.next;
    if (cell.next != none) cells_[cell.next].previous = cell.previous;
}

}  // namespace weir
