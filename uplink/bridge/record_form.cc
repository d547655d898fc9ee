#include "uplink/bridge/record_form.h"

#include <algorithm>

#include "agent/base/json_writer.h"
#include "uplink/bridge/mark.h"

namespace weir {
namespace {

std::string_view kind_name(RecordKind kind) {
    switch (kind) {
        case RecordKind::result: return "result";
        case RecordKind::alert: return "alert";
        case RecordKind::retraction: return "retraction";
        case RecordKind::late: return "late";
    }
    return "?";
}

// A value without its sketch; its estimate and bounds stay.
std::vector<Field> without_sketches(std::span<const Field> fields) {
    std::vector<Field> bare(fields.begin(), fields.end());
    for (Field& field : bare) field.value.sketch = SketchView{};
    return bare;
}

}  // namespace

Bytes OutRecord::bytes() const {
    Bytes total = sizeof *this + key.size() + value.size();
    for (const auto& header : headers) total += sizeof header + header.second.size();
    for (const Reduced& less : reduced) total += sizeof less + less.value.size();
    return total;
}

RecordForm::RecordForm(ValueForm form) : form_(form), buffer_(new char[value_bytes_max]) {}

OutRecord RecordForm::render(std::string_view agent, const Incarnation& incarnation, const ShippedRecord& shipped) {
    const Record& record = shipped.record;
    OutRecord out;
    out.ship = shipped.ship;
    out.alert = record.kind == RecordKind::alert;
    out.timestamp_ms = std::max<std::int64_t>(record.end.ms(), 0);
    JsonWriter key(std::span(buffer_.get(), key_bytes_max));
    key.begin_array();
    key.text(agent);
    for (const Field& field : record.key) write_value(key, field.value, false);
    key.end_array();
    if (key.ok())
        out.key = key.text();
    else  // a key beyond any reason: its agent keeps the order
        out.key = "[\"" + std::string(agent) + "\"]";
    std::string omitted;
    out.value = render_value(agent, shipped, omitted);
    out.headers = {{"agent", std::string(agent)},
                   {"kind", std::string(kind_name(record.kind))},
                   {"window", std::string(record.window)},
                   {"definition", hex(record.definition)},
                   {"revision", std::to_string(record.revision)},
                   {"incarnation", hex(incarnation)},
                   {"epoch", std::to_string(shipped.epoch)},
                   {"ship", std::to_string(shipped.ship)},
                   {"content-type", form_ == ValueForm::json ? "application/json" : "application/x-protobuf"}};
    if (!omitted.empty()) out.headers.emplace_back("omitted", omitted);
    if (out.value.size() > reduced_above && (omitted.empty() || omitted == "sketches"))
        render_reduced(agent, shipped, out);
    return out;
}

void RecordForm::render_reduced(std::string_view agent, const ShippedRecord& shipped, OutRecord& out) {
    ShippedRecord less = shipped;
    const std::vector<Field> bare = without_sketches(shipped.record.values);
    Bytes size = out.value.size();
    for (const char* omitted : {"sketches", "values"}) {
        less.record.values = omitted == std::string_view("values") ? std::span<const Field>() : std::span<const Field>(bare);
        const std::string_view text =
            form_ == ValueForm::json ? render_json(agent, less.record, false) : render_protobuf(less);
        if (text.empty() || text.size() >= size) continue;
        size = text.size();
        out.reduced.push_back({std::string(text), omitted});
    }
}

std::string_view RecordForm::render_value(std::string_view agent, const ShippedRecord& shipped, std::string& omitted) {
    const auto attempt = [&](const ShippedRecord& what, bool sketches) {
        return form_ == ValueForm::json ? render_json(agent, what.record, sketches) : render_protobuf(what);
    };
    if (const auto whole = attempt(shipped, true); !whole.empty()) return whole;
    ShippedRecord less = shipped;
    const std::vector<Field> bare = without_sketches(shipped.record.values);
    less.record.values = bare;
    omitted = "sketches";
    if (const auto text = attempt(less, false); !text.empty()) return text;
    less.record.values = {};
    omitted = "values";
    if (const auto text = attempt(less, false); !text.empty()) return text;
    less.record.key = {};
    omitted = "key,values";
    return attempt(less, false);
}

std::string_view RecordForm::render_json(std::string_view agent, const Record& record, bool sketches) {
    JsonWriter out(std::span(buffer_.get(), value_bytes_max));
    write_record(out, record, {.sketches = sketches, .identity = true, .agent = agent});
    return out.ok() ? out.text() : std::string_view{};
}

std::string_view RecordForm::render_protobuf(const ShippedRecord& shipped) {
    ByteWriter out(std::as_writable_bytes(std::span(buffer_.get(), value_bytes_max)));
    return encode_result(shipped, out).ok() ? as_text(out.written()) : std::string_view{};
}

}  // namespace weir
