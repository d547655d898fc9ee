// A pattern with watermarks before it and a list of its matches behind it, for tests.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "agent/base/json_writer.h"
#include "windows/pattern.h"
#include "windows/watermark.h"

#include "CppUTest/TestHarness.h"

namespace weir::test {

using Cell = std::variant<std::monostate, std::int64_t, double, bool, std::string>;

struct PatternEvent {
    std::int64_t at_s = 0;
    std::vector<Cell> cells;
};

inline std::string text_of_value(const Value& value) {
    switch (value.kind) {
        case ValueKind::integer: return std::to_string(value.integer);
        case ValueKind::real: {
            char digits[40];
            JsonWriter writer({digits, sizeof digits});
            writer.real(value.real);
            return std::string(writer.text());
        }
        case ValueKind::boolean: return value.boolean ? "true" : "false";
        case ValueKind::text: return std::string(value.text);
        default: return "null";
    }
}

// "s1 10..13 n=3 top=21": key, times of first and last row in seconds, measures.
class MatchList final : public RecordSink {
public:
    void emit(const Record& record) override {
        std::string line;
        for (const Field& field : record.key) line += text_of_value(field.value) + " ";
        line += std::to_string(record.start.us() / 1000000) + ".." + std::to_string(record.end.us() / 1000000);
        if (record.flags & record_partial) line += " partial";
        for (const Field& field : record.values) line += " " + std::string(field.name) + "=" + text_of_value(field.value);
        lines.push_back(line);
        sequences.push_back(record.sequence);
    }
    std::string all() const {
        std::string out;
        for (const std::string& line : lines) out += (out.empty() ? "" : "; ") + line;
        return out;
    }
    std::vector<std::string> lines;
    std::vector<std::uint64_t> sequences;
};

class PatternRig {
public:
    struct Options {
        std::string partition;  // of the source; a key column
        std::int64_t lateness_s = 0;
        std::size_t batch_rows = 16;
    };

    PatternRig(Schema schema, PatternSpec spec, Options options)
        : schema_(std::move(schema)), spec_(std::move(spec)), options_(std::move(options)) {
        spec_.name = spec_.name.empty() ? "p" : spec_.name;
        std::string key;
        Problem problem;
        auto plan = compile_pattern(spec_, schema_, options_.partition, inputs_, nullptr, key, problem);
        if (!plan) FAIL((key + ": " + problem.what).c_str());
        plan_ = std::make_unique<CompiledPattern>(std::move(*plan));
        if (!options_.partition.empty()) partition_column_ = *schema_.find(options_.partition);
        for (const std::string& by : spec_.by) key_columns_.push_back(*schema_.find(by));
        const std::size_t partitions = options_.partition.empty() ? 1 : 64;
        params_ = {partitions, LatenessParams(Duration::seconds(options_.lateness_s)), Duration::minutes(1000000), Duration::minutes(1), boundary_, boundary_};
        Batch::Params batch;
        batch.rows = options_.batch_rows;
        Bytes need = Watermarks::need(params_) + Batch::need(schema_, batch);
        for (const Expression& input : inputs_) need += Arena::need<Evaluator>() + Evaluator::need(input, batch_rows_max);
        parts_ = std::make_unique<ArenaBlock>(need);
        arena_ = std::make_unique<Arena>(parts_->memory());
        watermarks_ = std::make_unique<Watermarks>(*arena_, params_);
        batch_ = std::make_unique<Batch>(*arena_, schema_, batch);
        for (const Expression& input : inputs_) evaluators_.push_back(arena_->make<Evaluator>(*arena_, input, batch_rows_max));
        block_ = std::make_unique<ArenaBlock>(Arena::need<Pattern>() + Pattern::need(*plan_, partitions));
        pattern_arena_ = std::make_unique<Arena>(block_->memory());
        pattern_ = pattern_arena_->make<Pattern>(*pattern_arena_, *plan_, spec_.name, 77u, 0u, partitions);
        CHECK_EQUAL(pattern_arena_->used(), block_->memory().size());
        fields_.resize(record_fields_max);
        emission_.sink = &matches;
        emission_.fields = fields_;
        emission_.gaps = gaps_;
    }
    PatternRig(Schema schema, PatternSpec spec) : PatternRig(std::move(schema), std::move(spec), Options{}) {}

    // Each event is a message of its own.
    void feed(const std::vector<PatternEvent>& events) {
        for (const PatternEvent& event : events) {
            batch_->begin_row();
            for (std::size_t i = 0; i < event.cells.size(); ++i) set(i, event.cells[i]);
            batch_->commit_row({Timestamp::seconds(event.at_s), {}, true});
            batch_->end_message();
            if (batch_->full()) flush();
        }
        flush();
    }
    void finish() {
        watermarks_->finish();
        pattern_->finish(*watermarks_, emission_);
    }
    std::string run(const std::vector<PatternEvent>& events) {
        feed(events);
        finish();
        return matches.all();
    }
    std::uint64_t counted(PatternCounter counter) const { return pattern_->counters().values()[static_cast<std::size_t>(counter)]; }
    void mark_gap(std::int64_t from_s, std::int64_t to_s) {
        gaps_[0] = {from_s * 1000000, to_s * 1000000};
        emission_.gap_count = 1;
    }
    // The state goes through bytes into a new pattern.
    void save_and_load() {
        std::vector<std::byte> bytes(Pattern::save_size_max(*plan_));
        ByteWriter out(bytes);
        pattern_->save(out);
        CHECK(out.ok());
        load(out.written());
    }
    bool load(ByteSpan bytes) {
        auto block = std::make_unique<ArenaBlock>(Arena::need<Pattern>() + Pattern::need(*plan_, params_.partitions_max));
        auto arena = std::make_unique<Arena>(block->memory());
        Pattern* const loaded = arena->make<Pattern>(*arena, *plan_, spec_.name, 77u, 0u, params_.partitions_max);
        ByteReader in(bytes);
        const bool good = loaded->load(in, params_.partitions_max) && in.remaining() == 0;
        if (!good) return false;
        pattern_ = loaded;
        pattern_arena_ = std::move(arena);
        block_ = std::move(block);
        return true;
    }
    Pattern& pattern() { return *pattern_; }
    const CompiledPattern& plan() const { return *plan_; }

    MatchList matches;

private:
    void set(std::size_t column, const Cell& cell) {
        if (const auto* integer = std::get_if<std::int64_t>(&cell)) batch_->set_integer(column, *integer);
        if (const auto* real = std::get_if<double>(&cell)) batch_->set_real(column, *real);
        if (const auto* boolean = std::get_if<bool>(&cell)) batch_->set_boolean(column, *boolean);
        if (const auto* text = std::get_if<std::string>(&cell)) {
            const Result<std::string_view> kept = batch_->keep_text(*text);
            batch_->set_text(column, *kept);
        }
    }
    void flush() {
        const std::size_t rows = batch_->rows();
        std::vector<const Column*> columns;
        for (std::size_t i = 0; i < batch_->columns(); ++i) columns.push_back(&batch_->column(i));
        std::vector<const Column*> inputs;
        for (Evaluator* evaluator : evaluators_) inputs.push_back(&evaluator->evaluate(columns, rows, &batch_->time(0)));
        std::vector<std::uint64_t> hashes(rows, 0);
        for (std::size_t column : key_columns_)
            for (std::size_t row = 0; row < rows; ++row) hashes[row] = hash_with(hashes[row], hash_cell(batch_->column(column), row));
        std::vector<std::uint32_t> partitions(rows, 0);
        const RowBits none;
        for (std::size_t row = 0; row < rows; ++row) {
            const std::uint64_t hash = partition_column_ ? hash_cell(batch_->column(*partition_column_), row) : 0;
            partitions[row] = watermarks_->partition(hash, "");
            watermarks_->event(partitions[row], batch_->time(row).event.us());
            pattern_->add({*batch_, row, row + 1, *watermarks_, partitions, none, hashes, inputs});
            if (!batch_->ends_message(row)) continue;
            watermarks_->propose();
            watermarks_->adopt();
            if (pattern_->by_partition())
                for (std::uint32_t partition : watermarks_->passed()) pattern_->advance(*watermarks_, partition, emission_);
            else if (watermarks_->source_passed())
                pattern_->advance(*watermarks_, 0, emission_);
            watermarks_->clear_passed();
        }
        batch_->clear();
    }

    static inline const Boundary boundary_[] = {{1, 0}};

    Schema schema_;
    PatternSpec spec_;
    Options options_;
    std::vector<Expression> inputs_;
    std::unique_ptr<CompiledPattern> plan_;
    std::optional<std::size_t> partition_column_;
    std::vector<std::size_t> key_columns_;
    Watermarks::Params params_;
    std::unique_ptr<ArenaBlock> parts_;
    std::unique_ptr<Arena> arena_;
    std::unique_ptr<Watermarks> watermarks_;
    std::unique_ptr<Batch> batch_;
    std::vector<Evaluator*> evaluators_;
    std::unique_ptr<ArenaBlock> block_;
    std::unique_ptr<Arena> pattern_arena_;
    Pattern* pattern_ = nullptr;
    std::vector<Field> fields_;
    Emission::Gap gaps_[1];
    Emission emission_;
};

}  // namespace weir::test
