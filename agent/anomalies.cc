#include "agent/anomalies.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "agent/alerts.h"

namespace weir {
namespace {

constexpr double none = std::numeric_limits<double>::quiet_NaN();
constexpr Bytes field_bytes_max = 128;  // of a number or a key's text, encoded, beside its name

double number(const Column& column, std::size_t row) {
    if (!column.present.test(row)) return none;
    switch (column.type) {
        case ColumnType::integer: return static_cast<double>(column.integers[row]);
        case ColumnType::real: return column.reals[row];
        case ColumnType::boolean: return column.booleans[row];
        case ColumnType::text: break;
    }
    return none;
}

double number(const Value& value) {
    switch (value.kind) {
        case ValueKind::integer: return static_cast<double>(value.integer);
        case ValueKind::real:
        case ValueKind::estimate: return value.real;
        case ValueKind::boolean: return value.boolean ? 1 : 0;
        default: return none;
    }
}

}  // namespace

std::size_t Anomalies::slots_of(const AnomalyPlan& plan) { return std::bit_ceil(2 * plan.keys_max); }

Bytes Anomalies::need(const Assembly& assembly) {
    Bytes total = 0;
    for (const AlertPlan& plan : assembly.alerts()) {
        if (!plan.anomaly) continue;
        const AnomalyPlan& anomaly = *plan.anomaly;
        total += Arena::need<Place>(anomaly.keys_max) + Arena::need<std::uint64_t>(anomaly.keys_max) +
                 Arena::need<std::uint32_t>(slots_of(anomaly));
        if (!anomaly.of_source) continue;
        const KeyLayout layout(assembly.engine().source(anomaly.from).schema, anomaly.by);
        total += Arena::need<std::byte>(layout.width()) + Arena::need<Field>(layout.size());
    }
    return total;
}

Anomalies::Anomalies(Arena& arena, const Assembly& assembly, AnomalySink& sink) : sink_(sink) {
    const EnginePlan& engine = assembly.engine();
    for (std::size_t i = 0; i < assembly.alerts().size(); ++i) {
        const AlertPlan& plan = assembly.alerts()[i];
        if (!plan.anomaly) continue;
        const AnomalyPlan& anomaly = *plan.anomaly;
        Watch watch;
        watch.alert = i;
        watch.plan = &plan;
        watch.detectors = arena.take<Place>(anomaly.keys_max);
        watch.hashes = arena.take<std::uint64_t>(anomaly.keys_max);
        watch.slots = arena.take<std::uint32_t>(slots_of(anomaly));
        std::fill(watch.slots.begin(), watch.slots.end(), 0U);
        if (anomaly.of_source) {
            const SourceSpec& source = engine.source(anomaly.from);
            watch.name = source.name;
            watch.layout = KeyLayout(source.schema, anomaly.by);
            watch.key = arena.take<std::byte>(watch.layout.width());
            watch.key_fields = arena.take<Field>(watch.layout.size());
            for (std::size_t k = 0; k < anomaly.by.size(); ++k) watch.key_fields[k] = {source.schema[anomaly.by[k]].name, {}};
        } else {
            watch.name = engine.window(anomaly.from).name;
            watch.window_definition = engine.definition(anomaly.from);
        }
        watches_.push_back(std::move(watch));
    }
}

void Anomalies::observe(std::size_t source, const Batch& batch) {
    for (Watch& watch : watches_) {
        const AnomalyPlan& plan = *watch.plan->anomaly;
        if (!plan.of_source || plan.from != source) continue;
        for (std::size_t row = 0; row < batch.rows(); ++row) {
            watch.layout.encode(batch, row, watch.key.data());
            for (std::size_t k = 0; k < watch.key_fields.size(); ++k)
                watch.key_fields[k].value = watch.layout.value(watch.key.data(), k);
            const double value = number(batch.column(plan.column), row);
            const Field field = {plan.of, std::isnan(value) ? Value() : Value::of_real(value)};
            Record record;
            record.window = watch.name;
            record.definition = watch.plan->definition;
            record.start = record.end = batch.time(row).event;
            record.flags = batch.time(row).arrival_trusted ? 0 : static_cast<std::uint16_t>(record_clock_untrusted);
            record.key = watch.key_fields;
            record.values = std::span(&field, 1);
            score(watch, record, record.start, value);
        }
    }
}

void Anomalies::observe(const Record& result) {
    if (result.kind != RecordKind::result || result.revision != 0 || (result.flags & record_other) != 0) return;
    for (Watch& watch : watches_) {
        if (watch.plan->anomaly->of_source || watch.window_definition != result.definition || watch.name != result.window)
            continue;
        const auto field = std::find_if(result.values.begin(), result.values.end(),
                                        [&](const Field& f) { return f.name == watch.plan->anomaly->of; });
        score(watch, result, result.start, field == result.values.end() ? none : number(field->value));
    }
}

void Anomalies::score(Watch& watch, Record record, Timestamp time, double value) {
    Detector* const detector = find_or_make(watch, hash_of_key(record));
    AnomalyScore out;
    if (detector == nullptr)
        ++unwatched_;
    else
        out.verdict = detector->step(time, value);
    const std::size_t room = values_.size() - record.key.size();
    std::size_t count = std::min(record.values.size(), room - 2);
    std::copy_n(record.values.begin(), count, values_.begin());
    values_[count++] = {"score", Value::of_real(out.verdict.score)};
    values_[count++] = {"expected", Value::of_real(out.verdict.forecast)};
    record.values = std::span(values_).first(count);
    out.alert = watch.alert;
    out.value = value;
    out.record = &record;
    sink_.scored(out);
}

std::uint32_t& Anomalies::slot(Watch& watch, std::uint64_t hash) {
    std::size_t at = static_cast<std::size_t>(hash) & (watch.slots.size() - 1);  // at most half of them are taken
    while (watch.slots[at] != 0 && watch.hashes[watch.slots[at] - 1] != hash) at = (at + 1) & (watch.slots.size() - 1);
    return watch.slots[at];
}

Detector* Anomalies::find_or_make(Watch& watch, std::uint64_t hash) {
    std::uint32_t& found = slot(watch, hash);
    if (found == 0) {
        if (watch.count == watch.detectors.size()) return nullptr;
        Detector::create(watch.detectors[watch.count].bytes, watch.plan->anomaly->detector);
        watch.hashes[watch.count] = hash;
        found = ++watch.count;
    }
    return std::launder(reinterpret_cast<Detector*>(watch.detectors[found - 1].bytes));
}

std::size_t Anomalies::adopt(const Anomalies& from) {
    std::size_t adopted = 0;
    for (Watch& watch : watches_)
        for (const Watch& other : from.watches_) {
            if (watch.plan->definition != other.plan->definition) continue;
            ++adopted;
            watch.count = 0;
            while (watch.count < std::min<std::size_t>(other.count, watch.detectors.size())) {
                watch.detectors[watch.count] = other.detectors[watch.count];
                watch.hashes[watch.count] = other.hashes[watch.count];
                std::uint32_t& place = slot(watch, other.hashes[watch.count]);
                place = ++watch.count;
            }
        }
    return adopted;
}

Bytes Anomalies::save_size_max(const Assembly& assembly) {
    Bytes total = 0;
    for (const AlertPlan& plan : assembly.alerts())
        if (plan.anomaly)
            total += sizeof(std::uint32_t) + plan.anomaly->keys_max * (sizeof(std::uint64_t) + sizeof(Detector));
    return total == 0 ? 0 : total + sizeof unwatched_;
}

void Anomalies::save(ByteWriter& out) const {
    if (watches_.empty()) return;
    out.write(unwatched_);
    for (const Watch& watch : watches_) {
        out.write(watch.count);
        for (std::uint32_t i = 0; i < watch.count; ++i) {
            out.write(watch.hashes[i]);
            out.bytes(watch.detectors[i].bytes);
        }
    }
}

Status Anomalies::load(ByteReader& in) {
    if (watches_.empty()) return Status::success();
    unwatched_ = in.read<std::uint64_t>();
    for (Watch& watch : watches_) {
        const auto count = in.read<std::uint32_t>();
        if (!in.ok()) return Error::truncated;
        if (count > watch.detectors.size()) return Error::invalid;
        std::fill(watch.slots.begin(), watch.slots.end(), 0U);
        for (watch.count = 0; watch.count < count;) {
            const auto hash = in.read<std::uint64_t>();
            const ByteSpan bytes = in.bytes(sizeof(Detector));
            if (!in.ok()) return Error::truncated;
            Place& place = watch.detectors[watch.count];
            std::copy(bytes.begin(), bytes.end(), place.bytes);
            if (Detector::adopt(place.bytes) == nullptr) return Error::invalid;
            std::uint32_t& found = slot(watch, hash);
            if (found != 0) return Error::invalid;
            watch.hashes[watch.count] = hash;
            found = ++watch.count;
        }
    }
    return Status::success();
}

Bytes Anomalies::record_bytes_max(const Assembly& assembly, const AlertPlan& plan) {
    Bytes total = 3 * field_bytes_max + plan.anomaly->of.size();
    if (!plan.anomaly->of_source) return total;
    const SourceSpec& source = assembly.engine().source(plan.anomaly->from);
    total += source.name.size();
    for (const std::size_t column : plan.anomaly->by) total += field_bytes_max + source.schema[column].name.size();
    return total;
}

}  // namespace weir
