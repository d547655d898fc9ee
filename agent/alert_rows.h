// Alerts over the rows of a source, as they come: `when` and `clear` are conditions on its columns, each value of `by` has a state of its own.
// A row whose time is beyond max_future of its arrival is passed over, and counted, as windows do.
// Memory: need(): the registers of the conditions for a batch, and a key. Cost: the conditions over columns; then a look-up for each row that
// raises, and for every row while something stands. Threads: one owner (the engine's). Errors: none.
#pragma once

#include <array>
#include <memory>
#include <vector>

#include "agent/alert_life.h"
#include "agent/assembly.h"
#include "agent/base/batch.h"
#include "windows/key.h"

namespace weir {

// The key of a row and its other columns, as the fields of a record.
class RowFields {
public:
    static Bytes need(const Schema& schema, std::span<const std::size_t> by);
    RowFields(Arena& arena, const Schema& schema, std::span<const std::size_t> by);
    std::uint64_t hash(const Batch& batch, std::size_t row);
    // Behind hash() of the same row.
    Record record(const Batch& batch, std::size_t row);
    std::span<const Field> key() const { return key_; }

    // Key columns first, then the others, as many as a record has room for.
    static std::vector<FieldType> types(const Schema& schema, std::span<const std::size_t> by);

private:
    KeyLayout layout_;
    std::span<std::byte> bytes_;
    std::span<Field> key_;
    std::span<Field> values_;
    std::vector<std::size_t> columns_;  // of values_
};

class AlertRows {
public:
    static Bytes need(const Assembly& assembly);
    AlertRows(Arena& arena, const Assembly& assembly);

    // life: of the alert with this index into Assembly::alerts().
    void bind(std::size_t alert, AlertLife& life);
    void observe(std::size_t source, const Batch& batch);
    std::uint64_t quarantined() const { return quarantined_; }
    void restore(std::uint64_t quarantined) { quarantined_ = quarantined; }

private:
    struct Watch {
        std::size_t alert = 0;
        std::size_t source = 0;
        std::string_view name;  // of the source
        Duration max_future;
        std::unique_ptr<Expression> when;
        std::unique_ptr<Expression> clear;
        std::unique_ptr<Evaluator> when_values;
        std::unique_ptr<Evaluator> clear_values;
        std::unique_ptr<RowFields> fields;
        std::vector<const Column*> inputs;
        AlertLife* life = nullptr;
    };
    void judge(Watch& watch, const Batch& batch);

    std::vector<Watch> watches_;
    std::uint64_t quarantined_ = 0;
};

// A condition on the columns of a source; on nullopt problem says why.
std::optional<Expression> compile_row_condition(std::string_view text, const Schema& schema, Problem& problem);

}  // namespace weir
