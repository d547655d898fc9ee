#include "uplink/result_codec.h"

#include <pb_decode.h>

#include <cstring>
#include <memory>

#include "agent/base/entropy.h"
#include "tests/unit/uplink/sample_records.h"
#include "uplink/wire.pb.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

std::vector<std::byte> result_of(const ShippedRecord& shipped) {
    std::vector<std::byte> bytes(4096);
    ByteWriter out(bytes);
    CHECK_TRUE(encode_result(shipped, out).ok());
    bytes.resize(out.size());
    return bytes;
}

std::vector<std::byte> stored(const Record& record) {
    std::vector<std::byte> bytes(encoded_size(record));
    ByteWriter out(bytes);
    CHECK_TRUE(encode(record, out).ok());
    return bytes;
}

}  // namespace

TEST_GROUP(ResultCodec) {
    std::unique_ptr<RecordStorage> storage = std::make_unique<RecordStorage>();
};

TEST(ResultCodec, every_kind_of_value_survives_the_way) {
    SampleRecord sample(41);
    const auto bytes = result_of({77, 3, sample.record()});
    const Result<ShippedRecord> back = decode_result(bytes, *storage);
    CHECK_TRUE(back.ok());
    CHECK_EQUAL(77, back->ship);
    CHECK_EQUAL(3, back->epoch);
    Record record = back->record;
    CHECK_EQUAL(0, record.partition);
    record.partition = sample.record().partition;  // the only part that stays behind
    const auto expected = stored(sample.record());
    const auto actual = stored(record);
    CHECK_EQUAL(expected.size(), actual.size());
    MEMCMP_EQUAL(expected.data(), actual.data(), expected.size());
}

TEST(ResultCodec, a_result_of_several_windows_says_so_and_its_state_stays_behind) {
    SampleRecord sample(41);
    Record record = sample.record();
    const auto one = result_of({77, 3, record});
    CHECK_EQUAL(1, decode_result(one, *storage)->record.windows);
    record.windows = 12;
    const std::vector<std::byte> state(100, std::byte{7});
    record.state = state;
    const auto bytes = result_of({77, 3, record});
    CHECK_EQUAL(one.size() + 2, bytes.size());
    const Result<ShippedRecord> back = decode_result(bytes, *storage);
    CHECK_TRUE(back.ok());
    CHECK_EQUAL(12, back->record.windows);
    CHECK_TRUE(back->record.state.empty());
}

TEST(ResultCodec, nanopb_reads_what_is_written_by_hand) {
    SampleRecord sample(41);
    const auto bytes = result_of({77, 3, sample.record()});
    weir_v1_Result message = weir_v1_Result_init_zero;
    pb_istream_t stream = pb_istream_from_buffer(reinterpret_cast<const pb_byte_t*>(bytes.data()), bytes.size());
    CHECK_TRUE(pb_decode(&stream, weir_v1_Result_fields, &message));
    STRCMP_EQUAL("site_minute", message.window);
    CHECK_TRUE(message.definition == 0xFEDCBA9876543210ULL);
    CHECK_TRUE(message.start_us == sample.record().start.us());
    CHECK_EQUAL(2, message.key_count);
    CHECK_EQUAL(8, message.values_count);
    CHECK_EQUAL(-3, message.values[0].value.kind.integer);
    CHECK_EQUAL(weir_v1_Value_real_tag, message.values[2].value.which_kind);
    CHECK_EQUAL(weir_v1_Value_boolean_tag, message.values[3].value.which_kind);
    CHECK_EQUAL(0, message.values[4].value.which_kind);
    DOUBLES_EQUAL(812.25, message.values[5].value.kind.estimate.estimate, 0);
    CHECK_EQUAL(weir_v1_Sketch_Kind_HLL, message.values[5].value.kind.estimate.sketch.kind);
    CHECK_EQUAL(2, message.values[6].value.kind.top.items_count);
    CHECK_EQUAL(-5, message.values[6].value.kind.top.items[1].item.integer);
    const weir_v1_Histogram& histogram = message.values[7].value.kind.histogram;
    CHECK_EQUAL(3, histogram.bounds_count);
    DOUBLES_EQUAL(-10.5, histogram.bounds[0], 0);
    CHECK_EQUAL(4, histogram.counts_count);
    CHECK_EQUAL(300, histogram.counts[1]);
    CHECK_TRUE(histogram.counts[2] == std::uint64_t{1} << 63);
}

TEST(ResultCodec, the_numbers_of_enums_are_those_of_the_records) {
    CHECK_EQUAL(static_cast<int>(SketchKind::tdigest), weir_v1_Sketch_Kind_TDIGEST);
    CHECK_EQUAL(static_cast<int>(ItemType::real32), weir_v1_Sketch_Item_FLOAT);
    CHECK_EQUAL(static_cast<int>(RecordKind::retraction), weir_v1_Result_Kind_RETRACTION);
    CHECK_EQUAL(static_cast<int>(RecordKind::late), weir_v1_Result_Kind_LATE);
}

TEST(ResultCodec, a_block_is_walked_result_by_result) {
    std::vector<std::byte> block(20000);
    ByteWriter out(block);
    for (std::uint64_t i = 1; i <= 20; ++i) {
        SampleRecord sample(i);
        CHECK_TRUE(append_result({i, 1, sample.record()}, out).ok());
    }
    ResultReader reader(out.written());
    ByteSpan result;
    std::uint64_t ship = 0;
    while (reader.next(result)) {
        ++ship;
        CHECK_EQUAL(ship, decode_result(result, *storage)->ship);
    }
    CHECK_TRUE(reader.ok());
    CHECK_EQUAL(20, ship);
    ResultReader cut(out.written().first(out.size() - 1));
    while (cut.next(result)) {
    }
    CHECK_FALSE(cut.ok());
}

TEST(ResultCodec, a_block_without_room_says_so_at_every_size) {
    SampleRecord sample(1);
    const Bytes size = result_of({1, 1, sample.record()}).size();
    for (Bytes room = 0; room < size + 2; ++room) {
        std::vector<std::byte> memory(room);
        ByteWriter out(memory);
        CHECK_TRUE(append_result({1, 1, sample.record()}, out).error() == Error::full);
    }
}

TEST(ResultCodec, more_fields_than_there_are_places_are_refused) {
    std::vector<std::byte> bytes;
    for (std::size_t i = 0; i <= record_fields_max; ++i) {
        bytes.push_back(std::byte{0x62});
        bytes.push_back(std::byte{0});
    }
    CHECK_TRUE(decode_result(bytes, *storage).error() == Error::out_of_range);
    // One field whose top list has one item too many.
    std::vector<std::byte> items((record_top_items_max + 1) * 2);
    for (std::size_t i = 0; i < items.size(); i += 2) items[i] = std::byte{0x0A};
    std::vector<std::byte> memory(items.size() + 64);
    ByteWriter out(memory);
    // Field 12 { value 2 { top 6 { ... } } } of these lengths, each a varint of two bytes.
    const auto wrap = [&](std::uint8_t tag, std::size_t length) {
        out.write(tag);
        out.write(static_cast<std::uint8_t>(0x80 | (length & 0x7F)));
        out.write(static_cast<std::uint8_t>(length >> 7));
    };
    wrap(0x62, items.size() + 6);
    wrap(0x12, items.size() + 3);
    wrap(0x32, items.size());
    out.bytes(items);
    CHECK_TRUE(decode_result(out.written(), *storage).error() == Error::invalid);
}

namespace {

// A Result whose one field is a histogram of these bytes; all of them shorter than 128.
Result<ShippedRecord> decode_histogram(std::vector<std::uint8_t> histogram, RecordStorage& storage) {
    std::vector<std::byte> memory(256);
    ByteWriter out(memory);
    const auto head = [&](std::uint8_t tag, std::size_t length) {
        out.write(tag);
        out.write(static_cast<std::uint8_t>(length));
    };
    head(0x20, 1);  // kind RESULT
    head(0x62, histogram.size() + 4);
    head(0x12, histogram.size() + 2);
    head(0x3A, histogram.size());
    for (const std::uint8_t byte : histogram) out.write(byte);
    return decode_result(out.written(), storage);
}

}  // namespace

TEST(ResultCodec, repeated_numbers_are_read_packed_or_one_by_one) {
    const std::vector<std::uint8_t> one = {0, 0, 0, 0, 0, 0, 0xF0, 0x3F};  // 1.0
    std::vector<std::uint8_t> packed = {0x0A, 8}, single = {0x09};
    for (auto* form : {&packed, &single}) form->insert(form->end(), one.begin(), one.end());
    packed.insert(packed.end(), {0x12, 3, 0x07, 0x80, 0x01});
    single.insert(single.end(), {0x10, 0x07, 0x10, 0x80, 0x01});
    for (const auto& form : {packed, single}) {
        const auto back = decode_histogram(form, *storage);
        CHECK_TRUE(back.ok());
        const Value& value = back->record.values[0].value;
        CHECK_EQUAL(1, value.bounds.size());
        DOUBLES_EQUAL(1, value.bounds[0], 0);
        CHECK_EQUAL(2, value.counts.size());
        CHECK_EQUAL(128, value.counts[1]);
    }
}

TEST(ResultCodec, a_histogram_whose_bounds_and_counts_do_not_go_together_is_refused) {
    CHECK_FALSE(decode_histogram({}, *storage).ok());
    CHECK_FALSE(decode_histogram({0x12, 2, 1, 1}, *storage).ok());          // two counts, no bound
    CHECK_FALSE(decode_histogram({0x0A, 3, 0, 0, 0, 0x12, 1, 1}, *storage).ok());  // a bound cut short
    CHECK_TRUE(decode_histogram({0x12, 1, 1}, *storage).ok());              // one count of all
}

TEST(ResultCodec, mutated_results_never_crash_and_point_only_into_their_bytes) {
    SampleRecord sample(41);
    const auto seed = result_of({77, 3, sample.record()});
    SeededEntropy random(11);
    int decoded = 0;
    for (int i = 0; i < 40000; ++i) {
        std::vector<std::byte> bytes = seed;
        for (std::uint64_t flips = 1 + random.word() % 3; flips-- > 0;)
            bytes[random.word() % bytes.size()] = static_cast<std::byte>(random.word());
        if (random.word() % 8 == 0) bytes.resize(random.word() % bytes.size());
        const Result<ShippedRecord> back = decode_result(bytes, *storage);
        if (!back) continue;
        ++decoded;
        for (const Field& field : back->record.values) {
            const ByteSpan sketch = field.value.sketch.bytes;
            CHECK_TRUE(sketch.empty() ||
                       (sketch.data() >= bytes.data() && sketch.data() + sketch.size() <= bytes.data() + bytes.size()));
        }
    }
    CHECK_TRUE(decoded > 100 && decoded < 40000);
}
