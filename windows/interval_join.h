// Rows of two sources that belong together: equal in their keys, and right.time - left.time within [lower, upper],
// both included. Each pair comes out once, when its later row is taken in, with the greater of the two times; of the
// pairs of one row those with the earlier partner first, ties in journal order. Inner: what finds no partner is counted.
// A row behind the lesser of the two sources' watermarks is late. A row is kept until that watermark says that no
// partner can come any more, at most max_rows a side: beyond them the earliest of the side goes, counted. So the joined
// stream, whose watermark is the same, never holds a row behind it.
// Memory: need(): max_rows x 2 x (64 + key + row), 8 to 16 a key for the index, and a batch of 256 pairs.
// Cost: add() O(rows of the key on the other side), and how far a row is out of order; free() O(rows freed).
// Accuracy: strings are kept to 64 bytes, keys compared as in key.h. Threads: one owner.
// Errors: none; rows = taken + late + key_null + quarantined. load() refuses what is not a state of the same plan.
// Source: Flink's interval join (DataStream API, Joining).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "windows/counters.h"
#include "windows/expression.h"
#include "windows/hash_index.h"
#include "windows/key.h"

namespace weir {

// Watermarks count in steps of this for joins: within one, how rows are cut into batches must not show.
inline constexpr std::int64_t join_step_us = 100'000;
inline constexpr std::size_t join_batch_rows = 256;

enum class JoinCounter : std::uint8_t {
    left_rows,    // of the sources
    right_rows,
    taken,        // matched with what there was, and kept for what comes
    late,         // behind the lesser of the two watermarks
    key_null,     // a column of `on` is null: equal to nothing
    quarantined,  // by their sources: future, absurd_time
    // These count something else.
    joined,       // pairs
    evicted,      // rows that had to go because max_rows were there; they may miss partners
    unmatched,    // rows that went without ever having a partner
};
inline constexpr std::size_t join_counters = 9;
std::string_view name(JoinCounter counter);

struct CompiledJoin {
    struct Input {
        std::size_t column = 0;  // of the source
        ColumnType type = ColumnType::real;
        Bytes at = 0;            // in what is kept of a row
    };
    struct Side {
        std::size_t source = 0;
        std::size_t grouping = 0;  // among the source's groupings
        KeyLayout key;
        std::vector<std::size_t> on;  // columns
        std::vector<Input> inputs;
        Bytes row_bytes = 0;
    };
    // What expressions see: an input of a side, or its time.
    struct Operand {
        std::size_t side = 0;
        std::optional<std::size_t> input;
        ColumnType type = ColumnType::integer;
    };
    struct Value {
        std::optional<Expression> expression;
        bool seconds = false;  // a duration: in the joined row seconds, a float
    };
    std::array<Side, 2> sides;
    std::size_t joined = 0;  // the source that it feeds
    std::int64_t lower = 0;  // microseconds
    std::int64_t upper = 0;
    std::size_t rows_max = 0;
    std::vector<Operand> operands;
    std::vector<Value> values;  // the columns of the joined source
};

// Takes pairs as rows of the joined source.
class JoinSink {
public:
    virtual ~JoinSink() = default;
    virtual void joined(std::size_t join, const Batch& batch) = 0;
};

// Rows [first, last) of a batch of one side, judged by the watermark of both.
struct JoinRows {
    const Batch& batch;
    std::size_t first = 0;
    std::size_t last = 0;
    std::int64_t watermark = 0;  // a multiple of join_step_us
    const RowBits& quarantined;
    std::span<const std::uint64_t> hashes;  // of the side's keys
};

class IntervalJoin {
public:
    static Bytes need(const CompiledJoin& plan, const Schema& joined);
    // plan must outlive it. joined: the columns of the source that it feeds.
    IntervalJoin(Arena& arena, const CompiledJoin& plan, const Schema& joined, std::size_t number, JoinSink& sink);

    // All their pairs have gone to the sink when it returns.
    void add(std::size_t side, const JoinRows& rows);
    // No row before this comes any more.
    void free(std::int64_t watermark);

    std::size_t kept(std::size_t side) const { return sides_[side].used; }
    const Counters<join_counters>& counters() const { return counters_; }

    static Bytes save_size_max(const CompiledJoin& plan);
    void save(ByteWriter& out) const;
    bool load(ByteReader& in);
    void reset();

private:
    static constexpr std::uint32_t none = HashIndex::none;
    struct Row {
        std::int64_t time = 0;
        std::int64_t arrival = 0;
        std::uint32_t group = 0;
        std::uint32_t next = none;  // by time, or of the free ones
        std::uint32_t previous = none;
        std::uint32_t key_next = none;  // of the key, by time
        std::uint32_t key_previous = none;
        std::uint8_t trusted = 0;
        std::uint8_t matched = 0;
    };
    struct Chain {
        std::uint32_t first = none;
        std::uint32_t last = none;
    };
    // The rows of a key.
    struct Group {
        std::uint64_t hash = 0;
        std::array<Chain, 2> rows;
        std::uint32_t next = none;  // of the free ones
    };
    struct Side {
        std::span<Row> rows;
        std::span<std::byte> cells;
        std::span<std::byte> scratch;  // the row at hand
        Chain order;
        std::uint32_t free = none;
        std::size_t used = 0;
    };

    bool take(std::size_t side, const JoinRows& rows, std::size_t row);
    bool match(std::size_t side, const Row& row, std::uint32_t group);
    void pair(std::size_t side, const Row& row, std::uint32_t partner);
    void flush();
    void keep(std::size_t side, Row row, std::uint64_t hash, std::uint32_t group);
    void insert(std::size_t side, std::uint32_t number, std::uint32_t group);
    void remove_first(std::size_t side);
    std::uint32_t find(std::uint64_t hash) const;  // by key_
    std::uint32_t make_group(std::uint64_t hash);
    void drop_group(std::uint32_t group);
    std::int64_t useful_until(std::size_t side, std::int64_t time) const {
        return side == 0 ? time + plan_.upper : time - plan_.lower;
    }
    std::byte* key(std::uint32_t group) { return keys_.data() + group * key_.size(); }
    const std::byte* key(std::uint32_t group) const { return keys_.data() + group * key_.size(); }
    std::byte* cells(std::size_t side, std::uint32_t row) { return sides_[side].cells.data() + row * plan_.sides[side].row_bytes; }
    const std::byte* cells(std::size_t side, std::uint32_t row) const {
        return sides_[side].cells.data() + row * plan_.sides[side].row_bytes;
    }
    bool load_row(ByteReader& in, std::size_t side);

    const CompiledJoin& plan_;
    const std::size_t number_;
    JoinSink& sink_;
    std::array<Side, 2> sides_;
    std::span<Group> groups_;
    std::span<std::byte> keys_;
    std::span<std::byte> key_;  // of the row at hand
    HashIndex index_;           // of groups
    std::uint32_t free_group_ = none;

    Batch batch_;
    std::span<Column> operands_;
    std::span<const Column*> inputs_;
    std::span<std::span<char>> texts_;  // of the operands that are strings
    std::span<Evaluator*> evaluators_;
    std::span<double*> seconds_;        // the batch's own room
    std::size_t pairs_ = 0;
    Counters<join_counters> counters_;
};

}  // namespace weir
