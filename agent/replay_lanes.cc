#include "agent/replay_lanes.h"

#include <time.h>

#include <cinttypes>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include "agent/lanes.h"
#include "agent/replay_feed.h"

namespace weir {
namespace {

double cpu_seconds_of_thread() {
    timespec used{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
}

Analysis::Options options_of(Analysis::Options::Part part, bool sketches, PartialSink* partials) {
    Analysis::Options options;
    options.topicless = true;
    options.sketches = sketches;
    options.part = part;
    options.partials = partials;
    return options;
}

// One lane: its own reader, analysis and thread.
class ReplayLane {
public:
    ReplayLane(const Assembly& assembly, bool sketches, std::size_t number, LaneOutput& output, std::unique_ptr<ReplayReader> reader)
        : output_(output),
          reader_(std::move(reader)),
          options_(options_of(Analysis::Options::Part::lane, sketches, &output)),
          block_(Analysis::need(assembly, options_)),
          arena_(block_.memory()),
          analysis_(arena_, assembly, options_, output),
          feed_(assembly, analysis_, number, &output),
          number_(number) {}

    Status load_tables(std::span<const std::string> images) {
        for (std::size_t i = 0; i < images.size(); ++i)
            if (Status loaded = analysis_.load_table(i, as_byte_span(images[i])); !loaded.ok()) return loaded;
        return {};
    }
    void run(std::optional<std::size_t> source) {
        ReplayLine line;
        while (reader_->fill()) {
            while (reader_->next(line)) feed_.take(line, source);
            analysis_.flush();  // rows point into the reader's buffer
        }
        analysis_.finish();
        output_.end();
        cpu_seconds_ = cpu_seconds_of_thread();
    }
    void tell() const {
        std::fprintf(stderr, "replay: lane %zu: %" PRIu64 " messages, %.3f s of CPU\n", number_, analysis_.messages(), cpu_seconds_);
        tell_what_was_lost(analysis_, number_ == 0 ? reader_.get() : nullptr);
        feed_.tell_what_had_no_place();
    }
    Status status() const { return reader_->status(); }

private:
    LaneOutput& output_;
    std::unique_ptr<ReplayReader> reader_;
    const Analysis::Options options_;
    ArenaBlock block_;
    Arena arena_;
    Analysis analysis_;
    ReplayFeed feed_;
    const std::size_t number_;
    double cpu_seconds_ = 0;
};

void tell_of_merger(const Assembly& assembly, const LaneMerger& merger, double cpu_seconds) {
    std::fprintf(stderr, "replay: merger: %.3f s of CPU\n", cpu_seconds);
    for (std::size_t w = 0; w < assembly.engine().windows(); ++w) {
        const WindowStatus status = merger.status(w);
        for (WindowCounter counter : {WindowCounter::late, WindowCounter::late_after_eviction, WindowCounter::evicted, WindowCounter::folded})
            if (const std::uint64_t count = status.counters[static_cast<std::size_t>(counter)]; count > 0)
                std::fprintf(stderr, "replay: merger: window '%s': %" PRIu64 " %s\n", assembly.engine().window(w).name.c_str(), count,
                             std::string(name(counter)).c_str());
    }
}

}  // namespace

Status replay_in_lanes(const Assembly& assembly, const ReplayRequest& request, const ReplayOptions& file, std::optional<std::size_t> source,
                       std::span<const std::string> images, OutputSink& out, Problem& problem) {
    std::vector<std::unique_ptr<LaneOutput>> outputs;
    std::vector<std::unique_ptr<ReplayLane>> lanes;
    for (std::size_t i = 0; i < assembly.lanes(); ++i) {
        Result<std::unique_ptr<ReplayReader>> reader = ReplayReader::open(file, problem);
        if (!reader.ok()) return reader.error();
        outputs.push_back(std::make_unique<LaneOutput>(assembly, i));
        lanes.push_back(std::make_unique<ReplayLane>(assembly, request.sketches, i, *outputs.back(), std::move(*reader)));
        if (Status loaded = lanes.back()->load_tables(images); !loaded.ok()) return loaded;
    }
    const Analysis::Options behind = options_of(Analysis::Options::Part::behind_lanes, request.sketches, nullptr);
    ArenaBlock block(Analysis::need(assembly, behind) + LaneMerge::need(assembly));
    Arena arena(block.memory());
    Analysis analysis(arena, assembly, behind, out);
    LaneMerge merge(arena, assembly, outputs, analysis);
    if (!request.sketches) merge.merger().leave_out_sketches();

    const double cpu_before = cpu_seconds_of_thread();
    std::vector<std::thread> threads;
    for (auto& lane : lanes) threads.emplace_back([&lane, source] { lane->run(source); });
    merge.run();
    for (std::thread& thread : threads) thread.join();
    Status status;
    for (const auto& lane : lanes) {
        lane->tell();
        if (!lane->status().ok()) status = lane->status();
    }
    tell_of_merger(assembly, merge.merger(), cpu_seconds_of_thread() - cpu_before);
    return status;
}

}  // namespace weir
