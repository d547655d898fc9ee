// JSON strings: where they end, and what they say.
// Memory: none. Cost: one pass. Threads: pure functions. Errors: nullopt for a bad escape.
// Source: RFC 8259, section 7; unpaired surrogates are bad escapes, since they are no UTF-8.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace weir {

struct JsonString {
    std::string_view raw;  // between the quotes
    bool escaped = false;  // it holds a backslash
    bool closed = false;
};
// text begins behind the opening quote.
JsonString scan_json_string(std::string_view text);

// out has room for raw.size() bytes; the size written.
std::optional<std::size_t> unescape_json(std::string_view raw, char* out);

}  // namespace weir
