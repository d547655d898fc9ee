// The page's token: who may see it off loopback, and who may acknowledge.
// A client says it as `Authorization: Bearer TOKEN`, or, what browsers ask their user for, as the password of
// `Authorization: Basic`. The comparison takes the same time wherever two tokens differ.
// Memory: the token. Cost: O(bytes). Threads: const after construction. Errors: none; without a token nothing is allowed.
// Source: RFC 6750, RFC 7617.
#pragma once

#include <string>
#include <string_view>

namespace weir {

inline constexpr std::size_t page_token_bytes_min = 16;
inline constexpr std::size_t page_token_bytes_max = 256;

class PageToken {
public:
    explicit PageToken(std::string token) : token_(std::move(token)) {}
    bool is_set() const { return !token_.empty(); }
    bool allows(std::string_view authorization) const;

private:
    bool equals(std::string_view other) const;
    std::string token_;
};

}  // namespace weir
