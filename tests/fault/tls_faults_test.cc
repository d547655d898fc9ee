// TLS when memory fails it: each allocation of mbedTLS's (it uses calloc only), from reading the files to the first bytes
// of the application, fails once and for ever. The handshake then fails with an error, or needed it not; who is not proved
// is never believed; nothing leaks; and the next one works.
// 250 of the 70,000 allocations in a test run, spread over all; WEIR_TLS_ALLOCATIONS=N: so many, an hour's worth at most.
#include <errno.h>
#include <malloc.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/uplink/certificates.h"
#include "uplink/tls.h"

#include <CppUTest/TestHarness.h>

extern "C" void* __libc_calloc(std::size_t, std::size_t);

namespace {

struct {
    std::uint64_t seen = 0;
    std::uint64_t from = 0;  // 0: none fails
    std::uint64_t count = 0;
} allocations;

}  // namespace

extern "C" void* calloc(std::size_t items, std::size_t size) {
    const std::uint64_t number = ++allocations.seen;
    if (allocations.from == 0 || number < allocations.from || number - allocations.from >= allocations.count)
        return __libc_calloc(items, size);
    errno = ENOMEM;
    return nullptr;
}

using namespace weir;

namespace {

constexpr std::uint64_t for_ever = std::uint64_t{1} << 60;

struct Outcome {
    bool loaded = false, client = false, server = false, delivered = false;
};

std::shared_ptr<const TlsContext> context(TlsRole role, const TlsFiles& files, Entropy& entropy) {
    std::string reason;
    auto loaded = TlsContext::load(role, files, entropy, reason);
    return loaded.ok() ? *loaded : nullptr;
}

Outcome connect(const TlsFiles& client_files, const TlsFiles& server_files) {
    SystemEntropy entropy;
    Outcome outcome;
    const auto client_context = context(TlsRole::client, client_files, entropy);
    const auto server_context = context(TlsRole::server, server_files, entropy);
    int ends[2];
    if (!client_context || !server_context || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return outcome;
    outcome.loaded = true;
    auto client = TlsStream::make(client_context, adopt_socket(ends[0]), "localhost");
    auto server = TlsStream::make(server_context, adopt_socket(ends[1]), "");
    if (!client.ok() || !server.ok()) return outcome;
    Status client_status = Error::busy, server_status = Error::busy;
    for (int i = 0; i < 200; ++i) {
        if (client_status.error() == Error::busy) client_status = (*client)->handshake();
        if (server_status.error() == Error::busy) server_status = (*server)->handshake();
        // Who failed sends its alert and goes; the other sees the end.
        if (!client_status.ok() && client_status.error() != Error::busy) shutdown(ends[0], SHUT_WR);
        if (!server_status.ok() && server_status.error() != Error::busy) shutdown(ends[1], SHUT_WR);
        if (client_status.error() != Error::busy && server_status.error() != Error::busy) break;
    }
    outcome.client = client_status.ok();
    outcome.server = server_status.ok();
    if (outcome.client != (*client)->established() || outcome.server != (*server)->established())
        FAIL("established is not what the handshake said");
    if (!outcome.client || !outcome.server) return outcome;
    std::byte into[32];
    outcome.delivered = (*client)->send(as_byte_span("result")).ok();
    const Result<Bytes> got = (*server)->receive(into);
    outcome.delivered = outcome.delivered && got.ok() && *got == 6;
    return outcome;
}

std::uint64_t stride(std::uint64_t all) {
    const char* const wanted = getenv("WEIR_TLS_ALLOCATIONS");
    const std::uint64_t cases = wanted != nullptr ? strtoull(wanted, nullptr, 10) : 250;
    return std::max<std::uint64_t>(1, all / std::max<std::uint64_t>(1, cases));
}

}  // namespace

TEST_GROUP(TlsFaults) {
    const Certificates& certificates = Certificates::get();
    void setup() override { CHECK_TRUE(certificates.ok()); }
    void teardown() override { allocations.from = 0; }

    std::uint64_t cases = 0, refused = 0;
    void each(const char* client, const char* client_authority, const char* server, bool good) {
        const TlsFiles client_files = certificates.files(client, client_authority);
        const TlsFiles server_files = certificates.files(server);
        (void)connect(client_files, server_files);  // what is made once and kept
        allocations = {};
        const Outcome usual = connect(client_files, server_files);
        CHECK_EQUAL(good, usual.delivered);
        const std::uint64_t all = allocations.seen;
        CHECK(all > 500);
        // Twice, and with room: the allocator keeps chunks that it counts as used. Found is what many cases leak.
        std::size_t before = 0, after = 0;
        for (int pass = 0; pass < 2; ++pass) {
            before = mallinfo2().uordblks;
            for (const std::uint64_t count : {std::uint64_t{1}, for_ever})
                for (std::uint64_t n = 1; n <= all; n += stride(all)) {
                    allocations = {0, n, count};
                    const Outcome outcome = connect(client_files, server_files);
                    allocations.from = 0;
                    ++cases;
                    refused += !outcome.delivered;
                    if (!good) CHECK_FALSE(outcome.client && outcome.server);
                }
            after = mallinfo2().uordblks;
        }
        CHECK_TEXT(after <= before + 16384, ("leaked " + std::to_string(after - before) + " bytes").c_str());
        CHECK_EQUAL(good, connect(client_files, server_files).delivered);
        printf("%s to %s: %llu allocations, %llu cases, %llu refused\n", client, server, static_cast<unsigned long long>(all),
               static_cast<unsigned long long>(cases), static_cast<unsigned long long>(refused));
        CHECK(refused > 0);
    }
};

TEST(TlsFaults, a_good_pair) { each("agent", "ca", "bridge", true); }
TEST(TlsFaults, a_stranger_is_not_let_in_for_want_of_memory) { each("stranger", "ca", "bridge", false); }
TEST(TlsFaults, a_false_bridge_is_not_believed_for_want_of_memory) { each("agent", "ca", "fake", false); }
