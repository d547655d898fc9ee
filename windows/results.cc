#include "windows/results.h"

#include <algorithm>

#include "windows/result_state.h"
#include "windows/window_layout.h"

namespace weir {

Bytes Results::need(const CompiledWindow& plan, std::span<const StateSpec> states, std::size_t cells) {
    Bytes total = Arena::need<AggregateStates*>(states.size()) + Arena::need<Evaluator*>(plan.values.size()) +
                  Arena::need<CallValue>(plan.calls.size()) + Arena::need<const Column*>(plan.calls.size()) +
                  Arena::need<Value>(plan.calls.size()) + Arena::need<SketchView>(states.size());
    for (const StateSpec& state : states) total += Arena::need<AggregateStates>() + AggregateStates::need(state, cells);
    for (const CompiledValue& value : plan.values)
        if (value.expression) total += Arena::need<Evaluator>() + Evaluator::need(*value.expression, 1);
    return total;
}

Results::Results(Arena& arena, const CompiledWindow& plan, std::span<const StateSpec> states, std::string_view name, std::size_t cells)
    : plan_(plan),
      name_(name),
      states_(arena.take<AggregateStates*>(states.size())),
      evaluators_(arena.take<Evaluator*>(plan.values.size())),
      call_values_(arena.take<CallValue>(plan.calls.size())),
      call_columns_(arena.take<const Column*>(plan.calls.size())),
      finished_(arena.take<Value>(plan.calls.size())),
      sketches_(arena.take<SketchView>(states.size())) {
    for (std::size_t i = 0; i < states.size(); ++i) states_[i] = arena.make<AggregateStates>(arena, states[i], cells);
    for (std::size_t i = 0; i < plan.values.size(); ++i)
        if (plan.values[i].expression) evaluators_[i] = arena.make<Evaluator>(arena, *plan.values[i].expression, std::size_t{1});
    for (std::size_t i = 0; i < plan.calls.size(); ++i) {
        CallValue& call = call_values_[i];
        call.column.type = plan.call_types[i];
        call.column.integers = &call.integer;
        call.column.reals = &call.real;
        call.column.booleans = &call.boolean;
        call.column.texts = &call.text;
        call_columns_[i] = &call.column;
    }
}

void Results::create(std::uint32_t cell, std::uint64_t seed) {
    for (AggregateStates* states : states_) states->create(cell, seed = cell_hash(seed, plan_.size));
}

void Results::release(std::uint32_t cell) {
    for (AggregateStates* states : states_) states->release(cell);
}

void Results::reset() {
    for (AggregateStates* states : states_) states->reset();
}

namespace {

// What AggregateStates::add() and merge() return the number of.
WindowCounter counter_of(const StateSpec& spec) {
    return is_ordered(spec.kind) ? WindowCounter::out_of_order : WindowCounter::sketches_settled;
}

}  // namespace

void Results::add(const Run& run, const CellRows& selection, WindowCounters& counters) {
    for (AggregateStates* states : states_) {
        const StateSpec& spec = states->spec();
        const Column* const input = spec.kind == StateKind::rows ? nullptr : run.source.inputs()[spec.input];
        const auto hashes = is_hashed(spec.kind) ? run.source.item_hashes().of(spec.hashes, *input) : std::span<const Hash128>();
        counters.add(counter_of(spec), states->add(selection, input, hashes, run.batch));
    }
}

void Results::merge(std::uint32_t to, std::uint32_t from, WindowCounters& counters) {
    for (AggregateStates* states : states_) counters.add(counter_of(states->spec()), states->merge(to, from));
}

bool Results::absorb(std::uint32_t cell, ByteReader& in, std::span<AggregateStates* const> staged, WindowCounters& counters) {
    for (std::size_t i = 0; i < states_.size(); ++i) {
        if (!staged[i]->load(0, in)) return false;
        counters.add(counter_of(states_[i]->spec()), states_[i]->merge(cell, *staged[i], 0));
        staged[i]->reset();
    }
    return true;
}

void Results::copy(std::uint32_t to, std::uint32_t from, std::uint64_t seed, WindowCounters& counters) {
    for (AggregateStates* states : states_) {
        seed = cell_hash(seed, plan_.size);
        counters.add(WindowCounter::sketches_settled, states->copy(to, from, seed));
    }
}

Bytes Results::save_size_max(const CompiledWindow& plan, std::size_t cells) {
    Bytes total = 0;
    for (const StateSpec& state : plan.states) total += AggregateStates::save_size_max(state, cells);
    return total;
}

void Results::save(std::uint32_t cell, ByteWriter& out) const {
    for (const AggregateStates* states : states_) states->save(cell, out);
}

bool Results::load(std::uint32_t cell, ByteReader& in) {
    for (AggregateStates* states : states_)
        if (!states->load(cell, in)) return false;
    return true;
}

void Results::emit(Of of, Emission& emission) {
    of.flags |= emission.flags(plan_.definition, plan_.source, of.start, of.end);
    const std::size_t keys = fill_key(of, emission.fields);
    const bool retracts = of.kind == RecordKind::retraction;
    const std::size_t values = retracts ? 0 : fill_values(of, emission.fields.subspan(keys), emission);
    Record record;
    record.kind = of.kind;
    record.flags = of.flags;
    record.window = name_;
    record.definition = plan_.definition;
    record.start = Timestamp::micros(of.start);
    record.end = Timestamp::micros(of.end);
    record.revision = of.revision;
    record.early = of.early;
    record.sequence = of.flags & record_provisional ? 0 : emission.next_sequence++;
    record.partition = of.partition_hash;
    record.key = emission.fields.first(keys);
    record.values = emission.fields.subspan(keys, values);
    ByteWriter state(emission.state);
    if (plan_.keeps_state && !emission.state.empty() && of.kind == RecordKind::result && !(of.flags & record_provisional)) {
        leave(of, record.values, of.revision, state);
        WEIR_ASSERT(state.ok());  // state_size_max()
        record.state = state.written();
    }
    emission.sink->emit(record);
}

std::size_t Results::fill_key(const Of& of, std::span<Field> fields) const {
    for (std::size_t i = 0; i < plan_.key.size(); ++i) {
        fields[i].name = plan_.key_names[i];
        fields[i].value = of.key ? plan_.key.value(of.key, i) : Value::of_text("(other)");
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

void Results::fill_call(std::size_t call, const Value& value) {
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

std::size_t Results::fill_values(const Of& of, std::span<Field> fields, Emission& emission) {
    ByteWriter sketches(emission.sketches);
    if (emission.with_sketches)
        for (std::size_t i = 0; i < states_.size(); ++i) sketches_[i] = states_[i]->sketch(of.cell, sketches);
    std::size_t items = 0;
    for (std::size_t i = 0; i < plan_.calls.size(); ++i) {
        const CallSpec& call = plan_.calls[i];
        finished_[i] = states_[call.state]->finish(call, of.cell, emission.top_items.subspan(items), of.end);
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
    if (of.folded_keys) {
        fields[count].name = "folded_keys";
        fields[count++].value = *of.folded_keys;
    }
    return count;
}

namespace {

void put_sketch(const AggregateStates& states, std::uint32_t cell, ByteWriter& out) {
    const Bytes size_at = out.size();
    out.write(std::uint32_t{0});
    out.patch(size_at, static_cast<std::uint32_t>(states.sketch(cell, out).bytes.size()));
}

}  // namespace

// The value that shows the sketch of a state, if one does.
std::uint8_t Results::shown_by(std::size_t state, std::span<const Field> values) const {
    for (std::size_t i = 0; i < plan_.values.size(); ++i) {
        const CompiledValue& value = plan_.values[i];
        if (value.call && plan_.calls[*value.call].state == state && !values[i].value.sketch.bytes.empty())
            return static_cast<std::uint8_t>(i);
    }
    return ResultState::own_sketch;
}

void Results::leave(const Of& of, std::span<const Field> values, std::uint32_t missing, ByteWriter& out) const {
    ResultState{plan_.state_shape, missing}.write(out);
    for (std::size_t i = 0; i < states_.size(); ++i) {
        if (!is_sketch(states_[i]->spec().kind)) {
            states_[i]->leave(of.cell, out);
            continue;
        }
        const std::uint8_t shown = shown_by(i, values);
        out.write(shown);
        if (shown == ResultState::own_sketch) put_sketch(*states_[i], of.cell, out);
    }
    if (of.folded) put_sketch(*of.folded, of.folded_cell, out);
}

bool Results::take(std::uint32_t cell, std::span<const Field> values, std::uint64_t seed, ByteReader& in) {
    for (AggregateStates* states : states_) {
        if (!is_sketch(states->spec().kind)) {
            if (!states->take(cell, in)) return false;
            continue;
        }
        const auto shown = in.read<std::uint8_t>();
        const bool own = shown == ResultState::own_sketch;
        if (!in.ok() || (!own && shown >= values.size())) return false;
        const ByteSpan bytes = own ? in.bytes(in.read<std::uint32_t>()) : values[shown].value.sketch.bytes;
        if (!in.ok() || !states->take_sketch(cell, bytes, seed = cell_hash(seed, plan_.size))) return false;
    }
    return true;
}

}  // namespace weir
