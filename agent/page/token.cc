#include "agent/page/token.h"

#include <array>
#include <cstdint>
#include <optional>

namespace weir {
namespace {

constexpr std::size_t credentials_max = page_token_bytes_max + 64;

bool takes_scheme(std::string_view& text, std::string_view scheme) {
    if (text.size() <= scheme.size() || text[scheme.size()] != ' ') return false;
    for (std::size_t i = 0; i < scheme.size(); ++i)
        if ((static_cast<unsigned char>(text[i]) | 0x20) != static_cast<unsigned char>(scheme[i])) return false;
    text.remove_prefix(scheme.size());
    while (text.starts_with(' ')) text.remove_prefix(1);
    return true;
}

int base64_digit(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

// Bytes written; none: it is no base64, or too long.
std::optional<std::size_t> decode_base64(std::string_view text, std::array<char, credentials_max>& out) {
    while (text.ends_with('=')) text.remove_suffix(1);
    std::uint32_t bits = 0;
    unsigned held = 0;
    std::size_t used = 0;
    for (const char c : text) {
        const int digit = base64_digit(c);
        if (digit < 0) return std::nullopt;
        bits = (bits << 6 | static_cast<std::uint32_t>(digit)) & 0xffffff;
        held += 6;
        if (held < 8) continue;
        held -= 8;
        if (used == out.size()) return std::nullopt;
        out[used++] = static_cast<char>(bits >> held & 0xff);
    }
    return used;
}

}  // namespace

bool PageToken::equals(std::string_view other) const {
    unsigned difference = other.size() != token_.size();
    for (std::size_t i = 0; i < token_.size(); ++i) {
        const char c = other.empty() ? '\0' : other[i % other.size()];
        difference |= static_cast<unsigned char>(c) ^ static_cast<unsigned char>(token_[i]);
    }
    return difference == 0;
}

bool PageToken::allows(std::string_view authorization) const {
    if (!is_set()) return false;
    if (takes_scheme(authorization, "bearer")) return equals(authorization);
    if (!takes_scheme(authorization, "basic")) return false;
    std::array<char, credentials_max> decoded;
    const auto size = decode_base64(authorization, decoded);
    if (!size) return false;
    const std::string_view credentials(decoded.data(), *size);
    const std::size_t colon = credentials.find(':');
    return colon != std::string_view::npos && equals(credentials.substr(colon + 1));
}

}  // namespace weir
