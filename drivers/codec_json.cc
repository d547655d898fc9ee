#include <algorithm>
#include <cstring>

#include "drivers/codec_scratch.h"
#include "drivers/json_text.h"
#include "drivers/row_codec.h"

namespace weir {

namespace {

namespace ondemand = simdjson::ondemand;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trim_end(std::string_view text) {
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}
std::string_view trim(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    return trim_end(text);
}

// Whether a payload is documents a line: its first line is closed, and another document begins after it.
bool is_lines(std::string_view payload) {
    const std::size_t end = payload.find('\n');
    if (end == std::string_view::npos) return false;
    const std::string_view first = trim_end(payload.substr(0, end));
    const std::string_view rest = trim(payload.substr(end + 1));
    return !first.empty() && (first.back() == '}' || first.back() == ']') && !rest.empty() &&
           (rest.front() == '{' || rest.front() == '[');
}

// The members that columns want, as a tree: one pass over an object finds them all, in any order.
struct Node {
    std::string key;
    int targets;
    std::vector<int> children;
    std::size_t expected = 0;  // the child that probably comes next: senders keep their order
};

class JsonCodec final : public RowCodec {
public:
    JsonCodec(const CodecSpec& spec, DecodeScratch& scratch) : RowCodec(spec), parts_(scratch.parts()) {
        nodes_.push_back({"", no_target, {}});
        for (std::size_t i = 0; i < spec.columns.size(); ++i) {
            const CodecColumn& column = spec.columns[i];
            if (from_topic(i)) continue;
            add_path(column.path.empty() ? column.name : column.path,
                     {static_cast<int>(i), column.type, column.numbers_in_strings});
        }
        if (!spec.time.path.empty())
            add_path(spec.time.path, {time_column, ColumnType::integer, spec.time.numbers_in_strings});
    }

protected:
    void decode_payload(const Message& message) override {
        std::string_view payload = as_text(message.payload);
        end_ = payload.data() + payload.size();
        if (payload.starts_with("\xEF\xBB\xBF")) payload.remove_prefix(3);
        payload = trim(payload);
        if (!is_lines(payload)) return decode_document(payload);
        while (!payload.empty()) {
            const std::size_t end = std::min(payload.find('\n'), payload.size());
            const std::string_view line = trim(payload.substr(0, end));
            if (!line.empty()) decode_document(line);
            payload.remove_prefix(std::min(end + 1, payload.size()));
        }
    }

private:
    enum class Walk : std::uint8_t { done, malformed, again };

    void add_path(std::string_view path, const Target& target) {
        std::size_t at = 0;
        for (const std::string& key : split_path(path)) at = child(at, key);
        nodes_[at].targets = add_target(target, nodes_[at].targets);
    }
    std::size_t child(std::size_t parent, const std::string& key) {
        for (int index : nodes_[parent].children)
            if (nodes_[static_cast<std::size_t>(index)].key == key) return static_cast<std::size_t>(index);
        nodes_[parent].children.push_back(static_cast<int>(nodes_.size()));
        nodes_.push_back({key, no_target, {}});
        return nodes_.size() - 1;
    }

    void decode_document(std::string_view text) {
        const Bytes readable = static_cast<Bytes>(end_ - text.data()) + payload_padding;
        ondemand::document document;
        if (parts_.parser.iterate(text.data(), text.size(), readable).get(document)) return fail(DecodeReason::malformed);
        const bool ok = text.starts_with('[') ? decode_array(document) : decode_root(document);
        if (!ok) fail(DecodeReason::malformed);
    }

    bool decode_root(ondemand::document& document) {
        ondemand::object object;
        if (document.get_object().get(object)) return false;
        if (!decode_row(object) || !at_end(document)) return false;
        commit_row();
        return true;
    }

    bool decode_array(ondemand::document& document) {
        ondemand::array array;
        if (document.get_array().get(array)) return false;
        for (auto element : array) {
            ondemand::object object;
            if (element.get_object().get(object)) return false;
            if (!decode_row(object)) return false;
            commit_row();
        }
        return at_end(document);
    }
    static bool at_end(ondemand::document& document) {
        return document.current_location().error() == simdjson::OUT_OF_BOUNDS;
    }

    bool decode_row(ondemand::object& object) {
        begin_row();
        Walk walked = walk(object, 0);
        if (walked == Walk::again) {
            row_again();
            if (object.reset().error()) return false;
            walked = walk(object, 0);
        }
        return walked == Walk::done;
    }

    // Recursion is as deep as the columns' paths, whatever the document.
    Walk walk(ondemand::object& object, std::size_t node) {
        for (auto result : object) {
            ondemand::field field;
            if (std::move(result).get(field)) return Walk::malformed;
            const int next = find(nodes_[node], field.key().raw());
            if (next < 0) continue;
            const Walk walked = take(field.value(), static_cast<std::size_t>(next));
            if (walked != Walk::done) return walked;
        }
        return Walk::done;
    }

    Walk take(ondemand::value& value, std::size_t node) {
        const int targets = nodes_[node].targets;
        const std::string_view token = trim_end(value.raw_json_token());
        switch (token.empty() ? '\0' : token[0]) {
            case '{': {
                put_wrong_type(targets);
                ondemand::object object;
                if (value.get_object().get(object)) return Walk::malformed;
                return walk(object, node);
            }
            case '[': put_wrong_type(targets); return Walk::done;
            case '"': return take_string(token, targets);
            case 't':
            case 'f':
                if (token != "true" && token != "false") return Walk::malformed;
                put_boolean(targets, token[0] == 't');
                return Walk::done;
            case 'n': return token == "null" ? Walk::done : Walk::malformed;
            default:
                if (!scan_decimal(token).ok) return Walk::malformed;
                put_number(targets, token);
                return Walk::done;
        }
    }

    Walk take_string(std::string_view token, int targets) {
        const JsonString string = scan_json_string(token.substr(1));
        if (!string.closed) return Walk::malformed;
        Put put = Put::done;
        if (!string.escaped) {
            put = put_string(targets, string.raw, true);
        } else {
            const std::optional<std::size_t> size = unescape_json(string.raw, parts_.text.get());
            if (!size) return Walk::malformed;
            put = put_string(targets, {parts_.text.get(), *size}, false);
        }
        return put == Put::done ? Walk::done : Walk::again;
    }

    // key points behind the opening quote, into the payload.
    int find(Node& node, const char* key) {
        const std::size_t count = node.children.size();
        const auto readable = static_cast<std::size_t>(end_ - key);
        for (std::size_t i = 0; i < count; ++i) {
            const std::size_t place = node.expected + i < count ? node.expected + i : node.expected + i - count;
            const int index = node.children[place];
            const std::string& wanted = nodes_[static_cast<std::size_t>(index)].key;
            if (readable <= wanted.size() || key[wanted.size()] != '"' ||
                std::memcmp(key, wanted.data(), wanted.size()) != 0 || wanted.find_first_of("\"\\") != std::string::npos)
                continue;
            node.expected = place + 1 < count ? place + 1 : 0;
            return index;
        }
        return count == 0 ? -1 : find_escaped(node, scan_json_string({key, readable}));
    }
    int find_escaped(const Node& node, const JsonString& key) {
        if (!key.escaped) return -1;
        const std::optional<std::size_t> size = unescape_json(key.raw, parts_.text.get());
        if (!size) return -1;
        for (int index : node.children)
            if (nodes_[static_cast<std::size_t>(index)].key == std::string_view(parts_.text.get(), *size)) return index;
        return -1;
    }

    DecodeScratch::Parts& parts_;
    std::vector<Node> nodes_;
    const char* end_ = nullptr;  // of the payload
};

}  // namespace

std::unique_ptr<Codec> make_json_codec(const CodecSpec& spec, DecodeScratch& scratch) {
    return std::make_unique<JsonCodec>(spec, scratch);
}

}  // namespace weir
