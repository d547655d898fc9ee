#include "drivers/json_shape.h"

#include <simdjson.h>

namespace weir {
namespace {

constexpr std::size_t payload_bytes_max = 1 << 20;
constexpr std::size_t events_max = 1000;
constexpr std::size_t fields_max = 256;
constexpr int depth_max = 16;

namespace dom = simdjson::dom;

std::string escaped(std::string_view key) {
    std::string out;
    for (const char c : key) {
        if (c == '~')
            out += "~0";
        else if (c == '/')
            out += "~1";
        else
            out += c;
    }
    return out;
}

void flatten(const dom::element& value, const std::string& path, int depth, JsonEvent& out) {
    if (out.size() >= fields_max || depth > depth_max) return;
    JsonField field;
    field.path = path;
    dom::object object;
    std::string_view text;
    switch (value.type()) {
        case dom::element_type::OBJECT:
            if (value.get(object) != simdjson::SUCCESS) return;
            for (const auto [key, inner] : object)
                flatten(inner, path + "/" + escaped(key), depth + 1, out);
            return;
        case dom::element_type::ARRAY: field.kind = JsonKind::array; break;
        case dom::element_type::INT64:
        case dom::element_type::UINT64:
            field.kind = JsonKind::integer;
            if (value.get(field.number) != simdjson::SUCCESS) return;
            break;
        case dom::element_type::DOUBLE:
            field.kind = JsonKind::real;
            if (value.get(field.number) != simdjson::SUCCESS) return;
            break;
        case dom::element_type::STRING:
            field.kind = JsonKind::text;
            if (value.get(text) != simdjson::SUCCESS) return;
            field.text = text;
            break;
        case dom::element_type::BOOL: field.kind = JsonKind::boolean; break;
        case dom::element_type::NULL_VALUE: break;
    }
    out.push_back(std::move(field));
}

void add_event(const dom::element& value, std::vector<JsonEvent>& out) {
    if (value.type() != dom::element_type::OBJECT || out.size() >= events_max) return;
    JsonEvent event;
    flatten(value, "", 0, event);
    out.push_back(std::move(event));
}

// One document: an object or an array of objects.
bool add_document(dom::parser& parser, std::string_view text, std::vector<JsonEvent>& out) {
    dom::element root;
    if (parser.parse(text.data(), text.size()).get(root) != simdjson::SUCCESS) return false;
    dom::array array;
    if (root.get(array) == simdjson::SUCCESS) {
        for (const dom::element item : array) add_event(item, out);
    } else {
        add_event(root, out);
    }
    return true;
}

}  // namespace

Result<std::vector<JsonEvent>> json_shape(std::string_view payload) {
    if (payload.size() > payload_bytes_max) return Error::out_of_range;
    dom::parser parser;
    std::vector<JsonEvent> events;
    if (!add_document(parser, payload, events)) {
        events.clear();
        while (!payload.empty()) {
            const std::size_t end = payload.find('\n');
            const std::string_view line = payload.substr(0, end);
            payload.remove_prefix(end == std::string_view::npos ? payload.size() : end + 1);
            const bool blank = line.find_first_not_of(" \t\r") == std::string_view::npos;
            if (!blank && !add_document(parser, line, events)) return Error::invalid;
        }
    }
    if (events.empty()) return Error::invalid;
    return events;
}

}  // namespace weir
