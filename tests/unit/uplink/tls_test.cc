#include "uplink/tls.h"

#include <malloc.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "tests/unit/uplink/certificates.h"
#include "tests/unit/uplink/cut_step.h"

#include <CppUTest/TestHarness.h>

using namespace weir;

namespace {

// Counts what goes through, so that a test sees who sent what before the handshake was over.
class CountingStream final : public Stream {
public:
    CountingStream(std::unique_ptr<Stream> below, Bytes& sent) : below_(std::move(below)), sent_(sent) {}
    Result<Bytes> receive(MutableByteSpan into) override { return below_->receive(into); }
    Result<Bytes> send(ByteSpan from) override {
        // At most a few bytes at a time: every record is cut somewhere.
        const Result<Bytes> sent = below_->send(from.first(std::min<Bytes>(from.size(), 700)));
        if (sent) sent_ += *sent;
        return sent;
    }
    Status wait_readable(Duration limit) override { return below_->wait_readable(limit); }
    Status wait_writable(Duration limit) override { return below_->wait_writable(limit); }
    int descriptor() const override { return below_->descriptor(); }

private:
    std::unique_ptr<Stream> below_;
    Bytes& sent_;
};

struct Pair {
    Bytes client_sent = 0, server_sent = 0;
    std::unique_ptr<TlsStream> client, server;
    Status client_status = Error::busy, server_status = Error::busy;

    void shake() {
        for (int i = 0; i < 1000; ++i) {
            if (client_status.error() == Error::busy) client_status = client->handshake();
            if (server_status.error() == Error::busy) server_status = server->handshake();
            if (client_status.error() != Error::busy && server_status.error() != Error::busy) return;
            // A side that failed sends its alert and goes; the other sees the end.
            if (!client_status.ok() && client_status.error() != Error::busy) client_gone();
            if (!server_status.ok() && server_status.error() != Error::busy) shutdown(server->descriptor(), SHUT_WR);
        }
    }
    void client_gone() { shutdown(client->descriptor(), SHUT_WR); }
};

}  // namespace

TEST_GROUP(Tls) {
    const Certificates& certificates = Certificates::get();
    SystemEntropy entropy;

    std::shared_ptr<const TlsContext> context(TlsRole role, const TlsFiles& files) {
        std::string reason;
        auto loaded = TlsContext::load(role, files, entropy, reason);
        if (!loaded) FAIL(reason.c_str());
        return *loaded;
    }
    std::unique_ptr<Pair> connect(const TlsFiles& client, const TlsFiles& server, const std::string& host = "localhost") {
        int ends[2];
        CHECK_EQUAL(0, socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
        auto pair = std::make_unique<Pair>();
        pair->client = std::move(*TlsStream::make(context(TlsRole::client, client),
            std::make_unique<CountingStream>(adopt_socket(ends[0]), pair->client_sent), host));
        pair->server = std::move(*TlsStream::make(context(TlsRole::server, server),
            std::make_unique<CountingStream>(adopt_socket(ends[1]), pair->server_sent), ""));
        pair->shake();
        return pair;
    }
    void refused_by_client(const Pair& pair, const char* reason) {
        CHECK_TRUE(pair.client_status.error() == Error::unauthenticated);
        STRCMP_CONTAINS(reason, std::string(pair.client->reason()).c_str());
        CHECK_FALSE(pair.server->established());
        CHECK_TRUE(pair.server->peer_name().empty());
    }
    void setup() override { CHECK_TRUE(certificates.ok()); }
};

TEST(Tls, both_ends_prove_themselves_and_bytes_flow_both_ways) {
    auto pair = connect(certificates.files("agent"), certificates.files("bridge"));
    CHECK_TRUE(pair->client_status.ok() && pair->server_status.ok());
    CHECK_TRUE(pair->server->peer_name() == "junction-017");
    CHECK_TRUE(pair->client->peer_name() == "bridge");
    std::vector<std::byte> data(200000);
    SeededEntropy(1).fill(data);
    std::vector<std::byte> got, into(5000);
    Bytes sent = 0;
    while (got.size() < data.size()) {
        if (sent < data.size()) {
            const auto n = pair->client->send(ByteSpan(data).subspan(sent));
            if (n) sent += *n;
            else CHECK_TRUE(n.error() == Error::busy);
        }
        const auto n = pair->server->receive(into);
        if (n) got.insert(got.end(), into.begin(), into.begin() + static_cast<std::ptrdiff_t>(*n));
        else CHECK_TRUE(n.error() == Error::busy);
    }
    CHECK_TRUE(got == data);
    CHECK_TRUE(pair->server->send(as_byte_span("answer")).ok());
    CHECK_EQUAL(6, *pair->client->receive(into));
    pair->client->close();
    CHECK_TRUE(pair->server->receive(into).error() == Error::closed);
}

TEST(Tls, an_address_is_proved_by_an_address) {
    CHECK_TRUE(connect(certificates.files("agent"), certificates.files("bridge"), "127.0.0.1")->client_status.ok());
    auto other = connect(certificates.files("agent"), certificates.files("bridge"), "127.0.0.2");
    refused_by_client(*other, "is not for the name 127.0.0.2");
}

TEST(Tls, a_server_of_an_unknown_authority_is_refused) {
    auto pair = connect(certificates.files("agent"), certificates.files("fake"));
    refused_by_client(*pair, "server certificate: is not signed by the configured authority");
    CHECK_TRUE(pair->server_status.error() == Error::refused || pair->server_status.error() == Error::closed);
}

TEST(Tls, a_server_with_another_name_is_refused) {
    refused_by_client(*connect(certificates.files("agent"), certificates.files("elsewhere")), "is not for the name localhost");
}

TEST(Tls, an_expired_server_is_refused_and_the_clock_is_named) {
    auto pair = connect(certificates.files("agent"), certificates.files("old"));
    refused_by_client(*pair, "has expired");
    STRCMP_CONTAINS("the clock here says", std::string(pair->client->reason()).c_str());
}

TEST(Tls, a_foreign_or_selfsigned_client_is_refused_and_told_so) {
    for (const char* who : {"stranger", "selfsigned"}) {
        auto pair = connect(certificates.files(who, "ca"), certificates.files("bridge"));
        CHECK_TRUE(pair->server_status.error() == Error::unauthenticated);
        STRCMP_CONTAINS("client certificate: is not signed", std::string(pair->server->reason()).c_str());
        CHECK_FALSE(pair->client->established());
        CHECK_TRUE(pair->client_status.error() == Error::refused);
        STRCMP_CONTAINS("refused", std::string(pair->client->reason()).c_str());
        CHECK_TRUE(pair->server->peer_name().empty());
    }
}

TEST(Tls, a_revoked_peer_is_refused_by_either_side) {
    TlsFiles agent = certificates.files("agent");
    TlsFiles bridge = certificates.files("bridge");
    agent.crl = bridge.crl = certificates.folder() + "/revoked.pem";
    CHECK_TRUE(connect(agent, bridge)->client_status.ok());
    TlsFiles revoked_bridge = certificates.files("leaked_bridge");
    refused_by_client(*connect(agent, revoked_bridge), "server certificate: has been revoked");
    auto pair = connect(certificates.files("leaked_agent"), bridge);
    CHECK_TRUE(pair->server_status.error() == Error::unauthenticated);
    STRCMP_CONTAINS("client certificate: has been revoked", std::string(pair->server->reason()).c_str());
}

TEST(Tls, an_expired_revocation_list_refuses_everybody) {
    TlsFiles agent = certificates.files("agent");
    agent.crl = certificates.folder() + "/revoked-old.pem";
    refused_by_client(*connect(agent, certificates.files("bridge")), "the revocation list has expired");
}

TEST(Tls, a_damaged_record_ends_the_session_as_a_lost_connection_does) {
    int ends[2];
    CHECK_EQUAL(0, socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    Pair pair;
    pair.client = std::move(*TlsStream::make(context(TlsRole::client, certificates.files("agent")), adopt_socket(ends[0]), "localhost"));
    pair.server = std::move(*TlsStream::make(context(TlsRole::server, certificates.files("bridge")), adopt_socket(ends[1]), ""));
    pair.shake();
    CHECK_TRUE(pair.client->established());
    const char damaged[] = "\x17\x03\x03\x00\x20 thirty-two bytes that prove nothing";
    CHECK_EQUAL(37, send(ends[0], damaged, 37, 0));
    std::byte into[64];
    CHECK_FALSE(pair.server->receive(into).ok());
    CHECK_TRUE(pair.client->receive(into).error() == Error::closed);
    STRCMP_CONTAINS("alert 20, bad record", std::string(pair.client->reason()).c_str());
}

// Gives the handshake of one side only so many bytes of what the other says, then the end.
class CutStream final : public Stream {
public:
    CutStream(std::unique_ptr<Stream> below, Bytes left) : below_(std::move(below)), left_(left) {}
    Result<Bytes> receive(MutableByteSpan into) override {
        if (left_ == 0) return Error::closed;
        const Result<Bytes> got = below_->receive(into.first(std::min(into.size(), left_)));
        if (got) left_ -= *got;
        return got;
    }
    Result<Bytes> send(ByteSpan from) override { return below_->send(from); }
    Status wait_readable(Duration limit) override { return below_->wait_readable(limit); }
    Status wait_writable(Duration limit) override { return below_->wait_writable(limit); }
    int descriptor() const override { return below_->descriptor(); }

private:
    std::unique_ptr<Stream> below_;
    Bytes left_;
};

TEST_GROUP(TlsCuts) {
    const Certificates& certificates = Certificates::get();
    SystemEntropy entropy;
    std::shared_ptr<const TlsContext> agent, bridge;

    void setup() override {
        std::string reason;
        agent = *TlsContext::load(TlsRole::client, certificates.files("agent"), entropy, reason);
        bridge = *TlsContext::load(TlsRole::server, certificates.files("bridge"), entropy, reason);
    }
    std::unique_ptr<Pair> shake(Bytes for_client, Bytes for_server) {
        int ends[2];
        CHECK_EQUAL(0, socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
        auto pair = std::make_unique<Pair>();
        pair->client = std::move(*TlsStream::make(
            agent, std::make_unique<CutStream>(std::make_unique<CountingStream>(adopt_socket(ends[0]), pair->client_sent), for_client),
            "localhost"));
        pair->server = std::move(*TlsStream::make(
            bridge, std::make_unique<CutStream>(std::make_unique<CountingStream>(adopt_socket(ends[1]), pair->server_sent), for_server),
            ""));
        pair->shake();
        return pair;
    }
};

TEST(TlsCuts, a_handshake_that_ends_after_any_byte_is_none) {
    const auto whole = shake(SIZE_MAX, SIZE_MAX);
    CHECK_TRUE(whole->client->established() && whole->server->established());
    // A few bytes less than this run's: signatures vary in length.
    const Bytes from_server = whole->server_sent - 8, from_client = whole->client_sent - 8;
    for (Bytes n = 0; n < from_server; n += cut_step()) {
        const auto pair = shake(n, SIZE_MAX);
        CHECK_FALSE(pair->client->established());
        CHECK_TRUE(pair->client_status.error() == Error::closed);
        STRCMP_CONTAINS("closed the connection during the handshake", std::string(pair->client->reason()).c_str());
    }
    for (Bytes n = 0; n < from_client; n += cut_step()) {
        const auto pair = shake(SIZE_MAX, n);
        CHECK_FALSE(pair->server->established());
        CHECK_FALSE(pair->client->established());
        CHECK_TRUE(pair->server_status.error() == Error::closed);
        CHECK_TRUE(pair->server->peer_name().empty());
    }
    UT_PRINT((std::to_string((from_server + from_client) / cut_step()) + " cuts").c_str());
}

// openssl as the peer: what our own client cannot be made to do.
TEST_GROUP(TlsPeers) {
    const Certificates& certificates = Certificates::get();
    SystemEntropy entropy;
    SystemClock clock;
    std::string reason;

    // Runs "openssl s_client" with arguments against our server; what the server's handshake gave.
    Status serve(const std::string& arguments) {
        const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_storage address{};
        socklen_t size = sizeof address;
        CHECK_EQUAL(0, listen(listener, 1));  // an unbound socket gets a free port
        CHECK_EQUAL(0, getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size));
        const unsigned port = static_cast<unsigned char>(reinterpret_cast<char*>(&address)[2]) * 256U +
                              static_cast<unsigned char>(reinterpret_cast<char*>(&address)[3]);
        const std::string command = "cd " + certificates.folder() + " && (sleep 5 | timeout 5 openssl s_client -connect 127.0.0.1:" +
                                    std::to_string(port) + " -CAfile ca.pem " + arguments + " >/dev/null 2>&1) &";
        CHECK_EQUAL(0, std::system(command.c_str()));
        const int accepted = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
        close(listener);
        auto context = TlsContext::load(TlsRole::server, certificates.files("bridge"), entropy, reason);
        auto stream = TlsStream::make(*context, adopt_socket(accepted), "");
        const Status status = (*stream)->handshake(clock, Duration::seconds(4));
        reason = (*stream)->reason();
        return status;
    }
};

TEST(TlsPeers, openssl_with_the_right_certificate_is_accepted) {
    CHECK_TRUE(serve("-cert agent.pem -key agent.key").ok());
}

TEST(TlsPeers, a_client_without_a_certificate_is_refused) {
    CHECK_TRUE(serve("").error() == Error::unauthenticated);
    STRCMP_EQUAL("client certificate: was not shown", reason.c_str());
}

TEST(TlsPeers, tls_1_1_is_refused) {
    CHECK_FALSE(serve("-cert agent.pem -key agent.key -tls1_1 -cipher ALL:@SECLEVEL=0").ok());
}

TEST(TlsPeers, a_cipher_without_aead_is_refused) {
    CHECK_FALSE(serve("-cert agent.pem -key agent.key -tls1_2 -cipher ECDHE-ECDSA-AES128-SHA256").ok());
}

TEST_GROUP(TlsFilesRead) {
    const Certificates& certificates = Certificates::get();
    SystemEntropy entropy;
    std::string reason;
};

TEST(TlsFilesRead, the_reason_names_the_file_that_will_not_do) {
    TlsFiles files = certificates.files("agent");
    files.key = certificates.files("bridge").key;
    CHECK_TRUE(TlsContext::load(TlsRole::client, files, entropy, reason).error() == Error::invalid);
    STRCMP_CONTAINS("bridge.key: does not belong to the certificate", reason.c_str());
    files.key = certificates.folder() + "/none.key";
    CHECK_TRUE(TlsContext::load(TlsRole::client, files, entropy, reason).error() == Error::missing);
    STRCMP_CONTAINS("none.key", reason.c_str());
    files = certificates.files("agent");
    files.ca = files.key;
    CHECK_TRUE(TlsContext::load(TlsRole::client, files, entropy, reason).error() == Error::invalid);
    STRCMP_CONTAINS("agent.key", reason.c_str());
}

TEST(TlsFilesRead, own_name_and_expiry_are_known) {
    auto agent = TlsContext::load(TlsRole::client, certificates.files("agent"), entropy, reason);
    CHECK_TRUE((*agent)->own_name() == "junction-017");
    auto old = TlsContext::load(TlsRole::server, certificates.files("old"), entropy, reason);
    CHECK_TRUE((*old)->own_expiry() == Timestamp::seconds(1580515200));  // 2020-02-01
}

TEST(TlsFilesRead, memory_stays_below_what_the_header_says) {
    const auto used = [] { return mallinfo2().uordblks + mallinfo2().hblkhd; };
    const std::size_t before = used();
    auto context = TlsContext::load(TlsRole::client, certificates.files("agent"), entropy, reason);
    const std::size_t with_context = used();
    CHECK_TRUE(with_context - before < tls_context_bytes);
    auto server_context = TlsContext::load(TlsRole::server, certificates.files("bridge"), entropy, reason);
    int ends[2];
    CHECK_EQUAL(0, socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
    const std::size_t before_sessions = used();
    auto client = std::move(*TlsStream::make(*context, adopt_socket(ends[0]), "localhost"));
    auto server = std::move(*TlsStream::make(*server_context, adopt_socket(ends[1]), ""));
    std::size_t most = 0;
    for (int i = 0; i < 100 && !(client->established() && server->established()); ++i) {
        (void)client->handshake();
        most = std::max(most, used());
        (void)server->handshake();
        most = std::max(most, used());
    }
    CHECK_TRUE(client->established() && server->established());
    CHECK_TRUE(most - before_sessions < 2 * tls_session_bytes);
    UT_PRINT(("two sessions: " + std::to_string(most - before_sessions) + " B at most, " +
              std::to_string(used() - before_sessions) + " B established").c_str());
}
