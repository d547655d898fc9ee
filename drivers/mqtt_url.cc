#include <charconv>

#include "drivers/mqtt_source.h"

namespace weir {

Result<MqttUrl> MqttUrl::parse(std::string_view text, Problem& problem) {
    MqttUrl url;
    const auto fail = [&](std::size_t offset, std::string what) {
        problem = {std::move(what) + "; expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT]", offset};
        return Error::invalid;
    };
    const std::size_t scheme_end = text.find("://");
    const std::string_view scheme = text.substr(0, scheme_end);
    if (scheme_end == std::string_view::npos || (scheme != "mqtt" && scheme != "mqtts"))
        return fail(0, "'" + std::string(text) + "' is not an MQTT URL");
    url.tls = scheme == "mqtts";
    url.port = url.tls ? 8883 : 1883;
    const std::size_t host_begin = scheme_end + 3;
    std::string_view rest = text.substr(host_begin);
    if (rest.ends_with('/')) rest.remove_suffix(1);
    const std::size_t bracket = rest.starts_with('[') ? rest.find(']') : 0;
    if (bracket == std::string_view::npos) return fail(host_begin, "'[' is not closed");
    const std::size_t colon = rest.find(':', bracket);
    url.host = rest.substr(0, colon);
    if (bracket > 0) url.host = rest.substr(1, bracket - 1);
    if (bracket > 0 && colon != bracket + 1 && bracket + 1 != rest.size()) return fail(host_begin + bracket + 1, "text after ']'");
    if (url.host.empty()) return fail(host_begin, "no host");
    if (url.host.find_first_of("/@?# ") != std::string::npos)
        return fail(host_begin, "'" + url.host + "' is not a host (credentials go into username and password_file)");
    if (colon == std::string_view::npos) return url;
    const std::string_view port = rest.substr(colon + 1);
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), url.port);
    if (error != std::errc() || end != port.data() + port.size() || url.port == 0)
        return fail(host_begin + colon + 1, "'" + std::string(port) + "' is not a port");
    return url;
}

}  // namespace weir
