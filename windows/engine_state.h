// What an Engine is made of: its sources, windows, patterns, joins and tables, and the order in which they hear of rows and time.
// Only windows/engine*.cc include it.
// Memory: engine_parts() of engine_memory.h, from the arena. Cost, threads, errors: as engine.h says.
// Source: as engine.h.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "windows/engine.h"
#include "windows/engine_memory.h"
#include "windows/pattern.h"
#include "windows/source.h"
#include "windows/window_kinds.h"

namespace weir {

class EngineState final : private JoinSink {
public:
    EngineState(Arena& arena, const CompiledPlan& plan, RecordSink& sink, PartialSink* partials);

    void push(Source& source, const CompiledSource& plan, const Batch& batch);
    void tick(Timestamp arrival, bool trusted);
    void close_all();
    Status set_frontier(std::uint64_t definition, std::uint64_t partition, Timestamp end);
    void mark_gap(Timestamp from, Timestamp to, std::uint64_t definition);
    void sample(std::size_t source, unsigned level);
    std::vector<std::uint64_t> adopt(EngineState& from);
    void save_payload(ByteWriter& out) const;
    bool load_payload(ByteReader& in);
    void reset();

    const CompiledPlan& plan_;
    std::span<Source*> sources_;
    std::span<Window*> windows_;
    std::span<Pattern*> patterns_;
    std::span<IntervalJoin*> joins_;
    std::span<Table*> tables_;
    std::span<std::span<Enrichment>> enrichments_;  // of each source
    Emission emission_;

private:
    void end_message(Source& source, const CompiledSource& plan, const Batch& batch, std::size_t& first, std::size_t last);
    void process(Source& source, const CompiledSource& plan, const Batch& batch, std::size_t first, std::size_t last);
    void add(Source& source, const CompiledSource& plan, const Batch& batch, std::size_t first, std::size_t last);
    bool late_additions(const CompiledSource& plan) const;
    void collect(Source& source, const CompiledSource& plan, std::size_t& count);
    bool before(const Due& a, const Due& b) const;
    void emit(std::size_t count);
    void leave_open(const CompiledSource& plan);
    void tell(const Source& source, const CompiledSource& plan);
    bool limit(const CompiledSource& plan);
    void advance_patterns(Source& source, const CompiledSource& plan);
    void release(Source& source, const CompiledSource& plan);
    template <typename Part>
    static bool move_state(Part& to, Part& from, std::size_t partitions, std::span<std::byte> scratch);
    void joined(std::size_t join, const Batch& batch) override;
    std::int64_t watermark_of(const CompiledJoin& join) const;
    bool follow(std::size_t join);
    void close_joined(const CompiledSource& plan);

    std::span<Due> due_;
    std::span<std::uint16_t> rows_;
    std::span<std::uint32_t> cells_;
};

}  // namespace weir
