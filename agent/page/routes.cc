#include "agent/page/routes.h"

#include <algorithm>

#include "agent/base/json_writer.h"

namespace weir {
namespace {

constexpr std::string_view error_without_room = "{\"error\":\"there is no room for the answer\"}\n";

struct Match {
    bool matches = false;
    PageArgument argument;
};

Match match(std::string_view pattern, std::string_view path) {
    const std::size_t open = pattern.find('{');
    if (open == std::string_view::npos) return {pattern == path, {}};
    const std::size_t close = pattern.find('}', open);
    const std::string_view before = pattern.substr(0, open);
    const std::string_view behind = pattern.substr(close + 1);
    if (path.size() <= before.size() + behind.size() || !path.starts_with(before) || !path.ends_with(behind)) return {};
    const std::string_view level = path.substr(before.size(), path.size() - before.size() - behind.size());
    if (level.find('/') != std::string_view::npos) return {};
    return {true, {pattern.substr(open + 1, close - open - 1), level}};
}

}  // namespace

std::string_view PageRequest::argument(std::string_view name) const {
    for (std::size_t i = 0; i < arguments_used; ++i)
        if (arguments[i].name == name) return arguments[i].value;
    return {};
}

void PageRequest::add_first(PageArgument argument) {
    arguments_used = std::min(arguments_used + 1, arguments_max);
    std::copy_backward(arguments.begin(), arguments.begin() + static_cast<std::ptrdiff_t>(arguments_used) - 1,
                       arguments.begin() + static_cast<std::ptrdiff_t>(arguments_used));
    arguments[0] = argument;
}

PageAnswer PageAnswer::error(unsigned status, std::string_view what, std::span<char> room) {
    PageAnswer answer;
    answer.status = status;
    answer.body = error_without_room;
    if (room.empty()) return answer;
    JsonWriter json(room.first(room.size() - 1));
    json.begin_object();
    json.key("error");
    json.text(what);
    json.end_object();
    if (!json.ok()) return answer;
    room[json.text().size()] = '\n';
    answer.body = {room.data(), json.text().size() + 1};
    return answer;
}

bool PageRoutes::host_is_ours(std::string_view header) const {
    const std::string host = host_of(header);
    if (is_loopback_host(host)) return true;
    if (std::find(access_.hosts.begin(), access_.hosts.end(), host) != access_.hosts.end()) return true;
    // An address is nobody's name: no other page can be reached by it and then be this one.
    return !access_.listen.is_loopback() && is_ip_address(host);
}

bool PageRoutes::origin_is_ours(const PageRequest& request) const {
    if (request.origin.empty()) return true;  // no browser
    const std::size_t scheme = request.origin.find("://");
    return scheme != std::string_view::npos && request.origin.substr(scheme + 3) == request.host;
}

PageAnswer PageRoutes::answer(PageRequest& request, std::span<char> room) const {
    if (!host_is_ours(request.host))
        return PageAnswer::error(421, "this agent is not asked by that name; [page] hosts lists names to be asked by", room);
    const bool writes = request.method == PageMethod::post;
    if (!access_.listen.is_loopback() || writes) {
        if (!token_.is_set()) return PageAnswer::error(403, "there is no token; set token_file in [page]", room);
        if (!token_.allows(request.authorization)) {
            PageAnswer refused = PageAnswer::error(401, "the token is needed: Authorization: Bearer TOKEN", room);
            // A browser that is on loopback has the page's own question for it.
            refused.ask_token = !access_.listen.is_loopback();
            return refused;
        }
    }
    if (writes && !origin_is_ours(request)) return PageAnswer::error(403, "another page may not do this", room);
    return dispatch(request, room);
}

PageAnswer PageRoutes::dispatch(PageRequest& request, std::span<char> room) const {
    const PageMethod wanted = request.method == PageMethod::head ? PageMethod::get : request.method;
    const Route* other = nullptr;
    for (const Route& route : routes_) {
        const Match found = match(route.path, request.path);
        if (!found.matches) continue;
        if (route.method != wanted) {
            other = &route;
            continue;
        }
        if (!found.argument.name.empty()) request.add_first(found.argument);
        return route.handler(request, room);
    }
    if (other == nullptr) return PageAnswer::error(404, "there is nothing here; /api/v1/openapi.json says what there is", room);
    PageAnswer answer = PageAnswer::error(405, "this path does not take that method", room);
    answer.allow = other->method == PageMethod::post ? "POST" : "GET, HEAD";
    return answer;
}

}  // namespace weir
