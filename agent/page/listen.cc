#include "agent/page/listen.h"

#include <arpa/inet.h>

#include <charconv>

namespace weir {
namespace {

bool is_of_family(std::string_view text, int family) {
    char buffer[16];
    return text.size() < 64 && ::inet_pton(family, std::string(text).c_str(), buffer) == 1;
}

}  // namespace

bool is_ip_address(std::string_view host) { return is_of_family(host, AF_INET) || is_of_family(host, AF_INET6); }

// All of 127.0.0.0/8 is this machine (RFC 1122), ::1 is (RFC 4291), and localhost by convention (RFC 6761).
bool is_loopback_host(std::string_view host) {
    return host == "localhost" || host == "::1" || (host.starts_with("127.") && is_of_family(host, AF_INET));
}

bool PageListen::is_loopback() const { return is_loopback_host(address); }

bool parse_listen(std::string_view text, PageListen& out) {
    const std::size_t colon = text.rfind(':');
    if (colon == std::string_view::npos) return false;
    std::string_view address = text.substr(0, colon);
    const std::string_view port = text.substr(colon + 1);
    const bool six = address.starts_with('[') && address.ends_with(']');
    if (six) address = address.substr(1, address.size() - 2);
    if (six ? !is_of_family(address, AF_INET6) : address != "localhost" && !is_of_family(address, AF_INET)) return false;
    std::uint16_t number = 0;
    const auto [end, failure] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (failure != std::errc{} || end != port.data() + port.size()) return false;
    out.address = address;
    out.port = number;
    return true;
}

std::string host_of(std::string_view header) {
    if (const std::size_t scheme = header.find("://"); scheme != std::string_view::npos) header.remove_prefix(scheme + 3);
    if (header.starts_with('[')) {
        header = header.substr(1, header.find(']') == std::string_view::npos ? header.npos : header.find(']') - 1);
    } else {
        header = header.substr(0, header.rfind(':'));
    }
    std::string host(header);
    for (char& c : host)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    if (host.ends_with('.')) host.pop_back();
    return host;
}

}  // namespace weir
