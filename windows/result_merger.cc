#include "windows/result_merger.h"

#include <algorithm>
#include <vector>

#include "agent/base/hash.h"
#include "agent/base/record.h"
#include "windows/engine_memory.h"
#include "windows/result_state.h"
#include "windows/results.h"
#include "windows/window_layout.h"

namespace weir {
namespace {

constexpr std::size_t cells = 2;

StateSpec at_full_size(StateSpec spec) {
    spec.spare = static_cast<Bytes>(AggregateStates::spare_max(spec, cells));
    return spec;
}

bool same(const Value& a, const Value& b) {
    return a.kind == b.kind && a.integer == b.integer && a.boolean == b.boolean && a.text == b.text;
}

bool same_key(const Record& a, const Record& b) {
    return a.definition == b.definition && a.partition == b.partition &&
           (a.flags & record_other) == (b.flags & record_other) && a.key.size() == b.key.size() &&
           std::equal(a.key.begin(), a.key.end(), b.key.begin(), [](const Field& x, const Field& y) { return same(x.value, y.value); });
}

// A window's states with room for two cells at full size.
struct Known {
    const CompiledWindow* window = nullptr;
    std::string_view name;
    std::vector<StateSpec> states;
    StateSpec folded;

    Bytes need() const {
        return Arena::need<Results>() + Results::need(*window, states, cells) + Arena::need<AggregateStates>() + AggregateStates::need(folded, cells);
    }
};

struct Row {
    Record record;
    ResultState state;
    std::size_t known = 0;
};

std::vector<Known> known_of(const EnginePlan& plan) {
    std::vector<Known> all;
    const CompiledPlan& compiled = plan.compiled();
    for (std::size_t i = 0; i < compiled.windows.size(); ++i) {
        const CompiledWindow& window = compiled.windows[i];
        if (!window.keeps_state) continue;
        Known known{&window, compiled.spec.windows[i].name, {}, at_full_size(window.folded)};
        for (const StateSpec& state : window.states) known.states.push_back(at_full_size(state));
        all.push_back(std::move(known));
    }
    return all;
}

Bytes scratch_bytes(const std::vector<Known>& all) {
    Bytes most = 0;
    for (const Known& known : all) most = std::max(most, known.need());
    return most;
}

}  // namespace

struct ResultMerger::State {
    State(Arena& arena, const EnginePlan& plan);
    std::optional<Row> read(ByteSpan bytes, RecordStorage& storage) const;
    Head head_of(const Row& row) const;
    bool load(const Row& row, std::uint32_t cell);
    void build(std::size_t known);
    Status revised(const Row& earlier, const Row& later, ByteWriter& out);
    Status joined(const Row& earlier, const Row& later, ByteWriter& out);

    std::vector<Known> known_;
    std::span<std::byte> scratch_;  // of results_ and folded_
    Results* results_ = nullptr;
    AggregateStates* folded_ = nullptr;
    std::span<RecordStorage> storage_;  // of two rows
    Emission emission_;
};

Bytes ResultMerger::need(const EnginePlan& plan) {
    const CompiledPlan& compiled = plan.compiled();
    return Arena::need<std::byte>(scratch_bytes(known_of(plan))) + Arena::need<RecordStorage>(2) + Arena::need<Field>(record_fields_max) +
           Arena::need<TopItem>(items_max(compiled)) + Arena::need<std::byte>(sketch_bytes_max(compiled)) +
           Arena::need<std::byte>(state_size_max(compiled));
}

std::size_t ResultMerger::groups_max(const EnginePlan& plan) {
    std::size_t groups = 0;
    for (const CompiledWindow& window : plan.compiled().windows)
        if (window.keeps_state) groups += window.groups_max + 1;
    return groups;
}

ResultMerger::State::State(Arena& arena, const EnginePlan& plan)
    : known_(known_of(plan)), scratch_(arena.take<std::byte>(scratch_bytes(known_))), storage_(arena.take<RecordStorage>(2)) {
    const CompiledPlan& compiled = plan.compiled();
    emission_.fields = arena.take<Field>(record_fields_max);
    emission_.top_items = arena.take<TopItem>(items_max(compiled));
    emission_.sketches = arena.take<std::byte>(sketch_bytes_max(compiled));
    emission_.state = arena.take<std::byte>(state_size_max(compiled));
}

ResultMerger::ResultMerger(Arena& arena, const EnginePlan& plan) : state_(std::make_unique<State>(arena, plan)) {}
ResultMerger::~ResultMerger() = default;

std::optional<Row> ResultMerger::State::read(ByteSpan bytes, RecordStorage& storage) const {
    const Result<Record> record = decode_record(bytes, storage);
    if (!record || record->kind != RecordKind::result || record->state.empty() || record->start >= record->end) return std::nullopt;
    const auto known = std::find_if(known_.begin(), known_.end(), [&](const Known& k) { return k.window->definition == record->definition; });
    Row row{*record, {}, static_cast<std::size_t>(known - known_.begin())};
    ByteReader state(record->state);
    if (known == known_.end() || !row.state.read(state) || row.state.shape != known->window->state_shape) return std::nullopt;
    // Of "(other)" folded_keys stands behind the values.
    const std::size_t values = known->window->values.size() + (record->flags & record_other ? 1 : 0);
    if (record->key.size() != known->window->key.size() || record->values.size() != values) return std::nullopt;
    return row;
}

RowMerger::Head ResultMerger::State::head_of(const Row& row) const {
    const Record& record = row.record;
    const CompiledWindow& window = *known_[row.known].window;
    std::uint64_t hash = hash64({}, {record.definition, record.partition ^ (record.flags & record_other)});
    for (const Field& field : record.key) {
        const Value& value = field.value;
        const std::uint64_t number = static_cast<std::uint64_t>(value.integer) + (value.boolean ? 1 : 0);
        hash = hash64(as_byte_span(value.text), {hash, number + (static_cast<std::uint64_t>(value.kind) << 56)});
    }
    Head head;
    head.group = hash | 1;
    head.definition = record.definition;
    head.partition = record.partition;
    head.start = record.start;
    head.end = record.end;
    head.size = Duration::micros(window.size);
    head.wait = Duration::micros(window.aside ? 0 : window.allow);
    head.windows = record.windows;
    head.missing = row.state.missing;
    return head;
}

std::optional<RowMerger::Head> ResultMerger::head(ByteSpan bytes) {
    const std::optional<Row> row = state_->read(bytes, state_->storage_[0]);
    return row ? std::optional(state_->head_of(*row)) : std::nullopt;
}

// One window at a time has its states in the scratch, two cells of them, anew for each merge.
void ResultMerger::State::build(std::size_t number) {
    const Known& known = known_[number];
    Arena arena(scratch_);
    results_ = arena.make<Results>(arena, *known.window, known.states, known.name, cells);
    folded_ = arena.make<AggregateStates>(arena, known.folded, cells);
}

bool ResultMerger::State::load(const Row& row, std::uint32_t cell) {
    ByteReader in(row.record.state);
    ResultState head;
    const std::uint64_t seed = cell_hash(row.record.definition, row.record.start.us());
    if (!head.read(in) || !results_->take(cell, row.record.values, seed, in)) return false;
    if (row.record.flags & record_other) {
        const ByteSpan keys = in.bytes(in.read<std::uint32_t>());
        if (!in.ok() || !folded_->take_sketch(cell, keys, seed)) return false;
    }
    return in.ok() && in.remaining() == 0;
}

Status ResultMerger::merge(ByteSpan first, ByteSpan second, ByteWriter& out) {
    const std::optional<Row> earlier = state_->read(first, state_->storage_[0]);
    const std::optional<Row> later = state_->read(second, state_->storage_[1]);
    if (!earlier || !later || !same_key(earlier->record, later->record)) return Error::refused;
    const bool revises = earlier->record.start == later->record.start && earlier->record.end == later->record.end;
    return revises ? state_->revised(*earlier, *later, out) : state_->joined(*earlier, *later, out);
}

// The later one stands for both, and for what the earlier one stood for.
Status ResultMerger::State::revised(const Row& earlier, const Row& later, ByteWriter& out) {
    if (earlier.record.windows != 1 || later.state.missing != earlier.record.revision + 1) return Error::refused;
    Record record = later.record;
    ByteWriter state(emission_.state);
    ResultState{later.state.shape, earlier.state.missing}.write(state);
    state.bytes(later.record.state.subspan(ResultState::size));
    if (!state.ok()) return Error::refused;
    record.state = state.written();
    record.flags = static_cast<std::uint16_t>(earlier.record.flags | later.record.flags);
    return encode(record, out);
}

// A window whose first row came late stands behind later ones: one result may span the other, and none has what the other has.
Status ResultMerger::State::joined(const Row& earlier, const Row& later, ByteWriter& out) {
    if (earlier.state.missing != 0 || later.state.missing != 0) return Error::refused;
    build(earlier.known);
    if (!load(earlier, 0) || !load(later, 1)) return Error::refused;
    WindowCounters ignored;
    results_->merge(0, 1, ignored);
    Record record = earlier.record;
    record.start = std::min(earlier.record.start, later.record.start);
    record.end = std::max(earlier.record.end, later.record.end);
    record.flags = static_cast<std::uint16_t>(earlier.record.flags | later.record.flags);
    record.revision = 0;
    record.windows = earlier.record.windows + later.record.windows;
    record.sequence = std::max(earlier.record.sequence, later.record.sequence);
    Results::Of of;
    of.start = record.start.us();
    of.end = record.end.us();
    of.flags = record.flags;
    Value folded_keys;
    if (record.flags & record_other) {
        (void)folded_->merge(0, *folded_, 1);
        CallSpec keys;
        keys.function = Function::distinct;
        folded_keys = folded_->finish(keys, 0, {});
        of.folded_keys = &folded_keys;
        of.folded = folded_;
    }
    record.values = emission_.fields.first(results_->values(of, emission_.fields, emission_));
    ByteWriter state(emission_.state);
    results_->leave(of, record.values, 0, state);
    if (!state.ok()) return Error::refused;
    record.state = state.written();
    return encode(record, out);
}

}  // namespace weir
