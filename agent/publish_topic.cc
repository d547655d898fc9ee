#include "agent/publish_topic.h"

#include <charconv>
#include <cstring>

namespace weir {
namespace {

// Appends to a buffer of fixed size; overflows are sticky.
class TextBuffer {
public:
    explicit TextBuffer(std::span<char> buffer) : buffer_(buffer) {}
    void put(std::string_view text) {
        if (text.size() > buffer_.size() - used_) {
            ok_ = false;
            return;
        }
        std::memcpy(buffer_.data() + used_, text.data(), text.size());
        used_ += text.size();
    }
    // As part of one topic level.
    void put_level(std::string_view text) {
        if (text.empty()) return put("_");
        for (std::size_t i = 0; i < text.size(); ++i) {
            const char c = text[i];
            const bool forbidden = c == '/' || c == '+' || c == '#' || c == '\0' || (i == 0 && c == '-');
            put(forbidden ? std::string_view("_") : text.substr(i, 1));
        }
    }
    bool ok() const { return ok_; }
    std::string_view text() const { return {buffer_.data(), used_}; }

private:
    std::span<char> buffer_;
    std::size_t used_ = 0;
    bool ok_ = true;
};

void put_key_value(TextBuffer& out, const Value& value) {
    switch (value.kind) {
        case ValueKind::text: out.put_level(value.text); break;
        case ValueKind::boolean: out.put(value.boolean ? "true" : "false"); break;
        case ValueKind::integer: {
            char digits[24];
            const auto end = std::to_chars(digits, digits + sizeof digits, value.integer).ptr;
            out.put({digits, static_cast<std::size_t>(end - digits)});
            break;
        }
        default: out.put("null"); break;
    }
}

void put_whole_key(TextBuffer& out, const Record& record) {
    if (record.key.empty()) out.put("all");
    for (std::size_t i = 0; i < record.key.size(); ++i) {
        if (i > 0) out.put("_");
        put_key_value(out, record.key[i].value);
    }
}

void put_named(TextBuffer& out, std::string_view what, const Record& record, std::string_view agent, std::span<const TopicName> names) {
    if (what == "agent") return out.put_level(agent);
    if (what == "window") return out.put_level(record.window);
    for (const auto& [name, value] : names)
        if (name == what) return out.put_level(value);
    if (what == "key") return put_whole_key(out, record);
    for (const Field& field : record.key)
        if (field.name == what) return put_key_value(out, field.value);
    out.put("_");
}

}  // namespace

std::string_view expand_topic(std::string_view pattern, const Record& record, std::string_view agent,
                              std::span<const TopicName> names, std::span<char> buffer) {
    TextBuffer out(buffer);
    while (!pattern.empty()) {
        const std::size_t open = pattern.find('{');
        out.put(pattern.substr(0, open));
        if (open == std::string_view::npos) break;
        const std::size_t close = pattern.find('}', open);
        if (close == std::string_view::npos) return {};
        put_named(out, pattern.substr(open + 1, close - open - 1), record, agent, names);
        pattern.remove_prefix(close + 1);
    }
    return out.ok() ? out.text() : std::string_view();
}

std::string_view key_in_topic(const Record& record, std::span<char> buffer) {
    TextBuffer out(buffer);
    put_whole_key(out, record);
    return out.text();
}

}  // namespace weir
