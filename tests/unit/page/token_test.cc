#include "agent/page/token.h"

#include "agent/page/listen.h"

#include <string>

#include <CppUTest/TestHarness.h>

using namespace weir;

TEST_GROUP(PageToken) {
    PageToken token{"0123456789abcdef"};
};

TEST(PageToken, is_taken_as_a_bearer_and_as_a_password) {
    CHECK(token.allows("Bearer 0123456789abcdef"));
    CHECK(token.allows("bearer   0123456789abcdef"));
    CHECK(token.allows("Basic d2VpcjowMTIzNDU2Nzg5YWJjZGVm"));    // weir:0123456789abcdef
    CHECK(token.allows("BASIC OjAxMjM0NTY3ODlhYmNkZWY="));        // :0123456789abcdef
}

TEST(PageToken, anything_else_is_refused) {
    for (const char* wrong : {"", "Bearer", "Bearer ", "Bearer 0123456789abcde", "Bearer 0123456789abcdef0", "Bearer 0123456789abcdeF",
                              "0123456789abcdef", "Digest 0123456789abcdef", "Basic", "Basic !!!", "Basic MDEyMzQ1Njc4OWFiY2RlZg==",
                              "Basic d2VpcjowMTIzNDU2Nzg5YWJjZGVmZw==", "Bearer 0123456789abcdef0123456789abcdef"})
        CHECK_FALSE(token.allows(wrong));
    CHECK_FALSE(token.allows("Basic " + std::string(5000, 'A')));
}

TEST(PageToken, without_one_nothing_is_allowed) {
    const PageToken none("");
    CHECK_FALSE(none.is_set());
    for (const char* any : {"", "Bearer ", "Bearer", "Basic Og==", "Bearer x"}) CHECK_FALSE(none.allows(any));
}

TEST_GROUP(PageListen) {
    PageListen out;
};

TEST(PageListen, reads_addresses_with_ports) {
    CHECK(parse_listen("0.0.0.0:80", out));
    STRCMP_EQUAL("0.0.0.0", out.address.c_str());
    LONGS_EQUAL(80, out.port);
    CHECK_FALSE(out.is_loopback());
    CHECK(parse_listen("[::1]:8780", out));
    STRCMP_EQUAL("::1", out.address.c_str());
    CHECK(out.is_loopback());
    CHECK(parse_listen("localhost:1", out) && out.is_loopback());
    CHECK(parse_listen("127.1.2.3:65535", out) && out.is_loopback());
    CHECK(parse_listen("[::]:1", out) && !out.is_loopback());
}

TEST(PageListen, refuses_what_is_no_address) {
    for (const char* wrong : {"", ":", "8780", ":8780", "gate:8780", "1.2.3:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
                              "127.0.0.1:-1", "::1:80", "[::1]", "[127.0.0.1]:80", "127.0.0.1:80 "})
        CHECK_FALSE(parse_listen(wrong, out));
}

TEST(PageListen, a_host_header_is_read_without_its_port) {
    STRCMP_EQUAL("localhost", host_of("LocalHost:8780").c_str());
    STRCMP_EQUAL("::1", host_of("[::1]:8780").c_str());
    STRCMP_EQUAL("::1", host_of("[::1]").c_str());
    STRCMP_EQUAL("gate.example.org", host_of("gate.example.org.").c_str());
    STRCMP_EQUAL("gate", host_of("http://gate:1").c_str());
    CHECK(is_loopback_host("127.0.0.1"));
    CHECK_FALSE(is_loopback_host("127.0.0.1.evil.example"));
    CHECK_FALSE(is_loopback_host("127.evil"));
    CHECK_FALSE(is_loopback_host(""));
}
