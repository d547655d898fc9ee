#include "agent/alert_transition.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "agent/base/hash.h"

namespace weir {
namespace {

// Appends while there is room; then cuts, between UTF-8 characters.
class Text {
public:
    explicit Text(std::span<char> buffer) : buffer_(buffer) {}
    void put(std::string_view text) {
        if (cut_) return;
        std::size_t fits = std::min(text.size(), buffer_.size() - used_);
        cut_ = fits < text.size();
        while (cut_ && fits > 0 && (static_cast<unsigned char>(text[fits]) & 0xC0) == 0x80) --fits;
        for (std::size_t i = 0; i < fits; ++i) {
            const auto c = static_cast<unsigned char>(text[i]);
            buffer_[used_++] = c < 0x20 || c == 0x7F ? ' ' : text[i];
        }
    }
    std::string_view text() const { return {buffer_.data(), used_}; }

private:
    std::span<char> buffer_;
    std::size_t used_ = 0;
    bool cut_ = false;
};

void put_value(Text& out, const Value& value) {
    char digits[40];
    const auto print = [&](const char* format, auto number) {
        out.put({digits, static_cast<std::size_t>(std::snprintf(digits, sizeof digits, format, number))});
    };
    switch (value.kind) {
        case ValueKind::integer: return print("%lld", static_cast<long long>(value.integer));
        case ValueKind::real:
        case ValueKind::estimate: return print("%.6g", value.real);
        case ValueKind::boolean: return out.put(value.boolean ? "true" : "false");
        case ValueKind::text: return out.put(value.text);
        default: return out.put("null");
    }
}

void put_named(Text& out, std::string_view what, const AlertTransition& transition, std::string_view agent) {
    for (const std::span<const Field> fields : {transition.result->key, transition.result->values})
        for (const Field& field : fields)
            if (field.name == what) return put_value(out, field.value);
    if (what == "alert") return out.put(transition.alert->name);
    if (what == "severity") return out.put(name(transition.alert->severity));
    if (what == "state") return out.put(name(transition.state));
    if (what == "agent") return out.put(agent);
    out.put("null");
}

}  // namespace

std::string_view name(AlertState state) {
    switch (state) {
        case AlertState::raised: return "raised";
        case AlertState::cleared: return "cleared";
        case AlertState::pending: return "pending";
        case AlertState::acknowledged: return "acknowledged";
        case AlertState::flapping: return "flapping";
    }
    return "?";
}

std::string_view name(Severity severity) {
    switch (severity) {
        case Severity::info: return "info";
        case Severity::warning: return "warning";
        case Severity::critical: return "critical";
    }
    return "?";
}

std::string_view name(AlertReason reason) {
    constexpr std::string_view names[] = {"condition", "held", "missing", "lapsed", "forgotten", "absent", "came", "calm", "person", "restated"};
    return names[static_cast<std::size_t>(reason)];
}

std::uint64_t hash_of_key(const Record& record) { return hash_of_key(record.key); }

std::uint64_t hash_of_key(std::span<const Field> fields) {
    std::uint64_t hash = 1;
    for (const Field& field : fields) {
        const Value& value = field.value;
        const HashKey key{hash, static_cast<std::uint64_t>(value.kind)};
        switch (value.kind) {
            case ValueKind::integer: hash = hash64(std::as_bytes(std::span(&value.integer, 1)), key); break;
            case ValueKind::boolean: hash = hash64(std::as_bytes(std::span(&value.boolean, 1)), key); break;
            case ValueKind::text: hash = hash64(as_byte_span(value.text), key); break;
            default: hash = hash64({}, key); break;
        }
    }
    return hash == 0 ? 1 : hash;
}

AlertId::AlertId(std::uint64_t id) {
    for (std::size_t i = 0; i < sizeof digits; ++i) digits[i] = "0123456789abcdef"[id >> (60 - 4 * i) & 15];
}

std::string_view expand_message(std::string_view text, const AlertTransition& transition, std::string_view agent, std::span<char> buffer) {
    Text out(buffer);
    while (!text.empty()) {
        const std::size_t open = text.find('{');
        out.put(text.substr(0, open));
        if (open == std::string_view::npos) break;
        const std::size_t close = text.find('}', open);
        if (close == std::string_view::npos) {
            out.put(text.substr(open));
            break;
        }
        put_named(out, text.substr(open + 1, close - open - 1), transition, agent);
        text.remove_prefix(close + 1);
    }
    return out.text();
}

}  // namespace weir
