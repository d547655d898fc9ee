#include "agent/page/routes.h"

#include <array>
#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

const std::string token = "0123456789abcdef";

PageAnswer echo(const PageRequest& request, std::span<char> room) {
    PageAnswer answer;
    const std::string text = "alert=" + std::string(request.argument("alert")) + " key=" + std::string(request.argument("key"));
    std::copy(text.begin(), text.end(), room.begin());
    answer.body = {room.data(), text.size()};
    return answer;
}

}  // namespace

TEST_GROUP(PageRoutes) {
    std::array<char, 1024> room;
    PageRequest request;

    void setup() override { request.host = "127.0.0.1:8780"; }
    static PageRoutes routes(const std::string& listen, const std::string& with_token = token) {
        PageAccess access;
        parse_listen(listen, access.listen);
        access.token = with_token;
        access.hosts = {"gate.example.org"};
        PageRoutes made(access);
        made.get("/api/v1/status", echo);
        made.get("/api/v1/alerts/{alert}", echo);
        made.post("/api/v1/alerts/{alert}/ack", echo);
        return made;
    }
    unsigned status(const PageRoutes& of, const char* path, PageMethod method = PageMethod::get, const char* authorization = "") {
        request.path = path;
        request.method = method;
        request.authorization = authorization;
        request.arguments_used = 0;
        return of.answer(request, room).status;
    }
};

TEST(PageRoutes, on_loopback_reading_needs_no_token) {
    const PageRoutes of = routes("127.0.0.1:8780");
    LONGS_EQUAL(200, status(of, "/api/v1/status"));
    LONGS_EQUAL(200, status(of, "/api/v1/status", PageMethod::head));
    LONGS_EQUAL(404, status(of, "/api/v1/statu"));
    LONGS_EQUAL(404, status(of, "/api/v1/status/"));
    LONGS_EQUAL(404, status(of, ""));
}

TEST(PageRoutes, writing_needs_the_token_everywhere) {
    for (const char* listen : {"127.0.0.1:8780", "0.0.0.0:8780"}) {
        const PageRoutes of = routes(listen);
        LONGS_EQUAL(401, status(of, "/api/v1/alerts/hot/ack", PageMethod::post));
        LONGS_EQUAL(401, status(of, "/api/v1/alerts/hot/ack", PageMethod::post, "Bearer 0123456789abcdeF"));
        LONGS_EQUAL(200, status(of, "/api/v1/alerts/hot/ack", PageMethod::post, "Bearer 0123456789abcdef"));
    }
    LONGS_EQUAL(403, status(routes("127.0.0.1:8780", ""), "/api/v1/alerts/hot/ack", PageMethod::post, "Bearer "));
}

TEST(PageRoutes, off_loopback_everything_needs_the_token) {
    const PageRoutes of = routes("0.0.0.0:8780");
    for (const char* path : {"/api/v1/status", "/nothing", "/"}) LONGS_EQUAL(401, status(of, path));
    CHECK(of.answer(request, room).ask_token);
    LONGS_EQUAL(200, status(of, "/api/v1/status", PageMethod::get, "Bearer 0123456789abcdef"));
    LONGS_EQUAL(403, status(routes("0.0.0.0:8780", ""), "/api/v1/status"));
}

TEST(PageRoutes, a_strange_host_is_refused_so_that_names_cannot_be_bound_to_it) {
    const PageRoutes local = routes("127.0.0.1:8780");
    for (const char* host : {"evil.example", "evil.example:8780", "127.0.0.1.evil.example", "", "10.0.0.1", "localhost.evil.example"}) {
        request.host = host;
        LONGS_EQUAL(421, status(local, "/api/v1/status"));
    }
    for (const char* host : {"localhost", "LOCALHOST:9000", "[::1]:8780", "127.0.0.1", "gate.example.org:1"}) {
        request.host = host;
        LONGS_EQUAL(200, status(local, "/api/v1/status"));
    }
    request.host = "10.0.0.1:8780";
    LONGS_EQUAL(401, status(routes("0.0.0.0:8780"), "/api/v1/status"));
}

TEST(PageRoutes, another_page_may_not_write) {
    const PageRoutes of = routes("127.0.0.1:8780");
    const char* const allowed = "Bearer 0123456789abcdef";
    for (const char* origin : {"http://evil.example", "null", "http://localhost:8780", "http://127.0.0.1:1"}) {
        request.origin = origin;
        LONGS_EQUAL(403, status(of, "/api/v1/alerts/hot/ack", PageMethod::post, allowed));
        LONGS_EQUAL(200, status(of, "/api/v1/status"));
    }
    request.origin = "http://127.0.0.1:8780";
    LONGS_EQUAL(200, status(of, "/api/v1/alerts/hot/ack", PageMethod::post, allowed));
}

TEST(PageRoutes, methods_that_a_path_does_not_take_are_named) {
    const PageRoutes of = routes("127.0.0.1:8780");
    LONGS_EQUAL(405, status(of, "/api/v1/status", PageMethod::other));
    STRCMP_EQUAL("GET, HEAD", std::string(of.answer(request, room).allow).c_str());
    LONGS_EQUAL(405, status(of, "/api/v1/alerts/hot/ack"));
    STRCMP_EQUAL("POST", std::string(of.answer(request, room).allow).c_str());
}

TEST(PageRoutes, a_level_in_braces_is_an_argument_before_those_of_the_query) {
    const PageRoutes of = routes("127.0.0.1:8780");
    request.path = "/api/v1/alerts/hot";
    request.add_argument({"alert", "another"});
    request.add_argument({"key", "s1"});
    STRCMP_EQUAL("alert=hot key=s1", std::string(of.answer(request, room).body).c_str());
    for (const char* path : {"/api/v1/alerts/", "/api/v1/alerts/a/b"}) LONGS_EQUAL(404, status(of, path));
    request.arguments_used = 0;
    for (int i = 0; i < 100; ++i) request.add_argument({"key", "s1"});
    request.path = "/api/v1/alerts/hot";
    STRCMP_EQUAL("alert=hot key=s1", std::string(of.answer(request, room).body).c_str());
}

TEST(PageRoutes, an_error_is_said_in_json_even_without_room) {
    std::array<char, 8> small;
    CHECK(PageAnswer::error(404, "what\"ever", small).body.starts_with("{\"error\":"));
    STRCMP_EQUAL("{\"error\":\"what\\\"ever\"}\n", std::string(PageAnswer::error(404, "what\"ever", room).body).c_str());
}
