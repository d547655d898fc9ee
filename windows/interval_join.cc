#include "windows/interval_join.h"

#include <algorithm>
#include <cstring>

#include "windows/pattern_registers.h"

// The way of rows: found partners for, kept, freed. Memory and saving are in interval_join_state.cc.

namespace weir {

std::string_view name(JoinCounter counter) {
    constexpr std::string_view names[join_counters] = {"left_rows",   "right_rows", "taken",   "late",     "key_null",
                                                       "quarantined", "joined",     "evicted", "unmatched"};
    return names[static_cast<std::size_t>(counter)];
}

void IntervalJoin::add(std::size_t side, const JoinRows& rows) {
    counters_.add(side == 0 ? JoinCounter::left_rows : JoinCounter::right_rows, rows.last - rows.first);
    for (std::size_t row = rows.first; row < rows.last; ++row)
        if (take(side, rows, row)) counters_.add(JoinCounter::taken);
    flush();
}

bool IntervalJoin::take(std::size_t side, const JoinRows& rows, std::size_t at) {
    const RowTime& time = rows.batch.time(at);
    const CompiledJoin::Side& plan = plan_.sides[side];
    const auto refused = [&](JoinCounter reason) {
        counters_.add(reason);
        return false;
    };
    if (rows.quarantined.test(at)) return refused(JoinCounter::quarantined);
    if (time.event.us() < rows.watermark) return refused(JoinCounter::late);
    for (std::size_t column : plan.on)
        if (!rows.batch.column(column).present.test(at)) return refused(JoinCounter::key_null);

    (void)plan.key.encode(rows.batch, at, key_.data());
    for (const CompiledJoin::Input& input : plan.inputs)
        write_cell(sides_[side].scratch.data() + input.at, rows.batch.column(input.column), at);
    Row row;
    row.time = time.event.us();
    row.arrival = time.arrival.us();
    row.trusted = time.arrival_trusted ? 1 : 0;
    const std::uint64_t hash = rows.hashes[at];
    const std::uint32_t group = find(hash);
    if (group != none && match(side, row, group)) row.matched = 1;
    if (useful_until(side, row.time) < rows.watermark)
        counters_.add(JoinCounter::unmatched, row.matched ? 0 : 1);
    else
        keep(side, row, hash, group);
    return true;
}

// Looks for the earliest partner from the latest row of the key back, since rows come nearly in order.
bool IntervalJoin::match(std::size_t side, const Row& row, std::uint32_t group) {
    const std::size_t other = 1 - side;
    const std::int64_t from = side == 0 ? row.time + plan_.lower : row.time - plan_.upper;
    const std::int64_t to = side == 0 ? row.time + plan_.upper : row.time - plan_.lower;
    const std::span<Row> partners = sides_[other].rows;
    std::uint32_t first = none;
    for (std::uint32_t at = groups_[group].rows[other].last; at != none && partners[at].time >= from;
         at = partners[at].key_previous)
        first = at;
    bool any = false;
    for (std::uint32_t at = first; at != none && partners[at].time <= to; at = partners[at].key_next) {
        any = true;
        partners[at].matched = 1;
        pair(side, row, at);
    }
    return any;
}

void IntervalJoin::pair(std::size_t side, const Row& row, std::uint32_t partner) {
    const Row& other = sides_[1 - side].rows[partner];
    const std::byte* const bytes[2] = {side == 0 ? sides_[0].scratch.data() : cells(0, partner),
                                       side == 1 ? sides_[1].scratch.data() : cells(1, partner)};
    const std::int64_t times[2] = {side == 0 ? row.time : other.time, side == 1 ? row.time : other.time};
    const std::size_t at = pairs_++;
    for (std::size_t i = 0; i < operands_.size(); ++i) {
        const CompiledJoin::Operand& operand = plan_.operands[i];
        Column& to = operands_[i];
        to.present.set(at);
        if (!operand.input) {
            to.integers[at] = times[operand.side];
            continue;
        }
        const PatternCell cell = read_cell(bytes[operand.side] + plan_.sides[operand.side].inputs[*operand.input].at, to.type);
        if (!cell.present) {
            to.present.reset(at);
            continue;
        }
        switch (to.type) {
            case ColumnType::integer: to.integers[at] = cell.integer; break;
            case ColumnType::real: to.reals[at] = cell.real; break;
            case ColumnType::boolean: to.booleans[at] = static_cast<std::uint8_t>(cell.integer); break;
            case ColumnType::text: {
                char* const text = texts_[i].data() + at * pattern_text_max;
                if (!cell.text.empty()) std::memcpy(text, cell.text.data(), cell.text.size());
                to.texts[at] = {text, cell.text.size()};
                break;
            }
        }
    }
    RowTime& time = batch_.times_to_fill()[at];
    time.event = Timestamp::micros(std::max(times[0], times[1]));
    time.arrival = Timestamp::micros(std::max(row.arrival, other.arrival));
    time.arrival_trusted = row.trusted && other.trusted;
    counters_.add(JoinCounter::joined);
    if (pairs_ == join_batch_rows) flush();
}

void IntervalJoin::flush() {
    if (pairs_ == 0) return;
    const std::size_t pairs = pairs_;
    pairs_ = 0;
    for (std::size_t i = 0; i < evaluators_.size(); ++i) {
        const Column& value = evaluators_[i]->evaluate(inputs_, pairs, batch_.times_to_fill());
        Column& to = batch_.column_to_fill(i);
        if (!plan_.values[i].seconds) {
            to = value;
            continue;
        }
        to.present = value.present;
        to.reals = seconds_[i];
        for (std::size_t row = 0; row < pairs; ++row) to.reals[row] = static_cast<double>(value.integers[row]) / 1e6;
    }
    batch_.commit_rows(pairs);
    sink_.joined(number_, batch_);
    batch_.clear();
}

// With max_rows there, the earliest goes; that may be the row itself.
void IntervalJoin::keep(std::size_t side, Row row, std::uint64_t hash, std::uint32_t group) {
    Side& of = sides_[side];
    if (of.free == none) {
        counters_.add(JoinCounter::evicted);
        if (row.time < of.rows[of.order.first].time) return counters_.add(JoinCounter::unmatched, row.matched ? 0 : 1);
        remove_first(side);
        group = find(hash);  // it may have gone with its last row
    }
    if (group == none) group = make_group(hash);
    const std::uint32_t number = of.free;
    of.free = of.rows[number].next;
    of.rows[number] = row;
    if (!of.scratch.empty()) std::memcpy(cells(side, number), of.scratch.data(), plan_.sides[side].row_bytes);
    insert(side, number, group);
}

// Behind all rows that are not later: looked for from the end, where most rows belong.
void IntervalJoin::insert(std::size_t side, std::uint32_t number, std::uint32_t group) {
    Side& of = sides_[side];
    Row& row = of.rows[number];
    row.group = group;
    std::uint32_t before = of.order.last;
    while (before != none && of.rows[before].time > row.time) before = of.rows[before].previous;
    row.previous = before;
    row.next = before == none ? of.order.first : of.rows[before].next;
    (before == none ? of.order.first : of.rows[before].next) = number;
    (row.next == none ? of.order.last : of.rows[row.next].previous) = number;

    Chain& chain = groups_[group].rows[side];
    std::uint32_t mate = chain.last;
    while (mate != none && of.rows[mate].time > row.time) mate = of.rows[mate].key_previous;
    row.key_previous = mate;
    row.key_next = mate == none ? chain.first : of.rows[mate].key_next;
    (mate == none ? chain.first : of.rows[mate].key_next) = number;
    (row.key_next == none ? chain.last : of.rows[row.key_next].key_previous) = number;
    ++of.used;
}

// The earliest of a side is the earliest of its key, too.
void IntervalJoin::remove_first(std::size_t side) {
    Side& of = sides_[side];
    const std::uint32_t number = of.order.first;
    Row& row = of.rows[number];
    if (!row.matched) counters_.add(JoinCounter::unmatched);
    of.order.first = row.next;
    (row.next == none ? of.order.last : of.rows[row.next].previous) = none;
    Group& group = groups_[row.group];
    Chain& chain = group.rows[side];
    chain.first = row.key_next;
    (row.key_next == none ? chain.last : of.rows[row.key_next].key_previous) = none;
    if (chain.first == none && group.rows[1 - side].first == none) drop_group(row.group);
    row = Row{};
    row.next = of.free;
    of.free = number;
    --of.used;
}

void IntervalJoin::free(std::int64_t watermark) {
    for (std::size_t side = 0; side < 2; ++side) {
        const Side& of = sides_[side];
        while (of.order.first != none && useful_until(side, of.rows[of.order.first].time) < watermark) remove_first(side);
    }
}

std::uint32_t IntervalJoin::find(std::uint64_t hash) const {
    return index_.find(hash, [&](std::uint32_t group) {
        return groups_[group].hash == hash && std::memcmp(key(group), key_.data(), key_.size()) == 0;
    });
}

std::uint32_t IntervalJoin::make_group(std::uint64_t hash) {
    const std::uint32_t number = free_group_;
    free_group_ = groups_[number].next;
    groups_[number] = Group{};
    groups_[number].hash = hash;
    std::memcpy(key(number), key_.data(), key_.size());
    index_.insert(hash, number);
    return number;
}

void IntervalJoin::drop_group(std::uint32_t number) {
    index_.erase(number, [this](std::uint32_t of) { return groups_[of].hash; });
    groups_[number].next = free_group_;
    free_group_ = number;
}

}  // namespace weir
