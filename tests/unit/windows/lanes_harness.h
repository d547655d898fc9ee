// Engines of lanes and the merger behind them, for tests: what each lane says is kept, and given to the merger when the
// test wants it.
#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "tests/unit/windows/harness.h"
#include "windows/lane_merger.h"
#include "windows/window.h"

namespace weir::test {

// What one lane said, in order.
class Said final : public PartialSink {
public:
    struct Item {
        std::vector<std::byte> partial;  // or
        std::size_t source = 0;
        Timestamp watermark;
        bool holds = false;
    };
    void partial(ByteSpan bytes) override { items.push_back({{bytes.begin(), bytes.end()}, 0, {}, false}); }
    void passed(std::size_t source, Timestamp watermark, bool holds) override { items.push_back({{}, source, watermark, holds}); }

    std::deque<Item> items;
};

inline EngineSpec split(EngineSpec spec) {
    for (SourceSpec& source : spec.sources) source.split = true;
    return spec;
}

class LanesHarness {
public:
    LanesHarness(const EngineSpec& spec, std::size_t lanes, std::size_t batch_rows = batch_rows_max)
        : plan(compiled(split(spec))), block_(LaneMerger::need(plan, lanes)), arena_(block_.memory()), merger(arena_, plan, lanes, out) {
        for (std::size_t i = 0; i < lanes; ++i) {
            said.push_back(std::make_unique<Said>());
            lane.push_back(std::make_unique<Harness>(split(spec), batch_rows, said.back().get()));
        }
    }
    Bytes arena_used() const { return arena_.used(); }
    void tick(std::int64_t ms, bool trusted = true) {
        for (auto& of : lane) of->tick(ms, trusted);
        end_round();
    }
    // As agent/lane.h: each lane says how far its sources are.
    void end_round() {
        for (std::size_t i = 0; i < lane.size(); ++i) {
            lane[i]->flush_all();
            for (std::size_t source = 0; source < plan.sources(); ++source) {
                const SourceStatus status = lane[i]->engine.source_status(source);
                said[i]->passed(source, status.watermark, status.holds);
            }
        }
    }
    bool give_one(std::size_t of) {
        if (said[of]->items.empty()) return false;
        const Said::Item item = said[of]->items.front();
        said[of]->items.pop_front();
        if (item.partial.empty())
            merger.passed(of, item.source, item.watermark, item.holds);
        else if (!merger.absorb(item.partial).ok())
            assertion_failed("absorb", "lanes harness", 0);
        return true;
    }
    void give_all() {
        for (std::size_t i = 0; i < lane.size(); ++i)
            while (give_one(i)) {
            }
        merger.settle();
    }
    void finish() {
        for (auto& of : lane) of->close();
        give_all();
        merger.finish();
    }
    std::vector<std::byte> save() {
        std::vector<std::byte> bytes(LaneMerger::save_size_max(plan, lane.size()));
        ByteWriter writer(bytes);
        if (!merger.save(writer).ok()) assertion_failed("save", "lanes harness", 0);
        bytes.resize(writer.size());
        return bytes;
    }
    Status load(const std::vector<std::byte>& bytes) {
        ByteReader reader(bytes);
        return merger.load(reader);
    }
    std::uint64_t count(WindowCounter counter, std::size_t window = 0) {
        return merger.status(window).counters[static_cast<std::size_t>(counter)];
    }

    EnginePlan plan;
    Collector out;
    std::vector<std::unique_ptr<Said>> said;
    std::vector<std::unique_ptr<Harness>> lane;

private:
    ArenaBlock block_;
    Arena arena_;

public:
    LaneMerger merger;
};

}  // namespace weir::test
