// The page's HTTP surface: the real server over a pair of sockets, without a thread. The first byte says whether it listens on
// loopback and how the bytes behind it are cut into pieces.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "agent/page/assets.h"
#include "agent/page/server.h"
#include "tests/fuzz/fuzz.h"

namespace weir::fuzz {
namespace {

constexpr std::string_view token = "0123456789abcdef";

struct Surface {
    PageServer::Params params{4096, 2048};
    PageRoutes routes;
    ArenaBlock block{PageServer::need(params)};
    Arena arena{block.memory()};
    PageServer server{arena, params, routes, [](EventFeed& feed, std::span<char>) { feed.say("overview", "{}"); }};
    unsigned read = 0;
    unsigned written = 0;

    explicit Surface(bool loopback) : routes(access(loopback)) {
        add_assets(routes);
        routes.get("/api/v1/windows/{window}", [this](const PageRequest& request, std::span<char> room) {
            ++read;
            return PageAnswer::error(404, request.argument("window"), room);
        });
        routes.get("/api/v1/events", [this](const PageRequest&, std::span<char>) {
            ++read;
            PageAnswer answer;
            answer.kind = PageAnswer::Kind::events;
            return answer;
        });
        routes.post("/api/v1/alerts/{alert}/ack", [this](const PageRequest& request, std::span<char> room) {
            ++written;
            return PageAnswer::error(404, request.body, room);
        });
        FUZZ_CHECK(server.start_detached().ok());
    }
    static PageAccess access(bool loopback) {
        PageAccess made;
        made.token = token;
        if (!loopback) made.listen.address = "0.0.0.0";
        return made;
    }
};

struct Client {
    int ours = -1;
    explicit Client(PageServer& server) {
        int pair[2];
        FUZZ_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
        ours = pair[0];
        FUZZ_CHECK(server.serve(pair[1]));
    }
    ~Client() { ::close(ours); }
    void say(std::string_view text) { (void)::send(ours, text.data(), text.size(), MSG_NOSIGNAL); }
    std::string hear() {
        std::string heard;
        char part[8192];
        for (ssize_t got; (got = ::recv(ours, part, sizeof part, 0)) > 0;) heard.append(part, static_cast<std::size_t>(got));
        return heard;
    }
};

}  // namespace

void http_request(ByteSpan bytes) {
    if (bytes.empty()) return;
    const auto first = std::to_integer<unsigned>(bytes[0]);
    const std::string_view text = as_text(bytes.subspan(1));
    const bool loopback = (first & 1) == 0;
    Surface surface(loopback);
    std::string heard;
    {
        Client client(surface.server);
        const std::size_t piece = std::max<std::size_t>(first >> 1, 1) * 16;
        for (std::size_t at = 0; at < text.size(); at += piece) {
            client.say(text.substr(at, piece));
            surface.server.step();
            heard += client.hear();
        }
        for (int i = 0; i < 4; ++i) surface.server.step();
        heard += client.hear();
    }
    for (int i = 0; i < 2; ++i) surface.server.step();
    FUZZ_CHECK(heard.empty() || heard.starts_with("HTTP/1."));
    FUZZ_CHECK(heard.find("Access-Control") == std::string::npos || text.find("Access-Control") != std::string_view::npos);
    // Basic credentials may spell it in another way.
    std::string lower(text);
    for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    const bool may_know = text.find(token) != std::string_view::npos || lower.find("basic") != std::string::npos;
    FUZZ_CHECK(may_know || surface.written == 0);
    FUZZ_CHECK(may_know || loopback || surface.read == 0);
    // Whatever that was, the next one is answered.
    Client next(surface.server);
    next.say("GET /favicon.svg HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer 0123456789abcdef\r\n\r\n");
    for (int i = 0; i < 3; ++i) surface.server.step();
    FUZZ_CHECK(next.hear().starts_with("HTTP/1.1 200 OK"));
    FUZZ_CHECK(surface.server.counters().busy == 0);
}

}  // namespace weir::fuzz
