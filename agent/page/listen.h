// Where the page listens, as configured: "ADDRESS:PORT", the address an IPv4 or a bracketed IPv6 one, or localhost.
// Memory: a few bytes. Cost: O(bytes). Threads: plain values. Errors: parse_listen() says false.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace weir {

struct PageListen {
    std::string address = "127.0.0.1";  // without brackets
    std::uint16_t port = 8780;          // 0: any free one (tests)

    bool is_loopback() const;
};
bool parse_listen(std::string_view text, PageListen& out);

// The host of a Host or Origin header's value, without port and brackets, in lower case as far as ASCII goes.
std::string host_of(std::string_view header);
bool is_loopback_host(std::string_view host);
bool is_ip_address(std::string_view host);

}  // namespace weir
