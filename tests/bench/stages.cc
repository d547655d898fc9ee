// Runs one stage of the event path over N events and nothing else: `stages decode|group|aggregate
// N`. tests/bench/run calls it twice with different N and divides the difference, in CPU time and
// in instructions under callgrind, so that start-up does not count.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "drivers/codec.h"
#include "drivers/row_codec.h"
#include "tests/bench/traffic.h"
#include "windows/engine.h"
#include "windows/plan.h"

namespace weir::bench {
namespace {

constexpr std::size_t vehicles_made = 16 * batch_rows_max;
constexpr std::size_t arrays_made = 256;
constexpr std::size_t events_an_array = 100;

class Discard final : public BatchSink, public RecordSink {
public:
    void push(Batch& batch) override {
        rows += batch.rows();
        batch.clear();
    }
    void emit(const Record&) override {}
    std::size_t rows = 0;
};

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "stages: %s\n", what.c_str());
    std::exit(1);
}

CodecSpec codec_spec() {
    CodecSpec spec;
    spec.columns = {
        {.name = "site", .type = ColumnType::text},   {.name = "lane", .type = ColumnType::integer},
        {.name = "vid", .type = ColumnType::text},    {.name = "speed", .type = ColumnType::real},
        {.name = "length", .type = ColumnType::real}, {.name = "kind", .type = ColumnType::text},
        {.name = "route", .type = ColumnType::text}};
    Problem problem;
    auto topic = TopicTemplate::parse("city/{site}/loop/{lane:int}", problem);
    if (!topic) fail("topic template");
    spec.topics = {*topic};
    spec.time = {.path = "ts"};
    return spec;
}

struct Decoder {
    CodecSpec spec = codec_spec();
    Schema schema = schema_of(spec);
    DecodeScratch scratch{spec.max_message};
    std::unique_ptr<Codec> codec;

    Decoder() {
        Problem problem;
        auto made = make_codec(spec, scratch, problem);
        if (!made) fail("codec");
        codec = std::move(*made);
    }
    void decode(const Vehicle& v, Batch& batch, BatchSink& sink) {
        codec->decode({.topic = v.topic,
                       .payload = std::as_bytes(std::span(v.payload.data(), v.payload.size())),
                       .arrival = Timestamp::millis(v.ts_ms)},
                      batch, sink);
    }
};

void run_decode(const std::vector<Vehicle>& vehicles, std::size_t events) {
    Decoder decoder;
    const Batch::Params params{};
    ArenaBlock block(Batch::need(decoder.schema, params));
    Arena arena(block.memory());
    Batch batch(arena, decoder.schema, params);
    Discard discard;
    for (std::size_t i = 0; i < events; ++i)
        decoder.decode(vehicles[i % vehicles.size()], batch, discard);
    if (discard.rows + batch.rows() != events) fail("rows are missing");
}

// 100 events an array, all that they hold: with the shape of events predicted, and without.
void run_decode_arrays(std::size_t events, bool predict) {
    const auto arrays = make_arrays(arrays_made, events_an_array, events_an_array, payload_padding);
    CodecSpec spec;
    spec.columns = {{.name = "site", .type = ColumnType::text},
                    {.name = "lane", .type = ColumnType::integer},
                    {.name = "speed", .type = ColumnType::real},
                    {.name = "length", .type = ColumnType::real},
                    {.name = "vid", .type = ColumnType::text}};
    spec.time = {.path = "ts"};
    const Schema schema = schema_of(spec);
    DecodeScratch scratch(spec.max_message);
    const auto codec = make_json_codec(spec, scratch, predict);
    const Batch::Params params{};
    ArenaBlock block(Batch::need(schema, params));
    Arena arena(block.memory());
    Batch batch(arena, schema, params);
    Discard discard;
    for (std::size_t i = 0; i < events / events_an_array; ++i) {
        const std::string& array = arrays[i % arrays.size()];
        codec->decode({.topic = "city/loops", .payload = as_byte_span(array), .arrival = Timestamp::millis(1763712000000)},
                      batch, discard);
    }
    if (discard.rows + batch.rows() != events) fail("rows are missing");
}

// Batches are decoded once; the engine gets them again and again. One long window, so that none
// closes and no event is late.
void run_engine(const std::vector<Vehicle>& vehicles, std::size_t events,
                std::vector<std::pair<std::string, std::string>> select) {
    Decoder decoder;
    EngineSpec spec;
    SourceSpec source;
    source.name = "loops";
    source.schema = decoder.schema;
    source.lateness = Duration::minutes(120);
    source.partition = "site";
    spec.sources = {source};
    WindowSpec window;
    window.name = "lanes";
    window.from = "loops";
    window.by = {"site", "lane"};
    window.size = Duration::minutes(60);
    window.max_groups = 64;
    window.select = std::move(select);
    spec.windows = {window};
    SpecProblem problem;
    auto plan = EnginePlan::compile(std::move(spec), problem);
    if (!plan) fail("plan: " + problem.problem.what);

    const Batch::Params params{};
    const std::size_t batches_made = vehicles.size() / batch_rows_max;
    ArenaBlock block(Batch::need(decoder.schema, params) * batches_made + Engine::need(*plan) +
                     4096);
    Arena arena(block.memory());
    Discard discard;
    std::vector<std::unique_ptr<Batch>> batches;
    for (std::size_t b = 0; b < batches_made; ++b) {
        batches.push_back(std::make_unique<Batch>(arena, decoder.schema, params));
        for (std::size_t i = 0; i < batch_rows_max; ++i)
            decoder.decode(vehicles[b * batch_rows_max + i], *batches.back(), discard);
        if (batches.back()->rows() != batch_rows_max) fail("rows are missing");
    }
    Engine engine(arena, *plan, discard);
    for (std::size_t done = 0, b = 0; done < events; done += batch_rows_max, ++b)
        engine.push(0, *batches[b % batches_made]);
    if (engine.window_status(0).counters[static_cast<std::size_t>(WindowCounter::counted)] < events)
        fail("events are missing");
}

// Rows of one of so many groups each, 100 a message, all within an hour: made once, pushed again and again.
class GroupRows {
public:
    static constexpr std::size_t batches_made = 256;
    static Schema schema() { return Schema({{"site", ColumnType::text}, {"lane", ColumnType::integer}, {"speed", ColumnType::real}}); }
    static Bytes need() { return Batch::need(schema(), {}) * batches_made; }

    GroupRows(Arena& arena, std::size_t groups) {
        for (std::size_t i = 0; i < groups; ++i) sites_.push_back("site" + std::to_string(i));
        std::uint64_t state = 3;
        for (std::size_t b = 0; b < batches_made; ++b) {
            batches_.push_back(std::make_unique<Batch>(arena, schema(), Batch::Params{}));
            Batch& batch = *batches_.back();
            for (std::size_t i = 0; i < batch_rows_max; ++i) {
                state ^= state << 13, state ^= state >> 7, state ^= state << 17;  // xorshift64: Marsaglia, 2003
                batch.begin_row();
                batch.set_text(0, sites_[(state >> 11) % groups]);
                batch.set_integer(1, static_cast<std::int64_t>(state >> 40) % 4);
                batch.set_real(2, static_cast<double>(200 + (state >> 20) % 900) / 10);
                const Timestamp at = Timestamp::millis(1763712000000 + static_cast<std::int64_t>(i));
                batch.commit_row({at, at, true});
                if (i % events_an_array == events_an_array - 1 || i + 1 == batch_rows_max) batch.end_message();
            }
        }
    }
    Batch& batch(std::size_t i) { return *batches_[i % batches_made]; }

private:
    std::vector<std::string> sites_;
    std::vector<std::unique_ptr<Batch>> batches_;
};

struct Queries {
    std::size_t groups = 1000;
    std::size_t reading = 1;  // windows over the source that is pushed, each of another size
    std::size_t others = 0;   // windows over as many other sources
};

// The engine alone, with so many windows: count, mean, least and most of a site.
void run_queries(const Queries& queries, std::size_t events) {
    EngineSpec spec;
    for (std::size_t i = 0; i < queries.reading + queries.others; ++i) {
        const std::size_t source = i < queries.reading ? 0 : i - queries.reading + 1;
        if (source == spec.sources.size()) {
            SourceSpec made;
            made.name = "source" + std::to_string(source);
            made.schema = GroupRows::schema();
            made.lateness = Duration::minutes(2);
            spec.sources.push_back(made);
        }
        WindowSpec window;
        window.name = "window" + std::to_string(i);
        window.from = spec.sources[source].name;
        window.by = {"site"};
        window.size = Duration::minutes(60 + static_cast<std::int64_t>(i));
        window.max_groups = source == 0 ? queries.groups : 8;
        window.max_open = 2;
        window.select = {{"n", "count()"}, {"mean", "mean(speed)"}, {"least", "min(speed)"}, {"most", "max(speed)"}};
        spec.windows.push_back(window);
    }
    SpecProblem problem;
    auto plan = EnginePlan::compile(std::move(spec), problem);
    if (!plan) fail("plan: " + problem.problem.what);
    ArenaBlock block(GroupRows::need() + Engine::need(*plan) + 4096);
    Arena arena(block.memory());
    Discard discard;
    GroupRows rows(arena, queries.groups);
    Engine engine(arena, *plan, discard);
    for (std::size_t done = 0, b = 0; done < events; done += batch_rows_max, ++b) engine.push(0, rows.batch(b));
    if (engine.window_status(0).counters[static_cast<std::size_t>(WindowCounter::counted)] < events) fail("events are missing");
}

// "queries-R" or "queries-R-of-N", "groups-N"; false for anything else.
bool run_scale(std::string_view stage, std::size_t events) {
    Queries queries;
    std::size_t all = 0;
    const std::string text(stage);
    if (std::sscanf(text.c_str(), "groups-%zu", &queries.groups) == 1) {
        run_queries(queries, events);
        return true;
    }
    const int found = std::sscanf(text.c_str(), "queries-%zu-of-%zu", &queries.reading, &all);
    if (found < 1) return false;
    queries.others = found == 2 ? all - queries.reading : 0;
    run_queries(queries, events);
    return true;
}

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) {
    using namespace weir::bench;
    const std::string_view stage = argc == 3 ? argv[1] : "";
    const std::size_t events = argc == 3 ? std::strtoul(argv[2], nullptr, 10) : 0;
    const auto vehicles = make_traffic(vehicles_made, weir::payload_padding);
    if (stage == "decode") {
        run_decode(vehicles, events);
    } else if (stage == "arrays") {
        run_decode_arrays(events, true);
    } else if (stage == "arrays-general") {
        run_decode_arrays(events, false);
    } else if (stage == "group") {
        run_engine(vehicles, events, {{"vehicles", "count()"}});
    } else if (stage == "aggregate") {
        run_engine(vehicles, events,
                   {{"vehicles", "count()"},
                    {"mean", "mean(speed)"},
                    {"p85", "quantile(speed, 0.85)"},
                    {"unique", "distinct(vid)"},
                    {"routes", "top(route, 5)"},
                    {"trucks", "count(kind == 'truck') / count()"}});
    } else if (stage == "write") {  // the same events as a file for `weir replay`
        for (std::size_t i = 0; i < events; ++i) {
            // Each round is a later hour, so that windows close as they would.
            Vehicle v = vehicles[i % vehicles.size()];
            const std::string before = std::to_string(v.ts_ms);
            const std::string after = std::to_string(
                v.ts_ms + static_cast<std::int64_t>(i / vehicles.size() * vehicles.size()) * 5);
            v.payload.replace(v.payload.find(before), before.size(), after);
            std::printf("%s\t%s\n", v.topic.c_str(), v.payload.c_str());
        }
    } else if (stage == "write-arrays" || stage == "write-sparse") {
        const std::size_t a_millisecond = stage == "write-sparse" ? 1 : events_an_array;
        for (const std::string& array : make_arrays(events / events_an_array, events_an_array, a_millisecond, 0))
            std::printf("%s\n", array.c_str());
    } else if (!run_scale(stage, events)) {
        std::fprintf(stderr, "usage: stages groups-N|queries-R|queries-R-of-N|decode|arrays|arrays-general|group|aggregate|write|write-arrays|write-sparse EVENTS\n");
        return 2;
    }
    return 0;
}
