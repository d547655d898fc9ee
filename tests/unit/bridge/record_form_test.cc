#include "uplink/bridge/record_form.h"

#include <array>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

std::string header(const OutRecord& record, const std::string& name) {
    for (const auto& [key, value] : record.headers)
        if (name == key) return value;
    return "(none)";
}

const std::array key = {Field{"site", Value::of_text("s1")}, Field{"lane", Value::of_integer(2)}};
const std::array values = {Field{"n", Value::of_integer(3)}};

ShippedRecord sample() {
    ShippedRecord shipped;
    shipped.ship = 42;
    shipped.epoch = 7;
    shipped.record.window = "site_minute";
    shipped.record.definition = 0xabc;
    shipped.record.start = Timestamp::seconds(60);
    shipped.record.end = Timestamp::seconds(120);
    shipped.record.revision = 1;
    shipped.record.sequence = 9;
    shipped.record.key = key;
    shipped.record.values = values;
    return shipped;
}

Incarnation incarnation_of(std::byte all) {
    Incarnation out;
    out.fill(all);
    return out;
}

}  // namespace

TEST_GROUP(bridge_record_form) {};

TEST(bridge_record_form, json_record_has_key_timestamp_headers_and_value) {
    RecordForm form(ValueForm::json);
    const OutRecord out = form.render("j-1", incarnation_of(std::byte{0x0f}), sample());
    STRCMP_EQUAL("[\"j-1\",\"s1\",2]", out.key.c_str());
    CHECK(out.timestamp_ms == 120000);
    CHECK(out.ship == 42);
    CHECK_FALSE(out.alert);
    STRCMP_EQUAL("j-1", header(out, "agent").c_str());
    STRCMP_EQUAL("result", header(out, "kind").c_str());
    STRCMP_EQUAL("site_minute", header(out, "window").c_str());
    STRCMP_EQUAL("0000000000000abc", header(out, "definition").c_str());
    STRCMP_EQUAL("1", header(out, "revision").c_str());
    STRCMP_EQUAL("0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f", header(out, "incarnation").c_str());
    STRCMP_EQUAL("7", header(out, "epoch").c_str());
    STRCMP_EQUAL("42", header(out, "ship").c_str());
    STRCMP_EQUAL("application/json", header(out, "content-type").c_str());
    STRCMP_EQUAL("(none)", header(out, "omitted").c_str());
    STRCMP_CONTAINS("\"agent\":\"j-1\"", out.value.c_str());
    STRCMP_CONTAINS("\"key\":{\"site\":\"s1\",\"lane\":2},\"values\":{\"n\":3}", out.value.c_str());
}

TEST(bridge_record_form, protobuf_value_is_the_result) {
    RecordForm form(ValueForm::protobuf);
    const OutRecord out = form.render("j-1", {}, sample());
    STRCMP_EQUAL("application/x-protobuf", header(out, "content-type").c_str());
    RecordStorage storage;
    const Result<ShippedRecord> back = decode_result(as_byte_span(out.value), storage);
    CHECK(back.ok());
    CHECK(back->ship == 42 && back->epoch == 7 && back->record.window == "site_minute");
    LONGS_EQUAL(2, back->record.key.size());
}

TEST(bridge_record_form, a_histogram_goes_out_as_bounds_and_counts) {
    const double bounds[] = {10, 20};
    const std::uint64_t counts[] = {3, 5, 1};
    Field spread{"spread", {}};
    spread.value.kind = ValueKind::histogram;
    spread.value.bounds = bounds;
    spread.value.counts = counts;
    ShippedRecord shipped = sample();
    shipped.record.values = {&spread, 1};
    STRCMP_CONTAINS("\"values\":{\"spread\":{\"bounds\":[10,20],\"counts\":[3,5,1]}}",
                    RecordForm(ValueForm::json).render("j-1", {}, shipped).value.c_str());
    RecordStorage storage;
    const OutRecord out = RecordForm(ValueForm::protobuf).render("j-1", {}, shipped);
    const Result<ShippedRecord> back = decode_result(as_byte_span(out.value), storage);
    CHECK(back.ok());
    LONGS_EQUAL(5, back->record.values[0].value.counts[1]);
}

TEST(bridge_record_form, alerts_and_retractions_say_so) {
    RecordForm form(ValueForm::json);
    ShippedRecord shipped = sample();
    shipped.record.kind = RecordKind::alert;
    CHECK(form.render("a", {}, shipped).alert);
    STRCMP_EQUAL("alert", header(form.render("a", {}, shipped), "kind").c_str());
    shipped.record.kind = RecordKind::retraction;
    CHECK_FALSE(form.render("a", {}, shipped).alert);
    STRCMP_EQUAL("retraction", header(form.render("a", {}, shipped), "kind").c_str());
    shipped.record.kind = RecordKind::late;
    STRCMP_EQUAL("late", header(form.render("a", {}, shipped), "kind").c_str());
}

TEST(bridge_record_form, sketch_goes_along_in_base64) {
    RecordForm form(ValueForm::json);
    ShippedRecord shipped = sample();
    const std::array<std::byte, 3> bytes = {std::byte{1}, std::byte{2}, std::byte{3}};
    Value unique;
    unique.kind = ValueKind::estimate;
    unique.real = 2;
    unique.sketch = {SketchKind::hll, ItemType::text, bytes};
    const std::array with = {Field{"u", unique}};
    shipped.record.values = with;
    const OutRecord out = form.render("a", {}, shipped);
    STRCMP_CONTAINS("\"sketch\":\"AQID\",\"kind\":\"hll\",\"type\":\"string\"", out.value.c_str());
}

TEST(bridge_record_form, what_kafka_would_not_take_loses_its_sketches_and_says_so) {
    RecordForm form(ValueForm::json);
    ShippedRecord shipped = sample();
    const std::vector<std::byte> huge(value_bytes_max);
    Value unique;
    unique.kind = ValueKind::estimate;
    unique.real = 2;
    unique.sketch = {SketchKind::hll, ItemType::text, huge};
    const std::array with = {Field{"u", unique}};
    shipped.record.values = with;
    const OutRecord out = form.render("a", {}, shipped);
    STRCMP_EQUAL("sketches", header(out, "omitted").c_str());
    STRCMP_CONTAINS("\"u\":{\"estimate\":2", out.value.c_str());
    const std::string text(value_bytes_max, 'x');
    const std::array long_text = {Field{"t", Value::of_text(text)}};
    shipped.record.values = long_text;
    STRCMP_EQUAL("values", header(form.render("a", {}, shipped), "omitted").c_str());
    shipped.record.key = long_text;
    const OutRecord least = form.render("a", {}, shipped);
    STRCMP_EQUAL("key,values", header(least, "omitted").c_str());
    STRCMP_EQUAL("[\"a\"]", least.key.c_str());
    CHECK_FALSE(least.value.empty());
}

TEST(bridge_record_form, large_values_bring_their_reduced_forms_along_and_small_ones_none) {
    const std::vector<std::byte> sketch(10000);
    Value unique;
    unique.kind = ValueKind::estimate;
    unique.sketch = {SketchKind::hll, ItemType::text, sketch};
    const std::array with = {Field{"u", unique}};
    for (const ValueForm value : {ValueForm::json, ValueForm::protobuf}) {
        RecordForm form(value);
        CHECK(form.render("a", {}, sample()).reduced.empty());
        ShippedRecord shipped = sample();
        shipped.record.values = with;
        const OutRecord out = form.render("a", {}, shipped);
        STRCMP_EQUAL("(none)", header(out, "omitted").c_str());
        LONGS_EQUAL(2, out.reduced.size());
        STRCMP_EQUAL("sketches", out.reduced[0].omitted);
        STRCMP_EQUAL("values", out.reduced[1].omitted);
        CHECK(out.reduced[0].value.size() < 1000 && out.reduced[1].value.size() < out.reduced[0].value.size());
    }
}

TEST(bridge_record_form, window_before_1970_has_a_timestamp_that_kafka_takes) {
    RecordForm form(ValueForm::json);
    ShippedRecord shipped = sample();
    shipped.record.end = Timestamp::seconds(-5);
    CHECK(form.render("a", {}, shipped).timestamp_ms == 0);
}
