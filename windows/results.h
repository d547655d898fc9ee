// What the aggregates of a window hold for each of its cells, and the record that a cell makes: keys, values,
// sketches, flags. Shared by all kinds of windows; a cell is a number that the window gives.
// Memory: need(plan, cells): the states of cells (aggregate.h) and room for one record's values.
// Cost: add() one loop over the rows an aggregate; emit() O(aggregates), of sketches their size.
// Threads: one owner. Errors: none.
// Source: DESIGN.md section 5.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "agent/base/arena.h"
#include "windows/compiled_plan.h"
#include "windows/window.h"

namespace weir {

class Results {
public:
    // The cell that a record is made of.
    struct Of {
        std::uint32_t cell = 0;
        std::int64_t start = 0;
        std::int64_t end = 0;
        std::uint64_t partition_hash = 0;
        std::uint32_t revision = 0;
        std::uint16_t flags = 0;            // record_other: no key
        const std::byte* key = nullptr;
        const Value* folded_keys = nullptr; // of "(other)"
        RecordKind kind = RecordKind::result;  // a retraction has no values
        std::uint32_t early = 0;            // of a provisional record
        const AggregateStates* folded = nullptr;  // of "(other)": what folded_keys is read from
        std::uint32_t folded_cell = 0;
    };

    // states: plan's, but for sketches' room.
    static Bytes need(const CompiledWindow& plan, std::span<const StateSpec> states, std::size_t cells);
    static Bytes need(const CompiledWindow& plan, std::size_t cells) { return need(plan, plan.states, cells); }
    // name, plan and states must outlive it.
    Results(Arena& arena, const CompiledWindow& plan, std::span<const StateSpec> states, std::string_view name, std::size_t cells);
    Results(Arena& arena, const CompiledWindow& plan, std::string_view name, std::size_t cells)
        : Results(arena, plan, plan.states, name, cells) {}

    void create(std::uint32_t cell, std::uint64_t seed);
    void release(std::uint32_t cell);
    void reset();
    // Row rows[i] of the run goes to cell cells[i].
    void add(const Run& run, const CellRows& selection, WindowCounters& counters);
    // Afterwards `to` holds what both did. REQUIRES: to != from.
    void merge(std::uint32_t to, std::uint32_t from, WindowCounters& counters);
    // The same from what save() wrote of a cell elsewhere; staged are states of one cell. False for hostile bytes.
    bool absorb(std::uint32_t cell, ByteReader& in, std::span<AggregateStates* const> staged, WindowCounters& counters);
    // `to`, which is not in use, becomes what `from` is; seed is for when the sketches of `to` get too little room.
    void copy(std::uint32_t to, std::uint32_t from, std::uint64_t seed, WindowCounters& counters);
    // Gaps add record_partial to the flags; a sequence number is taken, but by a provisional record.
    void emit(Of of, Emission& emission);

    // For whoever makes a record itself (result_merger.h): its values, and what Record::state holds beside them (result_state.h).
    std::size_t values(const Of& of, std::span<Field> fields, Emission& emission) { return fill_values(of, fields, emission); }
    void leave(const Of& of, std::span<const Field> values, std::uint32_t missing, ByteWriter& out) const;
    // The other way, behind the head, into a cell that is not in use; REQUIRES: states have room for sketches at full size.
    bool take(std::uint32_t cell, std::span<const Field> values, std::uint64_t seed, ByteReader& in);

    static Bytes save_size_max(const CompiledWindow& plan, std::size_t cells);
    void save(std::uint32_t cell, ByteWriter& out) const;
    bool load(std::uint32_t cell, ByteReader& in);

private:
    // A value of a call, as the one row of a column.
    struct CallValue {
        Column column;
        std::int64_t integer = 0;
        double real = 0;
        std::uint8_t boolean = 0;
        std::string_view text;
    };
    std::size_t fill_key(const Of& of, std::span<Field> fields) const;
    std::size_t fill_values(const Of& of, std::span<Field> fields, Emission& emission);
    void fill_call(std::size_t call, const Value& value);
    std::uint8_t shown_by(std::size_t state, std::span<const Field> values) const;

    const CompiledWindow& plan_;
    std::string_view name_;
    std::span<AggregateStates*> states_;
    std::span<Evaluator*> evaluators_;  // one a value that is an expression, else nullptr
    std::span<CallValue> call_values_;
    std::span<const Column*> call_columns_;
    std::span<Value> finished_;         // of each call, of the cell being emitted
    std::span<SketchView> sketches_;    // of each state, the same
};

}  // namespace weir
