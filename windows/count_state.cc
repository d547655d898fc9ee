#include <algorithm>
#include <cstring>

#include "windows/count_window.h"

// Memory of a count window, and its state as bytes.

namespace weir {
namespace {

std::size_t lists(const CompiledWindow& plan, std::size_t partitions_max) { return plan.by_partition ? partitions_max : 1; }
bool is_time(std::int64_t time) { return time >= never_us && time <= forever_us; }

}  // namespace

Bytes CountWindow::need(const CompiledWindow& plan, std::size_t partitions_max) {
    return Arena::need<Cell>(plan.cells_all()) + Arena::need<std::byte>(plan.cells_max * plan.key.width()) +
           HashIndex::need(plan.cells_max) + Arena::need<List>(lists(plan, partitions_max)) +
           Arena::need<std::int64_t>(plan.frontiers_max - 1) + Arena::need<Results>() + Results::need(plan, plan.cells_all()) +
           Arena::need<AggregateStates>() + AggregateStates::need(plan.folded, plan.intervals_max) +
           Frontier::need(plan.frontiers_max);
}

CountWindow::CountWindow(Arena& arena, const CompiledWindow& plan, std::string_view name, std::uint32_t number,
                         std::size_t partitions_max, std::uint64_t seed)
    : plan_(plan),
      number_(number),
      seed_(seed ^ plan.definition),
      cells_(arena.take<Cell>(plan.cells_all())),
      keys_(arena.take<std::byte>(plan.cells_max * plan.key.width())),
      index_(arena, plan.cells_max),
      lists_(arena.take<List>(lists(plan, partitions_max))),
      ends_(arena.take<std::int64_t>(plan.frontiers_max - 1)),
      results_(arena.make<Results>(arena, plan, name, plan.cells_all())),
      folded_(arena.make<AggregateStates>(arena, plan.folded, plan.intervals_max)),
      frontier_(arena, plan.frontiers_max) {
    reset();
}

void CountWindow::reset() {
    std::fill(cells_.begin(), cells_.end(), Cell{});
    results_->reset();
    folded_->reset();
    index_.reset();
    std::fill(lists_.begin(), lists_.end(), List{});
    std::fill(ends_.begin(), ends_.end(), never_us);
    waiting_ = List{};
    free_ = none;
    for (std::size_t i = plan_.cells_max; i-- > 0;) {
        cells_[i].next = free_;
        free_ = static_cast<std::uint32_t>(i);
    }
    open_ = 0;
    counters_ = {};
    frontier_.reset();
}

Bytes CountWindow::save_size_max(const CompiledWindow& plan) {
    return 64 + window_counters * 8 + plan.frontiers_max * 8 + plan.cells_all() * (64 + plan.key.width()) +
           AggregateStates::save_size_max(plan.folded, plan.intervals_max) + Results::save_size_max(plan, plan.cells_all()) +
           Frontier::save_size_max(plan.frontiers_max);
}

// Those that wait in their order, which says who gives up the place first.
void CountWindow::save(ByteWriter& out) const {
    for (std::uint64_t value : counters_.values()) out.write(value);
    frontier_.save(out);
    for (std::int64_t ended : ends_) out.write(ended);
    std::uint32_t waiting = 0;
    for (std::uint32_t cell = waiting_.head; cell != none; cell = cells_[cell].next) ++waiting;
    const bool shares = cells_[other()].rows > 0;
    out.write(static_cast<std::uint32_t>(open_ - (shares ? 1 : 0)));
    out.write(waiting);
    for (std::uint32_t cell = 0; cell < other(); ++cell)
        if (cells_[cell].rows > 0) save_cell(cell, out);
    for (std::uint32_t cell = waiting_.head; cell != none; cell = cells_[cell].next) save_cell(cell, out);
    save_cell(other(), out);
    if (shares) folded_->save(0, out);
}

void CountWindow::save_cell(std::uint32_t number, ByteWriter& out) const {
    const Cell& cell = cells_[number];
    out.write(cell.rows);
    out.write(cell.ended);
    if (number != other()) {
        out.write(cell.hash);
        out.bytes({key(number), plan_.key.width()});
    }
    if (cell.rows == 0) return;
    out.write(cell.first);
    out.write(cell.last);
    out.write(cell.closes_at);
    out.write(cell.list);
    out.write(static_cast<std::uint8_t>(cell.untrusted));
    results_->save(number, out);
}

bool CountWindow::load(ByteReader& in, std::size_t partitions) {
    reset();
    for (std::uint64_t& value : counters_.values()) value = in.read<std::uint64_t>();
    if (!frontier_.load(in)) return false;
    for (std::int64_t& ended : ends_) {
        ended = in.read<std::int64_t>();
        if (!is_time(ended)) return false;
    }
    const std::uint64_t open = in.read<std::uint32_t>();
    const std::uint64_t waiting = in.read<std::uint32_t>();
    if (!in.ok() || open + waiting > plan_.cells_max) return false;
    for (std::uint64_t i = 0; i < open + waiting; ++i) {
        const std::uint32_t number = free_;
        free_ = cells_[number].next;
        if (!load_cell(number, in, partitions) || (cells_[number].rows > 0) != (i < open)) return false;
    }
    if (!load_cell(other(), in, partitions)) return false;
    if (cells_[other()].rows > 0 && !folded_->load(0, in)) return false;
    return in.ok();
}

bool CountWindow::load_cell(std::uint32_t number, ByteReader& in, std::size_t partitions) {
    Cell& cell = cells_[number];
    cell = Cell{};
    cell.rows = in.read<std::uint32_t>();
    cell.ended = in.read<std::int64_t>();
    if (!in.ok() || cell.rows >= plan_.count || !is_time(cell.ended)) return false;
    if (number != other()) {
        cell.hash = in.read<std::uint64_t>();
        const ByteSpan identity = in.bytes(plan_.key.width());
        if (!in.ok()) return false;
        if (!identity.empty()) std::memcpy(key(number), identity.data(), identity.size());
        index_.insert(cell.hash, number);
    }
    if (cell.rows == 0) {
        if (number != other()) append(waiting_, number);
        return true;
    }
    cell.first = in.read<std::int64_t>();
    cell.last = in.read<std::int64_t>();
    cell.closes_at = in.read<std::int64_t>();
    cell.list = in.read<std::uint32_t>();
    cell.untrusted = in.read<std::uint8_t>() != 0;
    if (!in.ok() || !is_time(cell.first) || !is_time(cell.last) || cell.first > cell.last || !is_time(cell.closes_at)) return false;
    ++open_;
    if (number != other()) {
        if (cell.list >= (plan_.by_partition ? std::min(partitions, lists_.size()) : 1)) return false;
        append(lists_[cell.list], number);
        lists_[cell.list].least = std::min(lists_[cell.list].least, cell.closes_at);
    }
    return results_->load(number, in);
}

}  // namespace weir
