#include <algorithm>
#include <cstring>

#include "windows/pattern.h"
#include "windows/pattern_registers.h"

// From the rows of a group to its matches: the runs, side by side, in order of preference.

namespace weir {

void Pattern::step(std::uint32_t number, std::uint32_t row, Emission& emission) {
    Group& group = groups_[number];
    const Waiting& waiting = waiting_[row];
    const std::byte* const cells = row_cells(row);
    const std::uint64_t row_number = group.rows++;
    made_ = 0;
    for (std::uint32_t i = 0; i < group.runs;) {
        // All that began at the same row.
        const std::uint64_t start = progress(runs(number) + i * stride()).start_row;
        const std::size_t first = made_;
        bool decided = false;
        for (; i < group.runs; ++i) {
            const std::byte* const run = runs(number) + i * stride();
            if (progress(run).start_row != start) break;
            if (decided) continue;
            if (progress(run).done)
                keep(run, made_);
            else if (over(progress(run), waiting.time))
                counters_.add(PatternCounter::runs_expired);
            else
                decided = extend(run, false, waiting, cells, row_number, first);
        }
    }
    std::byte* const fresh = made(plan_.runs_max + 1);
    std::memset(fresh, 0, stride());
    progress(fresh).start = waiting.time;
    progress(fresh).start_row = row_number;
    extend(fresh, true, waiting, cells, row_number, made_);
    settle(number, emission);
}

// The ways in which the run may take the row, the preferred ones first. Returns whether one of them made a match,
// so that nothing that is less preferred is wanted.
bool Pattern::extend(const std::byte* run, bool fresh, const Waiting& row, const std::byte* cells, std::uint64_t number,
                     std::size_t first) {
    bool taken = false;
    for (const PatternState::Edge& edge : plan_.program.states[progress(run).state].edges) {
        if (!take(run, edge, row, cells, number)) continue;
        taken = true;
        std::byte* const next = made(plan_.runs_max);
        const PatternState& state = plan_.program.states[edge.to];
        if (!state.edges.empty()) keep(next, first);
        if (!state.done) continue;
        progress(next).done = 1;
        keep(next, made_);
        return true;
    }
    if (!taken && !fresh && plan_.contiguity == Contiguity::next) keep(run, first);
    return false;
}

// Leaves the run with the row behind the made ones.
bool Pattern::take(const std::byte* run, PatternState::Edge edge, const Waiting& row, const std::byte* cells, std::uint64_t number) {
    if (!(row.fits >> edge.variable & 1)) return false;
    std::byte* const next = made(plan_.runs_max);
    std::memcpy(next, run, stride());
    remember(plan_, next + sizeof(Progress), edge.variable, cells);
    if (const auto history = plan_.variables[edge.variable].history) {
        const Column& fits = look(conditions_[*history], plan_.conditions[*history], next + sizeof(Progress), cells);
        if (!fits.present.test(0) || !fits.booleans[0]) return false;
    }
    Progress& progress = this->progress(next);
    progress.last = row.time;
    progress.last_row = number;
    progress.state = edge.to;
    if (row.untrusted) progress.untrusted = 1;
    const bool goes_there = edge.variable == plan_.after_variable;
    if (goes_there && (plan_.after == AfterMatch::last || progress.after_row == 0)) progress.after_row = number + 1;
    return true;
}

// Of two runs in the same state that remember the same for conditions the later one can never win.
// first: where those begin that began at the same row.
void Pattern::keep(const std::byte* run, std::size_t first) {
    for (std::size_t i = first; i < made_; ++i)
        if (progress(made(i)).state == progress(run).state && progress(made(i)).done == progress(run).done &&
            std::memcmp(made(i) + sizeof(Progress), run + sizeof(Progress), plan_.condition_bytes) == 0)
            return;
    if (made_ == plan_.runs_max) {
        counters_.add(PatternCounter::runs_given_up);
        return;
    }
    std::memcpy(made(made_++), run, stride());
}

void Pattern::expire(std::uint32_t number, std::int64_t now, Emission& emission) {
    made_ = 0;
    for (std::uint32_t i = 0; i < groups_[number].runs; ++i) {
        const std::byte* const run = runs(number) + i * stride();
        if (!progress(run).done && over(progress(run), now))
            counters_.add(PatternCounter::runs_expired);
        else
            keep(run, made_);
    }
    settle(number, emission);
}

// Emits what nothing better can replace, and forgets what lies before the place where the search goes on.
void Pattern::settle(std::uint32_t number, Emission& emission) {
    for (std::size_t i = 0; i < made_;) {
        const Progress& run = progress(made(i));
        if (run.done) {
            emit(number, made(i), emission);
            const std::uint64_t resume = resume_after(run);
            const std::size_t from = plan_.after == AfterMatch::next_row ? i : 0;
            std::size_t to = i + 1;
            while (to < made_ && progress(made(to)).start_row < resume) ++to;
            forget(from, to);
            i = from;
        } else if (plan_.after == AfterMatch::next_row) {
            // Matches do not stand in each other's way: on to those that began later.
            const std::uint64_t start = run.start_row;
            while (i < made_ && progress(made(i)).start_row == start) ++i;
        } else {
            break;
        }
    }
    groups_[number].runs = static_cast<std::uint32_t>(made_);
    std::memcpy(runs(number), scratch_.data(), made_ * stride());
}

void Pattern::forget(std::size_t first, std::size_t last) {
    std::memmove(made(first), made(last), (made_ - last) * stride());
    made_ -= last - first;
}

std::uint64_t Pattern::resume_after(const Progress& run) {
    switch (plan_.after) {
        case AfterMatch::past_last_row: return run.last_row + 1;
        case AfterMatch::next_row: return run.start_row + 1;
        case AfterMatch::first:
        case AfterMatch::last: break;
    }
    if (run.after_row > run.start_row + 1) return run.after_row - 1;
    counters_.add(PatternCounter::skipped_to_next);
    return run.start_row + 1;
}

const Column& Pattern::look(const Look& look, const PatternExpression& expression, const std::byte* registers, const std::byte* cells) {
    for (std::size_t i = 0; i < expression.operands.size(); ++i) {
        const PatternExpression::Operand& operand = expression.operands[i];
        const PatternCell from = operand.of_row ? read_cell(cells + plan_.inputs[operand.index].at, operand.type)
                                                : recall(plan_.registers[operand.index], registers);
        CellColumn& to = look.cells[i];
        to.column.present.reset(0);
        if (!from.present) continue;
        to.column.present.set(0);
        to.integer = from.integer;
        to.real = from.real;
        to.boolean = from.integer != 0 ? 1 : 0;
        to.text = from.text;
    }
    return look.evaluator->evaluate(look.columns, 1);
}

namespace {

Value value_of(const Column& column) {
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

void Pattern::emit(std::uint32_t number, const std::byte* run, Emission& emission) {
    const Group& group = groups_[number];
    const Progress& match = progress(run);
    if (frontier_.covers(group.partition_hash, match.last)) {
        counters_.add(PatternCounter::suppressed);
        return;
    }
    Record record;
    record.flags = emission.flags(definition_, source_, match.start, match.last + 1);
    if (match.untrusted) record.flags |= record_clock_untrusted;
    std::size_t fields = 0;
    for (std::size_t i = 0; i < plan_.key.size(); ++i) emission.fields[fields++] = {plan_.key_names[i], plan_.key.value(key(number), i)};
    for (std::size_t i = 0; i < plan_.measures.size(); ++i) {
        const Column& value = look(measures_[i], plan_.measures[i], run + sizeof(Progress), nullptr);
        emission.fields[fields++] = {plan_.measures[i].name, value_of(value)};
    }
    record.window = name_;
    record.definition = definition_;
    record.start = Timestamp::micros(match.start);
    record.end = Timestamp::micros(match.last);
    record.sequence = emission.next_sequence++;
    record.partition = group.partition_hash;
    record.key = emission.fields.first(plan_.key.size());
    record.values = emission.fields.subspan(plan_.key.size(), plan_.measures.size());
    counters_.add(PatternCounter::emitted);
    emission.sink->emit(record);
}

}  // namespace weir
