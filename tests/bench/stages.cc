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
    spec.sources = {{.name = "loops",
                     .schema = decoder.schema,
                     .lateness = Duration::minutes(120),
                     .partition = "site"}};
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
    } else {
        std::fprintf(stderr, "usage: stages decode|arrays|arrays-general|group|aggregate|write|write-arrays|write-sparse EVENTS\n");
        return 2;
    }
    return 0;
}
