#include <algorithm>
#include <cstring>

#include "windows/session_window.h"

// Memory of a session window, and its state as bytes.

namespace weir {
namespace {

std::size_t lists(const CompiledWindow& plan, std::size_t partitions_max) { return plan.by_partition ? partitions_max : 1; }

}  // namespace

Bytes SessionWindow::need(const CompiledWindow& plan, std::size_t partitions_max) {
    return Arena::need<Cell>(plan.cells_max) + Arena::need<std::byte>(plan.cells_max * plan.key.width()) +
           HashIndex::need(plan.cells_max) + Arena::need<List>(lists(plan, partitions_max)) +
           Arena::need<Results>() + Results::need(plan, plan.cells_max) + Arena::need<std::uint32_t>(plan.cells_max) +
           Frontier::need(plan.frontiers_max) + Arena::need<std::uint32_t>(plan.early > 0 ? plan.cells_max : 0);
}

SessionWindow::SessionWindow(Arena& arena, const CompiledWindow& plan, std::string_view name, std::uint32_t number,
                             std::size_t partitions_max, std::uint64_t seed)
    : plan_(plan),
      number_(number),
      seed_(seed ^ plan.definition),
      cells_(arena.take<Cell>(plan.cells_max)),
      keys_(arena.take<std::byte>(plan.cells_max * plan.key.width())),
      index_(arena, plan.cells_max),
      lists_(arena.take<List>(lists(plan, partitions_max))),
      results_(arena.make<Results>(arena, plan, name, plan.cells_max)),
      early_(arena.take<std::uint32_t>(plan.early > 0 ? plan.cells_max : 0)),
      dirty_(arena.take<std::uint32_t>(plan.cells_max)),
      frontier_(arena, plan.frontiers_max) {
    reset();
}

void SessionWindow::reset() {
    std::fill(cells_.begin(), cells_.end(), Cell{});
    results_->reset();
    index_.reset();
    std::fill(lists_.begin(), lists_.end(), List{});
    free_ = none;
    for (std::size_t i = cells_.size(); i-- > 0;) {
        cells_[i].next = free_;
        free_ = static_cast<std::uint32_t>(i);
    }
    cells_used_ = dirty_count_ = 0;
    evicted_until_ = said_until_ = never_us;
    counters_ = {};
    frontier_.reset();
}

void SessionWindow::free_cell(std::uint32_t number) {
    Cell& cell = cells_[number];
    unmark(number);
    index_.erase(number, [this](std::uint32_t of) { return cells_[of].hash; });
    unlink(number);
    --cells_used_;
    results_->release(number);
    cell = Cell{};
    cell.next = free_;
    free_ = number;
}

// The watermark at which the next thing happens to it.
std::int64_t SessionWindow::due_at(std::uint32_t number) const {
    const Cell& cell = cells_[number];
    if (cell.flags & (said | belated)) return cell.end + plan_.allow;
    if (plan_.early == 0) return cell.end;
    return std::min(cell.end, cell.start + (std::int64_t{early_[number]} + 1) * plan_.early);
}

void SessionWindow::link(std::uint32_t number) {
    Cell& cell = cells_[number];
    List& list = lists_[cell.list];
    cell.previous = none;
    cell.next = list.head;
    if (list.head != none) cells_[list.head].previous = number;
    list.head = number;
    list.least = std::min(list.least, due_at(number));
}

void SessionWindow::unlink(std::uint32_t number) {
    const Cell& cell = cells_[number];
    (cell.previous == none ? lists_[cell.list].head : cells_[cell.previous].next) = cell.next;
    if (cell.next != none) cells_[cell.next].previous = cell.previous;
}

Bytes SessionWindow::save_size_max(const CompiledWindow& plan) {
    return 64 + window_counters * 8 + plan.cells_max * (64 + plan.key.width()) + Results::save_size_max(plan, plan.cells_max) +
           Frontier::save_size_max(plan.frontiers_max);
}

void SessionWindow::save(ByteWriter& out) const {
    out.write(evicted_until_);
    out.write(said_until_);
    for (std::uint64_t value : counters_.values()) out.write(value);
    frontier_.save(out);
    out.write(static_cast<std::uint32_t>(cells_used_));
    for (std::uint32_t i = 0; i < cells_.size(); ++i)
        if (cells_[i].flags & used) save_cell(i, out);
}

void SessionWindow::save_cell(std::uint32_t number, ByteWriter& out) const {
    const Cell& cell = cells_[number];
    out.write(cell.flags);
    out.write(plan_.early > 0 ? early_[number] : std::uint32_t{0});  // it is no part of the definition
    out.write(cell.start);
    out.write(cell.end);
    out.write(cell.hash);
    out.write(cell.partition_hash);
    out.write(cell.list);
    out.write(cell.revision);
    out.bytes({key(number), plan_.key.width()});
    results_->save(number, out);
}

bool SessionWindow::load(ByteReader& in, std::size_t partitions) {
    reset();
    evicted_until_ = in.read<std::int64_t>();
    said_until_ = in.read<std::int64_t>();
    for (std::uint64_t& value : counters_.values()) value = in.read<std::uint64_t>();
    if (!frontier_.load(in)) return false;
    const auto count = in.read<std::uint32_t>();
    for (std::int64_t time : {evicted_until_, said_until_})
        if (time < never_us || time > forever_us) return false;
    if (!in.ok() || count > cells_.size()) return false;
    for (std::uint32_t i = 0; i < count; ++i)
        if (!load_cell(free_, in, partitions)) return false;
    return in.ok();
}

bool SessionWindow::load_cell(std::uint32_t number, ByteReader& in, std::size_t partitions) {
    Cell cell;
    cell.flags = in.read<std::uint8_t>();
    const auto early = in.read<std::uint32_t>();
    if (plan_.early > 0) early_[number] = early;
    cell.start = in.read<std::int64_t>();
    cell.end = in.read<std::int64_t>();
    cell.hash = in.read<std::uint64_t>();
    cell.partition_hash = in.read<std::uint64_t>();
    cell.list = in.read<std::uint32_t>();
    cell.revision = in.read<std::uint32_t>();
    const ByteSpan identity = in.bytes(plan_.key.width());
    if (!in.ok() || !(cell.flags & used) || cell.start < never_us || cell.end <= cell.start || cell.end > forever_us) return false;
    if (cell.list >= (plan_.by_partition ? std::min(partitions, lists_.size()) : 1)) return false;
    if (!identity.empty()) std::memcpy(key(number), identity.data(), identity.size());
    free_ = cells_[number].next;
    cells_[number] = cell;
    ++cells_used_;
    link(number);
    index_.insert(cells_[number].hash, number);
    if (cell.flags & dirty) dirty_[dirty_count_++] = number;
    return results_->load(number, in);
}

}  // namespace weir
