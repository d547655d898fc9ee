// The server over a pair of sockets, without a thread: what goes in as bytes, and what comes out.
#include "agent/page/server.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

constexpr std::string_view token = "0123456789abcdef";

PageAccess access_to() {
    PageAccess access;
    access.token = token;
    return access;
}

}  // namespace

TEST_GROUP(PageServer) {
    PageServer::Params params;
    PageRoutes routes{access_to()};
    ArenaBlock block{PageServer::need({})};
    Arena arena{block.memory()};
    int said = 0;
    PageServer server{arena, params, routes, [this](EventFeed& feed, std::span<char>) { feed.say("status", std::to_string(++said)); }};
    std::vector<int> open;

    void setup() override {
        routes.get("/hello", [](const PageRequest& request, std::span<char> room) {
            PageAnswer answer;
            const std::string_view name = request.argument("name");
            std::copy(name.begin(), name.end(), room.begin());
            answer.body = {room.data(), name.size()};
            return answer;
        });
        routes.get("/asset", [](const PageRequest&, std::span<char>) {
            PageAnswer answer;
            answer.kind = PageAnswer::Kind::asset;
            answer.body = "fixed";
            answer.tag = "\"v1\"";
            return answer;
        });
        routes.get("/events", [](const PageRequest&, std::span<char>) {
            PageAnswer answer;
            answer.kind = PageAnswer::Kind::events;
            return answer;
        });
        routes.post("/say", [](const PageRequest& request, std::span<char> room) {
            PageAnswer answer;
            std::copy(request.body.begin(), request.body.end(), room.begin());
            answer.body = {room.data(), request.body.size()};
            return answer;
        });
        CHECK(server.start_detached().ok());
    }
    void teardown() override {
        for (const int fd : open) ::close(fd);
        server.stop();
    }
    int client() {
        int pair[2];
        LONGS_EQUAL(0, ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair));
        open.push_back(pair[0]);
        return server.serve(pair[1]) ? pair[0] : -1;
    }
    // What the server says to text, until it says nothing more.
    std::string ask(int fd, std::string_view text) {
        CHECK(::send(fd, text.data(), text.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(text.size()));
        return hear(fd);
    }
    std::string hear(int fd) {
        std::string heard;
        for (int i = 0; i < 6; ++i) {
            server.step();
            char part[65536];
            const ssize_t got = ::recv(fd, part, sizeof part, 0);
            if (got > 0) heard.append(part, static_cast<std::size_t>(got));
        }
        return heard;
    }
    static std::string get(const std::string& path, const std::string& more = "") {
        return "GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + more + "\r\n";
    }
};

TEST(PageServer, answers_and_says_nothing_may_come_from_elsewhere) {
    const std::string heard = ask(client(), get("/hello?name=you%20there"));
    CHECK(heard.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(heard.ends_with("\r\n\r\nyou there"));
    for (const char* header : {"Content-Security-Policy: default-src 'none'", "X-Content-Type-Options: nosniff", "Cache-Control: no-store"})
        CHECK(heard.find(header) != std::string::npos);
    CHECK(heard.find("Access-Control") == std::string::npos);
}

TEST(PageServer, an_asset_is_sent_again_only_when_it_changed) {
    const int fd = client();
    CHECK(ask(fd, get("/asset")).ends_with("fixed"));
    const std::string unchanged = ask(fd, get("/asset", "If-None-Match: \"v1\"\r\n"));
    CHECK(unchanged.starts_with("HTTP/1.1 304"));
    CHECK(unchanged.find("fixed") == std::string::npos);
    CHECK(ask(fd, get("/asset", "If-None-Match: \"v0\"\r\n")).ends_with("fixed"));
}

TEST(PageServer, a_post_has_a_body_up_to_its_room) {
    const std::string head = "POST /say HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + std::string(token) + "\r\nContent-Length: ";
    CHECK(ask(client(), head + "5\r\n\r\nquick").ends_with("quick"));
    CHECK(ask(client(), head + "1024\r\n\r\n" + std::string(1024, 'x')).ends_with(std::string(1024, 'x')));
    CHECK(ask(client(), head + "1025\r\n\r\n" + std::string(1025, 'x')).starts_with("HTTP/1.1 413"));
    CHECK(ask(client(), "POST /say HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nquick").starts_with("HTTP/1.1 401"));
}

TEST(PageServer, requests_that_are_too_long_are_refused) {
    const std::string heard = ask(client(), get("/" + std::string(20'000, 'a')));
    CHECK(heard.empty() || heard.starts_with("HTTP/1.1 414") || heard.starts_with("HTTP/1.1 431"));
    const std::string headers = ask(client(), get("/hello", "X: " + std::string(20'000, 'a') + "\r\n"));
    CHECK(headers.empty() || headers.starts_with("HTTP/1.1 431") || headers.starts_with("HTTP/1.1 400"));
    CHECK(ask(client(), get("/hello?name=me")).ends_with("me"));
}

TEST(PageServer, bodies_are_given_back) {
    for (int i = 0; i < 20; ++i) {
        const int fd = client();
        CHECK(ask(fd, get("/hello?name=me")).ends_with("me"));
        ::shutdown(fd, SHUT_RDWR);
        (void)hear(fd);
    }
    LONGS_EQUAL(0, server.counters().busy);
    LONGS_EQUAL(20, server.counters().requests);
    (void)ask(client(), "GET /hello HTTP/1.1\r\nHost: evil.example\r\n\r\n");
    LONGS_EQUAL(1, server.counters().refused);
}

TEST(PageServer, those_who_watch_hear_what_is_said_until_they_go) {
    const int fd = client();
    const std::string heard = ask(fd, get("/events"));
    CHECK(heard.find("Content-Type: text/event-stream") != std::string::npos);
    CHECK(heard.find("event: status\ndata: 1\n\n") != std::string::npos);
    LONGS_EQUAL(1, server.counters().watchers);
    for (std::size_t i = 1; i < PageServer::watchers_max; ++i) CHECK(ask(client(), get("/events")).starts_with("HTTP/1.1 200"));
    CHECK(ask(client(), get("/events")).starts_with("HTTP/1.1 503"));
    CHECK(ask(client(), get("/hello?name=me")).ends_with("me"));
}

TEST(PageServer, more_connections_than_there_is_room_for_are_not_let_in) {
    std::size_t let_in = 0;
    for (std::size_t i = 0; i < PageServer::connections_max + 4; ++i) let_in += client() >= 0;
    LONGS_EQUAL(PageServer::connections_max, let_in);
}
