// What the windows of one source share: its watermarks, and a batch made ready: expressions evaluated,
// keys hashed, rows judged by their time, each once however many windows read it.
// Memory: need(): the watermarks, the registers of its expressions, 8 KiB a hashed column and a grouping,
// 16 KiB an input whose items sketches count.
// Cost: prepare() O(rows x (expressions + keys)). Threads: one owner. Errors: none.
#pragma once

#include <cstdint>
#include <span>

#include "agent/base/arena.h"
#include "agent/base/batch.h"
#include "windows/compiled_plan.h"
#include "windows/counters.h"
#include "windows/item_hashes.h"
#include "windows/sampled_spans.h"
#include "windows/watermark.h"

namespace weir {

class Source {
public:
    static Bytes need(const SourceSpec& spec, const CompiledSource& plan);
    static Bytes need_watermarks(const SourceSpec& spec, const CompiledSource& plan);
    // spec and plan must outlive it.
    Source(Arena& arena, const SourceSpec& spec, const CompiledSource& plan);

    // What does not depend on time: expressions and hashes of all rows.
    void prepare(const Batch& batch);
    // Judges rows [first, last) of one message, in order: quarantines them, or counts them toward their partition's
    // watermark.
    void take_in(const Batch& batch, std::size_t first, std::size_t last);

    Watermarks& watermarks() { return watermarks_; }
    const Watermarks& watermarks() const { return watermarks_; }
    std::span<const std::uint32_t> partitions() const { return row_partitions_; }
    const RowBits& quarantined() const { return quarantined_; }
    std::span<const std::uint64_t> hashes(std::size_t grouping) const { return groupings_[grouping]; }
    std::span<const Column* const> inputs() const { return inputs_; }
    ItemHashes& item_hashes() { return item_hashes_; }
    SampledSpans& sampled() { return sampled_; }
    const SampledSpans& sampled() const { return sampled_; }
    SourceCounters& counters() { return counters_; }
    const SourceCounters& counters() const { return counters_; }

    // A message has rows in an earlier batch and has not ended.
    bool message_open = false;
    // During a tick: it held the watermarks of other lanes.
    bool held = false;
    // The message under way, or the rows since forget_rows(), hold an event behind a watermark.
    bool behind = false;
    // Of the rows since forget_rows(): one is quarantined, or came while the clock was not trusted.
    bool uneven = false;
    // Their event times.
    std::int64_t earliest = forever_us;
    std::int64_t latest = never_us;
    void forget_rows() {
        behind = uneven = false;
        earliest = forever_us;
        latest = never_us;
    }

    static Bytes save_size_max(const SourceSpec& spec, const CompiledSource& plan);
    void save(ByteWriter& out) const;
    bool load(ByteReader& in);
    void reset();

private:
    static Watermarks::Params watermark_params(const SourceSpec& spec, const CompiledSource& plan);
    bool take_in_plain(const Batch& batch, std::size_t first, std::size_t last);
    std::uint32_t partition_of(const Batch& batch, std::size_t row);

    const SourceSpec& spec_;
    const CompiledSource& plan_;
    Watermarks watermarks_;
    std::span<Evaluator*> evaluators_;
    std::span<const Column*> columns_;                // of the batch
    std::span<const Column*> inputs_;
    std::span<std::span<std::uint64_t>> cell_hashes_;  // of plan.hashed
    std::span<std::span<std::uint64_t>> groupings_;
    std::span<std::uint32_t> row_partitions_;
    ItemHashes item_hashes_;
    RowBits quarantined_;
    SourceCounters counters_;
    SampledSpans sampled_;
};

}  // namespace weir
