// Records for tests, with every kind of value.
#pragma once

#include <string>
#include <vector>

#include "agent/base/record.h"

namespace weir {

// Owns what its record points to; does not move.
class SampleRecord {
public:
    explicit SampleRecord(std::uint64_t sequence, RecordKind kind = RecordKind::result) {
        sketch_bytes_ = {std::byte{2}, std::byte{1}, std::byte{7}, std::byte{12}};
        TopItem text;
        text.text = "route-7";
        text.estimate = 40;
        text.lower = 38;
        text.upper = 41;
        TopItem number;
        number.type = ItemType::integer;
        number.integer = -5;
        number.estimate = 3;
        items_ = {text, number};
        Value estimate;
        estimate.kind = ValueKind::estimate;
        estimate.real = 812.25;
        estimate.lower = 800;
        estimate.upper = 820;
        estimate.sketch = {SketchKind::hll, ItemType::text, sketch_bytes_};
        Value top;
        top.kind = ValueKind::top;
        top.top = items_;
        top.sketch = {SketchKind::frequent, ItemType::text, sketch_bytes_};
        Value histogram;
        histogram.kind = ValueKind::histogram;
        histogram.bounds = bounds_;
        histogram.counts = counts_;
        key_ = {{"site", Value::of_text("s-é1")}, {"lane", Value::of_integer(static_cast<std::int64_t>(sequence % 7))}};
        values_ = {{"n", Value::of_integer(-3)}, {"mean", Value::of_real(57.3)}, {"zero", Value::of_real(0)},
                   {"wet", Value::of_boolean(false)}, {"none", Value{}}, {"u", estimate}, {"top", top},
                   {"spread", histogram}};
        record_.kind = kind;
        record_.flags = record_partial | record_clock_untrusted;
        record_.window = "site_minute";
        record_.definition = 0xFEDCBA9876543210ULL;
        record_.start = Timestamp::millis(1771000000000 + static_cast<std::int64_t>(sequence) * 60000);
        record_.end = record_.start + Duration::minutes(1);
        record_.revision = 2;
        record_.sequence = sequence;
        record_.partition = sequence % 3;
        record_.key = key_;
        record_.values = values_;
    }
    SampleRecord(const SampleRecord&) = delete;
    SampleRecord& operator=(const SampleRecord&) = delete;

    Record& record() { return record_; }
    std::vector<Field>& values() { return values_; }
    std::vector<std::byte> encoded() const {
        std::vector<std::byte> bytes(encoded_size(record_));
        ByteWriter out(bytes);
        (void)encode(record_, out);
        return bytes;
    }

private:
    std::vector<std::byte> sketch_bytes_;
    std::vector<TopItem> items_;
    std::vector<double> bounds_ = {-10.5, 0, 20};
    std::vector<std::uint64_t> counts_ = {0, 300, std::uint64_t{1} << 63, 7};
    std::vector<Field> key_, values_;
    Record record_;
};

}  // namespace weir
