#include "windows/count_window.h"

#include <algorithm>

#include "windows/window_layout.h"

// The way of rows into count windows, and from them to records. Memory and saving are in count_state.cc.

namespace weir {
namespace {

// Between two steps nothing changes, so how rows are cut into batches does not show.
std::int64_t step_of(std::int64_t watermark) {
    return watermark >= forever_us ? forever_us : floor_to(watermark, session_step_us);
}

// Readers of JSON see whole milliseconds, and no two ends of a key may look the same to them.
constexpr std::int64_t millisecond_us = 1000;

// As the frontier knows them; 0 and 1 stand for all partitions and for the shared one.
constexpr std::uint64_t other_frontier = 2;
constexpr std::uint64_t first_frontier = 3;

}  // namespace

void CountWindow::add(const Run& run, Emission& emission) {
    std::size_t pending = 0;
    const Column* const where = plan_.where ? run.source.inputs()[*plan_.where] : nullptr;
    counters_.add(WindowCounter::rows, run.last - run.first);
    for (std::size_t row = run.first; row < run.last; ++row) {
        if (run.source.quarantined().test(row))
            counters_.add(WindowCounter::quarantined);
        else if (passes_where(where, row, counters_) && admit(run, row, emission, pending))
            counters_.add(WindowCounter::counted);
    }
    aggregate(run, pending);
}

void CountWindow::aggregate(const Run& run, std::size_t& pending) {
    if (pending == 0) return;
    results_->add(run, {run.rows.first(pending), run.cells.first(pending)}, counters_);
    pending = 0;
}

bool CountWindow::admit(const Run& run, std::size_t row, Emission& emission, std::size_t& pending) {
    const RowTime& time = run.batch.time(row);
    const std::int64_t at = time.event.us();
    if (run.watermarks().watermark() >= forever_us) {  // after the end of all
        counters_.add(WindowCounter::late);
        return false;
    }
    std::uint32_t cell = find(run, row);
    if (frontier_.reaches(at + 1) && is_covered(run, row, cell)) {
        counters_.add(WindowCounter::late_after_power_cut);
        return false;
    }
    if (cell == none) cell = place(run, row);
    // What waited when its window was emitted, before the power cut: this row is of the next.
    if (cells_[cell].rows > 0 && frontier_.reaches(end(cell)) && frontier_.covers(frontier_key(cell), end(cell))) {
        aggregate(run, pending);
        counters_.add(WindowCounter::suppressed);
        finish(cell);
    }
    if (cells_[cell].rows == 0) begin(cell, run, row);
    if (cell == other()) {
        counters_.add(WindowCounter::folded);
        counters_.add(WindowCounter::sketches_settled, folded_->add_item(0, static_cast<std::int64_t>(run.hashes[row])));
    }
    Cell& to = cells_[cell];
    to.first = std::min(to.first, at);
    to.last = std::max(to.last, at);
    to.untrusted |= !time.arrival_trusted;
    run.rows[pending] = static_cast<std::uint16_t>(row);
    run.cells[pending++] = cell;
    if (++to.rows == plan_.count) fill(cell, run, emission, pending);
    return true;
}

std::uint32_t CountWindow::find(const Run& run, std::size_t row) const {
    const std::uint64_t hash = run.hashes[row];
    return index_.find(hash, [&](std::uint32_t number) {
        return cells_[number].hash == hash && plan_.key.equals(run.batch, row, key(number));
    });
}

// A key that has no place may have been in "(other)".
bool CountWindow::is_covered(const Run& run, std::size_t row, std::uint32_t known) const {
    const std::int64_t end = run.batch.time(row).event.us() + 1;
    return frontier_.covers(first_frontier + group(run.hashes[row]), end) || (known == none && frontier_.covers(other_frontier, end));
}

std::uint64_t CountWindow::frontier_key(std::uint32_t cell) const {
    return cell == other() ? other_frontier : first_frontier + group(cells_[cell].hash);
}

// For a key that has none.
std::uint32_t CountWindow::place(const Run& run, std::size_t row) {
    if (cells_[other()].rows > 0 || (free_ == none && waiting_.head == none)) return other();
    if (free_ == none) forget(waiting_.head);
    const std::uint32_t number = free_;
    Cell& cell = cells_[number];
    free_ = cell.next;
    cell = Cell{};
    cell.hash = run.hashes[row];
    cell.ended = ends_[group(cell.hash)];
    if (plan_.key.encode(run.batch, row, key(number))) counters_.add(WindowCounter::key_cut);
    index_.insert(cell.hash, number);
    append(waiting_, number);
    return number;
}

// Gives its place to another key. The key may come back: its windows must then end later than this one.
void CountWindow::forget(std::uint32_t number) {
    Cell& cell = cells_[number];
    std::int64_t& ended = ends_[group(cell.hash)];
    ended = std::max(ended, cell.ended);
    remove(waiting_, number);
    index_.erase(number, [this](std::uint32_t of) { return cells_[of].hash; });
    cell = Cell{};
    cell.next = free_;
    free_ = number;
}

// With its first row, which is not yet in it.
void CountWindow::begin(std::uint32_t number, const Run& run, std::size_t row) {
    Cell& cell = cells_[number];
    const bool by_partition = plan_.by_partition && number != other();
    const std::uint32_t partition = run.source.partitions()[row];
    cell.first = cell.last = run.batch.time(row).event.us();
    cell.untrusted = false;
    cell.closes_at = forever_us;
    if (plan_.max_wait > 0) {
        const std::int64_t watermark = by_partition ? run.watermarks().watermark(partition) : run.watermarks().watermark();
        cell.closes_at = std::max(cell.first, step_of(watermark)) + plan_.max_wait;
    }
    results_->create(number, cell_hash(number == other() ? ~std::uint64_t{0} : cell.hash, cell.first) ^ seed_);
    ++open_;
    if (number == other()) {
        folded_->create(0, 0);
        return;
    }
    remove(waiting_, number);
    cell.list = by_partition ? partition : 0;
    append(lists_[cell.list], number);
    lists_[cell.list].least = std::min(lists_[cell.list].least, cell.closes_at);
}

void CountWindow::fill(std::uint32_t cell, const Run& run, Emission& emission, std::size_t& pending) {
    aggregate(run, pending);
    say(cell, 0, emission);
    finish(cell);
}

// In the order of the records, which is the order in which keys then wait.
void CountWindow::emit(const Due& due, std::uint16_t flags, Emission& emission) {
    say(due.cell, flags, emission);
    finish(due.cell);
}

// The window is over, whether it was emitted or not; its key waits for the next.
void CountWindow::finish(std::uint32_t number) {
    Cell& cell = cells_[number];
    cell.ended = end(number);
    results_->release(number);
    --open_;
    if (number == other()) {
        folded_->release(0);
        cell.rows = 0;
        return;
    }
    remove(lists_[cell.list], number);
    cell.rows = 0;
    append(waiting_, number);
}

void CountWindow::collect(const Watermarks& watermarks, std::span<Due> due, std::size_t& count) {
    const auto collect_list = [&](const List& list, std::int64_t watermark) {
        if (watermark < list.least) return;
        for (std::uint32_t cell = list.head; cell != none; cell = cells_[cell].next)
            if (is_due(cell, watermark)) due[count++] = {number_, cell, end(cell)};
    };
    if (plan_.by_partition)
        for (std::uint32_t partition : watermarks.passed()) collect_list(lists_[partition], step_of(watermarks.watermark(partition)));
    if (!watermarks.source_passed()) return;
    const std::int64_t watermark = step_of(watermarks.watermark());
    if (!plan_.by_partition) collect_list(lists_[0], watermark);
    if (is_due(other(), watermark)) due[count++] = {number_, other(), end(other())};
}

// What was due went with its record.
void CountWindow::release(const Watermarks& watermarks) {
    const auto look_ahead = [&](List& list, std::int64_t watermark) {
        if (watermark < list.least) return;
        list.least = forever_us;
        for (std::uint32_t cell = list.head; cell != none; cell = cells_[cell].next)
            list.least = std::min(list.least, cells_[cell].closes_at);
    };
    if (plan_.by_partition)
        for (std::uint32_t partition : watermarks.passed()) look_ahead(lists_[partition], step_of(watermarks.watermark(partition)));
    else if (watermarks.source_passed())
        look_ahead(lists_[0], step_of(watermarks.watermark()));
}

std::int64_t CountWindow::end(std::uint32_t cell) const {
    return std::max(floor_to(cells_[cell].last, millisecond_us), cells_[cell].ended) + millisecond_us;
}

bool CountWindow::before(const Due& a, const Due& b) const {
    if (a.cell == other() || b.cell == other()) return a.cell != other() && b.cell == other();
    return plan_.key.compare(key(a.cell), key(b.cell)) < 0;
}

void CountWindow::say(std::uint32_t number, std::uint16_t flags, Emission& emission) {
    const Cell& cell = cells_[number];
    const std::uint64_t frontier = frontier_key(number);
    if (frontier_.covers(frontier, end(number))) {
        counters_.add(WindowCounter::suppressed);
        return;
    }
    if (cell.untrusted) flags |= record_clock_untrusted;
    if (cell.rows < plan_.count && plan_.max_wait == 0) flags |= record_partial;
    Value folded_keys;
    Results::Of of{number, cell.first, end(number), frontier, 0, flags, nullptr, nullptr};
    if (number == other()) {
        CallSpec keys;
        keys.function = Function::distinct;
        folded_keys = folded_->finish(keys, 0, {});
        of.flags |= record_other;
        of.folded_keys = &folded_keys;
    } else {
        of.key = key(number);
    }
    counters_.add(WindowCounter::emitted);
    results_->emit(of, emission);
}

void CountWindow::append(List& list, std::uint32_t number) {
    Cell& cell = cells_[number];
    cell.previous = list.tail;
    cell.next = none;
    (list.tail == none ? list.head : cells_[list.tail].next) = number;
    list.tail = number;
}

void CountWindow::remove(List& list, std::uint32_t number) {
    const Cell& cell = cells_[number];
    (cell.previous == none ? list.head : cells_[cell.previous].next) = cell.next;
    (cell.next == none ? list.tail : cells_[cell.next].previous) = cell.previous;
}

}  // namespace weir
