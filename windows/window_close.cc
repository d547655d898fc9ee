#include <algorithm>

#include "windows/window.h"

// From cells to records: what is due, in which order, and what it says.

namespace weir {

void Window::collect(const Watermarks& watermarks, std::span<Due> due, std::size_t& count) {
    const auto append = [&](std::uint32_t cell) { due[count++] = {number_, cell}; };
    for (std::size_t i = 0; i < dirty_count_; ++i) {
        Cell& cell = cells_[dirty_[i]];
        if (cell.flags & dirty) append(dirty_[i]);
        cell.flags &= static_cast<std::uint8_t>(~dirty);
    }
    dirty_count_ = 0;
    const auto close = [&](std::uint32_t number, std::int64_t watermark) {
        Cell& cell = cells_[number];
        if (!(cell.flags & used) || (cell.flags & closed) || end(number) > watermark) return;
        cell.flags |= closed;
        append(number);
    };
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

void Window::release(const Watermarks& watermarks) {
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
        if (!intervals_[i].used || intervals_[i].start + plan_.size + plan_.allow > watermarks.watermark()) continue;
        const auto interval = static_cast<std::uint32_t>(i);
        if (!plan_.by_partition) release_list(interval, watermarks.watermark());
        if (intervals_[i].live == 0) free_interval(interval);
    }
}

void Window::free_cell(std::uint32_t number) {
    erase(number);
    unlink(number);
    Cell& cell = cells_[number];
    --intervals_[cell.interval].live;
    --cells_used_;
    release_states(number);
    cell = Cell{};
    cell.next = free_;
    free_ = number;
}

void Window::free_interval(std::uint32_t interval) {
    Cell& folded = cells_[other(interval)];
    if (folded.flags & used) {
        release_states(other(interval));
        folded_->release(interval);
    }
    folded = Cell{};
    intervals_[interval] = Interval{};
    --intervals_used_;
}

// Too many intervals are open: the oldest is closed as it stands, and says that it is partial.
void Window::evict_oldest(const Run& run, Emission& emission, std::size_t& pending) {
    aggregate(run, pending);
    const auto oldest = std::min_element(intervals_.begin(), intervals_.end(),
                                         [](const Interval& a, const Interval& b) { return a.start < b.start; });
    const auto interval = static_cast<std::uint32_t>(oldest - intervals_.begin());
    // In the order of keys, found by selection: no scratch, and this is rare.
    const auto waits = [&](std::uint32_t cell) {
        const Cell& c = cells_[cell];
        return (c.flags & used) && c.interval == interval && (!(c.flags & closed) || (c.flags & dirty));
    };
    for (;;) {
        std::uint32_t next = none;
        for (std::uint32_t cell = 0; cell < cells_.size(); ++cell)
            if (waits(cell) && (next == none || before(cell, next))) next = cell;
        if (next == none) break;
        cells_[next].flags = static_cast<std::uint8_t>((cells_[next].flags | closed) & ~dirty);
        emit(next, record_partial, emission);
    }
    for (std::uint32_t cell = 0; cell < plan_.cells_max; ++cell)
        if ((cells_[cell].flags & used) && cells_[cell].interval == interval) free_cell(cell);
    evicted_until_ = std::max(evicted_until_, oldest->start + plan_.size);
    free_interval(interval);
    drop_clean_from_dirty();
    counters_.add(WindowCounter::evicted);
}

void Window::drop_clean_from_dirty() {
    const auto kept = std::remove_if(dirty_.begin(), dirty_.begin() + static_cast<std::ptrdiff_t>(dirty_count_),
                                     [&](std::uint32_t cell) { return !(cells_[cell].flags & dirty); });
    dirty_count_ = static_cast<std::size_t>(kept - dirty_.begin());
}

bool Window::before(std::uint32_t a, std::uint32_t b) const {
    if (cells_[a].start != cells_[b].start) return cells_[a].start < cells_[b].start;
    if (is_other(a) || is_other(b)) return !is_other(a) && is_other(b);
    const int order = plan_.key.compare(key(a), key(b));
    return order != 0 ? order < 0 : a < b;
}

void Window::emit(std::uint32_t number, std::uint16_t flags, Emission& emission) {
    Cell& cell = cells_[number];
    const std::int64_t ends = end(number);
    if (frontier_.covers(cell.partition_hash, ends)) {
        counters_.add(WindowCounter::suppressed);
        return;
    }
    for (const Emission::Gap& gap : emission.gaps.first(emission.gap_count))
        if (cell.start < gap.to && ends > gap.from) flags |= record_partial;
    if (is_other(number)) flags |= record_other;
    if (cell.flags & untrusted) flags |= record_clock_untrusted;
    const std::size_t keys = fill_key(number, emission.fields);
    const std::size_t values = fill_values(number, emission.fields.subspan(keys), emission);
    Record record;
    record.flags = flags;
    record.window = name_;
    record.definition = plan_.definition;
    record.start = Timestamp::micros(cell.start);
    record.end = Timestamp::micros(ends);
    record.revision = cell.revision++;
    record.sequence = emission.next_sequence++;
    record.partition = cell.partition_hash;
    record.key = emission.fields.first(keys);
    record.values = emission.fields.subspan(keys, values);
    counters_.add(WindowCounter::emitted);
    emission.sink->emit(record);
}

std::size_t Window::fill_key(std::uint32_t cell, std::span<Field> fields) const {
    for (std::size_t i = 0; i < plan_.key.size(); ++i) {
        fields[i].name = plan_.key_names[i];
        fields[i].value = is_other(cell) ? Value::of_text("(other)") : plan_.key.value(key(cell), i);
    }
    return plan_.key.size();
}

namespace {

Value of_column(const Column& column) {
    if (!column.present.test(0)) return {};
    switch (column.type) {
        case ColumnType::integer: return Value::of_integer(column.integers[0]);
        case ColumnType::real: return Value::of_real(column.reals[0]);
        case ColumnType::boolean: return Value::of_boolean(column.booleans[0] != 0);
        case ColumnType::text: return Value::of_text(column.texts[0]);
    }
    return {};
}

}  // namespace

void Window::fill_call(std::size_t call, const Value& value) {
    CallValue& to = call_values_[call];
    const bool estimate = value.kind == ValueKind::estimate;
    bool present = false;
    switch (to.column.type) {
        case ColumnType::integer: present = value.kind == ValueKind::integer; break;
        case ColumnType::real: present = value.kind == ValueKind::real || estimate; break;
        case ColumnType::boolean: present = value.kind == ValueKind::boolean; break;
        case ColumnType::text: present = value.kind == ValueKind::text; break;
    }
    to.column.present.reset(0);
    if (!present) return;
    to.column.present.set(0);
    to.integer = value.integer;
    to.real = value.real;
    to.boolean = value.boolean ? 1 : 0;
    to.text = value.text;
}

std::size_t Window::fill_values(std::uint32_t cell, std::span<Field> fields, Emission& emission) {
    ByteWriter sketches(emission.sketches);
    for (std::size_t i = 0; i < states_.size(); ++i) sketches_[i] = states_[i]->sketch(cell, sketches);
    std::size_t items = 0;
    for (std::size_t i = 0; i < plan_.calls.size(); ++i) {
        const CallSpec& call = plan_.calls[i];
        finished_[i] = states_[call.state]->finish(call, cell, emission.top_items.subspan(items));
        if (finished_[i].kind == ValueKind::estimate || finished_[i].kind == ValueKind::top)
            finished_[i].sketch = sketches_[call.state];
        items += call.items;
        fill_call(i, finished_[i]);
    }
    std::size_t count = 0;
    for (std::size_t i = 0; i < plan_.values.size(); ++i) {
        const CompiledValue& value = plan_.values[i];
        fields[count].name = value.name;
        fields[count++].value = value.call ? finished_[*value.call] : of_column(evaluators_[i]->evaluate(call_columns_, 1));
    }
    if (is_other(cell)) {
        fields[count].name = "folded_keys";
        CallSpec keys;
        keys.function = Function::distinct;
        fields[count++].value = folded_->finish(keys, cells_[cell].interval, {});
    }
    return count;
}

}  // namespace weir
