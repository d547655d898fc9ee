// An engine with a batch before it and a list of what came out behind it, for tests.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "agent/base/json_writer.h"
#include "windows/engine.h"

namespace weir::test {

using Datum = std::variant<std::monostate, std::int64_t, double, bool, std::string>;

struct Event {
    std::int64_t at_ms = 0;       // event time
    std::int64_t arrival_ms = 0;
    bool trusted = true;
    std::vector<Datum> cells;
};
using Message = std::vector<Event>;

// A record that owns what it says.
struct Emitted {
    std::string window;
    RecordKind kind = RecordKind::result;
    std::uint64_t definition = 0;
    std::int64_t start_ms = 0;
    std::int64_t end_ms = 0;
    std::int64_t end_us = 0;
    std::uint32_t revision = 0;
    std::uint32_t early = 0;
    std::uint64_t sequence = 0;
    std::uint64_t partition = 0;
    std::uint16_t flags = 0;
    std::string key;                       // "s1|3"
    std::map<std::string, Value> values;   // scalars; texts and tops only in json
    std::map<std::string, std::string> texts;
    std::string json;                      // all of it, sketches included

    double real(const std::string& name) const {
        const Value& value = values.at(name);
        return value.kind == ValueKind::integer ? static_cast<double>(value.integer) : value.real;
    }
    std::int64_t integer(const std::string& name) const { return values.at(name).integer; }
    bool null(const std::string& name) const { return values.at(name).kind == ValueKind::null; }
};

class Collector final : public RecordSink {
public:
    void emit(const Record& record) override {
        if (!keep) return;
        Emitted result;
        result.window = record.window;
        result.kind = record.kind;
        result.definition = record.definition;
        result.start_ms = record.start.ms();
        result.end_ms = record.end.ms();
        result.end_us = record.end.us();
        result.revision = record.revision;
        result.early = record.early;
        result.sequence = record.sequence;
        result.partition = record.partition;
        result.flags = record.flags;
        for (const Field& field : record.key) {
            if (!result.key.empty()) result.key += "|";
            switch (field.value.kind) {
                case ValueKind::integer: result.key += std::to_string(field.value.integer); break;
                case ValueKind::boolean: result.key += field.value.boolean ? "true" : "false"; break;
                case ValueKind::text: result.key += std::string(field.value.text); break;
                default: result.key += "null";
            }
        }
        for (const Field& field : record.values) {
            result.values[std::string(field.name)] = field.value;
            if (field.value.kind == ValueKind::text) result.texts[std::string(field.name)] = field.value.text;
        }
        JsonWriter out({buffer.get(), buffer_size});
        RecordJsonOptions options;
        options.sketches = true;
        options.identity = true;
        write_record(out, record, options);
        result.json = std::string(out.text()) + " #" + std::to_string(record.sequence) + " " + std::to_string(record.partition);
        if (record.sequence > 0) largest = std::max(largest, encoded_size(record));
        results.push_back(std::move(result));
    }
    const Emitted* find(const std::string& key, std::int64_t start_ms) const {
        const Emitted* found = nullptr;
        for (const Emitted& result : results)
            if (result.key == key && result.start_ms == start_ms) found = &result;
        return found;
    }
    std::string all() const {
        std::string text;
        for (const Emitted& result : results) text += result.json + "\n";
        return text;
    }

    std::vector<Emitted> results;
    bool keep = true;
    std::size_t largest = 0;  // encoded

private:
    static constexpr std::size_t buffer_size = 1 << 20;
    std::unique_ptr<char[]> buffer{new char[buffer_size]};
};

inline EnginePlan compiled(EngineSpec spec) {
    SpecProblem problem;
    auto plan = EnginePlan::compile(std::move(spec), problem);
    if (!plan) assertion_failed((problem.window + "." + problem.key + ": " + problem.problem.what).c_str(), "harness", 0);
    return std::move(*plan);
}

class Harness {
public:
    explicit Harness(EngineSpec spec, std::size_t batch_rows = batch_rows_max, PartialSink* partials = nullptr)
        : plan(compiled(std::move(spec))), block_(plan.need()), arena_(block_.memory()), engine(arena_, plan, out, partials) {
        for (std::size_t i = 0; i < plan.sources(); ++i) {
            Batch::Params params;
            params.rows = batch_rows;
            auto block = std::make_unique<ArenaBlock>(Batch::need(plan.source(i).schema, params));
            auto arena = std::make_unique<Arena>(block->memory());
            batches_.push_back(std::make_unique<Batch>(*arena, plan.source(i).schema, params));
            blocks_.push_back(std::move(block));
            arenas_.push_back(std::move(arena));
        }
    }

    Bytes arena_used() const { return arena_.used(); }

    void send(const Message& message, std::size_t source = 0) {
        Batch& batch = *batches_[source];
        for (const Event& event : message) {
            if (batch.full()) flush(source);
            batch.begin_row();
            for (std::size_t i = 0; i < event.cells.size(); ++i) set(batch, i, event.cells[i]);
            RowTime time;
            time.event = Timestamp::millis(event.at_ms);
            time.arrival = Timestamp::millis(event.arrival_ms);
            time.arrival_trusted = event.trusted;
            batch.commit_row(time);
        }
        batch.end_message();
    }
    // A message of one row at its own arrival.
    void send(std::int64_t at_ms, std::vector<Datum> cells, std::size_t source = 0) {
        send({{at_ms, at_ms, true, std::move(cells)}}, source);
    }
    void flush(std::size_t source = 0) {
        engine.push(source, *batches_[source]);
        batches_[source]->clear();
    }
    void flush_all() {
        for (std::size_t i = 0; i < batches_.size(); ++i) flush(i);
    }
    void tick(std::int64_t ms, bool trusted = true) {
        flush_all();
        engine.tick(Timestamp::millis(ms), trusted);
    }
    void close() {
        flush_all();
        engine.close_all();
    }
    std::vector<std::byte> save() {
        std::vector<std::byte> bytes(plan.save_size_max());
        ByteWriter writer(bytes);
        if (!engine.save(writer).ok()) assertion_failed("save", "harness", 0);
        bytes.resize(writer.size());
        return bytes;
    }
    Status load(const std::vector<std::byte>& bytes) {
        ByteReader reader(bytes);
        return engine.load(reader);
    }
    std::uint64_t count(WindowCounter counter, std::size_t window = 0) {
        flush_all();
        return engine.window_status(window).counters[static_cast<std::size_t>(counter)];
    }
    std::uint64_t count(SourceCounter counter, std::size_t source = 0) {
        flush_all();
        return engine.source_status(source).counters[static_cast<std::size_t>(counter)];
    }
    // rows = counted + filtered + where_null + late + late_after_power_cut + late_after_eviction + quarantined + gap_invalid
    bool adds_up(std::size_t window = 0) {
        std::uint64_t sum = 0;
        for (auto reason : {WindowCounter::counted, WindowCounter::filtered, WindowCounter::where_null, WindowCounter::late,
                            WindowCounter::late_after_power_cut, WindowCounter::late_after_eviction, WindowCounter::quarantined, WindowCounter::gap_invalid})
            sum += count(reason, window);
        return sum == count(WindowCounter::rows, window);
    }

    EnginePlan plan;
    Collector out;

private:
    static void set(Batch& batch, std::size_t column, const Datum& datum) {
        if (const auto* i = std::get_if<std::int64_t>(&datum)) batch.set_integer(column, *i);
        if (const auto* d = std::get_if<double>(&datum)) batch.set_real(column, *d);
        if (const auto* b = std::get_if<bool>(&datum)) batch.set_boolean(column, *b);
        if (const auto* s = std::get_if<std::string>(&datum)) batch.set_text(column, batch.keep_text(*s).value());
    }

    ArenaBlock block_;
    Arena arena_;

public:
    Engine engine;

private:
    std::vector<std::unique_ptr<ArenaBlock>> blocks_;
    std::vector<std::unique_ptr<Arena>> arenas_;
    std::vector<std::unique_ptr<Batch>> batches_;
};

// site string, lane int, speed float, n int, ok bool, vid string; partition site.
inline SourceSpec road() {
    SourceSpec source;
    source.name = "loops";
    source.schema = Schema({{"site", ColumnType::text},
                            {"lane", ColumnType::integer},
                            {"speed", ColumnType::real},
                            {"n", ColumnType::integer},
                            {"ok", ColumnType::boolean},
                            {"vid", ColumnType::text}});
    source.partition = "site";
    source.lateness = Duration::seconds(2);
    return source;
}
inline WindowSpec minute(std::vector<std::pair<std::string, std::string>> select, std::vector<std::string> by = {"site"}) {
    WindowSpec window;
    window.name = "minute";
    window.from = "loops";
    window.by = std::move(by);
    window.size = Duration::seconds(60);
    window.max_groups = 16;
    window.select = std::move(select);
    return window;
}
inline EngineSpec engine_of(WindowSpec window, SourceSpec source = road()) {
    EngineSpec spec;
    spec.sources = {std::move(source)};
    spec.windows = {std::move(window)};
    return spec;
}
inline std::vector<Datum> car(const std::string& site, double speed, std::int64_t lane = 1, const std::string& vid = "v") {
    return {site, lane, speed, std::int64_t{1}, true, vid};
}

}  // namespace weir::test
