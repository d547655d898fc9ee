#include <algorithm>
#include <cstring>

#include "windows/tumbling_window.h"

// Memory of a window, and its state as bytes.

namespace weir {
namespace {

std::size_t lists(const CompiledWindow& plan, std::size_t partitions_max) {
    return plan.by_partition ? partitions_max : plan.intervals_max;
}

}  // namespace

Bytes TumblingWindow::need(const CompiledWindow& plan, std::size_t partitions_max) {
    const std::size_t cells = plan.cells_all();
    Bytes total = Arena::need<Cell>(cells) + Arena::need<std::byte>(plan.cells_max * plan.key.width()) +
                  HashIndex::need(plan.cells_max) + Arena::need<std::uint32_t>(lists(plan, partitions_max)) +
                  Arena::need<Interval>(plan.intervals_max) + Arena::need<Results>() + Results::need(plan, cells) +
                  Arena::need<AggregateStates>() + AggregateStates::need(plan.folded, plan.intervals_max) +
                  Arena::need<std::uint32_t>(cells) + Frontier::need(plan.frontiers_max) +
                  Arena::need<std::uint32_t>(plan.early > 0 ? cells : 0);
    return total;
}

TumblingWindow::TumblingWindow(Arena& arena, const CompiledWindow& plan, std::string_view name, std::uint32_t number,
               std::size_t partitions_max, std::uint64_t seed)
    : plan_(plan),
      number_(number),
      seed_(seed ^ plan.definition),
      cells_(arena.take<Cell>(plan.cells_all())),
      keys_(arena.take<std::byte>(plan.cells_max * plan.key.width())),
      index_(arena, plan.cells_max),
      heads_(arena.take<std::uint32_t>(lists(plan, partitions_max))),
      early_(arena.take<std::uint32_t>(plan.early > 0 ? plan.cells_all() : 0)),
      intervals_(arena.take<Interval>(plan.intervals_max)),
      results_(arena.make<Results>(arena, plan, name, plan.cells_all())),
      folded_(arena.make<AggregateStates>(arena, plan.folded, plan.intervals_max)),
      dirty_(arena.take<std::uint32_t>(plan.cells_all())),
      frontier_(arena, plan.frontiers_max) {
    reset();
}

void TumblingWindow::reset() {
    std::fill(cells_.begin(), cells_.end(), Cell{});
    results_->reset();
    folded_->reset();
    index_.reset();
    std::fill(heads_.begin(), heads_.end(), none);
    std::fill(intervals_.begin(), intervals_.end(), Interval{});
    free_ = none;
    for (std::size_t i = plan_.cells_max; i-- > 0;) {
        cells_[i].next = free_;
        free_ = static_cast<std::uint32_t>(i);
    }
    cells_used_ = intervals_used_ = dirty_count_ = 0;
    evicted_until_ = never_us;
    recent_start_ = recent_end_ = forever_us;
    counters_ = {};
    frontier_.reset();
}

Bytes TumblingWindow::save_size_max(const CompiledWindow& plan) {
    const Bytes states = AggregateStates::save_size_max(plan.folded, plan.intervals_max) + Results::save_size_max(plan, plan.cells_all());
    return 64 + window_counters * 8 + plan.intervals_max * 32 + plan.cells_all() * (64 + plan.key.width()) + states +
           Frontier::save_size_max(plan.frontiers_max);
}

void TumblingWindow::save(ByteWriter& out) const {
    out.write(evicted_until_);
    for (std::uint64_t value : counters_.values()) out.write(value);
    frontier_.save(out);
    for (const Interval& interval : intervals_) {
        out.write(static_cast<std::uint8_t>(interval.used));
        if (!interval.used) continue;
        out.write(interval.start);
        // Where it ends may change with the zone's rules while it is open.
        if (plan_.calendar) out.write(interval.end);
        out.write(interval.admitted);
    }
    std::uint32_t count = 0;
    for (const Cell& cell : cells_) count += cell.flags & used;
    out.write(count);
    for (std::uint32_t i = 0; i < cells_.size(); ++i)
        if (cells_[i].flags & used) save_cell(i, out);
}

void TumblingWindow::save_cell(std::uint32_t number, ByteWriter& out) const {
    const Cell& cell = cells_[number];
    out.write(static_cast<std::uint8_t>(is_other(number)));
    out.write(cell.flags);
    out.write(plan_.early > 0 ? early_[number] : std::uint32_t{0});  // it is no part of the definition
    out.write(cell.interval);
    out.write(cell.list);
    out.write(cell.revision);
    out.write(cell.hash);
    out.write(cell.partition_hash);
    if (is_other(number))
        folded_->save(cell.interval, out);
    else
        out.bytes({key(number), plan_.key.width()});
    results_->save(number, out);
}

bool TumblingWindow::load(ByteReader& in, std::size_t partitions) {
    reset();
    evicted_until_ = in.read<std::int64_t>();
    for (std::uint64_t& value : counters_.values()) value = in.read<std::uint64_t>();
    if (!frontier_.load(in)) return false;
    for (Interval& interval : intervals_) {
        if (in.read<std::uint8_t>() == 0) continue;
        interval.used = true;
        interval.start = in.read<std::int64_t>();
        const std::int64_t end = plan_.calendar ? in.read<std::int64_t>() : 0;
        interval.admitted = in.read<std::uint32_t>();
        ++intervals_used_;
        if (interval.start < never_us || interval.start > forever_us) return false;
        interval.end = plan_.calendar ? end : interval.start + plan_.size;
        if (interval.end <= interval.start || interval.end > 2 * forever_us) return false;
    }
    const auto count = in.read<std::uint32_t>();
    if (!in.ok() || count > cells_.size() || evicted_until_ < never_us || evicted_until_ > forever_us) return false;
    for (std::uint32_t i = 0; i < count; ++i) {
        const bool is_folded = in.read<std::uint8_t>() != 0;
        if (!is_folded && free_ == none) return false;
        if (!load_cell(is_folded ? none : free_, in, partitions)) return false;
    }
    return in.ok();
}

// number none: of "(other)", whose number follows from the interval.
bool TumblingWindow::load_cell(std::uint32_t number, ByteReader& in, std::size_t partitions) {
    Cell cell;
    cell.flags = in.read<std::uint8_t>();
    const auto early = in.read<std::uint32_t>();
    cell.interval = in.read<std::uint32_t>();
    cell.list = in.read<std::uint32_t>();
    cell.revision = in.read<std::uint32_t>();
    cell.hash = in.read<std::uint64_t>();
    cell.partition_hash = in.read<std::uint64_t>();
    if (!in.ok() || !(cell.flags & used) || cell.interval >= intervals_.size() || !intervals_[cell.interval].used) return false;
    cell.start = intervals_[cell.interval].start;
    const bool folded = number == none;
    if (folded) number = other(cell.interval);
    if (folded) {
        if ((cells_[number].flags & used) || !folded_->load(cell.interval, in)) return false;
        cells_[number] = cell;
    } else {
        const ByteSpan identity = in.bytes(plan_.key.width());
        if (!in.ok()) return false;
        if (plan_.by_partition ? cell.list >= std::min(partitions, heads_.size()) : cell.list != cell.interval) return false;
        if (!identity.empty()) std::memcpy(key(number), identity.data(), identity.size());
        free_ = cells_[number].next;
        cells_[number] = cell;
        ++intervals_[cell.interval].live;
        ++cells_used_;
        link(number);
        index_.insert(cells_[number].hash, number);
    }
    if (plan_.early > 0) early_[number] = early;
    if (cell.flags & dirty) dirty_[dirty_count_++] = number;
    return results_->load(number, in);
}

}  // namespace weir
