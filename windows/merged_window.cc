#include "windows/merged_window.h"

#include <algorithm>
#include <cstring>

#include "windows/window_layout.h"

namespace weir {

Bytes MergedWindow::need(const CompiledWindow& plan) {
    const MergedLimits& limits = *plan.merged;
    Bytes total = Arena::need<Cell>(limits.cells_all()) + Arena::need<std::byte>(limits.cells_max * plan.key.width()) +
                  HashIndex::need(limits.cells_max) + Arena::need<Interval>(limits.intervals_max) + Arena::need<Results>() +
                  Results::need(plan, limits.states, limits.cells_all()) + 2 * Arena::need<AggregateStates>() +
                  AggregateStates::need(limits.folded, limits.intervals_max) + AggregateStates::need(limits.staged_folded, 1) +
                  Arena::need<AggregateStates*>(limits.staged.size()) + Frontier::need(1);
    for (const StateSpec& state : limits.staged) total += Arena::need<AggregateStates>() + AggregateStates::need(state, 1);
    return total;
}

MergedWindow::MergedWindow(Arena& arena, const CompiledWindow& plan, std::string_view name, std::uint64_t seed)
    : plan_(plan),
      limits_(*plan.merged),
      seed_(seed ^ plan.definition),
      cells_(arena.take<Cell>(limits_.cells_all())),
      keys_(arena.take<std::byte>(limits_.cells_max * plan.key.width())),
      index_(arena, limits_.cells_max),
      intervals_(arena.take<Interval>(limits_.intervals_max)),
      results_(arena.make<Results>(arena, plan, limits_.states, name, limits_.cells_all())),
      folded_(arena.make<AggregateStates>(arena, limits_.folded, limits_.intervals_max)),
      staged_(arena.take<AggregateStates*>(limits_.staged.size())),
      staged_folded_(arena.make<AggregateStates>(arena, limits_.staged_folded, std::size_t{1})),
      frontier_(arena, 1) {
    for (std::size_t i = 0; i < staged_.size(); ++i) staged_[i] = arena.make<AggregateStates>(arena, limits_.staged[i], std::size_t{1});
    reset();
}

void MergedWindow::reset() {
    std::fill(cells_.begin(), cells_.end(), Cell{});
    std::fill(intervals_.begin(), intervals_.end(), Interval{});
    index_.reset();
    results_->reset();
    folded_->reset();
    for (AggregateStates* staged : staged_) staged->reset();
    staged_folded_->reset();
    frontier_.reset();
    counters_ = {};
    free_ = none;
    for (std::size_t i = limits_.cells_max; i-- > 0;) {
        cells_[i].next = free_;
        free_ = static_cast<std::uint32_t>(i);
    }
    cells_used_ = intervals_used_ = 0;
    evicted_until_ = never_us;
}

bool MergedWindow::absorb(const PartialHead& head, ByteReader& in, std::int64_t watermark, Emission& emission) {
    const bool folded = (head.flags & record_other) != 0;
    const ByteSpan key_bytes = folded ? ByteSpan() : in.bytes(plan_.key.width());
    if (!in.ok()) return false;
    counters_.add(WindowCounter::rows);
    if (head.end + plan_.allow <= watermark) {
        counters_.add(WindowCounter::late);
        return true;
    }
    if (head.end <= evicted_until_) {
        counters_.add(WindowCounter::late_after_eviction);
        return true;
    }
    const std::uint32_t interval = interval_of(head, emission);
    if (interval == none) {
        counters_.add(WindowCounter::late_after_eviction);
        return true;
    }
    const std::uint32_t cell = folded ? other_of(interval) : place(head, key_bytes, interval);
    if (folded && !absorb_folded(cell, in)) return false;
    if (!results_->absorb(cell, in, staged_, counters_)) return false;
    counters_.add(WindowCounter::counted);
    Cell& to = cells_[cell];
    to.flags = static_cast<std::uint16_t>(to.flags | (head.flags & (record_partial | record_clock_untrusted | record_sampled)));
    if (head.end > watermark) return true;
    to.state |= closed | dirty;
    counters_.add(WindowCounter::revised);
    return true;
}

bool MergedWindow::absorb_folded(std::uint32_t cell, ByteReader& in) {
    if (!staged_folded_->load(0, in)) return false;
    counters_.add(WindowCounter::sketches_settled, folded_->merge(cells_[cell].interval, *staged_folded_, 0));
    staged_folded_->reset();
    return true;
}

std::uint32_t MergedWindow::interval_of(const PartialHead& head, Emission& emission) {
    const auto same = [&](const Interval& i) { return i.used && i.start == head.start && i.end == head.end; };
    const auto known = std::find_if(intervals_.begin(), intervals_.end(), same);
    if (known != intervals_.end()) return static_cast<std::uint32_t>(known - intervals_.begin());
    if (intervals_used_ == intervals_.size()) {
        const auto oldest = std::min_element(intervals_.begin(), intervals_.end(),
                                             [](const Interval& a, const Interval& b) { return a.end < b.end; });
        if (head.end < oldest->end) return none;
        evict(static_cast<std::uint32_t>(oldest - intervals_.begin()), emission);
    }
    const auto unused = std::find_if(intervals_.begin(), intervals_.end(), [](const Interval& i) { return !i.used; });
    *unused = {head.start, head.end, 0, true};
    ++intervals_used_;
    return static_cast<std::uint32_t>(unused - intervals_.begin());
}

std::uint32_t MergedWindow::place(const PartialHead& head, ByteSpan bytes, std::uint32_t interval) {
    const std::uint64_t key_hash = plan_.key.hash(bytes.data());
    const std::uint64_t hash = cell_hash(key_hash, head.start);
    const std::uint32_t known = index_.find(hash, [&](std::uint32_t number) {
        return cells_[number].hash == hash && cells_[number].interval == interval &&
               (bytes.empty() || std::memcmp(key(number), bytes.data(), bytes.size()) == 0);
    });
    if (known != none) return known;
    if (intervals_[interval].admitted < plan_.groups_max && free_ != none) {
        const std::uint32_t number = free_;
        free_ = cells_[number].next;
        cells_[number] = {hash, interval, none, 0, 0, used};
        if (!bytes.empty()) std::memcpy(key(number), bytes.data(), bytes.size());
        ++intervals_[interval].admitted;
        ++cells_used_;
        index_.insert(hash, number);
        results_->create(number, hash ^ seed_);
        return number;
    }
    counters_.add(intervals_[interval].admitted < plan_.groups_max ? WindowCounter::pool_exhausted : WindowCounter::folded);
    const std::uint32_t number = other_of(interval);
    counters_.add(WindowCounter::sketches_settled, folded_->add_item(interval, static_cast<std::int64_t>(key_hash)));
    return number;
}

std::uint32_t MergedWindow::other_of(std::uint32_t interval) {
    const std::uint32_t number = other(interval);
    if (cells_[number].state & used) return number;
    cells_[number] = {0, interval, none, 0, 0, used};
    results_->create(number, cell_hash(~std::uint64_t{0}, intervals_[interval].start) ^ seed_);
    folded_->create(interval, 0);
    return number;
}

void MergedWindow::collect(std::int64_t watermark, std::uint32_t window, std::span<Due> due, std::size_t& count) {
    for (std::uint32_t number = 0; number < cells_.size(); ++number) {
        Cell& cell = cells_[number];
        if (!(cell.state & used)) continue;
        const bool closes = !(cell.state & closed) && end(number) <= watermark;
        if (!closes && !(cell.state & dirty)) continue;
        cell.state = used | closed;
        due[count++] = {window, number, end(number)};
    }
}

void MergedWindow::emit(std::uint32_t number, std::uint16_t flags, Emission& emission) {
    Cell& cell = cells_[number];
    if (frontier_.covers(0, end(number))) {
        counters_.add(WindowCounter::suppressed);
        return;
    }
    Value folded_keys;
    const auto all_flags = static_cast<std::uint16_t>(cell.flags | flags);
    Results::Of of{number, intervals_[cell.interval].start, end(number), 0, cell.revision++, all_flags, nullptr, nullptr};
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
    counters_.add(WindowCounter::emitted);
    results_->emit(of, emission);
}

void MergedWindow::release(std::int64_t watermark) {
    for (std::uint32_t i = 0; i < intervals_.size(); ++i)
        if (intervals_[i].used && intervals_[i].end + plan_.allow <= watermark) free_interval(i);
}

void MergedWindow::free_cell(std::uint32_t number) {
    index_.erase(number, [this](std::uint32_t of) { return cells_[of].hash; });
    results_->release(number);
    cells_[number] = Cell{};
    cells_[number].next = free_;
    free_ = number;
    --cells_used_;
}

void MergedWindow::free_interval(std::uint32_t interval) {
    for (std::uint32_t cell = 0; cell < limits_.cells_max; ++cell)
        if ((cells_[cell].state & used) && cells_[cell].interval == interval) free_cell(cell);
    Cell& folded = cells_[other(interval)];
    if (folded.state & used) {
        results_->release(other(interval));
        folded_->release(interval);
    }
    folded = Cell{};
    intervals_[interval] = Interval{};
    --intervals_used_;
}

// Too many intervals wait for a lane: the oldest is closed as it stands, in the order of keys. This is rare: no scratch.
void MergedWindow::evict(std::uint32_t interval, Emission& emission) {
    const auto waits = [&](std::uint32_t cell) {
        const std::uint8_t state = cells_[cell].state;
        return (state & used) && cells_[cell].interval == interval && (!(state & closed) || (state & dirty));
    };
    for (;;) {
        std::uint32_t next = none;
        for (std::uint32_t cell = 0; cell < cells_.size(); ++cell)
            if (waits(cell) && (next == none || before(cell, next))) next = cell;
        if (next == none) break;
        cells_[next].state = used | closed;
        emit(next, record_partial, emission);
    }
    evicted_until_ = std::max(evicted_until_, intervals_[interval].end);
    free_interval(interval);
    counters_.add(WindowCounter::evicted);
}

bool MergedWindow::before(std::uint32_t a, std::uint32_t b) const {
    if (end(a) != end(b)) return end(a) < end(b);
    if (is_other(a) || is_other(b)) return !is_other(a) && is_other(b);
    const int order = plan_.key.compare(key(a), key(b));
    return order != 0 ? order < 0 : a < b;
}

Bytes MergedWindow::save_size_max(const CompiledWindow& plan) {
    const MergedLimits& limits = *plan.merged;
    Bytes total = 64 + window_counters * 8 + limits.intervals_max * 24 + limits.cells_all() * (32 + plan.key.width()) +
                  AggregateStates::save_size_max(limits.folded, limits.intervals_max) + Frontier::save_size_max(1);
    for (const StateSpec& state : limits.states) total += AggregateStates::save_size_max(state, limits.cells_all());
    return total;
}

void MergedWindow::save(ByteWriter& out) const {
    out.write(evicted_until_);
    for (std::uint64_t value : counters_.values()) out.write(value);
    frontier_.save(out);
    for (const Interval& interval : intervals_) {
        out.write(static_cast<std::uint8_t>(interval.used));
        if (!interval.used) continue;
        out.write(interval.start);
        out.write(interval.end);
        out.write(interval.admitted);
    }
    std::uint32_t count = 0;
    for (const Cell& cell : cells_) count += cell.state & used;
    out.write(count);
    for (std::uint32_t i = 0; i < cells_.size(); ++i) {
        const Cell& cell = cells_[i];
        if (!(cell.state & used)) continue;
        out.write(static_cast<std::uint8_t>(is_other(i)));
        out.write(cell.state);
        out.write(cell.flags);
        out.write(cell.interval);
        out.write(cell.revision);
        if (is_other(i))
            folded_->save(cell.interval, out);
        else
            out.bytes({key(i), plan_.key.width()});
        results_->save(i, out);
    }
}

bool MergedWindow::load(ByteReader& in) {
    reset();
    evicted_until_ = in.read<std::int64_t>();
    for (std::uint64_t& value : counters_.values()) value = in.read<std::uint64_t>();
    if (!frontier_.load(in)) return false;
    for (Interval& interval : intervals_) {
        if (in.read<std::uint8_t>() == 0) continue;
        interval = {in.read<std::int64_t>(), in.read<std::int64_t>(), in.read<std::uint32_t>(), true};
        ++intervals_used_;
        if (interval.start < never_us || interval.end <= interval.start || interval.end > forever_us) return false;
    }
    const auto count = in.read<std::uint32_t>();
    if (!in.ok() || count > cells_.size() || evicted_until_ < never_us || evicted_until_ > forever_us) return false;
    for (std::uint32_t i = 0; i < count; ++i)
        if (!load_cell(in)) return false;
    return in.ok();
}

bool MergedWindow::load_cell(ByteReader& in) {
    const bool folded = in.read<std::uint8_t>() != 0;
    Cell cell;
    cell.state = in.read<std::uint8_t>();
    cell.flags = in.read<std::uint16_t>();
    cell.interval = in.read<std::uint32_t>();
    cell.revision = in.read<std::uint32_t>();
    if (!in.ok() || !(cell.state & used) || cell.interval >= intervals_.size() || !intervals_[cell.interval].used) return false;
    std::uint32_t number = other(cell.interval);
    if (folded) {
        if ((cells_[number].state & used) || !folded_->load(cell.interval, in)) return false;
        cells_[number] = cell;
        return results_->load(number, in);
    }
    const ByteSpan bytes = in.bytes(plan_.key.width());
    number = free_;
    if (!in.ok() || number == none) return false;
    free_ = cells_[number].next;
    cell.hash = cell_hash(plan_.key.hash(bytes.data()), intervals_[cell.interval].start);
    cells_[number] = cell;
    if (!bytes.empty()) std::memcpy(key(number), bytes.data(), bytes.size());
    ++cells_used_;
    index_.insert(cell.hash, number);
    return results_->load(number, in);
}

}  // namespace weir
