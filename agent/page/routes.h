// Which path is answered by whom, and what stands before that: the Host header, the token, the method.
// Off loopback everything needs the token; on loopback only POST does. A Host that is not this machine's is refused, so that
// a web page elsewhere cannot reach in by a name of its own (DNS rebinding); a POST whose Origin is another's is refused,
// too. Only GET and HEAD are answered, and POST where a route says so. No answer allows another origin to read it.
// Memory: a table made at start. Cost: O(routes). Threads: add() at start, answer() the server's. Errors: answers of their own.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "agent/page/listen.h"
#include "agent/page/request.h"
#include "agent/page/token.h"

namespace weir {

struct PageAccess {
    PageListen listen;
    std::string token;               // empty: nobody can acknowledge
    std::vector<std::string> hosts;  // names under which it may be asked, besides addresses and localhost
};

class PageRoutes {
public:
    // Answers with a body in room, or with error(). The request's path has been matched already.
    using Handler = std::function<PageAnswer(const PageRequest& request, std::span<char> room)>;

    explicit PageRoutes(PageAccess access) : access_(std::move(access)), token_(access_.token) {}

    // path: "/api/v1/windows", or with one level in braces, "/api/v1/alerts/{alert}/ack", which becomes an argument.
    void get(std::string path, Handler handler) { routes_.push_back({std::move(path), PageMethod::get, std::move(handler)}); }
    // Needs the token wherever the client is.
    void post(std::string path, Handler handler) { routes_.push_back({std::move(path), PageMethod::post, std::move(handler)}); }

    PageAnswer answer(PageRequest& request, std::span<char> room) const;

private:
    struct Route {
        std::string path;
        PageMethod method;
        Handler handler;
    };
    bool host_is_ours(std::string_view header) const;
    bool origin_is_ours(const PageRequest& request) const;
    PageAnswer dispatch(PageRequest& request, std::span<char> room) const;

    PageAccess access_;
    PageToken token_;
    std::vector<Route> routes_;
};

}  // namespace weir
