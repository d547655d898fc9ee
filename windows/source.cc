#include "windows/source.h"

#include <algorithm>
#include <charconv>

#include "windows/engine.h"

namespace weir {
namespace {

constexpr std::int64_t year_10000_us = 253402300800LL * 1000000;

}  // namespace

Watermarks::Params Source::watermark_params(const SourceSpec& spec, const CompiledSource& plan) {
    return {plan.partitions_max, spec.lateness, spec.idle, Engine::arrival_step_max, plan.partition_boundaries, plan.source_boundaries,
            plan.together.size() > 1};
}

Bytes Source::need_watermarks(const SourceSpec& spec, const CompiledSource& plan) {
    return Watermarks::need(watermark_params(spec, plan));
}

Bytes Source::need(const SourceSpec& spec, const CompiledSource& plan) {
    using Hashes = std::span<std::uint64_t>;
    Bytes total = need_watermarks(spec, plan) + Arena::need<Evaluator*>(plan.inputs.size()) +
                  Arena::need<const Column*>(spec.schema.size()) + Arena::need<const Column*>(plan.inputs.size()) +
                  Arena::need<Hashes>(plan.hashed.size()) + Arena::need<Hashes>(plan.groupings.size()) +
                  Arena::need<std::uint32_t>(batch_rows_max) + ItemHashes::need(plan.item_hashes.size()) +
                  (plan.hashed.size() + plan.groupings.size()) * Arena::need<std::uint64_t>(batch_rows_max);
    for (const Expression& input : plan.inputs) total += Arena::need<Evaluator>() + Evaluator::need(input, batch_rows_max);
    return total;
}

Source::Source(Arena& arena, const SourceSpec& spec, const CompiledSource& plan)
    : spec_(spec),
      plan_(plan),
      watermarks_(arena, watermark_params(spec, plan)),
      evaluators_(arena.take<Evaluator*>(plan.inputs.size())),
      columns_(arena.take<const Column*>(spec.schema.size())),
      inputs_(arena.take<const Column*>(plan.inputs.size())),
      cell_hashes_(arena.take<std::span<std::uint64_t>>(plan.hashed.size())),
      groupings_(arena.take<std::span<std::uint64_t>>(plan.groupings.size())),
      row_partitions_(arena.take<std::uint32_t>(batch_rows_max)),
      item_hashes_(arena, plan.item_hashes.size()) {
    for (auto& hashes : cell_hashes_) hashes = arena.take<std::uint64_t>(batch_rows_max);
    for (auto& hashes : groupings_) hashes = arena.take<std::uint64_t>(batch_rows_max);
    for (std::size_t i = 0; i < plan.inputs.size(); ++i)
        evaluators_[i] = arena.make<Evaluator>(arena, plan.inputs[i], batch_rows_max);
}

void Source::reset() {
    watermarks_.reset();
    sampled_.reset();
    counters_ = {};
    message_open = false;
    forget_rows();
}

void Source::prepare(const Batch& batch) {
    WEIR_ASSERT(batch.columns() == spec_.schema.size());
    item_hashes_.begin(batch.rows());
    for (std::size_t i = 0; i < columns_.size(); ++i) columns_[i] = &batch.column(i);
    for (std::size_t i = 0; i < inputs_.size(); ++i) inputs_[i] = &evaluators_[i]->evaluate(columns_, batch.rows(), &batch.time(0));
    for (std::size_t i = 0; i < cell_hashes_.size(); ++i)
        hash_cells(batch.column(plan_.hashed[i]), cell_hashes_[i].first(batch.rows()));
    for (std::size_t i = 0; i < groupings_.size(); ++i) {
        std::span<std::uint64_t> hashes = groupings_[i];
        std::fill_n(hashes.begin(), batch.rows(), std::uint64_t{0});
        for (std::size_t cell : plan_.groupings[i]) hash_with(hashes.first(batch.rows()), cell_hashes_[cell].first(batch.rows()));
    }
}

std::uint32_t Source::partition_of(const Batch& batch, std::size_t row) {
    const Column& column = batch.column(plan_.partition_column);
    const std::uint64_t hash = cell_hashes_[*plan_.partition][row];
    char digits[24];
    std::string_view label = "null";
    if (column.present.test(row)) {
        if (column.type == ColumnType::text)
            label = column.texts[row];
        else if (column.type == ColumnType::boolean)
            label = column.booleans[row] ? "true" : "false";
        else
            label = {digits, static_cast<std::size_t>(std::to_chars(digits, digits + sizeof digits, column.integers[row]).ptr - digits)};
    }
    return watermarks_.partition(hash, label);
}

// As nearly all messages of a source without partitions are: every row is within the bounds of its clock.
bool Source::take_in_plain(const Batch& batch, std::size_t first, std::size_t last) {
    if (plan_.partition || spec_.lateness.adaptive) return false;
    const RowTime* const times = &batch.time(0);
    const Timestamp arrival = times[first].arrival;
    Timestamp least = times[first].event;
    Timestamp greatest = least;
    bool plain = true;
    for (std::size_t row = first; row < last; ++row) {
        least = std::min(least, times[row].event);
        greatest = std::max(greatest, times[row].event);
        plain &= times[row].arrival_trusted & (times[row].arrival == arrival);
    }
    if (!plain || least.us() < 0 || greatest.us() >= year_10000_us || greatest.us() - spec_.max_future.us() > arrival.us()) return false;
    quarantined_.assign(first, last - first, false);
    std::fill(row_partitions_.begin() + static_cast<std::ptrdiff_t>(first), row_partitions_.begin() + static_cast<std::ptrdiff_t>(last), 0U);
    watermarks_.event(0, least.us());
    watermarks_.event(0, greatest.us());
    if (least.us() < watermarks_.furthest()) behind |= least.us() < std::max(watermarks_.watermark(0), watermarks_.watermark());
    earliest = std::min(earliest, least.us());
    latest = std::max(latest, greatest.us());
    return true;
}

void Source::take_in(const Batch& batch, std::size_t first, std::size_t last) {
    counters_.add(SourceCounter::rows, last - first);
    if (!plan_.partition) watermarks_.partition(0, {});  // the only one there is
    if (first < last && take_in_plain(batch, first, last)) return;
    const std::int64_t max_future = spec_.max_future.us();
    for (std::size_t row = first; row < last; ++row) {
        const RowTime& time = batch.time(row);
        const std::int64_t at = time.event.us();
        quarantined_.reset(row);
        uneven |= !time.arrival_trusted;
        const bool absurd = at < 0 || at >= year_10000_us;
        const bool future = !absurd && time.arrival_trusted && at - max_future > time.arrival.us();
        if (absurd || future) [[unlikely]] {
            counters_.add(absurd ? SourceCounter::absurd_time : SourceCounter::future);
            quarantined_.set(row);
            uneven = true;
            continue;
        }
        const std::uint32_t partition = plan_.partition ? partition_of(batch, row) : 0;
        row_partitions_[row] = partition;
        if (watermarks_.is_shared(partition)) counters_.add(SourceCounter::partition_overflow);
        watermarks_.event(partition, at);
        // Only a row behind the furthest watermark can be behind its own.
        if (at < watermarks_.furthest()) behind |= at < std::max(watermarks_.watermark(partition), watermarks_.watermark());
        earliest = std::min(earliest, at);
        latest = std::max(latest, at);
    }
}

Bytes Source::save_size_max(const SourceSpec& spec, const CompiledSource& plan) {
    return 16 + source_counters * 8 + SampledSpans::save_size_max() + Watermarks::save_size_max(watermark_params(spec, plan));
}

void Source::save(ByteWriter& out) const {
    out.write(static_cast<std::uint8_t>(message_open));
    for (std::uint64_t value : counters_.values()) out.write(value);
    watermarks_.save(out);
    sampled_.save(out);
}

bool Source::load(ByteReader& in) {
    message_open = in.read<std::uint8_t>() != 0;
    for (std::uint64_t& value : counters_.values()) value = in.read<std::uint64_t>();
    return watermarks_.load(in) && sampled_.load(in) && in.ok();
}

}  // namespace weir
