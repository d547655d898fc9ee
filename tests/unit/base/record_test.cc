#include "agent/base/record.h"

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "agent/base/entropy.h"
#include "agent/base/json_writer.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// A record with every kind of value, and what it points to.
struct Sample {
    std::vector<std::byte> sketch{std::byte{1}, std::byte{2}, std::byte{0xFF}};
    std::vector<TopItem> items;
    std::vector<double> bounds{-1, 0.5};
    std::vector<std::uint64_t> counts{0, 3, ~std::uint64_t{0}};
    std::vector<Field> key;
    std::vector<Field> values;
    Record record;

    Sample() {
        TopItem item;
        item.text = "A2-B9";
        item.estimate = 7;
        item.lower = 6;
        item.upper = 8;
        items.push_back(item);
        item.type = ItemType::integer;
        item.integer = -5;
        items.push_back(item);
        item.type = ItemType::real;
        item.real = 0.1;
        items.push_back(item);

        key = {{"site", Value::of_text("s1")}, {"lane", Value::of_integer(-2)}};
        Value estimate = Value::of_real(2.5);
        estimate.kind = ValueKind::estimate;
        estimate.lower = 2;
        estimate.upper = 3;
        estimate.sketch = {SketchKind::hll, ItemType::text, sketch};
        Value top;
        top.kind = ValueKind::top;
        top.top = items;
        top.sketch = {SketchKind::frequent, ItemType::text, sketch};
        Value histogram;
        histogram.kind = ValueKind::histogram;
        histogram.bounds = bounds;
        histogram.counts = counts;
        values = {{"n", Value::of_integer(std::numeric_limits<std::int64_t>::min())},
                  {"mean", Value::of_real(0.1)},
                  {"none", Value{}},
                  {"yes", Value::of_boolean(true)},
                  {"word", Value::of_text("")},
                  {"unique", estimate},
                  {"routes", top},
                  {"spread", histogram}};
        record.kind = RecordKind::result;
        record.flags = record_partial | record_other;
        record.window = "site_minute";
        record.definition = 0x123456789abcdef0u;
        record.start = Timestamp::seconds(-60);
        record.end = Timestamp::seconds(0);
        record.revision = 3;
        record.sequence = 1ull << 40;
        record.partition = 77;
        record.key = key;
        record.values = values;
    }
};

std::vector<std::byte> encoded(const Record& record) {
    std::vector<std::byte> bytes(encoded_size(record));
    ByteWriter out(bytes);
    CHECK(encode(record, out).ok());
    UNSIGNED_LONGS_EQUAL(bytes.size(), out.size());
    return bytes;
}

std::string as_json(const Record& record) {
    std::vector<char> buffer(1 << 20);
    JsonWriter out(buffer);
    write_record(out, record, {true, true, "agent-1"});
    CHECK(out.ok());
    return std::string(out.text());
}

}  // namespace

TEST_GROUP(Record) {
    std::unique_ptr<RecordStorage> storage = std::make_unique<RecordStorage>();
    void teardown() override { storage.reset(); }
};

TEST(Record, comes_back_as_it_was) {
    const Sample sample;
    const std::vector<std::byte> bytes = encoded(sample.record);
    const Result<Record> back = decode_record(bytes, *storage);
    CHECK(back.ok());
    CHECK(back->flags == sample.record.flags && back->definition == sample.record.definition);
    CHECK(back->sequence == sample.record.sequence && back->partition == 77 && back->revision == 3);
    CHECK(back->start == sample.record.start && back->end == sample.record.end);
    CHECK(back->window == "site_minute");
    STRCMP_EQUAL(as_json(sample.record).c_str(), as_json(*back).c_str());
    CHECK(encoded(*back) == bytes);
}

TEST(Record, every_double_comes_back_bit_by_bit) {
    for (const double value : {-0.0, 5e-324, 1.7976931348623157e308, std::nan(""), -static_cast<double>(INFINITY)}) {
        Field field{"x", Value::of_real(value)};
        Record record;
        record.values = {&field, 1};
        const std::vector<std::byte> bytes = encoded(record);
        const Result<Record> back = decode_record(bytes, *storage);
        CHECK(back.ok());
        CHECK(std::bit_cast<std::uint64_t>(value) == std::bit_cast<std::uint64_t>(back->values[0].value.real));
    }
}

TEST(Record, too_small_a_buffer_is_full) {
    const Sample sample;
    std::vector<std::byte> bytes(encoded_size(sample.record) - 1);
    ByteWriter out(bytes);
    CHECK(encode(sample.record, out).error() == Error::full);
}

TEST(Record, more_fields_than_a_record_may_have_are_refused) {
    std::vector<Field> fields(record_fields_max + 1, Field{"x", Value{}});
    Record record;
    record.values = fields;
    std::vector<std::byte> bytes(encoded_size(record));
    ByteWriter out(bytes);
    CHECK(encode(record, out).error() == Error::out_of_range);
    record.values = std::span(fields).first(record_fields_max);
    CHECK(decode_record(encoded(record), *storage).ok());
}

TEST(Record, truncated_anywhere_is_said) {
    const std::vector<std::byte> bytes = encoded(Sample().record);
    for (Bytes length = 0; length < bytes.size(); ++length)
        CHECK_FALSE(decode_record(std::span(bytes).first(length), *storage).ok());
    std::vector<std::byte> longer = bytes;
    longer.push_back(std::byte{0});
    CHECK(decode_record(longer, *storage).error() == Error::invalid);
}

TEST(Record, other_version_is_unsupported) {
    std::vector<std::byte> bytes = encoded(Sample().record);
    bytes[0] = std::byte{3};
    CHECK(decode_record(bytes, *storage).error() == Error::unsupported);
}

TEST(Record, what_it_holds_of_others_and_its_state_come_back_and_cost_nothing_where_there_is_none) {
    Sample sample;
    const std::vector<std::byte> plain = encoded(sample.record);
    CHECK(plain[0] == std::byte{1});
    const std::vector<std::byte> state(40, std::byte{7});
    sample.record.windows = 12;
    sample.record.state = state;
    const std::vector<std::byte> bytes = encoded(sample.record);
    CHECK_EQUAL(plain.size() + 8 + state.size(), bytes.size());
    const Result<Record> back = decode_record(bytes, *storage);
    CHECK(back.ok());
    CHECK_EQUAL(12, back->windows);
    CHECK(std::equal(state.begin(), state.end(), back->state.begin(), back->state.end()));
    STRCMP_CONTAINS("\"end\":0,\"windows\":12,\"revision\":3", as_json(*back).c_str());
    for (Bytes length = 0; length < bytes.size(); ++length)
        CHECK_FALSE(decode_record(std::span(bytes).first(length), *storage).ok());
}

TEST(Record, hostile_bytes_give_an_error_or_a_record_within_them) {
    const std::vector<std::byte> good = encoded(Sample().record);
    SeededEntropy random(1);
    unsigned decoded = 0;
    for (int round = 0; round < 20000; ++round) {
        std::vector<std::byte> bad = good;
        for (std::uint64_t flips = 1 + random.word() % 3; flips > 0; --flips) {
            const std::uint64_t word = random.word();
            if (word % 2) bad[word / 2 % bad.size()] ^= static_cast<std::byte>(1u << (word >> 40) % 8);
            else bad[word / 2 % bad.size()] = static_cast<std::byte>(word >> 40);
        }
        const Result<Record> record = decode_record(bad, *storage);
        if (!record.ok()) continue;
        ++decoded;
        // What it points to lies within the input, and encodes again to the same length.
        const auto within = [&](const void* start, Bytes size) {
            const auto* at = static_cast<const std::byte*>(start);
            return size == 0 || (at >= bad.data() && at + size <= bad.data() + bad.size());
        };
        CHECK(within(record->window.data(), record->window.size()));
        for (const Field& field : record->values) {
            CHECK(within(field.name.data(), field.name.size()));
            CHECK(within(field.value.text.data(), field.value.text.size()));
            CHECK(within(field.value.sketch.bytes.data(), field.value.sketch.bytes.size()));
            for (const TopItem& item : field.value.top) CHECK(within(item.text.data(), item.text.size()));
        }
        UNSIGNED_LONGS_EQUAL(bad.size(), encoded_size(*record));
    }
    CHECK(decoded > 1000);  // the mutations reach the depth of the format
}

TEST(Record, random_bytes_are_never_more_than_an_error) {
    SeededEntropy random(2);
    for (int round = 0; round < 20000; ++round) {
        std::vector<std::byte> bytes(random.word() % 200);
        random.fill(bytes);
        if (!bytes.empty()) bytes[0] = std::byte{1};
        if (bytes.size() > 1) bytes[1] = std::byte{1};
        (void)decode_record(bytes, *storage).ok();
    }
}
