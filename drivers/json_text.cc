#include "drivers/json_text.h"

#include <cstdint>

namespace weir {

namespace {

std::optional<std::uint32_t> hex4(std::string_view text) {
    if (text.size() < 4) return std::nullopt;
    std::uint32_t value = 0;
    for (char c : text.substr(0, 4)) {
        value <<= 4;
        if (c >= '0' && c <= '9')
            value |= static_cast<std::uint32_t>(c - '0');
        else if (c >= 'a' && c <= 'f')
            value |= static_cast<std::uint32_t>(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            value |= static_cast<std::uint32_t>(c - 'A' + 10);
        else
            return std::nullopt;
    }
    return value;
}

char* put_utf8(char* out, std::uint32_t code) {
    const auto tail = [&](int shift) { *out++ = static_cast<char>(0x80 | (code >> shift & 0x3F)); };
    if (code < 0x80) {
        *out++ = static_cast<char>(code);
    } else if (code < 0x800) {
        *out++ = static_cast<char>(0xC0 | code >> 6);
        tail(0);
    } else if (code < 0x10000) {
        *out++ = static_cast<char>(0xE0 | code >> 12);
        tail(6);
        tail(0);
    } else {
        *out++ = static_cast<char>(0xF0 | code >> 18);
        tail(12);
        tail(6);
        tail(0);
    }
    return out;
}

char simple_escape(char c) {
    switch (c) {
        case '"': return '"';
        case '\\': return '\\';
        case '/': return '/';
        case 'b': return '\b';
        case 'f': return '\f';
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        default: return '\0';
    }
}

// raw begins behind "\u"; the code point, and how much of raw it took.
std::optional<std::uint32_t> code_point(std::string_view raw, std::size_t& taken) {
    const auto first = hex4(raw);
    taken = 4;
    if (!first || *first < 0xD800 || *first > 0xDFFF) return first;
    if (*first > 0xDBFF || raw.substr(4, 2) != "\\u") return std::nullopt;
    const auto second = hex4(raw.substr(6));
    if (!second || *second < 0xDC00 || *second > 0xDFFF) return std::nullopt;
    taken = 10;
    return 0x10000 + ((*first - 0xD800) << 10) + (*second - 0xDC00);
}

}  // namespace

JsonString scan_json_string(std::string_view text) {
    JsonString result;
    std::size_t i = 0;
    for (; i < text.size() && text[i] != '"'; ++i) {
        if (text[i] != '\\') continue;
        result.escaped = true;
        ++i;
    }
    result.closed = i < text.size();
    result.raw = text.substr(0, i);
    return result;
}

std::optional<std::size_t> unescape_json(std::string_view raw, char* out) {
    char* at = out;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] != '\\') {
            *at++ = raw[i];
            continue;
        }
        if (++i == raw.size()) return std::nullopt;
        if (raw[i] == 'u') {
            std::size_t taken = 0;
            const auto code = code_point(raw.substr(i + 1), taken);
            if (!code) return std::nullopt;
            at = put_utf8(at, *code);
            i += taken;
        } else {
            const char c = simple_escape(raw[i]);
            if (c == '\0') return std::nullopt;
            *at++ = c;
        }
    }
    return static_cast<std::size_t>(at - out);
}

}  // namespace weir
