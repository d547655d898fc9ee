#include "uplink/proto_stream.h"

namespace weir {
namespace {

// Length of the well-formed sequence at the front of text; 0 if there is none (RFC 3629: no overlong
// forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view text) {
    const auto at = [&](std::size_t i) -> unsigned { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0; };
    const auto continues = [&](std::size_t i) { return (at(i) & 0xC0) == 0x80; };
    const unsigned first = at(0);
    if (first < 0x80) return 1;
    if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
    if (first >= 0xE0 && first <= 0xEF) {
        const unsigned low = first == 0xE0 ? 0xA0 : 0x80;
        const unsigned high = first == 0xED ? 0x9F : 0xBF;
        return at(1) >= low && at(1) <= high && continues(2) ? 3 : 0;
    }
    if (first >= 0xF0 && first <= 0xF4) {
        const unsigned low = first == 0xF0 ? 0x90 : 0x80;
        const unsigned high = first == 0xF4 ? 0x8F : 0xBF;
        return at(1) >= low && at(1) <= high && continues(2) && continues(3) ? 4 : 0;
    }
    return 0;
}

}  // namespace

bool valid_utf8(std::string_view text) {
    while (!text.empty()) {
        const std::size_t length = utf8_length(text);
        if (length == 0) return false;
        text.remove_prefix(length);
    }
    return true;
}

void ProtoWriter::always_text(std::uint32_t tag, std::string_view value) {
    if (valid_utf8(value)) return always_bytes(tag, as_byte_span(value));
    const Mark mark = begin(tag);
    while (!value.empty()) {
        const std::size_t length = utf8_length(value);
        out_.bytes(as_byte_span(length == 0 ? std::string_view("\xEF\xBF\xBD") : value.substr(0, length)));
        value.remove_prefix(length == 0 ? 1 : length);
    }
    end(mark);
}

ProtoWriter::Mark ProtoWriter::open() {
    const MutableByteSpan length = out_.reserve(1);
    return {length.data(), out_.size()};
}

void ProtoWriter::end(Mark mark) {
    if (!out_.ok()) return;
    const Bytes size = out_.size() - mark.start;
    Bytes extra = 0;
    for (Bytes rest = size; rest >= 0x80; rest >>= 7) ++extra;
    if (extra > 0) {
        if (out_.reserve(extra).empty()) return;
        std::memmove(mark.length + 1 + extra, mark.length + 1, size);
    }
    Bytes rest = size;
    for (Bytes i = 0; i <= extra; ++i, rest >>= 7)
        mark.length[i] = static_cast<std::byte>((rest & 0x7F) | (i < extra ? 0x80U : 0U));
}

}  // namespace weir
