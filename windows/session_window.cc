#include "windows/session_window.h"

#include <algorithm>

#include "windows/window_layout.h"

// The way of rows into sessions, and from sessions to records. Memory and saving are in session_state.cc.

namespace weir {
namespace {

// Between two steps nothing changes, so how rows are cut into batches does not show.
std::int64_t step_of(std::int64_t watermark) { return floor_to(watermark, session_step_us); }

}  // namespace

// Only a row before the end of what was emitted could take it back.
bool SessionWindow::may_evict(std::int64_t earliest, std::int64_t) const {
    return earliest < said_until_;
}

void SessionWindow::add(const Run& run, Emission& emission) {
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

void SessionWindow::aggregate(const Run& run, std::size_t& pending) {
    if (pending == 0) return;
    results_->add(run, {run.rows.first(pending), run.cells.first(pending)}, counters_);
    if (plan_.early > 0)
        for (std::uint32_t cell : run.cells.first(pending)) cells_[cell].flags |= fresh;
    pending = 0;
}

bool SessionWindow::admit(const Run& run, std::size_t row, Emission& emission, std::size_t& pending) {
    const RowTime& time = run.batch.time(row);
    const std::uint32_t partition = run.source.partitions()[row];
    const std::int64_t watermark = step_of(plan_.by_partition ? run.watermarks().watermark(partition) : run.watermarks().watermark());
    Asked asked;
    if (!ask(run, row, watermark, asked)) return false;
    Found found = find(run, row, asked, never_us);
    if (plan_.aside && found.first == none && asked.end <= watermark) {
        asked.kind = belated;
        found = find(run, row, asked, never_us);
    }
    if (is_refused(run, row, asked, found)) return false;
    std::uint32_t cell = found.first;
    bool was_said = cell != none && (cells_[cell].flags & said);
    if (cell == none)
        cell = make_cell(run, row, asked, emission, pending);
    else if (found.more)
        was_said |= join(run, row, asked, cell, emission, pending);
    stretch(cell, std::min(asked.start, cells_[cell].start), std::max(asked.end, cells_[cell].end), watermark, emission);
    if (!time.arrival_trusted) cells_[cell].flags |= untrusted;
    if (asked.kind == belated) {
        counters_.add(WindowCounter::late_aside);
    } else {
        const bool late = cells_[cell].end <= watermark;
        if (late || was_said) counters_.add(WindowCounter::revised);
        late ? mark_late(cell) : unmark(cell);  // it may have grown out of being due
    }
    run.rows[pending] = static_cast<std::uint16_t>(row);
    run.cells[pending++] = cell;
    return true;
}

bool SessionWindow::ask(const Run& run, std::size_t row, std::int64_t watermark, Asked& asked) {
    std::int64_t gap = plan_.size;
    if (plan_.gap) {
        const Column& column = *run.source.inputs()[*plan_.gap];
        gap = column.present.test(row) ? column.integers[row] : 0;
        if (gap <= 0 || gap > plan_.size) {
            counters_.add(WindowCounter::gap_invalid);
            return false;
        }
    }
    asked.start = run.batch.time(row).event.us();
    asked.end = asked.start + gap;
    asked.watermark = watermark;
    return true;
}

SessionWindow::Found SessionWindow::find(const Run& run, std::size_t row, const Asked& asked, std::int64_t after) const {
    Found found;
    const std::uint64_t hash = run.hashes[row];
    index_.find(hash, [&](std::uint32_t number) {
        const Cell& cell = cells_[number];
        const bool touches = asked.start < cell.end && asked.end > cell.start && cell.start > after;
        const bool joins = cell.hash == hash && touches && (cell.flags & belated) == asked.kind;
        if (!joins || !plan_.key.equals(run.batch, row, key(number))) return false;
        found.more = found.first != none;
        if (!found.more || cell.start < cells_[found.first].start) found.first = number;
        return false;
    });
    return found;
}

// Counted by its reason.
bool SessionWindow::is_refused(const Run& run, std::size_t row, const Asked& asked, const Found& found) {
    const std::int64_t at = asked.start;
    const std::uint64_t partition = plan_.by_partition ? run.watermarks().hash(run.source.partitions()[row]) : 0;
    // The first session ends before the others.
    if (frontier_.reaches(at) && (frontier_.covers(partition, asked.end) ||
                                  (found.first != none && frontier_.covers(partition, cells_[found.first].end)))) {
        counters_.add(WindowCounter::late_after_power_cut);
        return true;
    }
    if (found.first == none && asked.end + plan_.allow <= asked.watermark) {
        counters_.add(WindowCounter::late);
        return true;
    }
    // A session that begins where one may have begun that had to go could get the same identity.
    if (at <= evicted_until_ && (found.first == none || at < cells_[found.first].start)) {
        counters_.add(WindowCounter::late_after_eviction);
        return true;
    }
    return false;
}

std::uint32_t SessionWindow::make_cell(const Run& run, std::size_t row, const Asked& asked, Emission& emission, std::size_t& pending) {
    if (free_ == none) evict_oldest(run, emission, pending);
    const std::uint32_t number = free_;
    Cell& cell = cells_[number];
    free_ = cell.next;
    const std::uint32_t partition = run.source.partitions()[row];
    cell = Cell{};
    cell.start = asked.start;
    cell.end = asked.end;
    cell.hash = run.hashes[row];
    cell.partition_hash = plan_.by_partition ? run.watermarks().hash(partition) : 0;
    cell.list = plan_.by_partition ? partition : 0;
    cell.flags = static_cast<std::uint8_t>(used | asked.kind);
    if (plan_.key.encode(run.batch, row, key(number))) counters_.add(WindowCounter::key_cut);
    ++cells_used_;
    begin_early(number, asked.watermark);
    link(number);
    index_.insert(cells_[number].hash, number);
    results_->create(number, cell_hash(cell.hash, cell.start) ^ seed_);
    return number;
}

// All that the row touches goes into the one that starts first, in the order of their starts. Returns whether one of the
// others had been emitted.
bool SessionWindow::join(const Run& run, std::size_t row, const Asked& asked, std::uint32_t first, Emission& emission, std::size_t& pending) {
    aggregate(run, pending);
    bool was_said = false;
    std::int64_t after = cells_[first].start;
    for (;;) {
        const Found found = find(run, row, asked, after);
        if (found.first == none) return was_said;
        const Cell absorbed = cells_[found.first];
        after = absorbed.start;
        was_said |= (absorbed.flags & said) != 0;
        stretch(first, cells_[first].start, absorbed.end, asked.watermark, emission);
        take_back(found.first, emission);
        cells_[first].flags |= absorbed.flags & (untrusted | fresh);
        results_->merge(first, found.first, counters_);
        free_cell(found.first);
        if (!found.more) return was_said;
    }
}

void SessionWindow::stretch(std::uint32_t number, std::int64_t start, std::int64_t end, std::int64_t watermark, Emission& emission) {
    Cell& cell = cells_[number];
    if (cell.start == start && cell.end == end) return;
    const bool begins = start < cell.start || (cell.flags & said);
    take_back(number, emission);
    cell.start = start;
    cell.end = end;
    if (begins) begin_early(number, watermark);
    // Between two walks over its list it may have become due later than what the list waits for, but not earlier.
    lists_[cell.list].least = std::min(lists_[cell.list].least, due_at(number));
}

void SessionWindow::begin_early(std::uint32_t cell, std::int64_t watermark) {
    if (plan_.early > 0) early_[cell] = early_count(cells_[cell].start, plan_.early, watermark);
}

// A session that was emitted is no longer what it was.
void SessionWindow::take_back(std::uint32_t number, Emission& emission) {
    Cell& cell = cells_[number];
    if (!(cell.flags & said)) return;
    say(number, 0, RecordKind::retraction, emission);
    cell.flags &= static_cast<std::uint8_t>(~said);
    cell.revision = 0;
}

void SessionWindow::mark_late(std::uint32_t cell) {
    std::uint8_t& flags = cells_[cell].flags;
    if (!(flags & dirty)) dirty_[dirty_count_++] = cell;
    flags |= dirty;
}

void SessionWindow::unmark(std::uint32_t cell) {
    if (!(cells_[cell].flags & dirty)) return;
    cells_[cell].flags &= static_cast<std::uint8_t>(~dirty);
    const auto marked = dirty_.begin() + static_cast<std::ptrdiff_t>(dirty_count_--);
    const auto at = std::find(dirty_.begin(), marked, cell);
    std::copy(at + 1, marked, at);
}

// All places are taken: the session that ends first is closed as it stands.
void SessionWindow::evict_oldest(const Run& run, Emission& emission, std::size_t& pending) {
    aggregate(run, pending);
    std::uint32_t oldest = 0;
    for (std::uint32_t cell = 1; cell < cells_.size(); ++cell)
        if (cells_[cell].end != cells_[oldest].end ? cells_[cell].end < cells_[oldest].end : before(cell, oldest)) oldest = cell;
    const Cell& cell = cells_[oldest];
    if (!(cell.flags & said) || (cell.flags & dirty))
        say(oldest, record_partial, cell.flags & belated ? RecordKind::late : RecordKind::result, emission);
    evicted_until_ = std::max(evicted_until_, cell.start);
    counters_.add(WindowCounter::evicted);
    free_cell(oldest);
}

void SessionWindow::collect(const Watermarks& watermarks, std::span<Due> due, std::size_t& count) {
    for (std::size_t i = 0; i < dirty_count_; ++i) {
        Cell& cell = cells_[dirty_[i]];
        cell.flags = static_cast<std::uint8_t>((cell.flags | said) & ~dirty);
        if (plan_.allow > 0) said_until_ = std::max(said_until_, cell.end);
        due[count++] = {number_, dirty_[i], cell.end};
    }
    dirty_count_ = 0;
    if (plan_.by_partition) {
        for (std::uint32_t partition : watermarks.passed()) collect_list(partition, step_of(watermarks.watermark(partition)), due, count);
    } else if (watermarks.source_passed()) {
        collect_list(0, step_of(watermarks.watermark()), due, count);
    }
}

void SessionWindow::collect_list(std::uint32_t list, std::int64_t watermark, std::span<Due> due, std::size_t& count) {
    if (watermark < lists_[list].least) return;
    for (std::uint32_t number = lists_[list].head; number != none; number = cells_[number].next)
        collect_cell(number, watermark, due, count);
}

void SessionWindow::collect_cell(std::uint32_t number, std::int64_t watermark, std::span<Due> due, std::size_t& count) {
    Cell& cell = cells_[number];
    const bool is_late = cell.flags & belated;
    if (cell.flags & said) return;
    if (cell.end + (is_late ? plan_.allow : 0) <= watermark) {
        cell.flags |= said;
        if (kept(cell) > 0) said_until_ = std::max(said_until_, cell.end);
        due[count++] = {number_, number, cell.end, is_late ? Saying::late : Saying::result};
    } else if (plan_.early > 0 && !is_late) {
        const std::uint32_t passed = early_count(cell.start, plan_.early, watermark);
        if (passed == early_[number]) return;
        early_[number] = passed;
        if (!(cell.flags & fresh)) return;
        cell.flags &= static_cast<std::uint8_t>(~fresh);
        due[count++] = {number_, number, cell.end, Saying::early};
    }
}

void SessionWindow::release(const Watermarks& watermarks) {
    if (plan_.by_partition) {
        for (std::uint32_t partition : watermarks.passed()) release_list(partition, step_of(watermarks.watermark(partition)));
    } else if (watermarks.source_passed()) {
        release_list(0, step_of(watermarks.watermark()));
    }
}

void SessionWindow::release_list(std::uint32_t list, std::int64_t watermark) {
    if (watermark < lists_[list].least) return;
    std::int64_t least = forever_us;
    for (std::uint32_t number = lists_[list].head; number != none;) {
        const std::uint32_t next = cells_[number].next;
        if (cells_[number].end + kept(cells_[number]) <= watermark)
            free_cell(number);
        else
            least = std::min(least, due_at(number));
        number = next;
    }
    lists_[list].least = least;
}

bool SessionWindow::before(std::uint32_t a, std::uint32_t b) const {
    const int order = plan_.key.compare(key(a), key(b));
    if (order != 0) return order < 0;
    return cells_[a].start != cells_[b].start ? cells_[a].start < cells_[b].start : a < b;
}

void SessionWindow::emit(const Due& due, std::uint16_t flags, Emission& emission) {
    if (due.saying == Saying::early) flags |= record_provisional;
    say(due.cell, flags, due.saying == Saying::late ? RecordKind::late : RecordKind::result, emission);
}

void SessionWindow::say(std::uint32_t number, std::uint16_t flags, RecordKind kind, Emission& emission) {
    Cell& cell = cells_[number];
    const bool early = flags & record_provisional;
    if (frontier_.covers(cell.partition_hash, cell.end)) {
        if (!early) counters_.add(WindowCounter::suppressed);
        return;
    }
    if (cell.flags & untrusted) flags |= record_clock_untrusted;
    Results::Of of{number, cell.start, cell.end, cell.partition_hash, cell.revision, flags, key(number), nullptr};
    of.kind = kind;
    if (early)
        of.early = early_[number];
    else
        ++cell.revision;
    counters_.add(early ? WindowCounter::early : WindowCounter::emitted);
    results_->emit(of, emission);
}

}  // namespace weir
