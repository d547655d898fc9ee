#include "drivers/replay_line.h"

#include <time.h>

#include <algorithm>
#include <cstdio>

namespace weir {
namespace {

bool is_control(unsigned char c) { return c < 0x20 || c == 0x7F; }

// Length of the UTF-8 sequence at the beginning, or 0. Overlong forms and surrogates do not matter here.
std::size_t sequence_length(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const std::size_t length = byte(0) < 0x80 ? 1 : (byte(0) & 0xE0) == 0xC0 ? 2 : (byte(0) & 0xF0) == 0xE0 ? 3 : (byte(0) & 0xF8) == 0xF0 ? 4 : 0;
    if (length == 0 || length > text.size()) return 0;
    for (std::size_t i = 1; i < length; ++i)
        if ((byte(i) & 0xC0) != 0x80) return 0;
    return length;
}

bool is_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = sequence_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

// tab_ends: a TAB would end the field.
bool fits_line(std::string_view text, bool tab_ends) {
    return std::none_of(text.begin(), text.end(), [&](char c) { return is_control(static_cast<unsigned char>(c)) && (tab_ends || c != '\t'); }) &&
           is_utf8(text);
}

void append_escaped(std::string& out, std::string_view text) {
    const bool utf8 = is_utf8(text);
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        switch (c) {
            case '\\': out += "\\\\"; continue;
            case '\n': out += "\\n"; continue;
            case '\r': out += "\\r"; continue;
            case '\t': out += "\\t"; continue;
            default: break;
        }
        if (!is_control(byte) && (byte < 0x80 || utf8)) {
            out += c;
            continue;
        }
        char hex[5];
        std::snprintf(hex, sizeof hex, "\\x%02x", byte);
        out += hex;
    }
}

int digit_of(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

void append_time(std::string& out, Timestamp time) {
    const auto seconds = static_cast<time_t>(time.us() / 1'000'000);
    tm civil{};
    ::gmtime_r(&seconds, &civil);
    char text[96];
    std::snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", civil.tm_year + 1900, civil.tm_mon + 1, civil.tm_mday, civil.tm_hour,
                  civil.tm_min, civil.tm_sec, static_cast<int>(time.us() % 1'000'000));
    out += text;
}

}  // namespace

void append_replay_line(std::string& out, Timestamp arrival, std::string_view topic, ByteSpan payload) {
    const std::string_view content = as_text(payload);
    append_time(out, std::max(arrival, Timestamp()));
    const bool plain = fits_line(topic, true) && fits_line(content, false);
    out += plain ? "\t" : "#\t";
    plain ? void(out.append(topic)) : append_escaped(out, topic);
    out += '\t';
    plain ? void(out.append(content)) : append_escaped(out, content);
    out += '\n';
}

Bytes unescape_replay(std::span<char> text) {
    Bytes to = 0;
    for (Bytes from = 0; from < text.size(); ++from) {
        char c = text[from];
        const Bytes left = text.size() - from;
        if (c == '\\' && left >= 2) {
            switch (text[from + 1]) {
                case 'n': c = '\n'; ++from; break;
                case 'r': c = '\r'; ++from; break;
                case 't': c = '\t'; ++from; break;
                case '\\': ++from; break;
                case 'x':
                    if (left >= 4 && digit_of(text[from + 2]) >= 0 && digit_of(text[from + 3]) >= 0) {
                        c = static_cast<char>(digit_of(text[from + 2]) * 16 + digit_of(text[from + 3]));
                        from += 3;
                    }
                    break;
                default: break;
            }
        }
        text[to++] = c;
    }
    return to;
}

}  // namespace weir
