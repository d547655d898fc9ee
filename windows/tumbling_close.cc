#include <algorithm>

#include "windows/partial.h"
#include "windows/tumbling_window.h"

// From cells to records: what is due, in which order, and what it says.

namespace weir {

void TumblingWindow::collect(const Watermarks& watermarks, std::span<Due> due, std::size_t& count) {
    for (std::size_t i = 0; i < dirty_count_; ++i) {
        Cell& cell = cells_[dirty_[i]];
        if (cell.flags & dirty) due[count++] = {number_, dirty_[i], end(dirty_[i])};
        cell.flags &= static_cast<std::uint8_t>(~dirty);
    }
    dirty_count_ = 0;
    const auto close = [&](std::uint32_t number, std::int64_t watermark) { collect_cell(number, watermark, due, count); };
    if (plan_.by_partition)
        for (std::uint32_t partition : watermarks.passed())
            for (std::uint32_t cell = heads_[partition]; cell != none; cell = cells_[cell].next)
                close(cell, watermarks.watermark(partition));
    if (!watermarks.source_passed()) return;
    for (std::size_t i = 0; i < intervals_.size(); ++i) {
        if (!intervals_[i].used) continue;
        close(other(static_cast<std::uint32_t>(i)), watermarks.watermark());
        if (plan_.by_partition) continue;
        for (std::uint32_t cell = heads_[i]; cell != none; cell = cells_[cell].next) close(cell, watermarks.watermark());
    }
}

void TumblingWindow::collect_cell(std::uint32_t number, std::int64_t watermark, std::span<Due> due, std::size_t& count) {
    Cell& cell = cells_[number];
    if (!(cell.flags & used)) return;
    if (cell.flags & closed) {
        if ((cell.flags & belated) && end(number) + plan_.allow <= watermark) due[count++] = {number_, number, end(number), Saying::late};
    } else if (end(number) <= watermark) {
        cell.flags |= closed;
        due[count++] = {number_, number, end(number)};
    } else if (plan_.early > 0) {
        const std::uint32_t passed = early_count(cell.start, plan_.early, watermark);
        if (passed == early_[number]) return;
        early_[number] = passed;
        if (!(cell.flags & fresh)) return;
        cell.flags &= static_cast<std::uint8_t>(~fresh);
        due[count++] = {number_, number, end(number), Saying::early};
    }
}

void TumblingWindow::release(const Watermarks& watermarks) {
    const auto release_list = [&](std::uint32_t list, std::int64_t watermark) {
        for (std::uint32_t cell = heads_[list]; cell != none;) {
            const std::uint32_t next = cells_[cell].next;
            if (end(cell) + plan_.allow <= watermark) free_cell(cell);
            cell = next;
        }
    };
    if (plan_.by_partition)
        for (std::uint32_t partition : watermarks.passed()) release_list(partition, watermarks.watermark(partition));
    for (std::size_t i = 0; i < intervals_.size(); ++i) {
        if (!intervals_[i].used || intervals_[i].end + plan_.allow > watermarks.watermark()) continue;
        const auto interval = static_cast<std::uint32_t>(i);
        if (!plan_.by_partition) release_list(interval, watermarks.watermark());
        if (intervals_[i].live == 0) free_interval(interval);
    }
}

void TumblingWindow::collect_open(std::span<Due> due, std::size_t& count) const {
    for (std::uint32_t cell = 0; cell < cells_.size(); ++cell)
        if ((cells_[cell].flags & (used | closed)) == used) due[count++] = {number_, cell, end(cell)};
}

// An interval closes with all of its cells where a source is split.
void TumblingWindow::free_open() {
    const auto is_open = [&](std::uint32_t cell) { return (cells_[cell].flags & (used | closed)) == used; };
    for (std::uint32_t cell = 0; cell < plan_.cells_max; ++cell)
        if (is_open(cell)) free_cell(cell);
    for (std::uint32_t i = 0; i < intervals_.size(); ++i)
        if (intervals_[i].used && intervals_[i].live == 0 && ((cells_[other(i)].flags & used) == 0 || is_open(other(i)))) free_interval(i);
}

void TumblingWindow::free_cell(std::uint32_t number) {
    index_.erase(number, [this](std::uint32_t of) { return cells_[of].hash; });
    unlink(number);
    Cell& cell = cells_[number];
    --intervals_[cell.interval].live;
    --cells_used_;
    results_->release(number);
    cell = Cell{};
    cell.next = free_;
    free_ = number;
}

void TumblingWindow::free_interval(std::uint32_t interval) {
    Cell& folded = cells_[other(interval)];
    if (folded.flags & used) {
        results_->release(other(interval));
        folded_->release(interval);
    }
    folded = Cell{};
    intervals_[interval] = Interval{};
    --intervals_used_;
}

// Too many intervals are open: the oldest is closed as it stands, and says that it is partial.
void TumblingWindow::evict_oldest(const Run& run, Emission& emission, std::size_t& pending) {
    aggregate(run, pending);
    const auto oldest = std::min_element(intervals_.begin(), intervals_.end(),
                                         [](const Interval& a, const Interval& b) { return a.start < b.start; });
    const auto interval = static_cast<std::uint32_t>(oldest - intervals_.begin());
    // In the order of keys, found by selection: no scratch, and this is rare.
    const auto waits = [&](std::uint32_t cell) {
        const Cell& c = cells_[cell];
        return (c.flags & used) && c.interval == interval && (!(c.flags & closed) || (c.flags & (dirty | belated)));
    };
    for (;;) {
        std::uint32_t next = none;
        for (std::uint32_t cell = 0; cell < cells_.size(); ++cell)
            if (waits(cell) && (next == none || before(cell, next))) next = cell;
        if (next == none) break;
        const Saying saying = cells_[next].flags & belated ? Saying::late : Saying::result;
        cells_[next].flags = static_cast<std::uint8_t>((cells_[next].flags | closed) & ~dirty);
        emit({number_, next, end(next), saying}, record_partial, emission);
    }
    for (std::uint32_t cell = 0; cell < plan_.cells_max; ++cell)
        if ((cells_[cell].flags & used) && cells_[cell].interval == interval) free_cell(cell);
    evicted_until_ = std::max(evicted_until_, oldest->end);
    free_interval(interval);
    drop_clean_from_dirty();
    counters_.add(WindowCounter::evicted);
}

void TumblingWindow::drop_clean_from_dirty() {
    const auto kept = std::remove_if(dirty_.begin(), dirty_.begin() + static_cast<std::ptrdiff_t>(dirty_count_),
                                     [&](std::uint32_t cell) { return !(cells_[cell].flags & dirty); });
    dirty_count_ = static_cast<std::size_t>(kept - dirty_.begin());
}

bool TumblingWindow::before(std::uint32_t a, std::uint32_t b) const {
    if (cells_[a].start != cells_[b].start) return cells_[a].start < cells_[b].start;
    if (is_other(a) || is_other(b)) return !is_other(a) && is_other(b);
    const int order = plan_.key.compare(key(a), key(b));
    return order != 0 ? order < 0 : a < b;
}

// What is left is taken out: what still comes is left by itself, later.
void TumblingWindow::leave(std::uint32_t number, std::uint16_t flags, Emission& emission) {
    const Cell& cell = cells_[number];
    if (cell.flags & untrusted) flags |= record_clock_untrusted;
    flags |= emission.flags(plan_.definition, plan_.source, cell.start, end(number));
    ByteWriter out(emission.partial);
    PartialHead{number_, static_cast<std::uint16_t>(is_other(number) ? flags | record_other : flags), cell.start, end(number)}.write(out);
    if (is_other(number))
        folded_->save(cell.interval, out);
    else
        out.bytes({key(number), plan_.key.width()});
    results_->save(number, out);
    WEIR_ASSERT(out.ok());  // partial_size_max()
    emission.partials->partial(out.written());
    counters_.add(WindowCounter::emitted);
    if (plan_.allow == 0) return;  // it goes now
    results_->release(number);
    results_->create(number, cell.hash ^ seed_);
    if (!is_other(number)) return;
    folded_->release(cell.interval);
    folded_->create(cell.interval, 0);
}

void TumblingWindow::emit(const Due& due, std::uint16_t flags, Emission& emission) {
    if (emission.partials && plan_.merged) return leave(due.cell, flags, emission);
    const Cell& cell = cells_[due.cell];
    if (!frontier_.covers(cell.partition_hash, end(due.cell)))
        say(due, flags, emission);
    else if (due.saying != Saying::early)
        counters_.add(WindowCounter::suppressed);
    if (plan_.aside && due.saying != Saying::early) begin_late(due.cell);
}

void TumblingWindow::say(const Due& due, std::uint16_t flags, Emission& emission) {
    const std::uint32_t number = due.cell;
    Cell& cell = cells_[number];
    if (cell.flags & untrusted) flags |= record_clock_untrusted;
    Value folded_keys;
    Results::Of of{number, cell.start, end(number), cell.partition_hash, cell.revision, flags, nullptr, nullptr};
    if (is_other(number)) {
        CallSpec keys;
        keys.function = Function::distinct;
        folded_keys = folded_->finish(keys, cell.interval, {});
        of.flags |= record_other;
        of.folded_keys = &folded_keys;
        of.folded = folded_;
        of.folded_cell = cell.interval;
    } else {
        of.key = key(number);
    }
    if (due.saying == Saying::early) {
        of.flags |= record_provisional;
        of.early = early_[number];
    } else if (due.saying == Saying::late) {
        of.kind = RecordKind::late;
        of.revision = 0;
    } else {
        ++cell.revision;
    }
    counters_.add(due.saying == Saying::early ? WindowCounter::early : WindowCounter::emitted);
    results_->emit(of, emission);
}

// From now on the cell is for rows that come late.
void TumblingWindow::begin_late(std::uint32_t number) {
    cells_[number].flags &= static_cast<std::uint8_t>(~(belated | fresh | untrusted));
    results_->release(number);
    results_->create(number, cells_[number].hash ^ seed_);
    if (!is_other(number)) return;
    folded_->release(cells_[number].interval);
    folded_->create(cells_[number].interval, 0);
}

}  // namespace weir
