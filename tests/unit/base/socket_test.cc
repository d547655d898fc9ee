#include "agent/base/socket.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

const Duration patience = Duration::seconds(60);

// Listens on a free loopback port.
struct Listener {
    int descriptor = ::socket(AF_INET, SOCK_STREAM, 0);
    std::uint16_t port = 0;

    Listener() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t length = sizeof address;
        CHECK(::bind(descriptor, reinterpret_cast<sockaddr*>(&address), length) == 0);
        CHECK(::listen(descriptor, 1) == 0);
        CHECK(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &length) == 0);
        port = ntohs(address.sin_port);
    }
    ~Listener() { ::close(descriptor); }
    std::unique_ptr<Stream> accept() { return adopt_socket(::accept(descriptor, nullptr, nullptr)); }
};

std::unique_ptr<Stream> connect_to(std::uint16_t port) {
    SystemNetwork network;
    auto stream = network.connect("127.0.0.1", port, patience);
    CHECK(stream.ok());
    return std::move(stream).value();
}

}  // namespace

TEST_GROUP(Socket){};

TEST(Socket, what_is_sent_arrives_both_ways) {
    Listener listener;
    const auto client = connect_to(listener.port);
    const auto server = listener.accept();
    std::array<std::byte, 16> buffer;
    for (const auto& [from, to] : {std::pair{client.get(), server.get()}, std::pair{server.get(), client.get()}}) {
        CHECK(*from->send(as_byte_span("hello")) == 5);
        CHECK(to->wait_readable(patience).ok());
        const Result<Bytes> got = to->receive(buffer);
        CHECK(got.ok());
        CHECK(as_text(std::span(buffer).first(*got)) == "hello");
    }
}

TEST(Socket, nothing_to_read_is_busy_and_waiting_for_it_times_out) {
    Listener listener;
    const auto client = connect_to(listener.port);
    const auto server = listener.accept();
    std::array<std::byte, 16> buffer;
    CHECK(client->receive(buffer).error() == Error::busy);
    CHECK(client->wait_readable(Duration::millis(1)).error() == Error::timed_out);
    CHECK(client->wait_writable(patience).ok());
}

TEST(Socket, peer_that_reads_nothing_makes_sending_busy_and_not_blocking) {
    Listener listener;
    const auto client = connect_to(listener.port);
    const auto server = listener.accept();
    const std::string block(65536, 'x');
    for (int i = 0; i < 100000; ++i) {
        const Result<Bytes> sent = client->send(as_byte_span(block));
        if (sent.ok()) continue;
        CHECK(sent.error() == Error::busy);
        return;
    }
    FAIL("six gigabytes went nowhere");
}

TEST(Socket, peer_that_has_gone_is_closed) {
    Listener listener;
    const auto client = connect_to(listener.port);
    auto server = listener.accept();
    server.reset();
    std::array<std::byte, 16> buffer;
    CHECK(client->wait_readable(patience).ok());
    CHECK(client->receive(buffer).error() == Error::closed);
}

TEST(Socket, port_where_nobody_listens_refuses) {
    std::uint16_t port = 0;
    { port = Listener().port; }
    SystemNetwork network;
    CHECK(network.connect("127.0.0.1", port, patience).error() == Error::refused);
}
