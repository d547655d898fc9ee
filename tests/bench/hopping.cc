// Hopping windows beside tumbling ones of the same size: the engine alone, on the vehicles of replay-arrays (100 a message
// and millisecond) without their decoding. `hopping SIZE_MS EVERY_MS SITES EVENTS`; EVERY_MS 0 tumbles. Prints
// what the state takes: planned, and in use at the end. tests/bench/run takes the difference of a long and a short run.
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "windows/engine.h"
#include "windows/plan.h"

namespace weir::bench {
namespace {

constexpr std::size_t events_a_message = 100;
constexpr std::int64_t start_ms = 1763712000000;

class Count final : public RecordSink {
public:
    void emit(const Record&) override { ++records; }
    std::size_t records = 0;
};

[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "hopping: %s\n", what.c_str());
    std::exit(1);
}

EnginePlan plan_of(std::int64_t size_ms, std::int64_t every_ms, std::size_t sites) {
    EngineSpec spec;
    SourceSpec source;
    source.name = "loops";
    source.schema = Schema({{"site", ColumnType::text}, {"speed", ColumnType::real}, {"vid", ColumnType::text}});
    source.lateness = Duration::millis(100);
    spec.sources = {source};
    WindowSpec window;
    window.name = "w";
    window.from = "loops";
    window.by = {"site"};
    window.size = Duration::millis(size_ms);
    window.every = Duration::millis(every_ms);
    window.max_groups = sites;
    window.select = {{"n", "count()"},          {"mean", "mean(speed)"},          {"least", "min(speed)"},
                     {"most", "max(speed)"},    {"p95", "quantile(speed, 0.95)"}, {"unique", "distinct(vid)"}};
    spec.windows = {window};
    SpecProblem problem;
    auto plan = EnginePlan::compile(std::move(spec), problem);
    if (!plan) fail(problem.key + ": " + problem.problem.what);
    return std::move(*plan);
}

double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

void run(std::int64_t size_ms, std::int64_t every_ms, std::size_t sites, std::size_t events) {
    const EnginePlan plan = plan_of(size_ms, every_ms, sites);
    ArenaBlock memory(plan.need());
    Arena arena(memory.memory());
    Count count;
    Engine engine(arena, plan, count);
    engine.leave_out_sketches();  // as weir replay does
    ArenaBlock batch_memory(Batch::need(plan.source(0).schema, {}));
    Arena batch_arena(batch_memory.memory());
    Batch batch(batch_arena, plan.source(0).schema, {});
    std::vector<std::string> names(sites);
    for (std::size_t i = 0; i < sites; ++i) names[i] = "s" + std::to_string(1000 + i);
    std::vector<std::string> vehicles(200000);
    for (std::size_t i = 0; i < vehicles.size(); ++i) vehicles[i] = std::to_string(100000 + i * 83 % 900000);
    std::uint64_t state = 2;
    const auto random = [&state] {  // xorshift64: Marsaglia, 2003
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        return state >> 11;
    };
    const double before = cpu_seconds();
    for (std::size_t i = 0; i < events; ++i) {
        batch.begin_row();
        batch.set_text(0, names[random() % sites]);
        batch.set_real(1, static_cast<double>(200 + random() % 900) / 10);
        batch.set_text(2, vehicles[random() % vehicles.size()]);
        const auto time = Timestamp::millis(start_ms + static_cast<std::int64_t>(i / events_a_message));
        batch.commit_row({time, time, true});
        if ((i + 1) % events_a_message == 0) batch.end_message();
        if (!batch.full()) continue;
        engine.push(0, batch);
        batch.clear();
    }
    engine.push(0, batch);
    std::vector<std::byte> saved(plan.save_size_max());
    const double taken = cpu_seconds() - before;
    ByteWriter out(saved);
    if (!engine.save(out).ok()) fail("save");
    const WindowStatus status = engine.window_status(0);
    std::printf("%zu records, %zu cells in use, %.1f MB planned, %.1f MB in use, %.0f ns an event\n", count.records, status.cells,
                static_cast<double>(plan.need()) / 1e6, static_cast<double>(out.size()) / 1e6, taken / static_cast<double>(events) * 1e9);
}

}  // namespace
}  // namespace weir::bench

int main(int argc, char** argv) {
    if (argc != 5) weir::bench::fail("usage: hopping SIZE_MS EVERY_MS SITES EVENTS");
    weir::bench::run(std::atoll(argv[1]), std::atoll(argv[2]), static_cast<std::size_t>(std::atoll(argv[3])),
                     static_cast<std::size_t>(std::atoll(argv[4])));
}
